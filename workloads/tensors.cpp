// SPDX-License-Identifier: Apache-2.0
#include "workloads/tensors.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace silicast {

namespace {

// `no`: stored as F32. `source`: stored as the 16 bits that were published.
enum class Quantizable { no, source, yes };
enum class Suffix { weight, none };  // what follows the stem where the tensor is no bias

struct RoleFacts {
  TensorRole role;
  std::string_view stem;
  Quantizable quantizable = Quantizable::yes;
  Suffix suffix = Suffix::weight;
};

using enum TensorRole;
using enum Quantizable;

// In the order of the enum; the order is checked below.
constexpr std::array<RoleFacts, role_count> role_table{{
    {token_embd, "token_embd"},
    {token_embd_norm, "token_embd_norm", no},
    {token_types, "token_types", no},
    {position_embd, "position_embd", no},
    {per_layer_token_embd, "per_layer_token_embd"},
    {per_layer_model_proj, "per_layer_model_proj", Quantizable::source},
    {per_layer_proj_norm, "per_layer_proj_norm", no},
    {altup_proj, "altup_proj", Quantizable::source},
    {altup_unembd_proj, "altup_unembd_proj", Quantizable::source},
    {hc_head_fn, "output_hc_fn", no},
    {hc_head_base, "output_hc_base", no},
    {hc_head_scale, "output_hc_scale", no},
    {output_norm, "output_norm", no},
    {output, "output"},
    {rope_freqs, "rope_freqs", no},
    {rope_factors_long, "rope_factors_long", no},
    {rope_factors_short, "rope_factors_short", no},
    {attn_norm, "attn_norm", no},
    {attn_norm_2, "attn_norm_2", no},
    {attn_q, "attn_q"},
    {attn_k, "attn_k"},
    {attn_v, "attn_v"},
    {attn_qkv, "attn_qkv"},
    {attn_output, "attn_output"},
    {attn_q_norm, "attn_q_norm", no},
    {attn_k_norm, "attn_k_norm", no},
    {attn_sinks, "attn_sinks", no},
    {attn_q_a, "attn_q_a"},
    {attn_q_a_norm, "attn_q_a_norm", no},
    {attn_q_b, "attn_q_b"},
    {attn_kv_a_mqa, "attn_kv_a_mqa"},
    {attn_kv_a_norm, "attn_kv_a_norm", no},
    {attn_kv_b, "attn_kv_b"},
    {attn_k_b, "attn_k_b"},
    {attn_v_b, "attn_v_b"},
    {attn_gate, "attn_gate"},
    {attn_kv, "attn_kv"},
    {attn_kv_norm, "attn_kv_norm", no},
    {attn_output_a, "attn_output_a"},
    {attn_output_b, "attn_output_b"},
    {attn_output_norm, "attn_output_norm", no},
    {attn_compressor_kv, "attn_compressor_kv"},
    {attn_compressor_gate, "attn_compressor_gate"},
    {attn_compressor_ape, "attn_compressor_ape", no},
    {attn_compressor_norm, "attn_compressor_norm", no},
    {indexer_proj, "indexer.proj"},
    {indexer_attn_q_b, "indexer.attn_q_b"},
    {indexer_compressor_kv, "indexer_compressor_kv"},
    {indexer_compressor_gate, "indexer_compressor_gate"},
    {indexer_compressor_ape, "indexer_compressor_ape", no},
    {indexer_compressor_norm, "indexer_compressor_norm", no},
    {ssm_in, "ssm_in"},
    {ssm_conv1d, "ssm_conv1d", no},
    {ssm_a, "ssm_a", no, Suffix::none},
    {ssm_d, "ssm_d", no, Suffix::none},
    {ssm_dt, "ssm_dt", no},
    {ssm_norm, "ssm_norm", no},
    {ssm_out, "ssm_out"},
    {ssm_ba, "ssm_ba"},
    {ssm_alpha, "ssm_alpha"},
    {ssm_beta, "ssm_beta"},
    {shortconv_in_proj, "shortconv.in_proj"},
    {shortconv_conv, "shortconv.conv", no},
    {shortconv_out_proj, "shortconv.out_proj"},
    {laurel_l, "laurel_l", Quantizable::source},
    {laurel_r, "laurel_r", Quantizable::source},
    {laurel_post_norm, "laurel_post_norm", no},
    {post_attention_norm, "post_attention_norm", no},
    {ffn_norm, "ffn_norm", no},
    {post_ffw_norm, "post_ffw_norm", no},
    {ffn_gate, "ffn_gate"},
    {ffn_up, "ffn_up"},
    {ffn_down, "ffn_down"},
    {ffn_gate_inp, "ffn_gate_inp", no},
    {ffn_gate_tid2eid, "ffn_gate_tid2eid", no},
    {ffn_exp_probs_b, "exp_probs_b", no},
    {ffn_gate_exps, "ffn_gate_exps"},
    {ffn_up_exps, "ffn_up_exps"},
    {ffn_down_exps, "ffn_down_exps"},
    {ffn_gate_shexp, "ffn_gate_shexp"},
    {ffn_up_shexp, "ffn_up_shexp"},
    {ffn_down_shexp, "ffn_down_shexp"},
    {ffn_gate_inp_shexp, "ffn_gate_inp_shexp"},
    {ffn_latent_down, "ffn_latent_down"},
    {ffn_latent_up, "ffn_latent_up"},
    {inp_gate, "inp_gate"},
    {proj, "proj"},
    {post_norm, "post_norm", no},
    {layer_output_norm, "layer_output_norm", no},
    {hc_attn_fn, "hc_attn_fn", no},
    {hc_attn_base, "hc_attn_base", no},
    {hc_attn_scale, "hc_attn_scale", no},
    {hc_ffn_fn, "hc_ffn_fn", no},
    {hc_ffn_base, "hc_ffn_base", no},
    {hc_ffn_scale, "hc_ffn_scale", no},
    {altup_router, "altup_router", Quantizable::source},
    {altup_router_norm, "altup_router_norm", no},
    {altup_predict_coef, "altup_predict_coef", Quantizable::source},
    {altup_correct_coef, "altup_correct_coef", Quantizable::source},
    {altup_correct_scale, "altup_correct_scale", no},
    {other, "other", no},
}};

constexpr bool table_in_order() {
  for (std::size_t i = 0; i < role_table.size(); ++i)
    if (index_of(role_table[i].role) != i) return false;
  return true;
}
static_assert(table_in_order());

const RoleFacts& facts(TensorRole role) { return role_table[index_of(role)]; }

// Families whose norm before the feed-forward block is called post_attention_norm in GGUF.
constexpr std::array<std::string_view, 5> with_post_attention_norm{"gpt-oss", "glm4moe", "qwen3next", "qwen35",
                                                                   "qwen35moe"};

// Families whose final norm is called token_embd_norm in GGUF.
constexpr std::array<std::string_view, 2> with_token_embd_norm{"lfm2", "lfm2moe"};

// Families whose rotary table has one set of factors for short and one for long contexts (LongRoPE).
constexpr std::array<std::string_view, 3> with_long_rope{"phi3", "phimoe", "minicpm"};

template <std::size_t N>
bool is_one_of(const std::string& name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class TensorList {
 public:
  explicit TensorList(const Architecture& architecture) : architecture_(architecture) {}

  std::vector<Tensor> build() && {
    before_layers();
    for (std::size_t i = 0; i < architecture_.layers.size(); ++i) {
      layer_ = static_cast<int>(i);
      add_layer(architecture_.layer(i));
    }
    return std::move(tensors_);
  }

 private:
  using Width = std::int64_t;

  void add(TensorRole role, std::array<Width, 3> shape, bool bias = false) {
    tensors_.push_back({.role = role, .bias = bias, .layer = layer_, .shape = shape});
  }
  void vector(TensorRole role, Width width) { add(role, {width, 1, 1}); }
  void bias(TensorRole role, Width width, Width count = 1) { add(role, {width, count, 1}, true); }
  void matrix(TensorRole role, Width in, Width out, bool with_bias = false) {
    add(role, {in, out, 1});
    if (with_bias) bias(role, out);
  }
  void experts(TensorRole role, Width in, Width out, Width count, bool with_bias) {
    add(role, {in, out, count});
    if (with_bias) bias(role, out, count);
  }
  void norm(TensorRole role) {
    vector(role, hidden());
    if (architecture_.norm == NormKind::layer) bias(role, hidden());
  }
  [[nodiscard]] Width hidden() const { return architecture_.hidden; }
  [[nodiscard]] Width per_layer_width() const { return architecture_.per_layer_input.width; }
  [[nodiscard]] Width streams() const { return architecture_.alternating_updates.streams; }

  void before_layers() {
    matrix(token_embd, hidden(), architecture_.vocabulary);
    if (architecture_.encoder) return before_encoder();
    if (architecture_.positions == Positions::learned) matrix(position_embd, hidden(), architecture_.context);
    norm(is_one_of(architecture_.gguf_architecture, with_token_embd_norm) ? token_embd_norm : output_norm);
    if (!architecture_.tied_embeddings) matrix(output, hidden(), architecture_.vocabulary);
    if (architecture_.rope_frequencies) rope_tables(rotary_width() / 2);
    if (per_layer_width() > 0) {
      const Width all_layers = per_layer_width() * static_cast<Width>(architecture_.layers.size());
      matrix(per_layer_token_embd, all_layers, architecture_.per_layer_input.vocabulary);
      matrix(per_layer_model_proj, hidden(), all_layers);
      vector(per_layer_proj_norm, per_layer_width());
    }
    if (const Width copies = architecture_.hyper_connections; copies > 0) {
      matrix(hc_head_fn, copies * hidden(), copies);
      vector(hc_head_base, copies);
      vector(hc_head_scale, 1);
    }
    if (streams() > 0) {
      experts(altup_proj, hidden(), hidden(), streams() - 1, false);
      experts(altup_unembd_proj, hidden(), hidden(), streams() - 1, false);
    }
  }

  // XLM-RoBERTa has one type of tokens.
  void before_encoder() {
    vector(token_types, hidden());
    norm(token_embd_norm);
    if (architecture_.positions == Positions::learned) matrix(position_embd, hidden(), architecture_.context);
  }

  void rope_tables(Width frequencies) {
    if (!is_one_of(architecture_.gguf_architecture, with_long_rope)) return vector(rope_freqs, frequencies);
    vector(rope_factors_long, frequencies);
    vector(rope_factors_short, frequencies);
  }

  // Of the widest rotated head: the tables serve the full-attention layers.
  [[nodiscard]] Width rotary_width() const {
    Width width = 0;
    for (const Layer& kind : architecture_.kinds) {
      if (const auto* grouped = std::get_if<GroupedAttention>(&kind.mixer)) width = std::max(width, grouped->key_dim);
      if (const auto* latent = std::get_if<LatentAttention>(&kind.mixer)) width = std::max(width, latent->qk_rope_dim);
    }
    return width;
  }

  void add_layer(const Layer& layer) {
    if (architecture_.encoder) return add_encoder_layer(layer);
    norm(attn_norm);
    std::visit([this](const auto& mixer) { add_mixer(mixer); }, layer.mixer);
    norms_between();
    std::visit([this](const auto& feed_forward) { add_feed_forward(feed_forward); }, layer.feed_forward);
    if (architecture_.norms_per_layer == 4) norm(post_ffw_norm);
    if (per_layer_width() > 0) add_per_layer_input();
    if (architecture_.hyper_connections > 0) add_hyper_connections();
    if (streams() > 0) add_alternating_updates();
  }

  // The norms follow the blocks.
  void add_encoder_layer(const Layer& layer) {
    std::visit([this](const auto& mixer) { add_mixer(mixer); }, layer.mixer);
    norm(attn_output_norm);
    std::visit([this](const auto& feed_forward) { add_feed_forward(feed_forward); }, layer.feed_forward);
    norm(layer_output_norm);
  }

  void add_per_layer_input() {
    matrix(inp_gate, hidden(), per_layer_width());
    matrix(proj, per_layer_width(), hidden());
    norm(post_norm);
  }

  // For each block the weights of the streams: into it, out of it, and among each other.
  void add_hyper_connections() {
    const Width copies = architecture_.hyper_connections;
    const Width weights = (2 + copies) * copies;
    matrix(hc_attn_fn, copies * hidden(), weights);
    vector(hc_attn_base, weights);
    vector(hc_attn_scale, 3);
    matrix(hc_ffn_fn, copies * hidden(), weights);
    vector(hc_ffn_base, weights);
    vector(hc_ffn_scale, 3);
  }

  void add_alternating_updates() {
    const Width rank = architecture_.alternating_updates.laurel_rank;
    matrix(laurel_l, hidden(), rank);
    matrix(laurel_r, rank, hidden());
    vector(laurel_post_norm, hidden());
    matrix(altup_router, hidden(), streams());
    vector(altup_router_norm, hidden());
    matrix(altup_predict_coef, streams(), streams() * streams());
    matrix(altup_correct_coef, streams(), streams());
    vector(altup_correct_scale, hidden());
  }

  void norms_between() {
    if (architecture_.norms_per_layer == 1) return;
    if (architecture_.norms_per_layer == 4) norm(post_attention_norm);
    if (architecture_.gguf_architecture == "falcon") return norm(attn_norm_2);
    norm(is_one_of(architecture_.gguf_architecture, with_post_attention_norm) && architecture_.norms_per_layer == 2
             ? post_attention_norm
             : ffn_norm);
  }

  void add_mixer(const GroupedAttention& a) {
    const Width key_width = a.kv_heads * a.key_dim;
    const bool qkv_bias = a.bias != AttentionBias::none;
    if (a.fused_qkv)
      matrix(attn_qkv, hidden(), query_width(a) + key_width + a.kv_heads * a.value_dim, qkv_bias);
    else
      separate_projections(a, qkv_bias);
    if (a.qk_norm != QkNorm::none) query_key_norms(a, a.qk_norm == QkNorm::full);
    matrix(attn_output, a.heads * a.value_dim, hidden(), a.bias == AttentionBias::qkvo);
    if (a.sinks) vector(attn_sinks, a.heads);
  }

  static Width query_width(const GroupedAttention& a) { return a.heads * a.key_dim * (a.gated ? 2 : 1); }

  void separate_projections(const GroupedAttention& a, bool with_bias) {
    matrix(attn_q, hidden(), query_width(a), with_bias);
    if (a.shared_kv && !a.unused_kv) return;
    matrix(attn_k, hidden(), a.kv_heads * a.key_dim, with_bias);
    if (!a.value_is_key) matrix(attn_v, hidden(), a.kv_heads * a.value_dim, with_bias);
  }

  void query_key_norms(const GroupedAttention& a, bool full) {
    vector(attn_q_norm, full ? a.heads * a.key_dim : a.key_dim);
    if (!a.shared_kv || a.unused_kv) vector(attn_k_norm, full ? a.kv_heads * a.key_dim : a.key_dim);
  }

  void add_mixer(const LatentAttention& a) {
    const Width query = a.heads * (a.qk_nope_dim + a.qk_rope_dim);
    if (a.q_lora_rank == 0) {
      matrix(attn_q, hidden(), query);
    } else {
      matrix(attn_q_a, hidden(), a.q_lora_rank);
      vector(attn_q_a_norm, a.q_lora_rank);
      matrix(attn_q_b, a.q_lora_rank, query);
    }
    matrix(attn_kv_a_mqa, hidden(), a.kv_lora_rank + a.qk_rope_dim);
    vector(attn_kv_a_norm, a.kv_lora_rank);
    experts(attn_k_b, a.qk_nope_dim, a.kv_lora_rank, a.heads, false);
    experts(attn_v_b, a.kv_lora_rank, a.value_dim, a.heads, false);
    matrix(attn_output, a.heads * a.value_dim, hidden());
  }

  void add_mixer(const CompressedAttention& a) {
    const Width query = a.heads * a.head_dim;
    matrix(attn_q_a, hidden(), a.q_lora_rank);
    vector(attn_q_a_norm, a.q_lora_rank);
    matrix(attn_q_b, a.q_lora_rank, query);
    matrix(attn_kv, hidden(), a.head_dim);
    vector(attn_kv_norm, a.head_dim);
    matrix(attn_output_a, query / a.output_groups, a.output_rank * a.output_groups);
    matrix(attn_output_b, a.output_groups * a.output_rank, hidden());
    vector(attn_sinks, a.heads);
    if (a.compression == 0) return;
    matrix(attn_compressor_kv, hidden(), a.overlap() * a.head_dim);
    matrix(attn_compressor_gate, hidden(), a.overlap() * a.head_dim);
    matrix(attn_compressor_ape, a.overlap() * a.head_dim, a.compression);
    vector(attn_compressor_norm, a.head_dim);
    if (a.index_heads == 0) return;
    matrix(indexer_proj, hidden(), a.index_heads);
    matrix(indexer_attn_q_b, a.q_lora_rank, a.index_heads * a.index_dim);
    matrix(indexer_compressor_kv, hidden(), a.overlap() * a.index_dim);
    matrix(indexer_compressor_gate, hidden(), a.overlap() * a.index_dim);
    matrix(indexer_compressor_ape, a.overlap() * a.index_dim, a.compression);
    vector(indexer_compressor_norm, a.index_dim);
  }

  void add_mixer(const GatedDeltaNet& net) {
    const Width values = net.value_heads * net.value_dim;
    const Width mixed = 2 * net.key_heads * net.key_dim + values;  // q, k and v, which the convolution runs over
    matrix(attn_qkv, hidden(), mixed);
    matrix(attn_gate, hidden(), values);
    add(ssm_conv1d, {net.convolution, mixed, 1});
    bias(ssm_dt, net.value_heads);
    vector(ssm_a, net.value_heads);
    switch (net.layout) {
      case GatedDeltaNet::Layout::qwen3next: matrix(ssm_ba, hidden(), 2 * net.value_heads); break;
      case GatedDeltaNet::Layout::qwen35:
        matrix(ssm_beta, hidden(), net.value_heads);
        matrix(ssm_alpha, hidden(), net.value_heads);
        break;
    }
    vector(ssm_norm, net.value_dim);
    matrix(ssm_out, values, hidden());
  }

  void add_mixer(const Mamba2& m) {
    matrix(ssm_in, hidden(), 2 * m.inner() + 2 * m.groups * m.state + m.heads);  // gate, x, B, C and time step
    add(ssm_conv1d, {m.convolution, m.channels(), 1});
    bias(ssm_conv1d, m.channels());
    bias(ssm_dt, m.heads);
    add(ssm_a, {1, m.heads, 1});
    add(ssm_d, {1, m.heads, 1});
    add(ssm_norm, {m.inner() / m.groups, m.groups, 1});
    matrix(ssm_out, m.inner(), hidden());
  }

  void add_mixer(const ShortConvolution& c) {
    add(shortconv_conv, {c.convolution, hidden(), 1});
    matrix(shortconv_in_proj, hidden(), 3 * hidden());
    matrix(shortconv_out_proj, hidden(), hidden());
  }

  void add_mixer(const Absent& /*absent*/) const {}
  void add_feed_forward(const Absent& /*absent*/) const {}

  void add_feed_forward(const DenseFeedForward& f) {
    const bool gated = has_gate(f.activation);
    if (gated && !f.fused_gate_up) matrix(ffn_gate, hidden(), f.intermediate, f.bias);
    matrix(ffn_up, hidden(), f.intermediate * (gated && f.fused_gate_up ? 2 : 1), f.bias);
    matrix(ffn_down, f.intermediate, hidden(), f.bias);
  }

  void add_feed_forward(const ExpertFeedForward& f) {
    matrix(ffn_gate_inp, hidden(), f.experts, f.bias);
    if (f.hash_routed) matrix(ffn_gate_tid2eid, f.used, architecture_.vocabulary);
    if (f.router_bias) bias(ffn_exp_probs_b, f.experts);
    const Width width = f.latent > 0 ? f.latent : hidden();
    if (f.latent > 0) {
      matrix(ffn_latent_down, hidden(), f.latent);
      matrix(ffn_latent_up, f.latent, hidden());
    }
    if (has_gate(f.activation)) experts(ffn_gate_exps, width, f.intermediate, f.experts, f.bias);
    experts(ffn_down_exps, f.intermediate, width, f.experts, f.bias);
    experts(ffn_up_exps, width, f.intermediate, f.experts, f.bias);
    if (f.shared_intermediate == 0) return;
    if (f.shared_gate) vector(ffn_gate_inp_shexp, hidden());
    if (has_gate(f.activation)) matrix(ffn_gate_shexp, hidden(), f.shared_intermediate);
    matrix(ffn_down_shexp, f.shared_intermediate, hidden());
    matrix(ffn_up_shexp, hidden(), f.shared_intermediate);
  }

  const Architecture& architecture_;
  int layer_ = -1;
  std::vector<Tensor> tensors_;
};

constexpr std::string_view layer_prefix = "blk.";
constexpr std::string_view weight_suffix = ".weight";
constexpr std::string_view bias_suffix = ".bias";

// Takes "blk.12." off the name; -1 where there is none.
int take_layer(std::string_view& name) {
  if (!name.starts_with(layer_prefix)) return -1;
  const std::string_view rest = name.substr(layer_prefix.size());
  int layer = -1;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
  const auto digits = static_cast<std::size_t>(end - rest.data());
  if (error != std::errc() || layer < 0 || digits >= rest.size() || rest[digits] != '.') return -1;
  name = rest.substr(digits + 1);
  return layer;
}

bool take_suffix(std::string_view& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  name.remove_suffix(suffix.size());
  return true;
}

// Stored, but no token uses it.
bool is_unused(const Architecture& architecture, const Tensor& tensor) {
  if (tensor.role != attn_k && tensor.role != attn_v && tensor.role != attn_k_norm) return false;
  const Layer& layer = architecture.layer(static_cast<std::size_t>(tensor.layer));
  const auto* attention = std::get_if<GroupedAttention>(&layer.mixer);
  return attention != nullptr && attention->shared_kv;
}

bool is_expert_stack(TensorRole role) { return role == ffn_gate_exps || role == ffn_up_exps || role == ffn_down_exps; }

}  // namespace

std::string_view stem(TensorRole role) { return facts(role).stem; }

std::optional<TensorRole> role_of_stem(std::string_view stem) {
  const auto at =
      std::find_if(role_table.begin(), role_table.end(), [&](const RoleFacts& f) { return f.stem == stem; });
  if (at == role_table.end()) return std::nullopt;
  return at->role;
}

std::string gguf_name(const Tensor& tensor) {
  std::string name;
  if (tensor.layer >= 0) name.append(layer_prefix).append(std::to_string(tensor.layer)).append(".");
  name.append(stem(tensor.role));
  if (tensor.bias) return name.append(bias_suffix);
  if (facts(tensor.role).suffix == Suffix::weight) name.append(weight_suffix);
  return name;
}

Tensor tensor_of_name(std::string_view name) {
  Tensor tensor;
  tensor.layer = take_layer(name);
  tensor.bias = take_suffix(name, bias_suffix);
  if (!tensor.bias) take_suffix(name, weight_suffix);
  tensor.role = role_of_stem(name).value_or(other);
  return tensor;
}

bool keeps_source_type(const Tensor& tensor) {
  return !tensor.bias && facts(tensor.role).quantizable == Quantizable::source;
}

bool is_quantizable(const Tensor& tensor) {
  return !tensor.bias && tensor.dimensions() >= 2 && facts(tensor.role).quantizable == yes;
}

std::vector<Tensor> tensors_of(const Architecture& architecture) { return TensorList(architecture).build(); }

TokenUse token_use(const Architecture& architecture, const Tensor& tensor) {
  if (tensor.role == per_layer_token_embd || is_unused(architecture, tensor)) return {.used = 0};
  if (!is_expert_stack(tensor.role)) return {};
  const Layer& layer = architecture.layer(static_cast<std::size_t>(tensor.layer));
  const auto& experts = std::get<ExpertFeedForward>(layer.feed_forward);
  return {.used = experts.used, .of = experts.experts};
}

std::int64_t parameter_count(const Architecture& architecture) {
  std::int64_t count = 0;
  for (const Tensor& tensor : tensors_of(architecture)) count += tensor.elements();
  return count;
}

std::int64_t active_parameter_count(const Architecture& architecture) {
  return active_parameter_count(architecture, tensors_of(architecture));
}

std::int64_t active_parameter_count(const Architecture& architecture, const std::vector<Tensor>& tensors) {
  std::int64_t count = 0;
  for (const Tensor& tensor : tensors) {
    const TokenUse use = token_use(architecture, tensor);
    count += tensor.elements() / use.of * use.used;
  }
  return count;
}

}  // namespace silicast
