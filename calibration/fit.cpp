// SPDX-License-Identifier: Apache-2.0
#include "calibration/fit.h"

#include <ceres/ceres.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <thread>
#include <unordered_map>

#include "calibration/posterior.h"
#include "calibration/residual.h"
#include "calibration/row_cost.h"

namespace silicast {

namespace {

bool speaks_for_a_family(const std::vector<const FitRow*>& rows) {
  std::map<std::string, std::size_t> devices;
  for (const FitRow* row : rows) ++devices[row->scope.device];
  const auto enough = [](const auto& device) { return device.second >= least_rows_of_a_device; };
  return rows.size() >= least_rows_of_a_family &&
         std::count_if(devices.begin(), devices.end(), enough) >= least_devices_of_a_family;
}

// Above what nobody's hardware strays: keeps logarithms finite whatever the rows say.

// The parameters of a problem with their priors: each is centred on its parent, or on zero.
class Parameters {
 public:
  explicit Parameters(std::map<std::string, double, std::less<>> prior) : spread_(std::move(prior)) {}

  std::size_t add(const std::string& name, std::optional<std::size_t> parent) {
    const auto [at, fresh] = index_.emplace(name, names_.size());
    if (!fresh) return at->second;
    names_.push_back(name);
    parents_.push_back(parent);
    values_.push_back(0);
    return at->second;
  }

  // With everything above it.
  std::size_t add_row_parameter(const std::string& name, const Scope& scope) {
    for (const std::string_view quantity : pooled_quantities) {
      const auto chain = pooled_names(quantity, scope);
      if (chain.front() != name) continue;
      std::optional<std::size_t> parent;
      for (std::size_t i = chain.size(); i-- > 0;) parent = add(chain[i], parent);
      return *parent;
    }
    return add(name, std::nullopt);
  }

  [[nodiscard]] std::size_t size() const { return names_.size(); }
  [[nodiscard]] const std::string& name(std::size_t i) const { return names_[i]; }
  [[nodiscard]] const std::optional<std::size_t>& parent(std::size_t i) const { return parents_[i]; }
  [[nodiscard]] double spread(std::size_t i) const { return spread_.find(prior_of(names_[i]))->second; }
  double* value(std::size_t i) { return &values_[i]; }
  [[nodiscard]] std::vector<double*> blocks() {
    std::vector<double*> all;
    for (double& value : values_) all.push_back(&value);
    return all;
  }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] const std::vector<double>& values() const { return values_; }

 private:
  std::map<std::string, double, std::less<>> spread_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::string> names_;
  std::vector<std::optional<std::size_t>> parents_;
  std::vector<double> values_;
};

struct PriorResidual {
  double spread = 1;

  template <class T>
  bool operator()(const T* value, T* residual) const {
    residual[0] = value[0] / spread;
    return true;
  }
  template <class T>
  bool operator()(const T* value, const T* parent, T* residual) const {
    residual[0] = (value[0] - parent[0]) / spread;
    return true;
  }
};

void add_row(ceres::Problem& problem, Parameters& parameters, const FitRow& row,
             const std::vector<std::size_t>& indices, RowFunction function) {
  auto cost = row_cost(std::move(function), std::log(row.tokens / row.measured), noise_of(row));
  std::vector<double*> blocks;
  for (const std::size_t index : indices) blocks.push_back(parameters.value(index));
  problem.AddResidualBlock(
      cost.release(), new ceres::ScaledLoss(new ceres::CauchyLoss(outlier_begins), row.weight, ceres::TAKE_OWNERSHIP),
      blocks);
}

void add_priors(ceres::Problem& problem, Parameters& parameters) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    auto* prior = new PriorResidual{parameters.spread(i)};
    if (const auto parent = parameters.parent(i))
      problem.AddResidualBlock(new ceres::AutoDiffCostFunction<PriorResidual, 1, 1, 1>(prior), nullptr,
                               parameters.value(i), parameters.value(*parent));
    else
      problem.AddResidualBlock(new ceres::AutoDiffCostFunction<PriorResidual, 1, 1>(prior), nullptr,
                               parameters.value(i));
    problem.SetParameterLowerBound(parameters.value(i), 0, -farthest_log);
    problem.SetParameterUpperBound(parameters.value(i), 0, farthest_log);
  }
}

void solve(ceres::Problem& problem) {
  ceres::Solver::Options options;
  options.linear_solver_type = ceres::SPARSE_NORMAL_CHOLESKY;
  options.num_threads = 1;
  options.max_num_iterations = 40;
  // Rates are known to a percent: a step that lowers the cost by less than a hundred-thousandth is none.
  options.function_tolerance = 1e-5;
  options.logging_type = ceres::SILENT;
  ceres::Solver::Summary summary;
  ceres::Solve(options, &problem, &summary);
  ensure(summary.IsSolutionUsable(), "a fit with priors has a solution");
}

void count(Profile& profile, const FitRow& row) {
  ++(row.metric == Metric::prefill_rate ? profile.prefill_rows : profile.decode_rows);
  if (row.batch > 1 && row.metric != Metric::prefill_rate) ++profile.batched_rows;
  if (row.devices > 1) ++profile.divided_rows;
  ++profile.measurements[row.scope.device][row.scope.stack];
  ++profile.architectures[row.scope.architecture];
  note_reach(profile, row);
}

}  // namespace

void note_reach(Profile& profile, const FitRow& row) {
  ++profile.cache_types[row.cache_type];
  std::int64_t& deepest = profile.deepest[row.scope.device];
  deepest = std::max(deepest, static_cast<std::int64_t>(std::llround(row.cell.depth + row.cell.tokens)));
}

std::map<std::string, double, std::less<>> prior_spread(std::string_view family) {
  // Wide where the nominal figure is an estimate, narrow where it is a measured or stated one; devices of an
  // architecture share their kernels and differ by clocks and bins.
  std::map<std::string, double, std::less<>>
      spread{
          {"bandwidth/stack", 0.1},   {"bandwidth/architecture", 0.1},
          {"bandwidth/device", 0.06},  // streams are published for most
          {"matrix/stack", 0.4},      {"matrix/architecture", 0.3},
          {"matrix/device", 0.12},  // shares of a kernel are estimates
          {"launch/stack", 0.4},      {"launch/architecture", 0.3},
          {"launch/device", 0.25},  // hosts and drivers differ
          {"unpack/stack", 0.1},      {"unpack/architecture", 0.02},
          {"unpack/device", 0.01},  // counted in sources: the same everywhere
          {"unpack/type", 0.2},       {"matrix/type", 0.15},
          {"kernel/name", 0.35},    // attention: estimates
          {"kernel/vector", 0.08},  // see prior_of
          {"matrix/generation", 0.2}, {"launch/generation", 0.2},
          {"step/stack", 0.5},        {"sequence/stack", 0.5},
          {"step/generation", 0.5},   {"sequence/generation", 0.5},
          {"link/stack", 0.5},
      };
  // Kernels of CPUs are written apart for each instruction set, with other instructions than were counted. Machines
  // with one processor differ in modules, channels, NUMA settings and power limits, which sources seldom state.
  if (family.ends_with("-cpu")) {
    spread["unpack/stack"] = 0.3, spread["unpack/architecture"] = 0.25, spread["unpack/device"] = 0.2;
    spread["bandwidth/device"] = 0.2, spread["matrix/device"] = 0.3, spread["launch/device"] = 0.4;
  }
  // Instructions were counted in CUDA's sources (ROCm: other instructions for them) and in Metal's (Vulkan).
  if (family.ends_with("-rocm") || family.ends_with("-vulkan"))
    spread["unpack/stack"] = 0.4, spread["unpack/architecture"] = 0.15;
  // Their large products multiply F16 that was unpacked before: what a type leaves over there is the models' that have
  // it. ROCm's are of integers in part.
  if (family.ends_with("-rocm")) spread["matrix/type"] = 0.08;
  if (family.ends_with("-vulkan") || family.ends_with("-metal")) spread["matrix/type"] = 0.04;
  // Shares of its kernels were set beside measurements of two architectures, and the others keep to them.
  if (family.ends_with("-rocm"))
    spread["matrix/stack"] = 0.2, spread["matrix/architecture"] = 0.15, spread["launch/architecture"] = 0.2;
  // Shares of their kernels were measured on large products, and their devices run the vendors' libraries: what a
  // device reaches in one source says little of others.
  if (family == "vllm" || family == "tensorrt-llm")
    spread["matrix/stack"] = 0.1, spread["matrix/architecture"] = 0.15, spread["matrix/generation"] = 0.1,
    spread["kernel/name"] = 0.15;
  // One cooling and one memory for everything: a laptop's clocks and bandwidth stray as one machine's.
  if (family.ends_with("-metal") || family == "mlx")
    spread["unpack/device"] = 0.15, spread["bandwidth/device"] = 0.1, spread["launch/generation"] = 0.1;
  return spread;
}

Profile fit_profile(const std::vector<const FitRow*>& rows, const std::string& date) {
  ceres::Problem problem;
  Profile profile{.family = rows.front()->family, .date = date, .spread = prior_spread(rows.front()->family)};
  Parameters parameters(profile.spread);
  // Blocks are referred to by address: all of them are made before the first is used.
  std::vector<std::vector<std::size_t>> indices;
  std::vector<RowFunction> functions;
  for (const FitRow* row : rows) {
    functions.push_back(row_function(*row));
    indices.emplace_back();
    for (const std::string& name : functions.back().parameters)
      indices.back().push_back(parameters.add_row_parameter(name, row->scope));
    count(profile, *row);
  }
  for (std::size_t i = 0; i < rows.size(); ++i)
    add_row(problem, parameters, *rows[i], indices[i], std::move(functions[i]));
  add_priors(problem, parameters);
  solve(problem);
  set_estimates(profile, parameters.names(), parameters.values(), posterior_covariance(problem, parameters.blocks()));
  return profile;
}

Profiles fit_profiles(const std::vector<const FitRow*>& rows, const std::string& date, unsigned threads) {
  std::map<std::string, std::vector<const FitRow*>> families;
  for (const FitRow* row : rows) families[row->family].push_back(row);
  std::erase_if(families, [](const auto& family) { return !speaks_for_a_family(family.second); });
  std::vector<const std::vector<const FitRow*>*> work;
  for (const auto& [name, members] : families) work.push_back(&members);
  // The longest first.
  std::stable_sort(work.begin(), work.end(), [](const auto* a, const auto* b) { return a->size() > b->size(); });
  std::vector<Profile> fitted(work.size());
  std::atomic<std::size_t> next = 0;
  const auto run = [&] {
    for (std::size_t i = next++; i < work.size(); i = next++) fitted[i] = fit_profile(*work[i], date);
  };
  std::vector<std::thread> workers;
  for (unsigned i = 1; i < threads; ++i) workers.emplace_back(run);
  run();
  for (std::thread& worker : workers) worker.join();
  Profiles profiles;
  for (Profile& profile : fitted) profiles.emplace(profile.family, std::move(profile));
  return profiles;
}

}  // namespace silicast
