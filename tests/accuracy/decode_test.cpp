// SPDX-License-Identifier: Apache-2.0
// Predictions from datasheets and kernel descriptions alone against measurements by others (tests/accuracy/README.md),
// beside the naive predictor: no output of silicast itself is frozen here.
#include <gtest/gtest.h>

#include <cstdio>

#include "calibration/validation.h"

namespace silicast {
namespace {

const Validation& record() {
  static const Validation result = [] {
    const Database database(SILICAST_SOURCE_ROOT "/data");
    return validate(read_observations(SILICAST_SOURCE_ROOT "/tests/accuracy/record.csv"), database,
                    {.group_by = {"backend"}, .calibrated = false});
  }();
  return result;
}

const MetricStatistics& baseline(const std::string& name) {
  for (const auto& [key, metrics] : record().baselines)
    if (key == name) return metrics;
  static const MetricStatistics none;
  return none;
}

void print_errors(const char* metric) {
  const auto line = [](const std::string& name, const ErrorStatistics& s) {
    std::printf("  %-24s median %5.1f %%  p90 %6.1f %%  (%zu rows)\n", name.c_str(), 100 * s.median_ape,
                100 * s.p90_ape, s.n);
  };
  std::printf("%s\n", metric);
  line("silicast", record().metrics.at(metric));
  for (const auto& [name, metrics] : record().baselines) line(name, metrics.at(metric));
}

TEST(Accuracy, NearlyAllRowsArePredicted) {
  for (const auto& [reason, n] : record().unsupported) std::printf("  not predicted, %s: %zu\n", reason.c_str(), n);
  EXPECT_GT(record().predicted, record().rows.size() * 95 / 100);
}

TEST(Accuracy, DecodeIsClearlyBetterThanBandwidthOverSize) {
  print_errors("tg_tps");
  // "Clearly": at most half of the naive predictor's error, over all rows.
  constexpr double share = 0.5;
  EXPECT_LT(record().metrics.at("tg_tps").median_ape, share * baseline("bandwidth_over_size").at("tg_tps").median_ape);
}

TEST(Accuracy, PrefillIsClearlyBetterThanFlopsOverParameters) {
  print_errors("pp_tps");
  constexpr double share = 0.5;
  EXPECT_LT(record().metrics.at("pp_tps").median_ape, share * baseline("bandwidth_over_size").at("pp_tps").median_ape);
}

TEST(Accuracy, NoBackendIsLeftBehind) {
  for (const ValidationGroup& group : record().groups) {
    if (!group.metrics.contains("tg_tps")) continue;  // builds of which prompts alone were measured
    const ErrorStatistics& decode = group.metrics.at("tg_tps");
    std::printf("  %s: decode median %.1f %%, bias %+.1f %% (%zu rows)\n", group.by.front().second.c_str(),
                100 * decode.median_ape, 100 * decode.median_bias, decode.n);
    EXPECT_LT(decode.median_ape, baseline("bandwidth_over_size").at("tg_tps").median_ape) << group.by.front().second;
  }
}

}  // namespace
}  // namespace silicast
