// SPDX-License-Identifier: Apache-2.0
// What a transformer language model is made of: the independent facts of its shape, from which tensors, operations
// and memory follow. Read from a catalogue file (docs/data-format.md), a Hugging Face config.json or a GGUF's metadata.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace silicast {

class Section;

enum class Activation { swiglu, geglu, silu, gelu, relu, relu2 };
constexpr bool has_gate(Activation a) { return a == Activation::swiglu || a == Activation::geglu; }

enum class AttentionBias { none, qkv, qkvo };
enum class QkNorm { none, head, full };

// Multi-head, grouped-query and multi-query attention.
struct GroupedAttention {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t key_dim = 0;    // per head, of queries and keys
  std::int64_t value_dim = 0;  // per head
  std::int64_t window = 0;     // tokens attended to; 0: all
  AttentionBias bias = AttentionBias::none;
  QkNorm qk_norm = QkNorm::none;
  bool fused_qkv = false;
  bool gated = false;         // an output gate as wide as the query, in the query projection
  bool sinks = false;         // one learned logit per head
  bool shared_kv = false;     // reuses an earlier layer's keys and values: no K/V projection, no cache of its own
  bool value_is_key = false;  // no value projection: the value is the key before its norm and RoPE

  bool operator==(const GroupedAttention&) const = default;
};

// Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434): keys and values are one latent vector per token.
struct LatentAttention {
  std::int64_t heads = 0;
  std::int64_t q_lora_rank = 0;  // 0: the query is projected directly
  std::int64_t kv_lora_rank = 0;
  std::int64_t qk_nope_dim = 0;
  std::int64_t qk_rope_dim = 0;
  std::int64_t value_dim = 0;

  bool operator==(const LatentAttention&) const = default;
};

// Linear attention with a gated delta rule (arXiv:2412.06464), as in Qwen3-Next and Qwen3.5: a fixed-size state
// of value_heads x key_dim x value_dim per sequence instead of a growing cache.
struct GatedDeltaNet {
  enum class Layout { qwen3next, qwen35 };  // qwen3next: in_proj qkvz + ba fused; qwen35: qkv, gate, beta, alpha apart

  std::int64_t key_heads = 0;
  std::int64_t value_heads = 0;
  std::int64_t key_dim = 0;
  std::int64_t value_dim = 0;
  std::int64_t convolution = 0;  // kernel width of the causal convolution over q, k and v
  Layout layout = Layout::qwen3next;

  bool operator==(const GatedDeltaNet&) const = default;
};

struct DenseFeedForward {
  std::int64_t intermediate = 0;
  Activation activation = Activation::swiglu;
  bool fused_gate_up = false;
  bool bias = false;

  bool operator==(const DenseFeedForward&) const = default;
};

struct ExpertFeedForward {
  std::int64_t experts = 0;
  std::int64_t used = 0;  // experts per token
  std::int64_t intermediate = 0;
  std::int64_t shared_intermediate = 0;  // width of all shared experts together; 0: none
  Activation activation = Activation::swiglu;
  bool shared_gate = false;
  bool bias = false;         // on router and experts
  bool router_bias = false;  // a selection bias, one per expert

  bool operator==(const ExpertFeedForward&) const = default;
};

enum class NormKind { rms, layer };
enum class Positions { rope, learned, none };

struct Layer {
  std::variant<GroupedAttention, LatentAttention, GatedDeltaNet> mixer;
  std::variant<DenseFeedForward, ExpertFeedForward> feed_forward;

  bool operator==(const Layer&) const = default;
};

struct Architecture {
  std::string id;
  std::string name;
  std::string gguf_architecture;  // general.architecture
  std::int64_t hidden = 0;
  std::int64_t vocabulary = 0;
  std::int64_t context = 0;
  bool tied_embeddings = false;
  bool rope_frequencies = false;
  int norms_per_layer = 2;  // 1: parallel block, 2: pre-norms, 4: pre- and post-norms
  NormKind norm = NormKind::rms;
  Positions positions = Positions::rope;
  int extra_layers = 0;      // multi-token-prediction blocks that a GGUF stores and inference skips
  std::vector<Layer> kinds;  // the distinct layers
  std::vector<int> layers;   // the kind of each layer, in order
  std::optional<std::int64_t> stated_parameters;
  std::optional<std::int64_t> stated_active_parameters;

  [[nodiscard]] const Layer& layer(std::size_t i) const { return kinds[static_cast<std::size_t>(layers[i])]; }
  [[nodiscard]] bool has_experts() const;
  // Of the first layer with attention, as the quantization mixes use it (latent attention has one KV head); 1 where
  // there is none.
  [[nodiscard]] std::int64_t queries_per_kv_head() const;
  [[nodiscard]] std::int64_t experts() const;  // of the first MoE layer; 0: dense
  // Adds the layer, reusing an equal kind.
  void add_layer(const Layer& layer);
};

// From a model file as docs/data-format.md describes it. Throws InputError with place, key and rule. `id` and `name`
// are read where the section still has them (a Catalogue takes them out: the caller sets them).
Architecture read_architecture(const Section& file);

// The same fields as YAML text, one per line, indented by so many blanks; `read_architecture` reads back an equal
// value. Layers of more than one kind are written as `kinds` and `layer_kinds`.
std::string architecture_yaml(const Architecture& architecture, int indent = 0);

// Every dimension positive and consistent (heads a multiple of kv_heads, used <= experts, layers of known kinds);
// throws InputError naming `where` and the field. Readers of every format call it.
void validate(const Architecture& architecture, const std::string& where);

}  // namespace silicast
