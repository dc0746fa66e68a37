// SPDX-License-Identifier: Apache-2.0
#include "calibration/host.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "base/text.h"
#include "calibration/fit.h"

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

// The least of a function that has one minimum in the interval (golden section).
double least(double low, double high, const std::function<double(double)>& f) {
  constexpr double golden = 0.6180339887498949;
  constexpr int steps = 24;  // a hundred-thousandth of the interval
  for (int i = 0; i < steps; ++i) {
    const double a = high - golden * (high - low);
    const double b = low + golden * (high - low);
    if (f(a) < f(b))
      high = b;
    else
      low = a;
  }
  return (low + high) / 2;
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

// At another pace of the machine.
OpWork at_pace(OpWork work, const HostPace& pace) {
  work.apply({.dram = 1 / pace.read,
              .matrix = 1 / pace.arithmetic,
              .dequant = 1 / pace.arithmetic,
              .other = 1 / pace.arithmetic,
              .launch = 1 / pace.arithmetic});
  return work;
}

// A product, or a whole run: what it consists of, how long it took.
struct Observed {
  std::vector<OpWork> work;
  double step_seconds = 0;
  double seconds = 0;
  bool decodes = false;  // one row of activations, or a step of decoding

  [[nodiscard]] double predicted(const Corrections& corrections) const {
    double sum = step_seconds * corrections.step;
    for (OpWork op : work) {
      op.apply(corrections.of(op.corrected_by_kernel ? op.kernel : "", op.type, op.unpacked_before));
      sum += op.layers * op.seconds();
    }
    return sum;
  }
};

Observed observed(const FitRow& row, const HostPace& pace) {
  Observed result{.work = {},
                  .step_seconds = row.step_seconds / pace.arithmetic,
                  .seconds = row.tokens / row.measured,
                  .decodes = row.metric == Metric::decode_rate};
  for (const OpWork& op : row.work) result.work.push_back(at_pace(op, pace));
  return result;
}

// Square where an error is small, linear where it is not: a burst of another program is not the machine.
double loss(double error) {
  constexpr double large = 0.03;
  const double times = error / large;
  return large * large * (std::sqrt(1 + times * times) - 1);
}

// Decoding is what the machine is mostly asked for, and the smaller errors are seen in.
double weight(const Observed& row) { return row.decodes ? 3 : 1; }

struct Unknown {
  double* value = nullptr;
  std::vector<const Observed*> rows;
};

// The corrections that the observations bear on.
std::vector<Unknown> unknowns_of(const std::vector<Observed>& all, Corrections& corrections) {
  std::vector<Unknown> unknowns;
  const auto bears = [&](double& value, const Observed& row) {
    const auto at = std::find_if(unknowns.begin(), unknowns.end(), [&](const Unknown& u) { return u.value == &value; });
    Unknown& unknown = at == unknowns.end() ? unknowns.emplace_back(Unknown{&value, {}}) : *at;
    if (unknown.rows.empty() || unknown.rows.back() != &row) unknown.rows.push_back(&row);
  };
  const auto named = [](Corrections::Named& factors, std::string_view name) -> double& {
    return factors.try_emplace(std::string(name), 1.0).first->second;
  };
  for (const Observed& row : all) {
    // What is paid once a step or an operation shows in decoding: in a prompt it is less than the products' own errors.
    if (row.decodes && row.step_seconds > 0) bears(corrections.step, row);
    for (const OpWork& op : row.work) {
      if (row.decodes && op.launch > 0) bears(corrections.launch, row);
      if (row.decodes && op.dram > 0) bears(corrections.bandwidth, row);
      if (!op.type.empty() && op.dequant > 0) bears(named(corrections.unpack_of_type, op.type), row);
      if (!op.type.empty() && op.matrix > 0 && !op.unpacked_before)
        bears(named(corrections.matrix_of_type, op.type), row);
      // Of a kernel that only unpacks, the types say it all.
      if (op.corrected_by_kernel && (op.type.empty() || op.matrix > 0))
        bears(named(corrections.kernel, op.kernel), row);
    }
  }
  return unknowns;
}

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
  family_ = compiled.stack->family;
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

// One unknown after the other, until nothing moves.
void HostFit::fit(const std::vector<HostKernel>& kernels, const std::vector<HostRun>& runs) {
  corrections_ = {};
  std::vector<Observed> all;
  KernelWork work(database_, device_file_);
  for (const HostKernel& kernel : kernels)
    if (const auto op = work.of(kernel))
      all.push_back(
          {.work = {at_pace(*op, kernel.pace)}, .seconds = kernel.time.value(), .decodes = kernel.batch == 1});
  for (const HostRun& run : runs) all.push_back(observed(row_of(run), run.pace));
  // A pull towards one, so that what nothing tells stays where the description put it.
  constexpr double pull = 1e-5;
  constexpr int sweeps = 30;
  const std::vector<Unknown> unknowns = unknowns_of(all, corrections_);
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    double moved = 0;
    for (const Unknown& unknown : unknowns) {
      const double before = std::log(*unknown.value);
      const double reach = sweep == 0 ? farthest_log : 0.3;
      const double found =
          least(std::max(-farthest_log, before - reach), std::min(farthest_log, before + reach), [&](double x) {
            *unknown.value = std::exp(x);
            double sum = pull * x * x;
            for (const Observed* row : unknown.rows)
              sum += weight(*row) * loss(std::log(row->predicted(corrections_) / row->seconds));
            return sum;
          });
      *unknown.value = std::exp(found);
      moved = std::max(moved, std::abs(found - before));
    }
    constexpr double still = 1e-3;
    if (moved < still) break;
  }
}

double HostFit::predicted(const HostRun& run) const {
  const FitRow row = row_of(run);
  return row.tokens / observed(row, run.pace).predicted(corrections_);
}

Profile HostFit::profile(const std::vector<HostRun>& held_out, std::size_t rows, const std::string& date) const {
  Profile profile;
  profile.family = family_;
  profile.date = date;
  constexpr double kernel_sd = 0.03;  // what a kernel's repeats spread
  const auto put = [&](const std::string& name, double factor) {
    profile.parameters[name] = {.log = std::log(factor), .sd = kernel_sd};
  };
  put(parameter_name("bandwidth", "device", scope_.device), corrections_.bandwidth);
  put(parameter_name("launch", "device", scope_.device), corrections_.launch);
  put("step/stack", corrections_.step);
  for (const auto& [type, factor] : corrections_.unpack_of_type) put(parameter_name("unpack", "type", type), factor);
  for (const auto& [type, factor] : corrections_.matrix_of_type) put(parameter_name("matrix", "type", type), factor);
  for (const auto& [name, factor] : corrections_.kernel) put(parameter_name("kernel", "name", name), factor);
  std::array<std::vector<double>, 2> errors;
  for (const HostRun& run : held_out)
    errors[run.prompt > 0 ? 1 : 0].push_back(std::abs(std::log(run.tokens_per_second / predicted(run))));
  constexpr double of_median = 1.4826;  // standard deviation over median absolute deviation of a normal distribution
  constexpr double at_least = 0.02;
  profile.residual.fill({.decode = std::max(at_least, of_median * median(errors[0])),
                         .prefill = std::max(at_least, of_median * median(errors[1]))});
  profile.decode_rows = profile.prefill_rows = 0;
  for (const HostRun& run : held_out) ++(run.prompt > 0 ? profile.prefill_rows : profile.decode_rows);
  profile.spread["bandwidth/device"] = profile.spread["launch/device"] = kernel_sd;
  profile.measurements[scope_.device][scope_.stack] = static_cast<std::int64_t>(rows);
  profile.architectures[scope_.architecture] = static_cast<std::int64_t>(rows);
  return profile;
}

}  // namespace silicast
