// SPDX-License-Identifier: Apache-2.0
// From names to a bound query: files read, defaults filled in, requests checked, the step compiled.
#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/machine.h"
#include "model/model_source.h"
#include "model/prediction.h"

namespace silicast {

namespace {

std::string stack_for(QuantFormat format, const Device& device) {
  switch (format) {
    case QuantFormat::gguf: return device.default_stack;
    case QuantFormat::mlx: return "mlx";
    case QuantFormat::safetensors: break;
  }
  return device.vendor == "Apple" ? "mlx" : "vllm";
}

std::string usual_quant(QuantFormat format) {
  switch (format) {
    case QuantFormat::gguf: return "Q4_K_M";
    case QuantFormat::mlx: return "MLX-4bit";
    case QuantFormat::safetensors: break;
  }
  return "BF16";
}

bool reads(const Stack& stack, QuantFormat format) {
  return std::find(stack.formats.begin(), stack.formats.end(), format) != stack.formats.end();
}

// F16 and BF16 are the same bytes in every format.
bool is_plain(const QuantScheme& scheme, const TypeTable& types) {
  return types[scheme.default_type].block == 1 && types[scheme.default_type].bytes >= 2;
}

// Whether the stack runs a model in that scheme: it reads the format, and every type that a rule may choose.
bool runs(const Stack& stack, const QuantScheme& scheme, const TypeTable& types) {
  return (reads(stack, scheme.format) || is_plain(scheme, types)) && stack.runs_types_of(scheme, types);
}

// Where the query names none: what the model was released in, should that be quantized alone, else what is usual.
void choose_quant(Query& query, const Architecture& architecture, const Stack& stack, const Database& database) {
  for (const std::string& name : architecture.published_quants)
    if (runs(stack, *database.quant(name), *database.types())) {
      query.quant = name;
      query.quant_origin = QuantOrigin::published;
      return;
    }
  query.quant = usual_quant(stack.formats.front());
  query.quant_origin = QuantOrigin::usual;
}

std::string resolve_stack_name(const std::string& name, const Device& device) {
  return canonical_name(name) == "llama.cpp" ? device.default_stack : name;
}

// A mixed batch as a list of depths, and as many sequences as the list asks for.
void spread_depths(Query& q) {
  if (q.depth_range) {
    const auto [from, to] = *q.depth_range;
    if (from > to || from < 0)
      throw UsageError("--depths uniform:" + std::to_string(from) + ".." + std::to_string(to) +
                       ": the first depth is expected to be from 0 up to the second");
    constexpr std::int64_t most_kinds = 1024;
    const std::int64_t kinds = std::min(q.concurrency, most_kinds);
    q.depths.clear();
    for (std::int64_t i = 0; i < kinds; ++i) q.depths.push_back(from + (to - from) * (2 * i + 1) / (2 * kinds));
  }
  if (q.depths.empty()) return;
  if (q.depth != 0) throw UsageError("--depth and --depths exclude each other");
  for (const std::int64_t depth : q.depths)
    if (depth < 0) throw UsageError("--depths: " + std::to_string(depth) + " is too small, at least 0 is expected");
  const auto listed = static_cast<std::int64_t>(q.depths.size());
  if (q.concurrency == 1) q.concurrency = listed;
  if (q.concurrency < listed)
    throw UsageError("--depths: " + std::to_string(listed) + " depths for --concurrency " +
                     std::to_string(q.concurrency) + "; each needs a sequence");
}

void check_stack(const Stack& stack, const Device& device) {
  if (stack.on_cpu && !device.cpu)
    throw RefusedError("the stack '" + stack.id + "' runs on a CPU, and " + device.name + " is described without one");
  if (!stack.on_cpu && !device.gpu)
    throw RefusedError("the stack '" + stack.id + "' runs on a GPU, and " + device.name + " is described without one");
  if (!stack.vendors.empty() && !stack.on_cpu &&
      std::find(stack.vendors.begin(), stack.vendors.end(), device.vendor) == stack.vendors.end())
    throw RefusedError("the stack '" + stack.id + "' runs on " + join(stack.vendors, ", ") + " devices; " +
                       device.name + " is made by " + device.vendor);
}

void check_types(const Stack& stack, const Workload& workload) {
  for (const TypeId type : workload.types) {
    const std::string& name = (*workload.type_table)[type].name;
    if (const std::string& only = (*workload.type_table)[type].only; !stack.family.starts_with(only))
      throw RefusedError("the stack '" + stack.id + "' cannot run tensors of type " + name + ": only " + only +
                         " has it");
    if (stack.refuses(name)) throw RefusedError("the stack '" + stack.id + "' cannot run tensors of type " + name);
  }
}

TypeId cache_type(const std::string& name, const TypeTable& types) {
  const auto id = types.find(name);
  if (id && types[*id].bits_per_weight() >= 4) return *id;
  throw UsageError("--kv-type: unknown cache type '" + name +
                   "'; accepted: f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl, fp8");
}

// The clock that matrix work runs at, as a share of the boost clock of the datasheet. It draws what a card may draw, so
// that the clock settles where the power limit leaves it: somewhere between the cube root of the power (voltage follows
// the clock) and its first power (at the lowest voltage). Boost clocks ask for about twice the energy of the family's
// matrix operations for each FP32 operation of the peak; cards with a limit above that run above their boost clock.
double matrix_clock(const Device& device) {
  constexpr double energies_of_a_peak_operation = 2;
  constexpr double exponent = 0.5;
  constexpr double highest = 1.15;
  if (device.device_class != DeviceClass::discrete || !device.power.tdp || !device.power.model) return 1;
  const Watts full =
      energies_of_a_peak_operation * device.power.model->per_matrix_operation * device.gpu->peak(Unit::fp32);
  return std::min(highest, std::pow(*device.power.tdp / full, exponent));
}

Executor make_executor(const Query& query, const Device& device, const Stack& stack, const TypeTable& types) {
  Executor executor;
  executor.processor = stack.on_cpu ? device.cpu->with_threads(query.threads) : *device.gpu;
  executor.dram_bandwidth = device.memory.achievable_bandwidth;
  if (stack.on_cpu) {
    if (device.memory.cpu_bandwidth)
      executor.dram_bandwidth = std::min(*device.memory.cpu_bandwidth, executor.dram_bandwidth);
    if (device.cpu_sockets > 1) executor.dram_bandwidth *= stack.numa_share;
    if (device.memory.core_bandwidth)
      executor.dram_bandwidth = std::min(*device.memory.core_bandwidth * static_cast<double>(executor.processor.cores),
                                         executor.dram_bandwidth);
  }
  if (!stack.on_cpu) executor.matrix_clock = matrix_clock(device);
  executor.stack = &stack;
  executor.key_type = cache_type(query.key_type, types);
  executor.value_type = cache_type(query.value_type, types);
  executor.fused_attention = query.flash_attention == FlashAttention::on ||
                             (query.flash_attention == FlashAttention::automatic && stack.fused_attention_default);
  const bool quantized_value = types[executor.value_type].block > 1;
  if (quantized_value && query.flash_attention == FlashAttention::off)
    throw UsageError("--kv-type " + query.value_type + " needs flash attention, which --flash-attn off forbids");
  executor.fused_attention = executor.fused_attention || quantized_value;
  executor.ubatch = query.ubatch.value_or(stack.ubatch);
  return executor;
}

// Weights of a mapped file that exceed their memory are read from storage again at every step.
Bytes paged_weights(const Compiled& c) {
  const MemoryRequest request = memory_request(c);
  const auto pools = memory_pools(c.layers, c.workload->architecture, *c.device, *c.stack, request);
  const bool pages =
      c.query.mapped && (c.stack->on_cpu ? c.stack->allocation.mapped_file : pools.back().name == "host");
  const MemoryPool& pool = pools.back();
  if (!pages || holds(pool)) return Bytes(0);
  return std::min(pool.used() - pool.usable, pool.weights);
}

// A size that is far from the mix's is another file's.
double weight_scale(const Query& query, const Workload& workload) {
  if (!query.model_size) return 1;
  constexpr double most = 1.3;
  const double scale = *query.model_size / workload.tensor_bytes();
  return scale < 1 / most || scale > most ? 1 : scale;
}

// As vLLM and TensorRT-LLM ask for it.
void check_heads(const Query& query, const Stack& stack, const StepGraph& graph, int devices) {
  if (devices < 2 || query.split == Split::layer || !stack.whole_heads) return;
  for (const Op& op : graph.ops)
    if (const std::int64_t heads = op.attention.heads; heads % devices != 0)
      throw RefusedError("the stack '" + stack.id + "' gives each device as many heads: " + std::to_string(heads) +
                         " are not divisible by " + std::to_string(devices) + " devices");
}

Compiled bind(Query query, const QuantizedModel& model, const StepGraph& graph, std::shared_ptr<const Device> device,
              int devices, std::shared_ptr<const Stack> stack, const Database& database) {
  check_heads(query, *stack, graph, devices);
  Executor executor = make_executor(query, *device, *stack, *database.types());
  const Scope scope{device->id, executor.processor.architecture, stack->generation};
  const auto profile = query.calibrated ? database.profile(stack->family, device->id) : nullptr;
  executor.weight_scale = weight_scale(query, *model.workload);
  if (profile) executor.corrections = database.corrections(stack->family, scope);
  Machine machine = make_machine(query, device, devices, *stack, executor, database);
  Compiled c{.query = std::move(query),
             .device = std::move(device),
             .stack = std::move(stack),
             .workload = model.workload,
             .scheme = model.scheme,
             .host = machine.host,
             .host_stack = machine.host_stack,
             .interconnect = machine.interconnect,
             .machine = machine.executors};
  c.layers = layer_memory(*c.workload, memory_request(c).cache, c.stack->allocation);
  ChosenPlacement chosen =
      choose_placement(c.query, machine, graph, *c.workload, *c.stack, c.layers, memory_request(c));
  c.placement = std::move(chosen.placement);
  c.placement.paged = paged_weights(c);
  const bool as_chosen = chosen.step && c.placement.paged == Bytes(0);
  c.evaluator = as_chosen ? std::move(*chosen.step) : PlacedStep(graph, *c.workload, c.machine, c.placement);
  c.profile = profile;
  c.scope = scope;
  return c;
}

}  // namespace

std::string_view name_of(QuantOrigin origin) {
  switch (origin) {
    case QuantOrigin::given: return "given";
    case QuantOrigin::file: return "file";
    case QuantOrigin::published: return "published";
    case QuantOrigin::usual: return "usual";
  }
  return "";
}

void check_request(const Query& q, const Architecture& a) {
  const auto at_least = [](std::string_view option, std::int64_t value, std::int64_t least) {
    if (value < least)
      throw UsageError("--" + std::string(option) + ": " + std::to_string(value) + " is too small, at least " +
                       std::to_string(least) + " is expected");
  };
  at_least("prompt", q.prompt, 0);
  at_least("gen", q.gen, 0);
  at_least("depth", q.depth, 0);
  at_least("concurrency", q.concurrency, 1);
  at_least("ubatch", q.ubatch.value_or(1), 1);
  at_least("threads", q.threads.value_or(1), 1);
  if (q.prompt + q.gen == 0) throw UsageError("nothing to predict: --prompt and --gen are both 0");
  if (q.concurrency > most_sequences) throw UsageError("--concurrency: at most " + std::to_string(most_sequences));
  if (a.encoder && q.gen + q.depth > 0)
    throw RefusedError(a.name +
                       " is an encoder: it turns tokens into vectors and generates none; --gen 0 and --depth 0 " +
                       "are accepted");
  const std::int64_t longest = 1'000'000'000;
  const std::int64_t deepest = q.depths.empty() ? q.depth : *std::max_element(q.depths.begin(), q.depths.end());
  if (std::max({q.prompt, q.gen, deepest}) > longest || deepest + q.prompt + q.gen > a.context)
    throw UsageError((q.depths.empty() ? "--depth " : "--depths ") + std::to_string(deepest) + " + --prompt " +
                     std::to_string(q.prompt) + " + --gen " + std::to_string(q.gen) + " exceed the context of " +
                     a.name + ", " + std::to_string(a.context) + " tokens");
}

namespace {

// The device's name, and how many of it.
std::pair<std::string, int> device_and_count(const Query& query, const Database& database) {
  return query.devices ? std::pair(query.device, *query.devices) : split_device_count(query.device, database);
}

}  // namespace

Compiled compile(const Query& asked, const Database& database) {
  Query query = asked;
  if (query.model.empty()) throw UsageError("--model is missing");
  if (query.device.empty()) throw UsageError("--device is missing");
  spread_depths(query);
  const auto device = database.device(device_and_count(query, database).first, query.overrides);
  ModelSource source = read_model_source(query.model, database);
  check_request(query, source.shapes());
  if (query.quant.empty() && !source.workload) {
    const std::string stack = query.stack.empty() ? device->default_stack : resolve_stack_name(query.stack, *device);
    choose_quant(query, source.shapes(), *database.stack(stack), database);
  }
  const PreparedModel prepared = prepare_model(std::move(source), query.quant, database);
  return compile(query, database, prepared);
}

Compiled compile(const Query& asked, const Database& database, const PreparedModel& prepared) {
  Query query = asked;
  spread_depths(query);
  query.cost = database.prices().in_dollars(std::move(query.cost));
  const auto [device_name, devices] = device_and_count(query, database);
  auto device = database.device(device_name, query.overrides);
  const Workload& workload = *prepared.quantized.workload;
  check_request(query, workload.architecture);
  if (query.quant.empty()) {
    query.quant = workload.quantization;
    query.quant_origin = QuantOrigin::file;
  }
  const std::string stack_name =
      query.stack.empty() ? stack_for(workload.format, *device) : resolve_stack_name(query.stack, *device);
  std::shared_ptr<const Stack> stack =
      query.full_window_cache ? database.stack_with_full_windows(stack_name) : database.stack(stack_name);
  const auto& scheme = prepared.quantized.scheme;
  const bool plain = scheme && is_plain(*scheme, *database.types());
  if (!reads(*stack, workload.format) && !plain)
    throw RefusedError("the stack '" + stack->id + "' does not read the format of " + query.quant + "; try --stack " +
                       stack_for(workload.format, *device));
  query.stack = stack->id;
  check_stack(*stack, *device);
  check_types(*stack, workload);
  Compiled compiled = bind(std::move(query), prepared.quantized, prepared.graph, std::move(device), devices,
                           std::move(stack), database);
  compiled.files = prepared.source.files;
  return compiled;
}

}  // namespace silicast
