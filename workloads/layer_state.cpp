// SPDX-License-Identifier: Apache-2.0
#include "workloads/layer_state.h"

#include <variant>

namespace silicast {

namespace {

LayerState kept(const GroupedAttention& a, std::int64_t /*hidden*/) {
  if (a.shared_kv) return {};
  return {.keys = a.kv_heads * a.key_dim, .values = a.kv_heads * a.value_dim, .window = a.window};
}

LayerState kept(const LatentAttention& a, std::int64_t /*hidden*/) { return {.keys = a.kv_lora_rank + a.qk_rope_dim}; }

// The pooled entry in the making: inputs and weights of its tokens (inference/model.py of DeepSeek-V4, kv_state and
// score_state).
LayerState kept(const CompressedAttention& a, std::int64_t /*hidden*/) {
  if (a.compression == 0) return {.keys = a.head_dim, .window = a.window};
  const std::int64_t width = a.head_dim + a.index_dim;
  return {.keys = a.head_dim,
          .window = a.window,
          .compressed = width,
          .compression = a.compression,
          .recurrent = 2 * a.overlap() * a.compression * a.overlap() * width};
}

LayerState kept(const GatedDeltaNet& net, std::int64_t /*hidden*/) {
  const std::int64_t channels = 2 * net.key_heads * net.key_dim + net.value_heads * net.value_dim;
  return {.convolution = (net.convolution - 1) * channels, .recurrent = net.value_heads * net.key_dim * net.value_dim};
}

LayerState kept(const Mamba2& m, std::int64_t /*hidden*/) {
  return {.convolution = (m.convolution - 1) * m.channels(), .recurrent = m.state * m.inner()};
}

LayerState kept(const ShortConvolution& c, std::int64_t hidden) {
  return {.convolution = (c.convolution - 1) * hidden};
}

LayerState kept(const Absent& /*absent*/, std::int64_t /*hidden*/) { return {}; }

}  // namespace

LayerState state_of(const Mixer& mixer, std::int64_t hidden) {
  return std::visit([hidden](const auto& kind) { return kept(kind, hidden); }, mixer);
}

}  // namespace silicast
