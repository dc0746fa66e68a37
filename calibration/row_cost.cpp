// SPDX-License-Identifier: Apache-2.0
#include "calibration/row_cost.h"

#include <ceres/cost_function.h>

#include <cmath>
#include <utility>
#include <vector>

namespace silicast {

namespace {

class RowCost : public ceres::CostFunction {
 public:
  RowCost(RowFunction function, double log_measured_seconds, double noise)
      : function_(std::move(function)), log_measured_(log_measured_seconds), noise_(noise) {
    set_num_residuals(1);
    mutable_parameter_block_sizes()->assign(function_.parameters.size(), 1);
  }

  bool Evaluate(double const* const* blocks, double* residual, double** jacobians) const override {
    const std::size_t n = function_.parameters.size();
    std::vector<double> logs(n), slopes(n);
    for (std::size_t i = 0; i < n; ++i) logs[i] = *blocks[i];
    const double seconds = function_.seconds(logs.data(), jacobians == nullptr ? nullptr : slopes.data());
    *residual = (std::log(seconds) - log_measured_) / noise_;
    for (std::size_t i = 0; jacobians != nullptr && i < n; ++i)
      if (jacobians[i] != nullptr) *jacobians[i] = slopes[i] / (seconds * noise_);
    return true;
  }

 private:
  RowFunction function_;
  double log_measured_;
  double noise_;
};

}  // namespace

std::unique_ptr<ceres::CostFunction> row_cost(RowFunction function, double log_measured_seconds, double noise) {
  return std::make_unique<RowCost>(std::move(function), log_measured_seconds, noise);
}

}  // namespace silicast
