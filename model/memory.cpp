// SPDX-License-Identifier: Apache-2.0
#include "model/memory.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/step_cost.h"
#include "workloads/layer_state.h"

namespace silicast {

namespace {

constexpr double f32_bytes = 4;
constexpr double f16_bytes = 2;

double bytes_per_value(const TypeTable& types, TypeId id) { return types[id].bits_per_weight() / 8; }

// The widest score row and feed-forward of the layers.
struct Widths {
  double heads = 0;
  double key_width = 0;  // of one token's keys
  double feed_forward = 0;
};

Widths widest(const Architecture& a) {
  Widths widths;
  for (const Layer& layer : a.kinds) {
    if (const auto* grouped = std::get_if<GroupedAttention>(&layer.mixer)) {
      widths.heads = std::max(widths.heads, static_cast<double>(grouped->heads));
      widths.key_width = std::max(widths.key_width, static_cast<double>(grouped->kv_heads * grouped->key_dim));
    }
    if (const auto* latent = std::get_if<LatentAttention>(&layer.mixer)) {
      widths.heads = std::max(widths.heads, static_cast<double>(latent->heads));
      widths.key_width = std::max(widths.key_width, static_cast<double>(latent->kv_lora_rank + latent->qk_rope_dim));
    }
    if (const auto* compressed = std::get_if<CompressedAttention>(&layer.mixer)) {
      widths.heads = std::max(widths.heads, static_cast<double>(compressed->heads));
      widths.key_width = std::max(widths.key_width, static_cast<double>(compressed->head_dim));
    }
    double width = 0;
    if (const auto* dense = std::get_if<DenseFeedForward>(&layer.feed_forward))
      width = static_cast<double>(dense->intermediate);
    if (const auto* experts = std::get_if<ExpertFeedForward>(&layer.feed_forward))
      width = static_cast<double>(std::max(experts->used * experts->intermediate, experts->shared_intermediate));
    widths.feed_forward = std::max(widths.feed_forward, width);
  }
  return widths;
}

bool is_routed_expert(TensorRole role) {
  return role == TensorRole::ffn_gate_exps || role == TensorRole::ffn_up_exps || role == TensorRole::ffn_down_exps;
}

Bytes sum(const std::vector<Bytes>& values, std::size_t from, std::size_t to) {
  return std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(from),
                         values.begin() + static_cast<std::ptrdiff_t>(to), Bytes(0));
}

// Of all sequences.
double tokens_of(const CacheRequest& cache) {
  if (cache.mixed.empty()) return cache.sequences * cache.context;
  double tokens = 0;
  for (const CacheRequest::Group& group : cache.mixed) tokens += group.sequences * group.context;
  return tokens;
}

// What lies on the host by the placement.
void add_host_share(MemoryPool& pool, const LayerMemory& m, const Placement& placement) {
  const std::size_t layers = m.weights.size();
  const auto host = std::min(static_cast<std::size_t>(placement.host_layers), layers);
  const auto experts = std::max(host, std::min(static_cast<std::size_t>(placement.host_expert_layers), layers));
  pool.weights += sum(m.weights, 0, host) + sum(m.experts, 0, experts);
  pool.kv_cache += sum(m.cache, 0, host);
  if (placement.host_output) pool.weights += m.output;
}

// The share of device `index` of `devices`.
void add_device_share(MemoryPool& pool, const LayerMemory& m, const Placement& placement, std::size_t index,
                      std::size_t devices) {
  const std::size_t layers = m.weights.size();
  std::size_t first = std::min(static_cast<std::size_t>(placement.host_layers), layers);
  std::size_t last = layers;
  double share = 1;
  if (placement.split != Split::layer) {
    share = 1 / static_cast<double>(devices);
  } else if (!placement.device_layers.empty()) {
    for (std::size_t i = 0; i < index; ++i) first += static_cast<std::size_t>(placement.device_layers[i]);
    last = std::min(first + static_cast<std::size_t>(placement.device_layers[index]), layers);
  }
  const std::size_t first_expert = std::clamp(static_cast<std::size_t>(placement.host_expert_layers), first, last);
  pool.weights += (sum(m.weights, first, last) + sum(m.experts, first_expert, last)) * share;
  pool.kv_cache += sum(m.cache, first, last) * share;
  const bool has_output = placement.split != Split::layer || index + 1 == devices;
  if (has_output && !placement.host_output) pool.weights += m.output * share;
}

}  // namespace

Bytes layer_cache_bytes(const Layer& layer, std::int64_t hidden, const CacheRequest& request,
                        const AllocationRules& rules, const TypeTable& types) {
  const LayerState state = state_of(layer.mixer, hidden);
  const double padding = static_cast<double>(rules.cache_padding);
  double cells = padded(request.context, padding);
  if (state.window > 0 && rules.windowed_cache)
    cells = std::min(cells, padded(static_cast<double>(state.window) + request.ubatch, padding));
  const double entries = std::ceil(padded(request.context, padding) / static_cast<double>(state.compression));
  const double key_bytes = bytes_per_value(types, request.key_type);
  const double bytes = cells * (static_cast<double>(state.keys) * key_bytes +
                                static_cast<double>(state.values) * bytes_per_value(types, request.value_type)) +
                       entries * static_cast<double>(state.compressed) * key_bytes +
                       static_cast<double>(state.fixed()) * f32_bytes;
  return Bytes(bytes * request.sequences);
}

Bytes kv_cache_bytes(const Architecture& a, const CacheRequest& request, const AllocationRules& rules,
                     const TypeTable& types) {
  Bytes total;
  if (a.encoder) return total;
  for (std::size_t i = 0; i < a.layers.size(); ++i)
    total += layer_cache_bytes(a.layer(i), a.hidden, request, rules, types);
  return total;
}

namespace {

// One buffer for all sequences: padded once; of a window it holds each sequence's, and one micro-batch. A state of
// fixed size stays each sequence's own.
Bytes unified_cache_bytes(const Layer& layer, std::int64_t hidden, const CacheRequest& request,
                          const AllocationRules& rules, const TypeTable& types) {
  const LayerState state = state_of(layer.mixer, hidden);
  const double others = request.sequences - 1;
  CacheRequest one = request;
  one.context = tokens_of(request);
  one.ubatch += others * static_cast<double>(state.window);
  one.sequences = 1;
  return layer_cache_bytes(layer, hidden, one, rules, types) +
         Bytes(others * static_cast<double>(state.fixed()) * f32_bytes);
}

Bytes cache_bytes(const Layer& layer, std::int64_t hidden, const CacheRequest& request, const AllocationRules& rules,
                  const TypeTable& types) {
  const bool slots = rules.rule == BufferRule::llama_cpp;
  if (slots && request.unified) return unified_cache_bytes(layer, hidden, request, rules, types);
  if (slots || request.mixed.empty()) return layer_cache_bytes(layer, hidden, request, rules, types);
  Bytes sum;
  CacheRequest alike = request;
  for (const CacheRequest::Group& group : request.mixed) {
    alike.sequences = group.sequences;
    alike.context = group.context;
    sum += layer_cache_bytes(layer, hidden, alike, rules, types);
  }
  return sum;
}

}  // namespace

LayerMemory layer_memory(const Workload& w, const CacheRequest& request, const AllocationRules& rules) {
  const std::size_t layers = w.architecture.layers.size();
  LayerMemory m{.weights = std::vector<Bytes>(layers), .experts = std::vector<Bytes>(layers), .cache = {}};
  bool has_output = false;
  for (std::size_t i = 0; i < w.tensors.size(); ++i) {
    const Tensor& tensor = w.tensors[i];
    const Bytes bytes = w.type_table->bytes(tensor, w.types[i]);
    has_output = has_output || tensor.role == TensorRole::output;
    if (tensor.role == TensorRole::token_embd)
      m.embedding += bytes;
    else if (tensor.role == TensorRole::per_layer_token_embd)
      m.per_layer_inputs += bytes;
    else if (tensor.layer < 0 || static_cast<std::size_t>(tensor.layer) >= layers)
      m.output += bytes;
    else
      (is_routed_expert(tensor.role) ? m.experts : m.weights)[static_cast<std::size_t>(tensor.layer)] += bytes;
  }
  m.tied = !has_output;
  m.cache.resize(layers);
  for (std::size_t i = 0; i < layers && !w.architecture.encoder; ++i)
    m.cache[i] = cache_bytes(w.architecture.layer(i), w.architecture.hidden, request, rules, *w.type_table);
  return m;
}

ComputeBuffers llama_cpp_buffers(const Architecture& a, const BufferRequest& r) {
  const Widths widths = widest(a);
  const double hidden = static_cast<double>(a.hidden) * r.ubatch * f32_bytes;
  const double mask = r.context * r.ubatch * (r.fused_attention ? f16_bytes : f32_bytes);
  // Copies of the inputs (mask and embeddings) when micro-batches are pipelined over devices.
  const double inputs = r.pipeline_copies > 1 ? r.pipeline_copies * (mask + hidden) : mask;
  // Beside the scores: inferred from the logged sizes of Llama-3-8B (exact), LLaMA-1 and Llama-2 (within 12 MiB).
  constexpr double hidden_beside_scores = 3.75;
  const double keys = widths.key_width * r.ubatch * f32_bytes;
  const double scores = r.fused_attention ? 0 : widths.heads * r.context * r.ubatch * f32_bytes;
  const double attention_phase = scores + hidden_beside_scores * hidden + keys + inputs;
  const double feed_forward_phase = 2 * widths.feed_forward * r.ubatch * f32_bytes + 2 * hidden + inputs;
  const double output_phase = static_cast<double>(a.vocabulary) * r.ubatch * f32_bytes + hidden;
  const double device = std::max({attention_phase, feed_forward_phase, output_phase});
  return {Bytes(device), Bytes(r.pipeline_copies * mask + hidden)};
}

ComputeBuffers compute_buffers(const Architecture& a, const Stack& stack, const MemoryRequest& request, int devices) {
  const AllocationRules& rules = stack.allocation;
  const CacheRequest& cache = request.cache;
  switch (rules.rule) {
    case BufferRule::llama_cpp: {
      constexpr int pipeline_copies = 4;  // GGML_SCHED_MAX_COPIES of llama.cpp
      const double padding = static_cast<double>(rules.cache_padding);
      const bool pipelined = devices > 1 && request.placement.split == Split::layer && !request.placement.uses_host();
      return llama_cpp_buffers(a, {.context = cache.unified ? padded(tokens_of(cache), padding)
                                                            : padded(cache.context, padding) * cache.sequences,
                                   .ubatch = std::min(cache.ubatch, std::ceil(cache.context)),
                                   .fused_attention = request.fused_attention,
                                   .pipeline_copies = pipelined ? pipeline_copies : 1});
    }
    case BufferRule::paged: return {rules.activation_bytes_fixed, Bytes(0)};
    case BufferRule::none: break;
  }
  // Activations of one micro-batch: the feed-forward in and out, and the logits of one row per sequence.
  const double tokens = std::min(cache.ubatch, cache.context);
  const double values = 2 * widest(a).feed_forward + 4 * static_cast<double>(a.hidden);
  return {Bytes((values * tokens + static_cast<double>(a.vocabulary) * cache.sequences) * stack.activation_bytes),
          Bytes(0)};
}

Bytes usable_bytes(const Device& device, const Stack& stack, const UsableRequest& request) {
  if (request.wired_limit) return std::min(*request.wired_limit, request.capacity);
  double share = 1;
  if (device.device_class == DeviceClass::unified && !stack.on_cpu) {
    for (const GpuLimit& limit : device.memory.gpu_limits) {
      const bool size_matches = request.capacity >= limit.from && (!limit.up_to || request.capacity <= *limit.up_to);
      if (!size_matches || (!limit.os.empty() && limit.os != request.os)) continue;
      share = limit.share;
      break;
    }
  }
  return request.capacity * (share * stack.allocation.usable_share);
}

std::vector<MemoryPool> memory_pools(const LayerMemory& m, const Architecture& architecture, const Device& device,
                                     const Stack& stack, const MemoryRequest& request) {
  const AllocationRules& rules = stack.allocation;
  const Placement& placement = request.placement;
  const bool discrete = device.device_class == DeviceClass::discrete && !stack.on_cpu;
  const std::size_t devices = std::max<std::size_t>(placement.devices(), 1);
  const ComputeBuffers buffers = compute_buffers(architecture, stack, request, static_cast<int>(devices));
  const Bytes usable = usable_bytes(device, stack, request.usable);

  std::vector<MemoryPool> pools;
  for (std::size_t i = 0; i < devices; ++i) {
    MemoryPool pool;
    pool.name = discrete ? "gpu" : device.device_class == DeviceClass::unified ? "unified" : "host";
    if (devices > 1) pool.name += std::to_string(i);
    pool.capacity = request.usable.capacity;
    pool.usable = usable;
    pool.overhead = rules.context_overhead;
    pool.compute = buffers.device;
    add_device_share(pool, m, placement, i, devices);
    pools.push_back(pool);
  }
  // The input embedding stays in host memory; a tied output needs its own copy on the device.
  const bool embedding_on_host = discrete && rules.host_embedding;
  MemoryPool host;
  host.name = "host";
  host.capacity = host.usable = request.host_capacity.value_or(Bytes(0));
  add_host_share(host, m, placement);
  host.compute = buffers.host;
  (embedding_on_host ? host : pools.front()).weights += m.embedding + m.per_layer_inputs;
  if (embedding_on_host && m.tied && !placement.host_output) pools.back().weights += m.embedding;
  if (discrete) {
    pools.push_back(host);
  } else {
    // One memory for both: what "the host" holds lies in the same pool, beside the GPU's share of it, whose limit it
    // does not count against.
    pools.front().usable = std::min(std::max(usable, request.usable.capacity), usable + host.used());
    pools.front().weights += host.weights;
    pools.front().kv_cache += host.kv_cache;
    pools.front().compute += host.compute;
  }
  return pools;
}

}  // namespace silicast
