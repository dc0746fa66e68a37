// SPDX-License-Identifier: Apache-2.0
// Summaries of prediction errors. Each is defined here once; reports print them as they are.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace silicast {

// Linear between order statistics: position p (n - 1) of the sorted values. At least one value.
double quantile(std::vector<double> values, double p);

struct PredictedMeasured {
  double predicted = 0;
  double measured = 0;
  std::optional<double> p10;  // of the prediction
  std::optional<double> p90;
};

// |predicted - measured| / measured, a fraction.
double absolute_percentage_error(const PredictedMeasured& pair);

struct ErrorStatistics {
  std::size_t n = 0;
  double median_ape = 0;
  double p90_ape = 0;
  double mape = 0;                   // mean
  double median_bias = 0;            // of (predicted - measured) / measured
  std::optional<double> coverage80;  // share of [p10, p90] that hold the measurement, of those there are
};

// At least one pair.
ErrorStatistics error_statistics(const std::vector<PredictedMeasured>& pairs);

}  // namespace silicast
