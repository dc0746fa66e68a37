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

void add_money(const Command& command, const std::string& name, const std::string& per, const std::string& help,
               std::optional<Money>& target) {
  add_running(command, name, ("MONEY" + (per.empty() ? "" : "/" + per)).c_str(), help,
              [name, per, &target](const std::string& text) { target = money(name, text, per); });
}

void read_rent(const std::string& text, CostQuestion& cost) {
  const bool listed = lower(trim(text)) == "listed";
  cost.rent_listed = listed;
  cost.rent.reset();
  if (!listed) cost.rent = money("--rent", text, "h");
}

// "EUR=1.17": dollars that one of the currency is worth.
void read_exchange(const std::string& text, CostQuestion& cost) {
  const auto equals = text.find('=');
  if (equals == std::string::npos)
    throw UsageError("--exchange: CURRENCY=USD such as EUR=1.17 is expected, got '" + text + "'");
  const std::string code = currency_code("--exchange", text.substr(0, equals));
  cost.own_rates.emplace_back(code, money("--exchange", text.substr(equals + 1), "").amount);
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
  add_money(command, "--price", "", "Of the whole machine, such as 1500 or 1500EUR (default: the device's dated price)",
            cost.price);
  add_running(command, "--rent", "MONEY/h|listed",
              "Of the whole machine, electricity included, instead of a price; listed: the device's dated rent",
              [&cost](const std::string& text) { read_rent(text, cost); });
  add_number(command, "--lifetime-years", "YEARS", "Over which the price is worn off (default 3)", cost.lifetime_years);
  add_running(command, "--duty", "SHARE", "Of that time in which it serves (default 1: always)",
              [&cost](const std::string& text) { read_share("--duty", text, cost.duty); });
  add_money(command, "--electricity", "kWh", "Tariff (default: that of the region)", cost.electricity);
  add_running(command, "--region", "NAME", "Whose tariff is taken (default us-residential)",
              [&cost](const std::string& text) { cost.region = text; });
  add_running(command, "--pue", "FACTOR", "Of the building: power at the plug times this is paid (default 1)",
              [&cost](const std::string& text) { read_pue(text, cost.pue); });
  add_money(command, "--api-price-in", "", "What an API takes for a million input tokens, to compare with",
            cost.api_price_in);
  add_money(command, "--api-price-out", "", "What it takes for a million output tokens", cost.api_price_out);
  add_running(command, "--currency", "CODE",
              "That costs are shown in, such as EUR, at a dated rate (default USD, which plain amounts are in)",
              [&cost](const std::string& text) { cost.currency = currency_code("--currency", text); });
  command
      .add_repeatable(
          "--exchange",
          [&cost](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) read_exchange(text, cost);
          },
          "Dollars that one of a currency is worth, such as EUR=1.17 (default: the dated rate); may be repeated")
      .type_name("CODE=USD")
      .group(running_group);
}

}  // namespace silicast::cli
