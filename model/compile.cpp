// SPDX-License-Identifier: Apache-2.0
// From names to a bound query: files read, defaults filled in, requests checked, the step compiled.
#include <algorithm>
#include <array>
#include <cstdio>

#include "base/document.h"
#include "base/text.h"
#include "model/machine.h"
#include "model/prediction.h"
#include "workloads/gguf.h"
#include "workloads/hf_config.h"

namespace silicast {

namespace {

namespace fs = std::filesystem;

// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), 64 bit: tells files apart, no protection against intent.
std::string fingerprint(std::string_view bytes) {
  constexpr std::uint64_t offset_basis = 14695981039346656037ULL;
  constexpr std::uint64_t prime = 1099511628211ULL;
  std::uint64_t hash = offset_basis;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * prime;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "fnv1a64:%016llx", static_cast<unsigned long long>(hash));
  return text.data();
}

// What `--model` names: shapes alone, or a whole workload with its types.
struct Source {
  std::shared_ptr<const Architecture> architecture;
  std::shared_ptr<const Workload> workload;
};

Source read_model(const Query& query, const Database& database, std::vector<std::pair<std::string, std::string>>& files) {
  const std::string& name = query.model;
  const std::string ending = lower(fs::path(name).extension().string());
  const auto& types = database.types();
  if (ending == ".gguf") {
    const GgufFile file = read_gguf(name, *types);
    std::string described;
    for (const auto& tensor : file.tensors) described += tensor.name + ":" + std::to_string(tensor.type) + ":" + std::to_string(tensor.offset) + ";";
    files.emplace_back(name, fingerprint(described) + " (tensor table)");
    return {nullptr, std::make_shared<const Workload>(workload_of(file, name, types))};
  }
  if (ending == ".json") {
    const std::string text = read_text_file(name);
    files.emplace_back(name, fingerprint(text));
    return {std::make_shared<const Architecture>(architecture_of_hf_config(parse_json(text, name), fs::path(name).stem().string())), nullptr};
  }
  if (ending == ".yaml" || ending == ".yml") {
    const std::string text = read_text_file(name);
    files.emplace_back(name, fingerprint(text));
    const Node root = parse_yaml(text, name);
    if (root.kind == Node::Kind::map && is_workload(Section(root)))
      return {nullptr, std::make_shared<const Workload>(read_workload(Section(root), types))};
  }
  return {database.architecture(name), nullptr};
}

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
bool is_plain(const QuantScheme& scheme, const TypeTable& types) { return types[scheme.default_type].block == 1 && types[scheme.default_type].bytes >= 2; }

std::string resolve_stack_name(const std::string& name, const Device& device) {
  return canonical_name(name) == "llama.cpp" ? device.default_stack : name;
}

void check_request(const Query& q, const Architecture& a) {
  const auto at_least = [](std::string_view option, std::int64_t value, std::int64_t least) {
    if (value < least)
      throw UsageError("--" + std::string(option) + ": " + std::to_string(value) + " is too small, at least " + std::to_string(least) + " is expected");
  };
  at_least("prompt", q.prompt, 0);
  at_least("gen", q.gen, 0);
  at_least("depth", q.depth, 0);
  at_least("concurrency", q.concurrency, 1);
  at_least("ubatch", q.ubatch.value_or(1), 1);
  at_least("threads", q.threads.value_or(1), 1);
  if (q.prompt + q.gen == 0) throw UsageError("nothing to predict: --prompt and --gen are both 0");
  constexpr std::int64_t most_sequences = 1'000'000;
  if (q.concurrency > most_sequences) throw UsageError("--concurrency: at most " + std::to_string(most_sequences));
  const std::int64_t longest = 1'000'000'000;
  if (std::max({q.prompt, q.gen, q.depth}) > longest || q.depth + q.prompt + q.gen > a.context)
    throw UsageError("--depth " + std::to_string(q.depth) + " + --prompt " + std::to_string(q.prompt) + " + --gen " + std::to_string(q.gen) +
                     " exceed the context of " + a.name + ", " + std::to_string(a.context) + " tokens");
}

void check_stack(const Stack& stack, const Device& device) {
  if (stack.on_cpu && !device.cpu)
    throw RefusedError("the stack '" + stack.id + "' runs on a CPU, and " + device.name + " is described without one");
  if (!stack.on_cpu && !device.gpu)
    throw RefusedError("the stack '" + stack.id + "' runs on a GPU, and " + device.name + " is described without one");
  if (!stack.vendors.empty() && !stack.on_cpu && std::find(stack.vendors.begin(), stack.vendors.end(), device.vendor) == stack.vendors.end())
    throw RefusedError("the stack '" + stack.id + "' runs on " + join(stack.vendors, ", ") + " devices; " + device.name + " is made by " + device.vendor);
}

void check_types(const Stack& stack, const Workload& workload) {
  for (const TypeId type : workload.types) {
    const std::string& name = (*workload.type_table)[type].name;
    if (std::find(stack.unsupported_types.begin(), stack.unsupported_types.end(), name) != stack.unsupported_types.end())
      throw RefusedError("the stack '" + stack.id + "' cannot run tensors of type " + name);
  }
}

TypeId cache_type(const std::string& name, const TypeTable& types) {
  const auto id = types.find(name);
  if (id && types[*id].bits_per_weight() >= 4) return *id;
  throw UsageError("--kv-type: unknown cache type '" + name + "'; accepted: f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl, fp8");
}

Executor make_executor(const Query& query, const Device& device, const Stack& stack, const TypeTable& types) {
  Executor executor;
  executor.processor = stack.on_cpu ? *device.cpu : *device.gpu;
  executor.dram_bandwidth = device.memory.achievable_bandwidth;
  if (stack.on_cpu) {
    if (device.memory.cpu_bandwidth) executor.dram_bandwidth = std::min(*device.memory.cpu_bandwidth, executor.dram_bandwidth);
    if (query.threads) executor.processor.cores = static_cast<int>(std::min<std::int64_t>(*query.threads, executor.processor.cores));
  }
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

struct Quantized {
  std::shared_ptr<const Workload> workload;
  std::shared_ptr<const QuantScheme> scheme;
};

Quantized quantize(const Source& source, Query& query, const Database& database) {
  if (source.workload) {
    if (!query.quant.empty()) throw UsageError("--quant: " + query.model + " brings its own types (" + source.workload->quantization + ")");
    query.quant = source.workload->quantization;
    return {source.workload, nullptr};
  }
  const QuantName name = parse_quant_name(query.quant);
  auto scheme = database.quant(name.scheme);
  auto workload = std::make_shared<const Workload>(make_workload(*source.architecture, *scheme, name.options, database.types()));
  return {std::move(workload), std::move(scheme)};
}

// Weights of a mapped file that exceed their memory are read from storage again at every step.
Bytes paged_weights(const Compiled& c) {
  const MemoryRequest request = memory_request(c);
  const auto pools = memory_pools(c.layers, c.workload->architecture, *c.device, *c.stack, request);
  const bool pages = c.query.mapped && (c.stack->on_cpu ? c.stack->allocation.mapped_file : pools.back().name == "host");
  const MemoryPool& pool = pools.back();
  if (!pages || holds(pool)) return Bytes(0);
  return std::min(pool.used() - pool.usable, pool.weights);
}

Compiled bind(Query query, Quantized quantized, std::shared_ptr<const Device> device, int devices, std::shared_ptr<const Stack> stack,
              const Database& database) {
  Executor executor = make_executor(query, *device, *stack, *database.types());
  const Scope scope{device->id, executor.processor.architecture, stack->id};
  const auto profile = query.calibrated ? database.profile(stack->family) : nullptr;
  if (profile) executor.corrections = std::make_shared<const Corrections>(profile->corrections(scope));
  const StepGraph graph = step_graph(*quantized.workload);
  Machine machine = make_machine(query, device, devices, *stack, executor, database);
  Compiled c{.query = std::move(query), .device = std::move(device), .stack = std::move(stack), .workload = quantized.workload,
             .scheme = quantized.scheme, .host = machine.host, .host_stack = machine.host_stack,
             .interconnect = machine.interconnect, .machine = machine.executors};
  c.layers = layer_memory(*c.workload, memory_request(c).cache, c.stack->allocation);
  c.placement = choose_placement(c.query, machine, graph, *c.workload, *c.stack, c.layers, memory_request(c));
  c.placement.paged = paged_weights(c);
  c.evaluator = PlacedStep(graph, *c.workload, c.machine, c.placement);
  c.profile = profile;
  c.scope = scope;
  return c;
}

}  // namespace

Compiled compile(const Query& asked, const Database& database) {
  Query query = asked;
  if (query.model.empty()) throw UsageError("--model is missing");
  if (query.device.empty()) throw UsageError("--device is missing");
  std::vector<std::pair<std::string, std::string>> files;
  const auto [device_name, devices] = split_device_count(query.device, database);
  auto device = database.device(device_name, query.overrides);
  const Source source = read_model(query, database, files);
  check_request(query, source.workload ? source.workload->architecture : *source.architecture);

  std::shared_ptr<const Stack> stack;
  if (!query.stack.empty()) stack = database.stack(resolve_stack_name(query.stack, *device));
  if (query.quant.empty() && !source.workload) query.quant = usual_quant(stack ? stack->formats.front() : QuantFormat::gguf);
  Quantized quantized = quantize(source, query, database);
  const QuantFormat format = quantized.workload->format;
  if (!stack) stack = database.stack(stack_for(format, *device));
  const bool plain = quantized.scheme && is_plain(*quantized.scheme, *database.types());
  if (!reads(*stack, format) && !plain)
    throw RefusedError("the stack '" + stack->id + "' does not read the format of " + query.quant + "; try --stack " + stack_for(format, *device));
  query.stack = stack->id;
  check_stack(*stack, *device);
  check_types(*stack, *quantized.workload);
  Compiled compiled = bind(std::move(query), std::move(quantized), std::move(device), devices, std::move(stack), database);
  compiled.files = std::move(files);
  return compiled;
}

}  // namespace silicast
