// SPDX-License-Identifier: Apache-2.0
#include "calibration/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace silicast {

double quantile(std::vector<double> values, double p) {
  ensure(!values.empty() && p >= 0 && p <= 1, "a quantile is that of at least one value, at a share");
  const double position = p * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::ptrdiff_t>(position);
  const auto at = values.begin() + below;
  std::nth_element(values.begin(), at, values.end());
  if (at + 1 == values.end()) return *at;
  const double next = *std::min_element(at + 1, values.end());
  return *at + (next - *at) * (position - static_cast<double>(below));
}

double absolute_percentage_error(const PredictedMeasured& pair) {
  return std::abs(pair.predicted - pair.measured) / pair.measured;
}

ErrorStatistics error_statistics(const std::vector<PredictedMeasured>& pairs) {
  std::vector<double> errors;
  std::vector<double> biases;
  double sum = 0;
  std::size_t intervals = 0;
  std::size_t covered = 0;
  for (const PredictedMeasured& pair : pairs) {
    errors.push_back(absolute_percentage_error(pair));
    biases.push_back((pair.predicted - pair.measured) / pair.measured);
    sum += errors.back();
    if (!pair.p10 || !pair.p90) continue;
    ++intervals;
    if (*pair.p10 <= pair.measured && pair.measured <= *pair.p90) ++covered;
  }
  ErrorStatistics statistics{.n = pairs.size(),
                             .median_ape = quantile(errors, 0.5),
                             .p90_ape = quantile(errors, 0.9),
                             .mape = sum / static_cast<double>(pairs.size()),
                             .median_bias = quantile(std::move(biases), 0.5)};
  if (intervals > 0) statistics.coverage80 = static_cast<double>(covered) / static_cast<double>(intervals);
  return statistics;
}

}  // namespace silicast
