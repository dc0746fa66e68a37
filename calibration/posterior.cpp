// SPDX-License-Identifier: Apache-2.0
#include "calibration/posterior.h"

#include <ceres/ceres.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "base/error.h"

namespace silicast {

std::vector<double> posterior_covariance(ceres::Problem& problem, const std::vector<double*>& blocks) {
  ceres::Problem::EvaluateOptions options;
  options.parameter_blocks = blocks;
  ceres::CRSMatrix jacobian;
  problem.Evaluate(options, nullptr, nullptr, nullptr, &jacobian);
  const Eigen::Index n = jacobian.num_cols;
  Eigen::MatrixXd information = Eigen::MatrixXd::Zero(n, n);
  const auto of = [](const std::vector<int>& values, int i) { return values[static_cast<std::size_t>(i)]; };
  for (int row = 0; row < jacobian.num_rows; ++row)
    for (int a = of(jacobian.rows, row); a < of(jacobian.rows, row + 1); ++a)
      for (int b = of(jacobian.rows, row); b <= a; ++b) {
        const int i = of(jacobian.cols, a), j = of(jacobian.cols, b);
        information(std::max(i, j), std::min(i, j)) +=
            jacobian.values[static_cast<std::size_t>(a)] * jacobian.values[static_cast<std::size_t>(b)];
      }
  const Eigen::LLT<Eigen::MatrixXd> factors(information);  // of the lower triangle
  ensure(factors.info() == Eigen::Success, "parameters that all have priors are determined");
  const Eigen::MatrixXd covariance = factors.solve(Eigen::MatrixXd::Identity(n, n));
  return {covariance.data(), covariance.data() + covariance.size()};  // symmetric: by columns or rows
}

void set_estimates(Profile& profile, const std::vector<std::string>& names, const std::vector<double>& logs,
                   const std::vector<double>& covariance) {
  const std::size_t n = names.size();
  std::map<std::string_view, std::size_t> position;
  for (std::size_t i = 0; i < n; ++i) {
    position.emplace(names[i], i);
    profile.parameters[names[i]] = {logs[i], std::sqrt(covariance[i * n + i])};
  }
  constexpr double thousand = 1000;
  for (auto& [name, estimate] : profile.parameters)
    for (const std::string_view other : correlated_with(profile, name)) {
      const std::size_t a = position.at(name), b = position.at(other);
      const double correlation = covariance[a * n + b] / std::sqrt(covariance[a * n + a] * covariance[b * n + b]);
      estimate.correlations.push_back(static_cast<std::int16_t>(std::lround(thousand * correlation)));
    }
}

}  // namespace silicast
