// SPDX-License-Identifier: Apache-2.0
// Power and energy against measurements by others (tests/accuracy/power.csv; how its roles came about: docs/energy.md).
// `at own speed` is what a query answers: it has the error of the speed, too. `at measured speed` is the power model's
// own.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/csv.h"
#include "base/document.h"
#include "model/prediction.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

struct EnergyRow {
  std::string id, role, boundary, device;
  double watts = 0;
  double predicted = 0;           // at own speed
  double predicted_at_speed = 0;  // at measured speed; 0: not known
  double joules = 0;              // per token; 0: not measured
  double predicted_joules = 0;
};

// A Raspberry Pi draws about 10 W beside the card that it feeds; the supply is that of the class (0.9).
double on_a_pi(double board) { return (board + 10) / 0.9; }

double peak(const Prediction& p, Watts PowerOfPhase::*of) {
  return std::max((*p.power->prefill.*of).value(), (*p.power->decode.*of).value());
}

EnergyRow predicted(const CsvTable& table, const CsvRecord& record) {
  const auto text = [&](std::string_view column) { return record.fields[table.at(column)]; };
  const auto number = [&](std::string_view column) { return std::strtod(text(column).c_str(), nullptr); };
  EnergyRow row{.id = text("id"),
                .role = text("role"),
                .boundary = text("boundary"),
                .device = text("device"),
                .watts = number("watts"),
                .joules = number("joules_per_token")};
  Query query{.model = text("model"), .quant = text("quant"), .device = text("device"), .stack = text("stack")};
  query.gen = static_cast<std::int64_t>(number("gen"));
  query.depth = static_cast<std::int64_t>(number("depth"));
  query.concurrency = static_cast<std::int64_t>(number("batch"));
  const Prediction p = predict(query, database());
  EXPECT_TRUE(p.power && p.power->decode) << row.id << " " << row.device << ": " << p.limiting;
  if (!p.power || !p.power->decode) return row;
  row.predicted = row.boundary == "wall_peak"      ? peak(p, &PowerOfPhase::wall)
                  : row.boundary == "pi_wall_peak" ? on_a_pi(peak(p, &PowerOfPhase::watts))
                                                   : p.power->decode->watts.value();
  if (row.joules > 0) {
    StepCost cost = p.decode->cost;
    cost.seconds = Seconds(row.joules * static_cast<double>(query.concurrency) / row.watts);
    const Power& power = database().device(query.device)->power;
    row.predicted_at_speed = phase_power(*power.model, cost, 1, power.tdp).watts.value();
  }
  row.predicted_joules = p.energy->per_output_token->value();
  return row;
}

const std::vector<EnergyRow>& rows() {
  static const std::vector<EnergyRow> result = [] {
    const std::string file = SILICAST_SOURCE_ROOT "/tests/accuracy/power.csv";
    const CsvTable table(read_text_file(file), file);
    std::vector<EnergyRow> all;
    for (const CsvRecord& record : table.records()) all.push_back(predicted(table, record));
    return all;
  }();
  return result;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Predicted over measured; 0 where one of them is not known.
double power_ratio(const EnergyRow& row) { return row.predicted / row.watts; }
double power_ratio_at_speed(const EnergyRow& row) { return row.predicted_at_speed / row.watts; }
double energy_ratio(const EnergyRow& row) { return row.joules > 0 ? row.predicted_joules / row.joules : 0; }

std::vector<double> errors(std::string_view role, double (*ratio)(const EnergyRow&)) {
  std::vector<double> result;
  for (const EnergyRow& row : rows())
    if (row.role == role && ratio(row) > 0) result.push_back(std::abs(ratio(row) - 1));
  return result;
}

TEST(EnergyAccuracy, PrintsEachDevice) {
  struct Group {
    std::vector<double> own, at_speed;
  };
  std::map<std::string, Group> groups;
  for (const EnergyRow& row : rows()) {
    Group& group = groups[row.role + ", " + row.boundary + ", " + row.device];
    group.own.push_back(power_ratio(row) - 1);
    if (row.predicted_at_speed > 0) group.at_speed.push_back(power_ratio_at_speed(row) - 1);
  }
  for (const auto& [name, group] : groups) {
    std::printf("  %-56s at own speed %+6.1f %%", name.c_str(), 100 * median(group.own));
    if (!group.at_speed.empty()) std::printf(", at measured speed %+6.1f %%", 100 * median(group.at_speed));
    std::printf("  (%zu rows)\n", group.own.size());
  }
}

TEST(EnergyAccuracy, FittedDevicesAgree) {
  EXPECT_LT(median(errors("fit", power_ratio_at_speed)), 0.08);
  EXPECT_LT(median(errors("fit", power_ratio)), 0.12);
}

TEST(EnergyAccuracy, EnergyPerTokenHasTheErrorOfPowerAndSpeed) {
  const auto e = errors("fit", energy_ratio);
  std::printf("  joules per token of fitted devices: median error %.1f %%, %zu rows\n", 100 * median(e), e.size());
  EXPECT_LT(median(e), 0.15);
}

TEST(EnergyAccuracy, HeldOutDevicesAreWithinAFifthAtTheMedian) {
  const auto held = errors("held", power_ratio);
  std::printf("  held out: median %.1f %%, %zu rows\n", 100 * median(held), held.size());
  EXPECT_LT(median(held), 0.20);
}

// A power limit lowers the clock: RTX PRO 6000 Blackwell Workstation, Llama 2 7B Q4_0, llama.cpp b6413, tokens per
// second of pp512 and tg128 by limit (notes on that card of 2025-09; rows m052905 to m052920 of the collected
// measurements). No figure of this card was fitted.
TEST(EnergyAccuracy, PowerLimitsSlowDownAsMeasured) {
  struct Step {
    double watts, prefill, decode;
  };
  constexpr std::array steps{Step{600, 16634, 278.95}, Step{500, 16496, 279.0},  Step{450, 16060, 279.04},
                             Step{400, 15225, 279.04}, Step{350, 14119, 274.81}, Step{300, 12802, 260.42},
                             Step{250, 10620, 236.88}, Step{200, 9115, 189.82}};
  const auto speeds = [](double watts) {
    Query q{.model = "llama-2-7b", .quant = "Q4_0", .device = "rtx-pro-6000-blackwell"};
    q.power_limit = Watts(watts);
    const Prediction p = predict(q, database());
    return std::pair(p.prefill->tokens_per_second.value, p.decode->tokens_per_second.value);
  };
  const auto full = speeds(600);
  std::vector<double> all;
  for (const Step& step : steps) {
    const auto [prefill, decode] = speeds(step.watts);
    const double measured_prefill = step.prefill / steps.front().prefill;
    const double measured_decode = step.decode / steps.front().decode;
    std::printf("  %3.0f W: prefill %.2f of full speed (measured %.2f), decode %.2f (measured %.2f)\n", step.watts,
                prefill / full.first, measured_prefill, decode / full.second, measured_decode);
    all.push_back(std::abs(prefill / full.first / measured_prefill - 1));
    all.push_back(std::abs(decode / full.second / measured_decode - 1));
  }
  EXPECT_LT(median(all), 0.10);
}

}  // namespace
}  // namespace silicast
