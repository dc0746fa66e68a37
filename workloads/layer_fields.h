// SPDX-License-Identifier: Apache-2.0
// The fields of each kind of mixer and feed-forward block, said once: the key in a model file, the member, and what is
// accepted. A visitor reads them (architecture.cpp), writes them (architecture_yaml.cpp) or checks them
// (architecture_rules.cpp); it has
//   dimension(key, member)      a size from 1
//   count(key, member)          a size from 0, which means none
//   flag(key, member)
//   choice(key, member, names)  an enum, its names in its order
// and is called with the fields in the order in which they are written.
#pragma once

#include <string>
#include <vector>

#include "workloads/architecture.h"

namespace silicast {

inline const std::vector<std::string> activation_names{"swiglu", "geglu", "silu", "gelu", "relu", "relu2"};
inline const std::vector<std::string> bias_names{"none", "qkv", "qkvo"};
inline const std::vector<std::string> qk_norm_names{"none", "head", "full"};
inline const std::vector<std::string> norm_kind_names{"rms", "layer"};
inline const std::vector<std::string> position_names{"rope", "learned", "none"};
inline const std::vector<std::string> delta_net_layout_names{"qwen3next", "qwen35"};

// The key of a kind in a model file.
constexpr const char* key_of(const GroupedAttention& /*kind*/) { return "attention"; }
constexpr const char* key_of(const LatentAttention& /*kind*/) { return "attention"; }
constexpr const char* key_of(const CompressedAttention& /*kind*/) { return "attention"; }
constexpr const char* key_of(const GatedDeltaNet& /*kind*/) { return "linear_attention"; }
constexpr const char* key_of(const Mamba2& /*kind*/) { return "mamba2"; }
constexpr const char* key_of(const ShortConvolution& /*kind*/) { return "short_convolution"; }
constexpr const char* key_of(const DenseFeedForward& /*kind*/) { return "feed_forward"; }
constexpr const char* key_of(const ExpertFeedForward& /*kind*/) { return "experts"; }

template <class Visitor>
void describe(Visitor& v, GroupedAttention& a) {
  v.dimension("heads", a.heads);
  v.dimension("kv_heads", a.kv_heads);
  const std::int64_t before = a.key_dim;
  v.dimension("head_dim", a.key_dim);
  if (a.key_dim != before) a.value_dim = a.key_dim;  // where the file says nothing else
  v.count("value_dim", a.value_dim);
  v.count("window", a.window);
  v.choice("bias", a.bias, bias_names);
  v.choice("qk_norm", a.qk_norm, qk_norm_names);
  v.flag("fused_qkv", a.fused_qkv);
  v.flag("gated", a.gated);
  v.flag("sinks", a.sinks);
  v.flag("shared_kv", a.shared_kv);
  v.flag("unused_kv", a.unused_kv);
  v.flag("value_is_key", a.value_is_key);
}

template <class Visitor>
void describe(Visitor& v, LatentAttention& a) {
  v.dimension("heads", a.heads);
  v.count("q_lora_rank", a.q_lora_rank);
  v.dimension("kv_lora_rank", a.kv_lora_rank);
  v.dimension("qk_nope_dim", a.qk_nope_dim);
  v.dimension("qk_rope_dim", a.qk_rope_dim);
  v.dimension("value_dim", a.value_dim);
}

template <class Visitor>
void describe(Visitor& v, CompressedAttention& a) {
  v.dimension("heads", a.heads);
  v.dimension("head_dim", a.head_dim);
  v.dimension("q_lora_rank", a.q_lora_rank);
  v.dimension("output_groups", a.output_groups);
  v.dimension("output_rank", a.output_rank);
  v.dimension("window", a.window);
  v.count("compression", a.compression);
  v.count("index_heads", a.index_heads);
  v.count("index_dim", a.index_dim);
  v.count("index_top", a.index_top);
}

template <class Visitor>
void describe(Visitor& v, GatedDeltaNet& net) {
  v.dimension("key_heads", net.key_heads);
  v.dimension("value_heads", net.value_heads);
  v.dimension("key_dim", net.key_dim);
  v.dimension("value_dim", net.value_dim);
  v.dimension("convolution", net.convolution);
  v.choice("layout", net.layout, delta_net_layout_names);
}

template <class Visitor>
void describe(Visitor& v, Mamba2& m) {
  v.dimension("heads", m.heads);
  v.dimension("head_dim", m.head_dim);
  v.dimension("groups", m.groups);
  v.dimension("state", m.state);
  v.dimension("convolution", m.convolution);
}

template <class Visitor>
void describe(Visitor& v, ShortConvolution& c) {
  v.dimension("convolution", c.convolution);
}

template <class Visitor>
void describe(Visitor& v, DenseFeedForward& f) {
  v.dimension("intermediate", f.intermediate);
  v.choice("activation", f.activation, activation_names);
  v.flag("fused_gate_up", f.fused_gate_up);
  v.flag("bias", f.bias);
}

template <class Visitor>
void describe(Visitor& v, ExpertFeedForward& f) {
  v.dimension("count", f.experts);
  v.dimension("used", f.used);
  v.dimension("intermediate", f.intermediate);
  v.count("shared_intermediate", f.shared_intermediate);
  v.count("latent", f.latent);
  v.choice("activation", f.activation, activation_names);
  v.flag("shared_gate", f.shared_gate);
  v.flag("bias", f.bias);
  v.flag("router_bias", f.router_bias);
  v.flag("hash_routed", f.hash_routed);
  v.flag("beside_dense", f.beside_dense);
}

// Of the model as a whole.
template <class Visitor>
void describe(Visitor& v, PerLayerInput& p) {
  v.dimension("width", p.width);
  v.dimension("vocabulary", p.vocabulary);
}

template <class Visitor>
void describe(Visitor& v, AlternatingUpdates& a) {
  v.dimension("streams", a.streams);
  v.dimension("laurel_rank", a.laurel_rank);
}

}  // namespace silicast
