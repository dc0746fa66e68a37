// SPDX-License-Identifier: Apache-2.0
#include "model/step_cost.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace silicast {

namespace {

// The smooth maximum of exponent 4, by square roots: a power costs ten times as much.
double smooth_max(double a, double b, double c, double d) noexcept {
  const auto fourth = [](double x) { return x * x * x * x; };
  return std::sqrt(std::sqrt(fourth(a) + fourth(b) + fourth(c) + fourth(d)));
}

// Of one occurrence. Inline where a step is summed: a call, for which the work has to lie in memory, takes half of its
// time.
[[gnu::always_inline]] inline double seconds_of(const OpWork& work) noexcept {
  // Work on the same units adds up; work on different ones overlaps.
  const double on_vector_units = work.shares_vector_units ? work.matrix : 0;
  const double arithmetic = work.alu + work.dequant + on_vector_units;
  const double before = work.overlaps_loads ? 0 : work.dram;
  return work.launch + before + smooth_max(work.dram - before, arithmetic, work.matrix - on_vector_units, work.cache);
}

// A working set counts as resident when it leaves room for what else passes through the cache.
constexpr double cache_share_for_weights = 0.8;
constexpr double cache_share_for_activations = 0.5;

// Norms, rotations, activations, sums of a CPU: one correction for all.
constexpr std::string_view cpu_vector_kernel = "vector operations";

// No names: all.
bool lists(const std::vector<std::string>& names, std::string_view name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

bool applies(const MatmulKernel& kernel, const TensorType& type, bool experts, const Processor& processor) {
  if (kernel.experts && *kernel.experts != experts) return false;
  if (!lists(kernel.types, type.name) || !lists(kernel.architectures, processor.architecture)) return false;
  const auto& sets = processor.instruction_sets;
  return std::all_of(kernel.needs.begin(), kernel.needs.end(),
                     [&](const std::string& set) { return std::find(sets.begin(), sets.end(), set) != sets.end(); });
}

// Half precision that is slower than single precision (Pascal's consumer cards) counts as absent, as it does for the
// stacks.
const Unit* first_present(const std::vector<Unit>& units, const Processor& processor) {
  const auto present = [&](Unit unit) {
    return processor.has(unit) && !(unit == Unit::fp16 && processor.peak(unit) < processor.peak(Unit::fp32));
  };
  const auto at = std::find_if(units.begin(), units.end(), present);
  return at == units.end() ? nullptr : &*at;
}

bool equal_but_for_layers(const Op& a, const Op& b) {
  return a.kind == b.kind && a.read == b.read && a.written == b.written && a.matmul == b.matmul && a.state == b.state &&
         a.attention == b.attention && (a.stage == Stage::head) == (b.stage == Stage::head) && a.name == b.name;
}

}  // namespace

double padded(double tokens, double padding) { return std::ceil(tokens / padding) * padding; }

double OpWork::seconds() const noexcept { return seconds_of(*this); }

void OpWork::apply(const OpFactors& factors) noexcept {
  dram *= factors.dram;
  matrix *= factors.matrix;
  dequant *= factors.dequant;
  alu *= factors.other;
  cache *= factors.other;
  launch *= factors.launch;
}

StepEvaluator::StepEvaluator(const StepGraph& graph, const Workload& workload, const Executor& executor,
                             const StepEvaluator* like)
    : executor_(executor) {
  const Processor& p = executor_.processor;
  const Stack& stack = *executor_.stack;
  seconds_per_byte_ = 1 / executor_.dram_bandwidth.value();
  const auto& largest = p.last_level_cache ? p.last_level_cache : p.l2;
  if (largest) {
    cache_capacity_ = largest->capacity.value();
    if (largest->bandwidth) cache_seconds_per_byte_ = 1 / largest->bandwidth->value();
  }
  vector_seconds_per_flop_ = 1 / p.peak(Unit::fp32).value();
  // On a CPU exponentials, conversions to 8 bit and rotations are no multiply-adds: about a tenth of their rate, an
  // estimate that measurements correct.
  constexpr double cpu_vector_share = 0.1;
  if (stack.on_cpu) vector_seconds_per_flop_ /= cpu_vector_share;
  const TypeTable& types = *workload.type_table;
  key_bytes_ = types[executor_.key_type].bits_per_weight() / 8;
  value_bytes_ = types[executor_.value_type].bits_per_weight() / 8;
  quantized_cache_ = types[executor_.key_type].block > 1;
  kernel_seconds_ = stack.kernel_overhead(p).value();
  static const Corrections none;
  const Corrections& corrections = executor_.corrections ? *executor_.corrections : none;
  if (executor_.begins_step) step_seconds_ = stack.overheads.step.value() * corrections.step;
  sequence_seconds_ = stack.overheads.sequence.value() * corrections.sequence;
  vector_factors_ = corrections.of(stack.on_cpu ? cpu_vector_kernel : "", "");
  for (const AttentionKernel& kernel : attention_kernels())
    attention_factors_.push_back(corrections.of(kernel.name, ""));
  weights_stay_cached_ =
      cache_seconds_per_byte_ > 0 && workload.tensor_bytes().value() <= cache_share_for_weights * cache_capacity_;

  ops_.reserve(graph.ops.size());
  for (const Op& op : graph.ops) {
    const auto same =
        std::find_if(ops_.begin(), ops_.end(), [&](const Compiled& c) { return equal_but_for_layers(c.op, op); });
    if (same != ops_.end()) {
      same->op.layers += op.layers;
      same->op.stage = std::max(same->op.stage, op.stage);
      continue;
    }
    Compiled compiled{.op = op};
    compiled.launch_seconds = stack.launches[static_cast<std::size_t>(op.kind)] * kernel_seconds_;
    if (op.kind == OpKind::matmul || op.kind == OpKind::expert_matmul) {
      const Compiled* known = with_product_of(op);
      if (known == nullptr && like != nullptr) known = like->with_product_of(op);
      if (known != nullptr)
        compiled.kernels = known->kernels, compiled.type = known->type;
      else
        compile_matmul(compiled, workload);
    }
    ops_.push_back(std::move(compiled));
  }
}

const StepEvaluator::Compiled* StepEvaluator::with_product_of(const Op& op) const {
  const auto at = std::find_if(ops_.begin(), ops_.end(),
                               [&](const Compiled& c) { return !c.kernels.empty() && c.op.matmul == op.matmul; });
  return at == ops_.end() ? nullptr : &*at;
}

void StepEvaluator::compile_matmul(Compiled& compiled, const Workload& workload) const {
  const Op& op = compiled.op;
  const TensorType& type = (*workload.type_table)[op.matmul.type];
  compiled.type = type.name;
  for (const MatmulKernel& kernel : executor_.stack->matmul) {
    if (!applies(kernel, type, op.matmul.experts > 0, executor_.processor)) continue;
    if (!kernel.units.empty() && first_present(kernel.units, executor_.processor) == nullptr) continue;
    Matmul m = compile_kernel(kernel, op, workload);
    if (!compiled.kernels.empty() && m.columns <= compiled.kernels.back().columns &&
        m.expert_columns <= compiled.kernels.back().expert_columns)
      continue;
    compiled.kernels.push_back(m);
    if (std::isinf(m.columns) && std::isinf(m.expert_columns)) return;
  }
  if (compiled.kernels.empty())
    throw RefusedError("the stack '" + executor_.stack->id + "' has no kernel for " + type.name +
                       " on the architecture '" + executor_.processor.architecture + "'");
  compiled.kernels.back().columns = std::numeric_limits<double>::infinity();
  compiled.kernels.back().expert_columns = std::numeric_limits<double>::infinity();
}

const UnpackCost& StepEvaluator::unpack_cost(const TensorType& type) const {
  const Stack& stack = *executor_.stack;
  const auto at = stack.unpack.find(type.name);
  return at == stack.unpack.end() ? stack.default_unpack : at->second;
}

double StepEvaluator::unpack_seconds_per_weight(const TensorType& type, double share) const {
  const UnpackCost& cost = unpack_cost(type);
  const Processor& p = executor_.processor;
  const auto rate = [&](Unit unit, Unit fallback) {
    return p.has(unit) ? p.peak(unit).value() : p.peak(fallback).value() / 2;
  };
  const double simple = cost.simple_of(p) / rate(Unit::int32, Unit::fp32);
  const double slow = p.has(Unit::int32_slow) ? cost.slow / rate(Unit::int32_slow, Unit::fp32)
                                              : cost.slow / rate(Unit::int32, Unit::fp32);
  const double lookups = p.has(Unit::lookup) ? cost.lookups / rate(Unit::lookup, Unit::fp32) : 0;
  double by_set = 1;
  for (const std::string& set : p.instruction_sets)
    if (const auto at = executor_.stack->unpack_by_set.find(set); at != executor_.stack->unpack_by_set.end())
      by_set = std::min(by_set, at->second);
  return (std::max(simple, slow) + lookups) * by_set / share;
}

StepEvaluator::Matmul StepEvaluator::compile_kernel(const MatmulKernel& kernel, const Op& op,
                                                    const Workload& workload) const {
  const TypeTable& types = *workload.type_table;
  const TensorType& type = types[op.matmul.type];
  const Processor& p = executor_.processor;
  const double matrices = op.matmul.experts > 0 ? static_cast<double>(op.matmul.experts) : 1;
  const double in = static_cast<double>(op.matmul.in);
  const double out = static_cast<double>(op.matmul.out);

  Matmul m;
  m.kernel = kernel.name;
  m.columns = kernel.columns;
  if (const auto at = kernel.columns_by_type.find(type.name); at != kernel.columns_by_type.end())
    m.columns = at->second;
  m.expert_columns = kernel.expert_columns;
  m.weight_bytes = types.row_bytes(op.matmul.in, op.matmul.type).value() * out * matrices * executor_.weight_scale;
  const double per_byte = (weights_stay_cached_ ? cache_seconds_per_byte_ : seconds_per_byte_) / kernel.dram_share;
  m.weight_seconds = m.weight_bytes * per_byte;
  m.activation_bytes_per_column = (in + out) * executor_.stack->activation_bytes;
  m.unpack_seconds = in * out * matrices * unpack_seconds_per_weight(type, kernel.unpack_share);
  const UnpackCost& unpack = unpack_cost(type);
  const double instructions = unpack.simple_of(p) + unpack.slow + unpack.lookups;
  m.unpack_instructions = in * out * matrices * (instructions + kernel.pass);
  const double pass_rate = (p.has(Unit::int32) ? p.peak(Unit::int32).value() : p.peak(Unit::fp32).value() / 2);
  m.pass_seconds = in * out * matrices * kernel.pass / pass_rate;
  m.unpack_every = kernel.unpack_every;
  m.overlaps_loads = kernel.overlaps_loads;
  if (kernel.further_column && instructions > 0) m.further_pass = std::min(1.0, *kernel.further_column / instructions);
  m.tile_columns = kernel.tile_columns;
  const double row_tiles = std::ceil(out / kernel.tile_rows);
  if (const Unit* unit = first_present(kernel.units, p)) {
    // What feeds the unit is not hidden behind it: the times of product, loads and scaling add up.
    const double operations = 2 * in * row_tiles * kernel.tile_rows;
    const double feed_peak = kernel.feed_rate * p.cores * p.clock.value();
    m.unit_seconds_per_column = operations / (p.peak(*unit).value() * kernel.unit_share) + operations / feed_peak;
    if (const auto at = kernel.share_by_architecture.find(p.architecture); at != kernel.share_by_architecture.end())
      m.unit_seconds_per_column /= at->second;
    constexpr std::int64_t conflicting_values = 2048;  // 4 KiB of F16
    if (op.matmul.in % conflicting_values == 0) m.unit_seconds_per_column /= kernel.conflict_share;
    m.unit_seconds_per_column /= executor_.matrix_clock;
    if (kernel.applies_scales) {
      constexpr double weights_per_scale = 32;
      const double lanes_per_second = p.peak(Unit::fp32).value() / 2;
      m.unit_seconds_per_column +=
          row_tiles * kernel.tile_rows * in / weights_per_scale * unpack_cost(type).scaling / lanes_per_second;
    }
    m.shares_vector_units = !is_matrix(*unit) || p.matrix_on_vector_units;
    m.on_matrix_units = is_matrix(*unit);
    if (!kernel.split_k) m.row_tiles_per_core = row_tiles / p.cores;
  }
  if (kernel.unpacks_to_memory && type.block > 1) {
    constexpr double f16_bytes = 2;
    m.scratch_bytes = f16_bytes * in * out * matrices;
    m.scratch_seconds = m.scratch_bytes * seconds_per_byte_;
  }
  m.launch_seconds = kernel.launches * kernel_seconds_;
  if (p.dies > 1)
    m.launch_seconds += static_cast<double>(op.matmul.used) * executor_.stack->overheads.scattered_read.value();
  m.expert_launch_seconds = kernel.expert_launches * kernel_seconds_;
  m.scan_seconds = kernel.choice_scan * matrices * row_tiles / (p.cores * p.clock.value());
  if (executor_.corrections) {
    m.factors = executor_.corrections->of(kernel.name, type.name, m.scratch_bytes > 0);
    m.dequantize_factors = executor_.corrections->of("", type.name);
  }
  return m;
}

void StepEvaluator::charge_activations(OpWork& cost, double bytes) const noexcept {
  if (bytes > cache_share_for_activations * cache_capacity_) {
    cost.dram += bytes * seconds_per_byte_;
    cost.dram_bytes += bytes;
  } else {
    cost.cache += bytes * cache_seconds_per_byte_;
    cost.cache_bytes += bytes;
  }
}

StepEvaluator::Product StepEvaluator::product_of(const Compiled& compiled, const BatchTotals& totals) const noexcept {
  const MatmulShape& w = compiled.op.matmul;
  const double columns = totals.tokens;
  Product product{.matmul = compiled.kernels.data(), .share = 1, .per_matrix = columns, .routed = columns};
  if (w.experts > 0) {
    const double distinct =
        expected_distinct_experts(static_cast<double>(w.experts), static_cast<double>(w.used), columns);
    product.share = distinct / static_cast<double>(w.experts);
    product.routed = columns * static_cast<double>(w.used);
    product.per_matrix = product.routed / distinct;
    product.tokens = columns;
  }
  // A GPU takes one kernel for all experts, a CPU goes through them one by one.
  constexpr double rounding = 1e-6;
  const double deciding = executor_.stack->on_cpu ? product.per_matrix - rounding : columns;
  while (deciding > product.matmul->columns || product.per_matrix > product.matmul->expert_columns) ++product.matmul;
  return product;
}

double StepEvaluator::tiles_of(const Product& product, const MatmulShape& shape, double columns) noexcept {
  if (product.tokens <= 0) return std::ceil(product.per_matrix / columns);
  return expected_expert_tiles(static_cast<double>(shape.experts), static_cast<double>(shape.used), product.tokens,
                               columns);
}

OpWork StepEvaluator::dequantize_cost(const Compiled& compiled, const Product& product) const noexcept {
  const Matmul& m = *product.matmul;
  OpWork cost;
  cost.kernel = "dequantize";
  cost.type = compiled.type;
  cost.dram = (m.weight_seconds + m.scratch_seconds) * product.share;
  cost.dram_bytes = (m.weight_bytes + m.scratch_bytes) * product.share;
  cost.dequant = m.unpack_seconds * product.share;
  cost.instructions = m.unpack_instructions * product.share;
  cost.apply(m.dequantize_factors);
  return cost;
}

OpWork StepEvaluator::matmul_cost(const Compiled& compiled, const Product& product,
                                  const BatchTotals& totals) const noexcept {
  const MatmulShape& w = compiled.op.matmul;
  const auto& [m, share, per_matrix, routed, choosing] = product;

  OpWork cost;
  cost.kernel = m->kernel;
  cost.type = compiled.type;
  cost.corrected_by_kernel = true;
  cost.shares_vector_units = m->shares_vector_units;
  cost.on_matrix_units = m->on_matrix_units;
  cost.overlaps_loads = m->overlaps_loads;
  cost.launch = m->launch_seconds + m->expert_launch_seconds * share * static_cast<double>(w.experts);
  const bool from_scratch = m->scratch_bytes > 0;
  cost.unpacked_before = from_scratch;
  cost.dram = (from_scratch ? m->scratch_seconds : m->weight_seconds) * share;
  cost.dram_bytes = (from_scratch ? m->scratch_bytes : m->weight_bytes) * share;
  if (weights_stay_cached_)
    cost.cache = cost.dram, cost.dram = 0, cost.cache_bytes = cost.dram_bytes, cost.dram_bytes = 0;
  charge_activations(cost, m->activation_bytes_per_column * routed);
  if (!from_scratch) {
    const double groups = std::isinf(m->unpack_every) ? 1 : tiles_of(product, w, m->unpack_every);
    const double passes = 1 + (groups - 1) * m->further_pass;
    cost.dequant = m->unpack_seconds * share * passes;
    cost.alu = m->pass_seconds * share * passes;
    cost.instructions = m->unpack_instructions * share * passes;
  }
  cost.operations = operations_of(w, totals.tokens);
  const double column_tiles = tiles_of(product, w, m->tile_columns);
  double unit_seconds = m->unit_seconds_per_column * column_tiles * m->tile_columns * (routed / per_matrix);
  if (m->row_tiles_per_core > 0) {
    // Experts that are multiplied one after the other fill the cores each by itself.
    const double together = m->expert_launch_seconds > 0 ? 1 : routed / per_matrix;
    const double waves = m->row_tiles_per_core * column_tiles * together;
    unit_seconds *= std::max(std::ceil(waves), m->resident_tiles) / waves;
  }
  // The grid has tiles for all tokens at every expert; each looks for its own among all choices.
  const double scanned = std::ceil(choosing / m->tile_columns) * routed;
  cost.matrix = unit_seconds + m->scan_seconds * scanned;
  cost.apply(m->factors);
  return cost;
}

double StepEvaluator::cached_cells(double cells, double window) const noexcept {
  const AllocationRules& rules = executor_.stack->allocation;
  const double padding = static_cast<double>(executor_.fused_attention ? rules.cache_padding : rules.unfused_padding);
  cells = padded(cells, padding);
  if (window > 0 && keeps_to_window())
    cells = std::min(cells, padded(window + static_cast<double>(executor_.ubatch), padding));
  return cells;
}

const std::vector<AttentionKernel>& StepEvaluator::attention_kernels() const noexcept {
  const Stack& stack = *executor_.stack;
  return executor_.fused_attention || stack.unfused_attention.empty() ? stack.attention : stack.unfused_attention;
}

const AttentionKernel& StepEvaluator::attention_kernel_of(const AttentionShape& attention,
                                                          const StepShape& group) const noexcept {
  const auto& kernels = attention_kernels();
  const bool grouped = attention.heads > attention.kv_heads;
  const auto applies = [&](const AttentionKernel& kernel) {
    return group.new_tokens <= kernel.columns && (grouped || !kernel.grouped) &&
           (quantized_cache_ || !kernel.quantized) && static_cast<double>(attention.key_dim) <= kernel.key_values &&
           lists(kernel.architectures, executor_.processor.architecture);
  };
  const AttentionKernel* kernel = kernels.data();
  while (!applies(*kernel) && kernel != &kernels.back()) ++kernel;
  return *kernel;
}

OpWork StepEvaluator::attention_cost(const Compiled& compiled, const AttentionKernel& kernel,
                                     Batch batch) const noexcept {
  const AttentionShape& a = compiled.op.attention;
  const double window = static_cast<double>(a.window);
  // A cache of all tokens is gone through whole, whatever the window masks.
  AttentionShape computed = a;
  if (!keeps_to_window()) computed.window = 0;
  OpWork cost;
  cost.layers = 0;
  double scores = 0;
  for (const StepShape& group : batch) {
    if (&attention_kernel_of(a, group) != &kernel) continue;
    cost.layers = compiled.op.layers;
    const double cells = entries_read(a, cached_cells(group.depth + group.new_tokens, window), group.new_tokens);
    cost.dram_bytes +=
        group.batch * cells *
        (static_cast<double>(a.cached_keys) * key_bytes_ + static_cast<double>(a.cached_values) * value_bytes_);
    const double seen = kernel.whole_cache ? cells / mean_attended(computed, group.new_tokens, group.depth) : 1;
    cost.operations += operations_of(computed, group.batch, group.new_tokens, group.depth) * std::max(1.0, seen);
    scores += static_cast<double>(a.heads) * cells * group.tokens();
  }
  if (cost.layers == 0) return cost;
  cost.kernel = kernel.name;
  cost.corrected_by_kernel = true;
  cost.launch = kernel.launches * kernel_seconds_;
  cost.dram = cost.dram_bytes * seconds_per_byte_ / kernel.dram_share;
  const Unit* unit = first_present(kernel.units, executor_.processor);
  const double peak = unit != nullptr ? executor_.processor.peak(*unit).value() : 1 / vector_seconds_per_flop_;
  const double values = static_cast<double>(a.key_dim + a.value_dim);
  const auto of_architecture = kernel.share_by_architecture.find(executor_.processor.architecture);
  const double share =
      kernel.unit_share * (of_architecture == kernel.share_by_architecture.end() ? 1 : of_architecture->second);
  const double arithmetic =
      cost.operations * (1 + kernel.key_overhead / values) / (peak * share * executor_.matrix_clock);
  if (unit != nullptr && is_matrix(*unit)) {
    cost.matrix = arithmetic;
    cost.shares_vector_units = executor_.processor.matrix_on_vector_units;
    cost.on_matrix_units = true;
  } else if (executor_.stack->on_cpu) {
    // The pipes of a core are the same for all its products: what is known of them holds here.
    cost.matrix = arithmetic;
    cost.shares_vector_units = true;
  } else {
    cost.alu = arithmetic;
  }
  if (kernel.keeps_scores) {
    constexpr double passes = 4;  // scores written, read and written by softmax, read for the weighted sum
    charge_activations(cost, passes * executor_.stack->activation_bytes * scores);
  }
  cost.apply(attention_factors_[static_cast<std::size_t>(&kernel - attention_kernels().data())]);
  return cost;
}

// What a layer keeps between steps lies in DRAM and is read and written once a step.
OpWork StepEvaluator::state_cost(const Compiled& compiled, const BatchTotals& totals) const noexcept {
  constexpr double f32_bytes = 4;
  OpWork cost = vector_work(compiled, totals);
  const double bytes = 2 * totals.sequences * static_cast<double>(compiled.op.state) * f32_bytes;
  cost.dram += bytes * seconds_per_byte_;
  cost.dram_bytes += bytes;
  if (compiled.op.kind != OpKind::convolution) {
    // A core takes a head's state, of 128 keys by 128 values in most models: with fewer of them than cores, some idle.
    constexpr double state_of_core = 128 * 128;
    const auto cores = static_cast<double>(executor_.processor.cores);
    const double busy = totals.sequences * static_cast<double>(compiled.op.state) / state_of_core;
    cost.alu *= cores / (std::clamp(busy, 1.0, cores) * executor_.stack->recurrent_share);
  }
  cost.apply(vector_factors_);
  return cost;
}

OpWork StepEvaluator::vector_work(const Compiled& compiled, const BatchTotals& totals) const noexcept {
  const double tokens = totals.tokens;
  OpWork cost;
  cost.kernel = executor_.stack->on_cpu ? cpu_vector_kernel : name_of(compiled.op.kind);
  cost.corrected_by_kernel = executor_.stack->on_cpu;
  cost.launch = compiled.launch_seconds;
  cost.operations = compiled.op.flops * tokens;
  cost.alu = cost.operations * vector_seconds_per_flop_;
  charge_activations(
      cost, static_cast<double>(compiled.op.read + compiled.op.written) * executor_.stack->activation_bytes * tokens);
  return cost;
}

OpWork StepEvaluator::vector_cost(const Compiled& compiled, const BatchTotals& totals) const noexcept {
  OpWork cost = vector_work(compiled, totals);
  cost.apply(vector_factors_);
  return cost;
}

template <class Use>
void StepEvaluator::each_work(const Compiled& compiled, Batch batch, const BatchTotals& totals, Use use) const {
  const Op& op = compiled.op;
  if (totals.outputs >= totals.tokens || op.stage == Stage::layers || op.stage < executor_.stack->wanted_rows_from)
    return each_work(compiled, op.layers, batch, totals, use);
  // A step may have a row of logits in some of its repetitions only.
  BatchTotals wanted = totals;
  wanted.tokens = std::max(1.0, totals.outputs);
  const double last = std::min(1.0, totals.outputs);
  if (op.stage == Stage::last_feed_forward && op.layers > 1) each_work(compiled, op.layers - 1, batch, totals, use);
  if (last > 0) each_work(compiled, last, batch, wanted, use);
}

template <class Use>
void StepEvaluator::each_work(const Compiled& compiled, double layers, Batch batch, const BatchTotals& totals,
                              Use use) const {
  const auto of_op = [&](OpWork work) {
    work.layers = layers;
    use(work);
  };
  switch (compiled.op.kind) {
    case OpKind::matmul:
    case OpKind::expert_matmul: {
      const Product product = product_of(compiled, totals);
      if (product.matmul->scratch_bytes > 0) of_op(dequantize_cost(compiled, product));
      return of_op(matmul_cost(compiled, product, totals));
    }
    case OpKind::convolution:
    case OpKind::linear_attention:
    case OpKind::state_space: return of_op(state_cost(compiled, totals));
    case OpKind::attention:
      for (const AttentionKernel& kernel : attention_kernels())
        if (const OpWork work = attention_cost(compiled, kernel, batch); work.layers > 0) use(work);
      return;
    default: return of_op(vector_cost(compiled, totals));
  }
}

void StepEvaluator::add(StepCost& sum, const OpWork& c) noexcept {
  const double times = c.layers;
  const double seconds = c.seconds() * times;
  sum.seconds += Seconds(seconds);
  sum.dram_bytes += Bytes(c.dram_bytes * times);
  sum.cache_bytes += Bytes(c.cache_bytes * times);
  sum.operations += Flops(c.operations * times);
  if (c.on_matrix_units) sum.matrix_operations += Flops(c.operations * times);
  sum.instructions += Flops(c.instructions * times);
  const ResourceTimes busy{c.dram, c.matrix, c.dequant, c.alu, c.cache, 0, c.launch};
  std::size_t largest = 0;
  for (std::size_t i = 0; i < resource_count; ++i) {
    sum.busy[i] += busy[i] * times;
    if (busy[i] > busy[largest]) largest = i;
  }
  const double launch = c.launch * times;
  sum.bound[static_cast<std::size_t>(Resource::launch)] += launch;
  if (largest == static_cast<std::size_t>(Resource::launch)) {
    largest = 0;
    for (std::size_t i = 0; i + 1 < resource_count; ++i)
      if (busy[i] > busy[largest]) largest = i;
  }
  sum.bound[largest] += seconds - launch;
}

StepCost StepEvaluator::operator()(Batch batch) const noexcept {
  StepCost sum;
  const BatchTotals totals = totals_of(batch);
  for (const Compiled& compiled : ops_) each_work(compiled, batch, totals, [&](const OpWork& work) { add(sum, work); });
  add_step_overhead(sum, totals);
  return sum;
}

void StepEvaluator::add_step_overhead(StepCost& sum, const BatchTotals& totals) const noexcept {
  const double step = step_seconds_ + totals.outputs * sequence_seconds_;
  sum.seconds += Seconds(step);
  sum.busy[static_cast<std::size_t>(Resource::launch)] += step;
  sum.bound[static_cast<std::size_t>(Resource::launch)] += step;
}

StepCost StepEvaluator::without_attention(const StepShape& shape) const noexcept {
  StepCost sum;
  const Batch batch(&shape, 1);
  const BatchTotals totals = totals_of(batch);
  for (const Compiled& compiled : ops_)
    if (compiled.op.kind != OpKind::attention)
      each_work(compiled, batch, totals, [&](const OpWork& work) { add(sum, work); });
  add_step_overhead(sum, totals);
  return sum;
}

void StepEvaluator::add_attention(StepCost& sum, const StepShape& shape) const noexcept {
  const Batch batch(&shape, 1);
  const BatchTotals totals = totals_of(batch);
  for (const Compiled& compiled : ops_)
    if (compiled.op.kind == OpKind::attention)
      each_work(compiled, batch, totals, [&](const OpWork& work) { add(sum, work); });
}

Seconds StepEvaluator::seconds(Batch batch) const noexcept {
  const BatchTotals totals = totals_of(batch);
  double sum = step_seconds_ + totals.outputs * sequence_seconds_;
  for (const Compiled& compiled : ops_)
    each_work(compiled, batch, totals, [&](const OpWork& work) { sum += seconds_of(work) * work.layers; });
  return Seconds(sum);
}

std::vector<StepEvaluator::OpCost> StepEvaluator::per_op(Batch batch) const {
  std::vector<OpCost> result;
  const BatchTotals totals = totals_of(batch);
  for (const Compiled& compiled : ops_)
    each_work(compiled, batch, totals, [&](const OpWork& work) {
      const auto same = std::find_if(result.rbegin(), result.rend(), [&](const OpCost& other) {
        return other.op == &compiled.op && other.kernel == work.kernel;
      });
      OpCost& op = same == result.rend()
                       ? result.emplace_back(OpCost{.op = &compiled.op, .kernel = work.kernel, .executor = &executor_})
                       : *same;
      add(op.cost, work);
      op.layers += work.layers;
    });
  return result;
}

std::vector<OpWork> StepEvaluator::work(Batch batch, Part part) const {
  std::vector<OpWork> result;
  result.reserve(ops_.size());
  const BatchTotals totals = totals_of(batch);
  for (const Compiled& compiled : ops_)
    if (part == Part::all || (compiled.op.kind == OpKind::attention) == (part == Part::attention))
      each_work(compiled, batch, totals, [&](const OpWork& work) { result.push_back(work); });
  return result;
}

}  // namespace silicast
