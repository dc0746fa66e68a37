// SPDX-License-Identifier: Apache-2.0
#include "model/memory.h"

#include <algorithm>
#include <cmath>

#include "model/step_cost.h"

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
    double width = 0;
    if (const auto* dense = std::get_if<DenseFeedForward>(&layer.feed_forward)) {
      width = static_cast<double>(dense->intermediate);
    } else {
      const auto& experts = std::get<ExpertFeedForward>(layer.feed_forward);
      width = static_cast<double>(std::max(experts.used * experts.intermediate, experts.shared_intermediate));
    }
    widths.feed_forward = std::max(widths.feed_forward, width);
  }
  return widths;
}

struct WeightSplit {
  Bytes device;
  Bytes host;
};

// llama.cpp keeps the input embedding in host memory, read by row; a tied output needs its own copy on the device.
WeightSplit split_weights(const Workload& w, bool host_embedding) {
  WeightSplit split;
  bool has_output = false;
  Bytes embedding;
  for (std::size_t i = 0; i < w.tensors.size(); ++i) {
    const Bytes bytes = w.type_table->bytes(w.tensors[i], w.types[i]);
    has_output = has_output || w.tensors[i].role == TensorRole::output;
    if (w.tensors[i].role == TensorRole::token_embd)
      embedding += bytes;
    else
      split.device += bytes;
  }
  if (!host_embedding) {
    split.device += embedding;
  } else {
    split.host = embedding;
    if (!has_output) split.device += embedding;
  }
  return split;
}

}  // namespace

Bytes kv_cache_bytes(const CacheShape& shape, const CacheRequest& request, const AllocationRules& rules, const TypeTable& types) {
  const double padding = static_cast<double>(rules.cache_padding);
  const double key_bytes = bytes_per_value(types, request.key_type);
  const double value_bytes = bytes_per_value(types, request.value_type);
  const double cells = padded(request.context, padding);
  const auto bytes = [&](double tokens, std::int64_t keys, std::int64_t values) {
    return tokens * (static_cast<double>(keys) * key_bytes + static_cast<double>(values) * value_bytes);
  };
  double total = bytes(cells, shape.full_key_values, shape.full_value_values);
  for (const auto& windowed : shape.windowed) {
    const double window_cells = padded(static_cast<double>(windowed.window) + request.ubatch, padding);
    total += bytes(rules.windowed_cache ? std::min(cells, window_cells) : cells, windowed.key_values, windowed.value_values);
  }
  total += static_cast<double>(shape.recurrent_values) * f32_bytes;
  return Bytes(total * request.sequences);
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

std::vector<MemoryPool> memory_pools(const Workload& w, const Device& device, const Stack& stack, const MemoryRequest& request) {
  const AllocationRules& rules = stack.allocation;
  const bool discrete = device.device_class == DeviceClass::discrete && !stack.on_cpu;
  const WeightSplit weights = split_weights(w, discrete && rules.host_embedding);

  MemoryPool main;
  main.name = discrete ? "gpu" : device.device_class == DeviceClass::unified ? "unified" : "host";
  main.capacity = request.usable.capacity;
  main.usable = usable_bytes(device, stack, request.usable);
  main.weights = weights.device;
  main.kv_cache = kv_cache_bytes(cache_shape(w.architecture), request.cache, rules, *w.type_table);
  main.overhead = rules.context_overhead;
  ComputeBuffers buffers;
  switch (rules.rule) {
    case BufferRule::llama_cpp: {
      const double padding = static_cast<double>(rules.cache_padding);
      buffers = llama_cpp_buffers(w.architecture, {.context = padded(request.cache.context, padding) * request.cache.sequences,
                                                   .ubatch = std::min(request.cache.ubatch, padded(request.cache.context, 1)),
                                                   .fused_attention = request.fused_attention});
      break;
    }
    case BufferRule::paged: buffers.device = rules.activation_bytes_fixed; break;
    case BufferRule::none: {
      // Activations of one micro-batch: the feed-forward in and out, and the logits of one row per sequence.
      const double tokens = std::min(request.cache.ubatch, request.cache.context);
      const double values = 2 * widest(w.architecture).feed_forward + 4 * static_cast<double>(w.architecture.hidden);
      buffers.device = Bytes((values * tokens + static_cast<double>(w.architecture.vocabulary) * request.cache.sequences) * stack.activation_bytes);
      break;
    }
  }
  main.compute = buffers.device;
  if (!discrete) {
    main.compute += buffers.host;
    return {main};
  }
  MemoryPool host;
  host.name = "host";
  host.capacity = request.host_capacity.value_or(Bytes(0));
  host.usable = host.capacity;
  host.weights = weights.host;
  host.compute = buffers.host;
  return {main, host};
}

}  // namespace silicast
