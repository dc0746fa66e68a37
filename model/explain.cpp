// SPDX-License-Identifier: Apache-2.0
#include "model/explain.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>

namespace silicast {

namespace {

constexpr std::array<std::string_view, 3> residency_names{"dram", "last_level_cache", "l2"};

bool is_product(const Op& op) { return op.kind == OpKind::matmul || op.kind == OpKind::expert_matmul; }

struct UnitPeak {
  std::string name;
  FlopsPerSecond peak;
};

UnitPeak peak_of(Unit unit, const Processor& p) { return {std::string(name_of(unit)), p.peak(unit)}; }

// The fastest way to multiply without matrix units: kernels whose arithmetic stands in their unpack cost. Quantized
// weights are multiplied as bytes.
UnitPeak vector_peak(const Executor& executor, bool quantized) {
  const Processor& p = executor.processor;
  UnitPeak best = peak_of(Unit::fp32, p);
  const Unit other = quantized ? Unit::dp4a : Unit::fp16;
  if (p.has(other) && p.peak(other) > best.peak) best = peak_of(other, p);
  // A SIMD instruction of 256 bit multiplies and adds 32 pairs of bytes; int32 counts those of a CPU.
  constexpr double byte_operations = 64;
  if (quantized && executor.stack->on_cpu && p.has(Unit::int32) && p.peak(Unit::int32) * byte_operations > best.peak)
    best = {"int32", p.peak(Unit::int32) * byte_operations};
  return best;
}

// Kernel names are unique within the lists of a stack.
UnitPeak unit_of(const StepEvaluator::OpCost& op, const TypeTable& types) {
  const Executor& executor = *op.executor;
  const auto units_of = [&](const auto& kernels) {
    const auto at = std::find_if(kernels.begin(), kernels.end(), [&](const auto& k) { return k.name == op.kernel; });
    return at == kernels.end() ? std::vector<Unit>() : at->units;
  };
  std::vector<Unit> units;
  if (is_product(*op.op)) units = units_of(executor.stack->matmul);
  if (op.op->kind == OpKind::attention) {
    units = units_of(executor.stack->attention);
    if (units.empty()) units = units_of(executor.stack->unfused_attention);
  }
  for (const Unit unit : units)
    if (executor.processor.has(unit)) return peak_of(unit, executor.processor);
  return is_product(*op.op) ? vector_peak(executor, types[op.op->matmul.type].block > 1)
                            : peak_of(Unit::fp32, executor.processor);
}

Residency residency_of(Bytes working_set, const Processor& p) {
  if (p.l2 && working_set <= p.l2->capacity) return Residency::l2;
  if (p.last_level_cache && working_set <= p.last_level_cache->capacity) return Residency::last_level_cache;
  return Residency::dram;
}

std::string runs_on(const Executor& executor) { return executor.stack->on_cpu ? "cpu" : "gpu"; }

OpExplanation described(const StepEvaluator::OpCost& op, const Workload& workload, double steps) {
  OpExplanation e;
  e.name = op.op->name;
  e.kind = name_of(op.op->kind);
  if (is_product(*op.op)) e.type = (*workload.type_table)[op.op->matmul.type].name;
  e.kernel = op.kernel;
  e.runs_on = runs_on(*op.executor);
  e.layers = static_cast<int>(std::ceil(op.layers));
  e.cost = op.cost;
  e.bound = op.cost.bottleneck();
  const UnitPeak unit = unit_of(op, *workload.type_table);
  e.unit = unit.name;
  const Bytes touched = op.cost.dram_bytes + op.cost.cache_bytes;
  const Seconds time = op.cost.seconds;
  if (time > Seconds(0)) {
    e.achieved = op.cost.operations / time;
    e.achieved_bandwidth = op.cost.dram_bytes / time;
  }
  e.attainable_bandwidth = op.executor->dram_bandwidth;
  e.attainable = op.cost.operations > Flops(0) ? unit.peak : FlopsPerSecond(0);
  if (op.cost.dram_bytes > Bytes(0)) {
    const FlopsPerByte intensity = op.cost.operations / op.cost.dram_bytes;
    e.intensity = intensity.value();
    e.attainable = std::min(e.attainable, intensity * e.attainable_bandwidth);
  }
  if (touched > Bytes(0)) e.cached_share = op.cost.cache_bytes / touched;
  e.working_set = touched / (op.layers * steps);
  e.fits = residency_of(e.working_set, op.executor->processor);
  return e;
}

// What the step takes beside its operations.
OpExplanation beside(std::string name, Resource resource, const StepCost& whole, const StepCost& ops) {
  OpExplanation e;
  e.name = name;
  e.kind = std::move(name);
  e.bound = resource;
  const auto i = static_cast<std::size_t>(resource);
  e.cost.busy[i] = whole.busy[i] - ops.busy[i];
  e.cost.bound[i] = whole.bound[i] - ops.bound[i];
  e.cost.seconds = Seconds(e.cost.bound[i]);
  return e;
}

// Adds up the same operation over the steps of a phase; two steps may run different kernels of it.
class Summed {
 public:
  void add(const StepEvaluator::OpCost& op, std::size_t position, double times) {
    const auto [at, is_new] = index_.emplace(std::tuple(position, op.op, op.kernel), ops_.size());
    if (is_new) ops_.push_back({op, 0, position}), ops_.back().op.cost = {};
    StepCost cost = op.cost;
    ops_[at->second].op.cost += cost *= times;
    ops_[at->second].steps += times;
  }
  struct Sum {
    StepEvaluator::OpCost op;
    double steps = 0;
    std::size_t position = 0;
  };
  // In the order of a step.
  [[nodiscard]] std::vector<Sum> ops() const {
    std::vector<Sum> sorted = ops_;
    std::stable_sort(sorted.begin(), sorted.end(), [](const Sum& a, const Sum& b) { return a.position < b.position; });
    return sorted;
  }

 private:
  std::map<std::tuple<std::size_t, const Op*, std::string_view>, std::size_t> index_;
  std::vector<Sum> ops_;
};

std::string name_of(const GroupedAttention& a) {
  return a.window > 0 ? "attention over a window of " + std::to_string(a.window) : "attention";
}
std::string name_of(const LatentAttention& /*attention*/) { return "latent attention"; }
std::string name_of(const CompressedAttention& a) {
  return "attention over a window of " + std::to_string(a.window) +
         (a.compression > 0 ? " and entries of " + std::to_string(a.compression) + " tokens" : "");
}
std::string name_of(const GatedDeltaNet& /*net*/) { return "linear attention"; }
std::string name_of(const Mamba2& /*mamba*/) { return "Mamba-2"; }
std::string name_of(const ShortConvolution& /*convolution*/) { return "short convolution"; }
std::string name_of(const DenseFeedForward& /*dense*/) { return "dense"; }
std::string name_of(const ExpertFeedForward& /*experts*/) { return "experts"; }
std::string name_of(const Absent& /*absent*/) { return {}; }

std::string kind_name(const Layer& layer) {
  const auto name = [](const auto& part) { return name_of(part); };
  const std::string mixer = std::visit(name, layer.mixer);
  const std::string feed_forward = std::visit(name, layer.feed_forward);
  return mixer + (mixer.empty() || feed_forward.empty() ? "" : ", ") + feed_forward;
}

// How the operation's occurrences spread over the kinds of layers: the last entry is for what is outside of them.
std::vector<double> spread(const Op& op, const StepGraph& graph, std::size_t kinds) {
  std::vector<double> layers(kinds + 1, 0);
  double sum = 0;
  for (const Op& other : graph.ops) {
    if (other.kind != op.kind || other.name != op.name || other.matmul.type != op.matmul.type ||
        other.matmul.in != op.matmul.in || other.attention.window != op.attention.window)
      continue;
    const std::size_t kind =
        other.group < 0 ? kinds : static_cast<std::size_t>(graph.groups[static_cast<std::size_t>(other.group)].kind);
    layers[kind] += other.layers;
    sum += other.layers;
  }
  if (sum <= 0) layers.back() = sum = 1;
  for (double& share : layers) share /= sum;
  return layers;
}

// Kinds that differ in more than their name says are put together.
std::vector<LayerKindExplanation> by_layer_kind(const Summed& summed, const StepCost& rest, const Workload& workload,
                                                Seconds whole) {
  const Architecture& a = workload.architecture;
  const StepGraph graph = step_graph(workload);
  std::vector<StepCost> costs(a.kinds.size() + 1);
  for (const auto& [op, steps, position] : summed.ops()) {
    const auto shares = spread(*op.op, graph, a.kinds.size());
    for (std::size_t kind = 0; kind < costs.size(); ++kind) {
      StepCost cost = op.cost;
      costs[kind] += cost *= shares[kind];
    }
  }
  costs.back() += rest;
  std::vector<LayerKindExplanation> kinds;
  std::vector<StepCost> sums;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    const bool outside = i == a.kinds.size();
    const std::string name = outside ? "outside of the layers" : kind_name(a.kinds[i]);
    auto at = std::find_if(kinds.begin(), kinds.end(), [&](const auto& k) { return k.name == name; });
    if (at == kinds.end()) at = kinds.insert(kinds.end(), {.name = name}), sums.emplace_back();
    at->layers += outside ? 0 : static_cast<int>(std::count(a.layers.begin(), a.layers.end(), static_cast<int>(i)));
    sums[static_cast<std::size_t>(at - kinds.begin())] += costs[i];
  }
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    kinds[i].seconds = sums[i].seconds;
    kinds[i].share = sums[i].seconds / whole;
    kinds[i].dram_bytes = sums[i].dram_bytes;
    kinds[i].operations = sums[i].operations;
    kinds[i].bound = sums[i].bottleneck();
  }
  return kinds;
}

PhaseExplanation explained(const Compiled& c, const std::vector<RepeatedStep>& steps, const Phase& phase) {
  PhaseExplanation e;
  Summed summed;
  StepCost whole;
  StepCost of_ops;
  e.steps = 0;
  for (const auto& [batch, times] : steps) {
    const auto ops = c.evaluator.per_op(batch);
    for (std::size_t i = 0; i < ops.size(); ++i) summed.add(ops[i], i, times);
    StepCost cost = c.evaluator(batch);
    whole += cost *= times;
    e.steps += times;
  }
  for (const auto& [op, times, position] : summed.ops()) {
    of_ops += op.cost;
    e.ops.push_back(described(op, *c.workload, times));
  }
  StepCost rest;
  for (const auto& [name, resource] :
       {std::pair("links", Resource::link), std::pair("step overhead", Resource::launch)}) {
    OpExplanation op = beside(name, resource, whole, of_ops);
    constexpr double rounding = 1e-9;
    if (op.cost.seconds <= whole.seconds * rounding) continue;
    rest += op.cost;
    e.ops.push_back(std::move(op));
  }
  // Stages of a pipeline overlap: the phase may be shorter than its steps one after the other.
  const double overlap = phase.seconds / whole.seconds;
  for (OpExplanation& op : e.ops) {
    op.share = op.cost.seconds / whole.seconds;
    op.cost.seconds *= overlap;
  }
  e.layer_kinds = by_layer_kind(summed, rest, *c.workload, whole.seconds);
  for (auto& kind : e.layer_kinds) kind.seconds *= overlap;
  e.cost = whole;
  e.cost.seconds = phase.seconds;
  return e;
}

void add_hardware(Explanation& e, const StepEvaluator::OpCost& op, const TypeTable& types) {
  const Executor& executor = *op.executor;
  const std::string where = runs_on(executor);
  const auto is_here = [&](const auto& x) { return x.runs_on == where; };
  if (std::none_of(e.roofs.begin(), e.roofs.end(), is_here)) {
    e.roofs.push_back({.name = "DRAM", .runs_on = where, .bandwidth = executor.dram_bandwidth});
    const auto add_cache = [&](const char* name, const std::optional<Cache>& cache) {
      if (cache) e.caches.push_back({name, where, cache->capacity, cache->bandwidth});
    };
    add_cache("l2", executor.processor.l2);
    add_cache("last_level_cache", executor.processor.last_level_cache);
  }
  const UnitPeak unit = unit_of(op, types);
  if (std::none_of(e.roofs.begin(), e.roofs.end(), [&](const Roof& r) { return is_here(r) && r.name == unit.name; }))
    e.roofs.push_back({.name = unit.name, .runs_on = where, .peak = unit.peak});
}

}  // namespace

std::string_view name_of(Residency residency) { return residency_names[static_cast<std::size_t>(residency)]; }

Explanation explain(const Query& query, const Database& database) {
  const Compiled compiled = compile(query, database);
  Explanation e;
  e.prediction = predict(compiled, database);
  const Query& q = compiled.query;
  std::vector<RepeatedStep> all;
  const auto add = [&](std::optional<PhaseExplanation>& phase, const std::optional<Phase>& predicted,
                       std::vector<RepeatedStep> steps) {
    if (!predicted) return;
    phase = explained(compiled, steps, *predicted);
    all.insert(all.end(), steps.begin(), steps.end());
  };
  add(e.prefill, e.prediction.prefill, prefill_steps(q, cut_of(compiled), predicted_prefill_steps));
  add(e.decode, e.prediction.decode, decode_steps(q, predicted_decode_steps));
  for (const auto& step : all)
    for (const auto& op : compiled.evaluator.per_op(step.batch)) add_hardware(e, op, *database.types());
  e.elasticities = elasticities(compiled, e, database);
  return e;
}

}  // namespace silicast
