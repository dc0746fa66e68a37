// SPDX-License-Identifier: Apache-2.0
// What a language model is made of: the independent facts of its shape, from which tensors, operations and memory
// follow. A layer is a mixer (what looks at other tokens) and a feed-forward block, or one of them alone. A new kind of
// either is a struct here, its fields in layer_fields.h, its tensors in tensors.cpp, its operations in layer_ops.cpp
// and what it keeps between steps in layer_state.cpp. Read from a catalogue file (docs/data-format.md), a Hugging Face
// config.json or a GGUF's metadata.
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
  bool shared_kv = false;     // reuses an earlier layer's keys and values: computes none, has no cache of its own
  bool unused_kv = false;     // stores the K/V projections that shared_kv leaves without use
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

// Mamba-2 (arXiv:2405.21060): a scalar decay per head and a state of heads x head_dim x state values per sequence.
struct Mamba2 {
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t groups = 0;       // of heads that share B and C
  std::int64_t state = 0;        // values per channel
  std::int64_t convolution = 0;  // kernel width of the causal convolution over x, B and C, which has a bias

  [[nodiscard]] std::int64_t inner() const { return heads * head_dim; }
  [[nodiscard]] std::int64_t channels() const { return inner() + 2 * groups * state; }  // of the convolution
  bool operator==(const Mamba2&) const = default;
};

// DeepSeek-V4's attention: one head's worth of key that is the value as well, over a window and, where `compression` is
// set, over entries that each pool so many tokens. With an indexer a query reads the `index_top` entries it chooses.
struct CompressedAttention {
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t q_lora_rank = 0;
  std::int64_t output_groups = 0;  // the output projection: every group of heads to output_rank, all of that to hidden
  std::int64_t output_rank = 0;
  std::int64_t window = 0;
  std::int64_t compression = 0;  // tokens an entry; 0: no entries beyond the window
  std::int64_t index_heads = 0;  // of the indexer; 0: none, every entry is read
  std::int64_t index_dim = 0;
  std::int64_t index_top = 0;

  // With an indexer the entries overlap: each is made of twice its tokens.
  [[nodiscard]] std::int64_t overlap() const { return index_heads > 0 ? 2 : 1; }
  bool operator==(const CompressedAttention&) const = default;
};

// LFM2's double-gated short convolution: out(C * conv(B * x)), one causal filter per hidden channel.
struct ShortConvolution {
  std::int64_t convolution = 0;  // kernel width

  bool operator==(const ShortConvolution&) const = default;
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
  std::int64_t latent = 0;               // width that the routed experts work in, projected to and from; 0: hidden
  Activation activation = Activation::swiglu;
  bool shared_gate = false;
  bool bias = false;         // on router and experts
  bool router_bias = false;  // a selection bias, one per expert
  bool hash_routed = false;  // a table says which experts a token of the vocabulary uses
  // The shared expert is a dense block beside the routed ones (Gemma 4): both and the router norm the hidden state for
  // themselves, either result is normed before they are added, and every routed expert's is scaled.
  bool beside_dense = false;

  bool operator==(const ExpertFeedForward&) const = default;
};

enum class NormKind { rms, layer };
enum class Positions { rope, learned, none };

// The place of a mixer or feed-forward block that a layer does not have.
struct Absent {
  bool operator==(const Absent&) const = default;
};

using Mixer = std::variant<GroupedAttention, LatentAttention, CompressedAttention, GatedDeltaNet, Mamba2,
                           ShortConvolution, Absent>;
using FeedForward = std::variant<DenseFeedForward, ExpertFeedForward, Absent>;

struct Layer {
  Mixer mixer;
  FeedForward feed_forward;

  bool operator==(const Layer&) const = default;
};

// Gemma 3n and the small Gemma 4 feed every layer an embedding of the token made for it: rows of a second table, as
// wide as all layers' inputs together, plus a projection of the first hidden state.
struct PerLayerInput {
  std::int64_t width = 0;       // per layer; 0: the model has none
  std::int64_t vocabulary = 0;  // rows of the table

  bool operator==(const PerLayerInput&) const = default;
};

// Gemma 3n (arXiv:2301.13310): several copies of the hidden state, of which a layer computes one and predicts and
// corrects the others, and beside each attention a low-rank residual branch (LAuReL, arXiv:2411.07501).
struct AlternatingUpdates {
  std::int64_t streams = 0;  // 0: the model has none
  std::int64_t laurel_rank = 0;

  bool operator==(const AlternatingUpdates&) const = default;
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
  int norms_per_layer = 2;   // 1: parallel block, 2: pre-norms, 4: pre- and post-norms
  bool value_norm = false;   // values are normed as queries and keys are, without weights (Gemma 4)
  bool layer_scale = false;  // what leaves a layer is multiplied by a factor of its own (Gemma 4)
  NormKind norm = NormKind::rms;
  Positions positions = Positions::rope;
  PerLayerInput per_layer_input;
  AlternatingUpdates alternating_updates;
  std::int64_t hyper_connections =
      0;                     // copies of the hidden state that are mixed around every block (arXiv:2512.24880)
  bool encoder = false;      // BERT: every token sees all of them, nothing is kept between steps, there are no logits
  int extra_layers = 0;      // multi-token-prediction blocks that a GGUF stores and inference skips
  std::vector<Layer> kinds;  // the distinct layers
  std::vector<int> layers;   // the kind of each layer, in order
  // Schemes of data/quants in which a model is released that is released quantized alone, the most faithful to each
  // format first; empty: there are 16-bit weights.
  std::vector<std::string> published_quants;
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
