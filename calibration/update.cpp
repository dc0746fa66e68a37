// SPDX-License-Identifier: Apache-2.0
#include "calibration/update.h"

#include <ceres/ceres.h>
#include <ceres/normal_prior.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <map>

#include "calibration/posterior.h"
#include "calibration/residual.h"
#include "model/parameter_spread.h"

namespace silicast {

namespace {

// Of one's own runs fewer are mislabelled: only what no machine could be off by counts less.
constexpr double slip_begins = 3 * outlier_begins;

// What is known before: the parameters of the scope, and those of kernels and types that the record has not shown.
struct Prior {
  std::vector<std::string> names;
  Eigen::VectorXd mean;
  Eigen::MatrixXd covariance;
};

Prior prior_of(const Profile& profile, const Scope& scope, const std::vector<RowFunction>& functions) {
  const ParameterSpread known(profile, scope);
  Prior prior{.names = known.names(), .mean = {}, .covariance = {}};
  std::vector<double> variances;
  for (const RowFunction& function : functions)
    for (const std::string& name : function.parameters) {
      if (std::find(prior.names.begin(), prior.names.end(), name) != prior.names.end()) continue;
      const auto spread = profile.spread.find(silicast::prior_of(name));
      prior.names.push_back(name);
      variances.push_back(spread == profile.spread.end() ? 0 : spread->second * spread->second);
    }
  const std::size_t old = known.names().size();
  const auto n = static_cast<Eigen::Index>(prior.names.size());
  prior.mean = Eigen::VectorXd::Zero(n);
  prior.covariance = Eigen::MatrixXd::Zero(n, n);
  for (std::size_t a = 0; a < prior.names.size(); ++a) {
    const auto i = static_cast<Eigen::Index>(a);
    if (a >= old) {
      prior.covariance(i, i) = variances[a - old];
      continue;
    }
    prior.mean(i) = known.logs()[a];
    // A machine of a kind that was measured is another one than those: its clocks, drivers and host differ.
    if (profile.measurements.contains(scope.device) && owner_of(prior.names[a]).starts_with("device/"))
      if (const auto spread = profile.spread.find(silicast::prior_of(prior.names[a])); spread != profile.spread.end())
        prior.covariance(i, i) += spread->second * spread->second;
    for (std::size_t b = 0; b < old; ++b) prior.covariance(i, static_cast<Eigen::Index>(b)) += known.covariance(a, b);
  }
  return prior;
}

// A with A'A = C^-1. Correlations are kept in thousandths: what rounding makes negative, or a deviation of zero,
// becomes a deviation of a thousandth.
Eigen::MatrixXd whitening(const Eigen::MatrixXd& covariance) {
  constexpr double least_variance = 1e-6;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(covariance);
  const Eigen::VectorXd scale = solver.eigenvalues().cwiseMax(least_variance).cwiseSqrt().cwiseInverse();
  return scale.asDiagonal() * solver.eigenvectors().transpose();
}

// (log predicted - log measured) / noise, of all parameters as one block.
class JointRowCost : public ceres::CostFunction {
 public:
  JointRowCost(RowFunction function, std::vector<std::size_t> positions, const FitRow& row, std::size_t parameters)
      : function_(std::move(function)),
        positions_(std::move(positions)),
        log_measured_(std::log(row.tokens / row.measured)),
        noise_(noise_of(row)) {
    set_num_residuals(1);
    mutable_parameter_block_sizes()->push_back(static_cast<int>(parameters));
  }

  bool Evaluate(double const* const* blocks, double* residual, double** jacobians) const override {
    std::vector<double> logs, slopes(positions_.size());
    for (const std::size_t at : positions_) logs.push_back(blocks[0][at]);
    const double seconds = function_.seconds(logs.data(), slopes.data());
    *residual = (std::log(seconds) - log_measured_) / noise_;
    if (jacobians == nullptr || jacobians[0] == nullptr) return true;
    std::fill_n(jacobians[0], parameter_block_sizes()[0], 0.0);
    for (std::size_t i = 0; i < positions_.size(); ++i) jacobians[0][positions_[i]] += slopes[i] / (seconds * noise_);
    return true;
  }

 private:
  RowFunction function_;
  std::vector<std::size_t> positions_;
  double log_measured_;
  double noise_;
};

void set_own_runs(Profile& profile, const std::vector<const FitRow*>& rows) {
  std::array<std::vector<MeasuredRate>, phase_kinds.size()> runs;
  for (const FitRow* row : rows) {
    if (row->metric == Metric::total_rate || row->devices > 1) continue;
    const PhaseKind phase = row->metric == Metric::prefill_rate ? PhaseKind::prefill : PhaseKind::decode;
    const double predicted = row->tokens / row->cost(profile.corrections(row->scope)).seconds.value();
    runs[static_cast<std::size_t>(phase)].push_back({row->cell, std::log(row->measured / predicted)});
  }
  for (std::size_t phase = 0; phase < runs.size(); ++phase)
    profile.own_runs[phase] = ResidualField::of_runs(std::move(runs[phase]));
}

}  // namespace

Profile updated_profile(const Profile& prior_profile, const std::vector<const FitRow*>& rows, const std::string& date) {
  const Scope& scope = rows.front()->scope;
  std::vector<RowFunction> functions;
  for (const FitRow* row : rows) functions.push_back(row_function(*row));
  const Prior prior = prior_of(prior_profile, scope, functions);
  std::map<std::string_view, std::size_t> position;
  for (std::size_t i = 0; i < prior.names.size(); ++i) position.emplace(prior.names[i], i);

  std::vector<double> values(prior.mean.data(), prior.mean.data() + prior.mean.size());
  ceres::Problem problem;
  problem.AddResidualBlock(new ceres::NormalPrior(whitening(prior.covariance), prior.mean), nullptr, values.data());
  Profile profile{
      .family = rows.front()->family, .date = date, .spread = prior_profile.spread, .residual = prior_profile.residual};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<std::size_t> positions;
    for (const std::string& name : functions[i].parameters) positions.push_back(position.at(name));
    problem.AddResidualBlock(
        new JointRowCost(std::move(functions[i]), std::move(positions), *rows[i], values.size()),
        new ceres::ScaledLoss(new ceres::CauchyLoss(slip_begins), rows[i]->weight, ceres::TAKE_OWNERSHIP),
        values.data());
    ++(rows[i]->metric == Metric::prefill_rate ? profile.prefill_rows : profile.decode_rows);
    ++profile.measurements[rows[i]->scope.device][rows[i]->scope.stack];
    ++profile.architectures[rows[i]->scope.architecture];
    note_reach(profile, *rows[i]);
  }
  ceres::Solver::Options options;
  options.linear_solver_type = ceres::DENSE_QR;
  options.num_threads = 1;
  options.logging_type = ceres::SILENT;
  ceres::Solver::Summary summary;
  ceres::Solve(options, &problem, &summary);
  ensure(summary.IsSolutionUsable(), "an update of a prior has a solution");
  set_estimates(profile, prior.names, values, posterior_covariance(problem, {values.data()}));
  set_own_runs(profile, rows);
  return profile;
}

std::vector<HeldOut> held_out_of_updates(const Profile& prior, const std::vector<FitRow>& rows, std::size_t folds) {
  std::vector<HeldOut> result;
  for_each_fold(rows, FoldBy::cell, folds, [&](const Fold& fold) {
    const Profiles profiles{{prior.family, fold.training.empty() ? prior : updated_profile(prior, fold.training, "")}};
    HeldOutPredictor predict(profiles, fold.training);
    for (const FitRow* row : fold.held_out) result.push_back(predict(*row, fold.number));
  });
  return result;
}

void set_residual(Profile& profile, const std::vector<HeldOut>& held_out) {
  constexpr std::size_t enough = 5;
  constexpr double least = 0.02;  // what repeated runs of one machine differ by
  for (const bool prefill : {false, true}) {
    std::vector<const HeldOut*> rows;
    for (const HeldOut& held : held_out)
      if ((held.row->metric == Metric::prefill_rate) == prefill) rows.push_back(&held);
    if (rows.size() < enough) continue;
    for (ResidualScale& scale : profile.residual)
      (prefill ? scale.prefill : scale.decode) = std::max(least, scale_for(rows));
  }
}

}  // namespace silicast
