// SPDX-License-Identifier: Apache-2.0

#include "cli/option_value.h"
#include "cli/query_options.h"

namespace silicast::cli {

namespace {

constexpr const char* running_group = "What it draws and costs";

void add_running(const Command& command, const std::string& name, const char* type, const std::string& help,
                 std::function<void(const std::string&)> read) {
  command.add_option(name, std::move(read), help).type_name(type).group(running_group);
}

template <class Target>
void add_number(const Command& command, const std::string& name, const char* type, const std::string& help,
                Target& target) {
  add_running(command, name, type, help, [name, &target](const std::string& text) { target = positive(name, text); });
}

void read_share(const std::string& name, const std::string& text, double& target) {
  target = positive(name, text);
  if (target > 1) throw UsageError(name + ": a share of the time, at most 1, is expected, got '" + text + "'");
}

void read_pue(const std::string& text, double& target) {
  target = positive("--pue", text);
  if (target < 1) throw UsageError("--pue: at least 1 is expected, got '" + text + "'");
}

}  // namespace

void add_running_options(const Command& command, Query& query) {
  CostQuestion& cost = query.cost;
  add_running(command, "--power-limit", "WATTS",
              "Limit of each device, such as 300W; below its own it lowers the clock",
              [&query](const std::string& text) { query.power_limit = quantity<Watts>("--power-limit", text); });
  add_running(command, "--storage", "RATE",
              "What the weights are read at, such as 7GB/s (default: the usual drive of the device)",
              [&query](const std::string& text) { query.storage = quantity<BytesPerSecond>("--storage", text); });
  add_number(command, "--price", "USD", "Of the whole machine (default: the dated price of the device)", cost.price);
  add_number(command, "--rent", "USD/h", "Of the whole machine, electricity included, instead of a price", cost.rent);
  add_number(command, "--lifetime-years", "YEARS", "Over which the price is worn off (default 3)", cost.lifetime_years);
  add_running(command, "--duty", "SHARE", "Of that time in which it serves (default 1: always)",
              [&cost](const std::string& text) { read_share("--duty", text, cost.duty); });
  add_number(command, "--electricity", "USD/kWh", "Tariff (default: that of the region)", cost.electricity);
  add_running(command, "--region", "NAME", "Whose tariff is taken (default us-residential)",
              [&cost](const std::string& text) { cost.region = text; });
  add_running(command, "--pue", "FACTOR", "Of the building: power at the plug times this is paid (default 1)",
              [&cost](const std::string& text) { read_pue(text, cost.pue); });
  add_number(command, "--api-price-in", "USD", "What an API takes for a million input tokens, to compare with",
             cost.api_price_in);
  add_number(command, "--api-price-out", "USD", "What it takes for a million output tokens", cost.api_price_out);
}

}  // namespace silicast::cli
