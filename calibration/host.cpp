// SPDX-License-Identifier: Apache-2.0
#include "calibration/host.h"

#include <ceres/ceres.h>
#include <ceres/normal_prior.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>

#include "base/text.h"
#include "calibration/fit.h"
#include "calibration/posterior.h"
#include "calibration/row_cost.h"

namespace silicast {

namespace {

constexpr const char* stack_name = "silicast-engine";
// Whose ffn_up is of the type: the model's shapes are those that the kernels are measured at.
constexpr const char* kernel_model = "tinyllama-1.1b";
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> scheme_of_type{
    {{"Q3_K", "Q3_K_M"}, {"Q4_K", "Q4_K_M"}, {"Q5_K", "Q5_K_M"}, {"MXFP4", "MXFP4_MOE"}, {"IQ3_S", "IQ3_S"}}};

Query query_of(const std::string& device_file, const std::string& model, const std::string& quant, int threads) {
  Query query;
  query.model = model;
  query.quant = quant;
  query.device = device_file;
  query.stack = stack_name;
  query.threads = threads;
  query.calibrated = false;
  return query;
}

std::string scheme_for(std::string_view type) {
  for (const auto& [name, scheme] : scheme_of_type)
    if (name == type) return std::string(scheme);
  return std::string(type);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// The work of one kernel by itself: of the model's products of that type the one of that size, without its launch.
class KernelWork {
 public:
  KernelWork(const Database& database, std::string device_file)
      : database_(database), device_file_(std::move(device_file)) {}

  std::optional<OpWork> of(const HostKernel& kernel) {
    const Compiled* compiled = compiled_for(kernel);
    if (compiled == nullptr) return std::nullopt;
    const StepEvaluator& evaluator = *compiled->evaluator.single();
    const StepShape shape{
        .batch = 1, .new_tokens = static_cast<double>(kernel.batch), .outputs = static_cast<double>(kernel.batch)};
    const auto costs = evaluator.per_op(shape);
    const auto works = evaluator.work(shape);
    std::optional<OpWork> found;
    for (std::size_t i = 0; i < works.size(); ++i) {
      const Op& op = *costs[i].op;
      if (works[i].type != kernel.type || op.name.find("ffn") == std::string_view::npos) continue;
      if (op.name.find("down") != std::string_view::npos) continue;
      found = works[i];
      break;
    }
    if (!found) return std::nullopt;
    found->layers = 1;
    found->launch = 0;
    return found;
  }

 private:
  const Compiled* compiled_for(const HostKernel& kernel) {
    const std::string key = kernel.type + "/" + std::to_string(kernel.threads);
    if (const auto at = compiled_.find(key); at != compiled_.end()) return at->second ? &*at->second : nullptr;
    std::optional<Compiled> made;
    try {
      made = compile(query_of(device_file_, kernel_model, scheme_for(kernel.type), kernel.threads), database_);
    } catch (const Error&) {
      made = std::nullopt;  // a type without a scheme of its own, such as F32
    }
    auto& kept = compiled_[key] = std::move(made);
    return kept ? &*kept : nullptr;
  }

  const Database& database_;
  std::string device_file_;
  std::map<std::string, std::optional<Compiled>> compiled_;
};

std::string vendor_of(const std::string& processor) {
  for (const char* vendor : {"Intel", "AMD", "Apple", "Ampere", "Qualcomm", "NVIDIA"})
    if (processor.find(vendor) != std::string::npos) return vendor;
  return "unknown";
}

// How far a factor may be from one before anything is known of the machine, as a standard deviation of its logarithm:
// the instructions and shares of a stack are counted on others. Of what is not named here nothing is worked out.
std::map<std::string, double, std::less<>> host_spread() {
  return {{"bandwidth/device", 0.1}, {"matrix/device", 0.1}, {"launch/device", 0.7}, {"step/stack", 1.0},
          {"unpack/type", 0.7},      {"matrix/type", 0.2},   {"kernel/name", 0.4}};
}

// Where an error is larger it counts less and less: a burst of another program is not the machine.
constexpr double noise = 0.03;

// Decoding is what the machine is mostly asked for, and the smaller errors are seen in.
double weight_of(const FitRow& row) { return row.metric == Metric::decode_rate ? 3 : 1; }

// The factors of all rows together, with what they leave open.
class HostProblem {
 public:
  // A product by itself: within a model it has other work before and after it, and its partners wait for the slowest.
  void add_alone(const FitRow& row) {
    RowFunction function = row_function(row);
    function.parameters[matrix_parameter] = "matrix/alone";
    add(row, std::move(function));
  }
  void add(const FitRow& row) { add(row, row_function(row)); }

  void solve(Profile& profile) {
    std::vector<std::string> names;
    std::vector<double*> blocks;
    for (auto& [name, log] : logs_) {
      const auto known = profile.spread.find(prior_of(name));
      if (known == profile.spread.end()) {
        problem_.SetParameterBlockConstant(&log);
        continue;
      }
      const Eigen::VectorXd mean = Eigen::VectorXd::Zero(1);
      problem_.AddResidualBlock(new ceres::NormalPrior(Eigen::MatrixXd::Constant(1, 1, 1 / known->second), mean),
                                nullptr, &log);
      problem_.SetParameterLowerBound(&log, 0, -farthest_log);
      problem_.SetParameterUpperBound(&log, 0, farthest_log);
      names.push_back(name);
      blocks.push_back(&log);
    }
    if (names.empty()) return;
    ceres::Solver::Options options;
    options.linear_solver_type = ceres::DENSE_QR;
    options.num_threads = 1;
    options.logging_type = ceres::SILENT;
    ceres::Solver::Summary summary;
    ceres::Solve(options, &problem_, &summary);
    ensure(summary.IsSolutionUsable(), "a fit with priors has a solution");
    std::vector<double> logs;
    for (const double* log : blocks) logs.push_back(*log);
    set_estimates(profile, names, logs, posterior_covariance(problem_, blocks));
  }

 private:
  void add(const FitRow& row, RowFunction function) {
    std::vector<double*> blocks;
    for (const std::string& name : function.parameters) blocks.push_back(&logs_[name]);
    auto cost = row_cost(std::move(function), std::log(row.tokens / row.measured), noise);
    problem_.AddResidualBlock(cost.release(),
                              new ceres::ScaledLoss(new ceres::SoftLOneLoss(1), weight_of(row), ceres::TAKE_OWNERSHIP),
                              blocks);
  }

  std::map<std::string, double> logs_;
  ceres::Problem problem_;
};

}  // namespace

std::string device_yaml(const HostMachine& m, const std::string& date) {
  const auto bytes = [](Bytes b) { return exact(b / 1_MiB) + " MiB"; };
  const auto rate = [](BytesPerSecond r) { return exact(r.value()) + " B/s"; };
  std::string text = "# Written by `silicast calibrate host`.\n";
  text += "name: \"" + m.name + " (this machine)\"\nid: " + m.id + "\nclass: cpu\nvendor: " + vendor_of(m.name) +
          "\nreleased: " + date.substr(0, 7) + "\ndefault_stack: " + stack_name + "\n";
  text += "memory:\n  type: unknown\n  bandwidth: " + rate(m.read) + "\n  achievable_bandwidth: " + rate(m.read) + "\n";
  text += "  core_bandwidth: " + rate(m.read_one_core) + "\n  capacity: [" + bytes(m.memory) + "]\n";
  text += "cpu:\n  architecture: " + m.id + "\n  cores: " + std::to_string(m.cores) +
          "\n  clock: " + exact(m.clock.value() / 1e6) + " MHz\n  instruction_sets: [" +
          join(m.instruction_sets, ", ") + "]\n  vector_width: " + std::to_string(m.vector_bits) +
          " bit\n  fma_units: " + std::to_string(m.fma_units) + "\n";
  if (m.l2 > Bytes(0)) text += "  l2: {capacity: " + bytes(m.l2) + "}\n";
  if (m.l3 > Bytes(0)) text += "  l3: {capacity: " + bytes(m.l3) + "}\n";
  text += "sources:\n  all: \"measured on the machine itself by silicast calibrate host, " + date + "\"\n";
  return text;
}

std::string HostRun::shape() const {
  std::string text = prompt > 0 ? "pp" + std::to_string(prompt) : "tg" + std::to_string(gen);
  if (batch > 1) text += " x" + std::to_string(batch);
  if (depth > 0) text += " @ d" + std::to_string(depth);
  return text;
}

HostFit::HostFit(const Database& database, std::string device_file)
    : database_(database), device_file_(std::move(device_file)) {
  const Compiled compiled = compile(query_of(device_file_, kernel_model, "Q4_0", 1), database_);
  scope_ = compiled.scope;
  fitted_.family = compiled.stack->family;
  fitted_.spread = host_spread();
}

FitRow HostFit::row_of(const HostRun& run) const {
  Query query = query_of(device_file_, run.model, run.quant, run.threads);
  query.depth = run.depth;
  query.concurrency = run.batch;
  query.prompt = std::max<std::int64_t>(run.prompt, 1);
  query.gen = std::max<std::int64_t>(run.gen, 1);
  // What decoding starts from is the depth: a prompt would stand before it.
  if (run.prompt == 0) query.prompt = 0;
  const Compiled compiled = compile(query, database_);
  const StepEvaluator& evaluator = *compiled.evaluator.single();
  constexpr std::int64_t most = 8;
  const auto steps =
      run.prompt > 0 ? prefill_steps(compiled.query, cut_of(compiled), most) : decode_steps(compiled.query, most);
  FitRow row;
  row.model = run.model;
  row.quant = run.quant;
  row.scope = scope_;
  row.metric = run.prompt > 0 ? Metric::prefill_rate : Metric::decode_rate;
  row.measured = run.tokens_per_second;
  row.tokens = run.prompt > 0 ? static_cast<double>(run.prompt) : static_cast<double>(run.batch);
  for (const RepeatedStep& step : steps) {
    row.step_seconds += step.times * evaluator.step_overhead().value();
    for (OpWork work : evaluator.work(step.batch)) {
      work.layers *= step.times;
      row.work.push_back(work);
    }
  }
  return row;
}

void HostFit::fit(const std::vector<HostKernel>& kernels, const std::vector<HostRun>& runs) {
  fitted_.parameters.clear();
  HostProblem problem;
  KernelWork work(database_, device_file_);
  std::vector<FitRow> rows;
  rows.reserve(kernels.size() + runs.size());  // the problem refers to them
  for (const HostKernel& kernel : kernels) {
    const auto op = work.of(kernel);
    if (!op) continue;
    FitRow row;
    row.scope = scope_;
    row.metric = kernel.batch == 1 ? Metric::decode_rate : Metric::prefill_rate;
    row.tokens = static_cast<double>(kernel.batch);
    row.measured = row.tokens / kernel.time.value();
    row.work = {*op};
    problem.add_alone(rows.emplace_back(std::move(row)));
  }
  for (const HostRun& run : runs) problem.add(rows.emplace_back(row_of(run)));
  problem.solve(fitted_);
  fitted_.measurements[scope_.device][scope_.stack] = static_cast<std::int64_t>(rows.size());
  fitted_.architectures[scope_.architecture] = static_cast<std::int64_t>(rows.size());
}

double HostFit::predicted(const HostRun& run) const {
  const FitRow row = row_of(run);
  return row.tokens / row.cost(corrections()).seconds.value();
}

Profile HostFit::profile(const std::vector<HostRun>& held_out, const std::string& date) const {
  Profile profile = fitted_;
  profile.date = date;
  std::array<std::vector<double>, 2> errors;
  for (const HostRun& run : held_out)
    errors[run.prompt > 0 ? 1 : 0].push_back(std::abs(std::log(run.tokens_per_second / predicted(run))));
  constexpr double of_median = 1.4826;  // standard deviation over median absolute deviation of a normal distribution
  constexpr double at_least = 0.02;
  profile.residual.fill({.decode = std::max(at_least, of_median * median(errors[0])),
                         .prefill = std::max(at_least, of_median * median(errors[1]))});
  for (const HostRun& run : held_out) ++(run.prompt > 0 ? profile.prefill_rows : profile.decode_rows);
  return profile;
}

}  // namespace silicast
