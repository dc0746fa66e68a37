// SPDX-License-Identifier: Apache-2.0
#include "workloads/layer_ops.h"

#include <algorithm>

#include "workloads/layer_state.h"

namespace silicast {

namespace {

// Vector operations per value, counted from the definitions: RoPE two multiply-adds a value; SiLU exp, add, divide, two
// multiplies. Per value of a recurrent state: the gated delta rule decays it, reads it for the delta, adds an outer
// product and reads it for the query, a multiply-add each; Mamba-2 decays it, adds an outer product and reads it.
constexpr double flops_per_rope_value = 3;
constexpr double flops_per_activation_value = 6;
constexpr double flops_per_softmax_value = 5;
constexpr double flops_per_delta_value = 8;
constexpr double flops_per_mamba2_value = 5;

class LayerOps {
 public:
  LayerOps(std::vector<Op>& ops, const Architecture& architecture, const TensorsByRole& tensors, LayerPlace place)
      : ops_(ops), architecture_(architecture), tensors_(tensors), place_(place) {}

  void operator()(const Layer& layer) {
    if (architecture_.hyper_connections > 0) enter_block(TensorRole::hc_attn_fn);
    if (architecture_.alternating_updates.streams > 0) predict_streams();
    norm("attn_norm");
    std::visit([this](const auto& mixer) { mix(mixer); }, layer.mixer);
    const std::size_t mixed = ops_.size();
    if (architecture_.alternating_updates.streams > 0) add_low_rank_branch();
    if (architecture_.norms_per_layer >= 4) norm("post_attention_norm");
    if (architecture_.norms_per_layer >= 2) {
      if (architecture_.hyper_connections > 0)
        leave_block("attn_residual"), enter_block(TensorRole::hc_ffn_fn);
      else
        vector_op(OpKind::add, "attn_residual", 2 * architecture_.hidden, architecture_.hidden, 1);
      norm("ffn_norm");
    }
    std::visit([this](const auto& feed_forward) { feed(feed_forward); }, layer.feed_forward);
    if (architecture_.norms_per_layer >= 4) norm("post_ffw_norm");
    if (architecture_.hyper_connections > 0)
      leave_block("ffn_residual");
    else
      vector_op(OpKind::add, "ffn_residual", 2 * architecture_.hidden, architecture_.hidden, 1);
    if (architecture_.alternating_updates.streams > 0) correct_streams();
    if (architecture_.per_layer_input.width > 0) add_per_layer_input();
    if (architecture_.layer_scale)
      vector_op(OpKind::add, "layer_output_scale", architecture_.hidden, architecture_.hidden, 1);
    if (place_.holds_last)
      for (std::size_t i = mixed; i < ops_.size(); ++i) ops_[i].stage = Stage::last_feed_forward;
  }

 private:
  void norm(std::string_view name) {
    vector_op(OpKind::norm, name, architecture_.hidden, architecture_.hidden, flops_per_norm_value);
  }

  // `flops_per_value` counts per value written.
  void vector_op(OpKind kind, std::string_view name, std::int64_t read, std::int64_t written, double flops_per_value) {
    ops_.push_back({.kind = kind,
                    .name = name,
                    .layers = place_.layers,
                    .group = place_.group,
                    .read = read,
                    .written = written,
                    .flops = flops_per_value * static_cast<double>(written)});
  }

  bool project(TensorRole role) {
    if (!tensors_.has(role)) return false;
    const MatmulShape shape = tensors_.matmul(role);
    ops_.push_back(
        {.kind = OpKind::matmul, .name = stem(role), .layers = place_.layers, .group = place_.group, .matmul = shape});
    if (tensors_.has_bias(role)) vector_op(OpKind::bias, stem(role), shape.out, shape.out, 1);
    return true;
  }

  void mix(const GroupedAttention& a) {
    if (!project(TensorRole::attn_qkv)) {
      project(TensorRole::attn_q);
      if (!a.shared_kv) {
        project(TensorRole::attn_k);
        project(TensorRole::attn_v);
      }
    }
    const std::int64_t query = a.heads * a.key_dim;
    const std::int64_t key = a.shared_kv ? 0 : a.kv_heads * a.key_dim;
    const std::int64_t value = a.shared_kv ? 0 : a.kv_heads * a.value_dim;
    if (a.qk_norm != QkNorm::none)
      vector_op(OpKind::head_norm, "qk_norm", query + key, query + key, flops_per_norm_value);
    if (architecture_.value_norm && !a.shared_kv)
      vector_op(OpKind::head_norm, "v_norm", value, value, flops_per_norm_value);
    if (architecture_.positions == Positions::rope)
      vector_op(OpKind::rope, "rope", query + key, query + key, flops_per_rope_value);
    if (!a.shared_kv && !architecture_.encoder) vector_op(OpKind::kv_append, "kv_append", key + value, key + value, 0);
    attention({.heads = a.heads,
               .kv_heads = a.kv_heads,
               .key_dim = a.key_dim,
               .value_dim = a.value_dim,
               .cached_keys = a.kv_heads * a.key_dim,
               .cached_values = a.kv_heads * a.value_dim,
               .window = a.window,
               .all_see_all = architecture_.encoder});
    if (a.gated)
      vector_op(OpKind::gate, "attn_gate", 2 * a.heads * a.value_dim, a.heads * a.value_dim,
                flops_per_activation_value);
    project(TensorRole::attn_output);
  }

  // The absorbed form: queries are mapped into the latent space (attn_k_b), attention runs over one shared latent key
  // of kv_lora_rank + qk_rope_dim values, whose first kv_lora_rank values serve as the value, and attn_v_b maps back.
  void mix(const LatentAttention& a) {
    if (!project(TensorRole::attn_q)) {
      project(TensorRole::attn_q_a);
      vector_op(OpKind::norm, "attn_q_a_norm", a.q_lora_rank, a.q_lora_rank, flops_per_norm_value);
      project(TensorRole::attn_q_b);
    }
    project(TensorRole::attn_kv_a_mqa);
    vector_op(OpKind::norm, "attn_kv_a_norm", a.kv_lora_rank, a.kv_lora_rank, flops_per_norm_value);
    const std::int64_t roped = (a.heads + 1) * a.qk_rope_dim;
    vector_op(OpKind::rope, "rope", roped, roped, flops_per_rope_value);
    const std::int64_t latent = a.kv_lora_rank + a.qk_rope_dim;
    per_head(TensorRole::attn_k_b, a.qk_nope_dim, a.kv_lora_rank, a.heads);
    const std::int64_t joined = (a.heads + 1) * latent + a.heads * a.value_dim;
    vector_op(OpKind::latent_join, "attn_join", joined, joined, 0);
    vector_op(OpKind::kv_append, "kv_append", latent, latent, 0);
    attention({.heads = a.heads, .kv_heads = 1, .key_dim = latent, .value_dim = a.kv_lora_rank, .cached_keys = latent});
    per_head(TensorRole::attn_v_b, a.kv_lora_rank, a.value_dim, a.heads);
    project(TensorRole::attn_output);
  }

  void mix(const CompressedAttention& a) {
    const std::int64_t query = a.heads * a.head_dim;
    project(TensorRole::attn_q_a);
    vector_op(OpKind::norm, "attn_q_a_norm", a.q_lora_rank, a.q_lora_rank, flops_per_norm_value);
    project(TensorRole::attn_q_b);
    project(TensorRole::attn_kv);
    vector_op(OpKind::head_norm, "qk_norm", query + a.head_dim, query + a.head_dim, flops_per_norm_value);
    vector_op(OpKind::rope, "rope", query + a.head_dim, query + a.head_dim, flops_per_rope_value);
    vector_op(OpKind::kv_append, "kv_append", a.head_dim, a.head_dim, 0);
    AttentionShape shape{.heads = a.heads,
                         .kv_heads = 1,
                         .key_dim = a.head_dim,
                         .value_dim = a.head_dim,
                         .cached_keys = a.head_dim,
                         .window = a.window};
    attention(shape);
    if (a.compression > 0) {
      compress(a);
      shape.window = 0;
      shape.compression = a.compression;
      shape.top = a.index_top;
      attention(shape, "attention_compressed");
    }
    project(TensorRole::attn_output_a);
    project(TensorRole::attn_output_b);
  }

  // Entries of the cache from the tokens, and which of them a query reads.
  void compress(const CompressedAttention& a) {
    project(TensorRole::attn_compressor_kv);
    project(TensorRole::attn_compressor_gate);
    const std::int64_t pooled = a.overlap() * (a.head_dim + a.index_dim);
    vector_op(OpKind::convolution, "attn_compressor", 2 * pooled, pooled, flops_per_softmax_value);
    ops_.back().state = state_of(a, architecture_.hidden).recurrent;
    if (a.index_heads == 0) return;
    project(TensorRole::indexer_compressor_kv);
    project(TensorRole::indexer_compressor_gate);
    project(TensorRole::indexer_proj);
    project(TensorRole::indexer_attn_q_b);
    attention({.heads = a.index_heads,
               .kv_heads = 1,
               .key_dim = a.index_dim,
               .cached_keys = a.index_dim,
               .compression = a.compression},
              "indexer");
  }

  // One small matrix per head: as many operations and bytes as one matrix with the heads' rows stacked.
  void per_head(TensorRole role, std::int64_t in, std::int64_t out, std::int64_t heads) {
    TypeId type{};
    if (tensors_.has(role))
      type = tensors_.matmul(role).type;
    else if (tensors_.has(TensorRole::attn_kv_b))
      type = tensors_.matmul(TensorRole::attn_kv_b).type;
    else
      return;
    ops_.push_back({.kind = OpKind::matmul,
                    .name = stem(role),
                    .layers = place_.layers,
                    .group = place_.group,
                    .matmul = {.type = type, .in = in, .out = out * heads}});
  }

  void mix(const GatedDeltaNet& a) {
    for (const TensorRole role : {TensorRole::attn_qkv, TensorRole::attn_gate, TensorRole::ssm_in, TensorRole::ssm_ba,
                                  TensorRole::ssm_alpha, TensorRole::ssm_beta})
      project(role);
    const std::int64_t keys = a.key_heads * a.key_dim;
    const std::int64_t values = a.value_heads * a.value_dim;
    const std::int64_t channels = 2 * keys + values;
    const LayerState state = state_of(a, architecture_.hidden);
    convolve("ssm_conv1d", channels, a.convolution, state);
    vector_op(OpKind::head_norm, "qk_norm", 2 * keys, 2 * keys, flops_per_norm_value);
    recur(OpKind::linear_attention, "gated_delta_net", channels, values, flops_per_delta_value, state);
    vector_op(OpKind::gate, "ssm_norm", 2 * values, values, flops_per_norm_value + flops_per_activation_value);
    project(TensorRole::ssm_out);
  }

  void mix(const Mamba2& m) {
    project(TensorRole::ssm_in);
    const LayerState state = state_of(m, architecture_.hidden);
    convolve("ssm_conv1d", m.channels(), m.convolution, state);
    if (tensors_.has_bias(TensorRole::ssm_conv1d)) vector_op(OpKind::bias, "ssm_conv1d", m.channels(), m.channels(), 1);
    vector_op(OpKind::activation, "ssm_silu", m.channels(), m.channels(), flops_per_activation_value);
    recur(OpKind::state_space, "mamba2", m.channels() + m.heads, m.inner(), flops_per_mamba2_value, state);
    vector_op(OpKind::gate, "ssm_norm", 2 * m.inner(), m.inner(), flops_per_norm_value + flops_per_activation_value);
    project(TensorRole::ssm_out);
  }

  void mix(const ShortConvolution& c) {
    project(TensorRole::shortconv_in_proj);
    const std::int64_t width = architecture_.hidden;
    vector_op(OpKind::gate, "shortconv_input_gate", 2 * width, width, 1);
    convolve("shortconv.conv", width, c.convolution, state_of(c, width));
    vector_op(OpKind::gate, "shortconv_output_gate", 2 * width, width, 1);
    project(TensorRole::shortconv_out_proj);
  }

  void mix(const Absent& /*absent*/) const {}
  void feed(const Absent& /*absent*/) const {}

  // A causal convolution over each channel of its own: reads a window of its inputs for each output.
  void convolve(std::string_view name, std::int64_t channels, std::int64_t width, const LayerState& state) {
    vector_op(OpKind::convolution, name, channels * width, channels, 2.0 * static_cast<double>(width));
    ops_.back().state = state.convolution;
  }

  // One token after the other through a recurrent state.
  void recur(OpKind kind, std::string_view name, std::int64_t read, std::int64_t written, double flops_per_state_value,
             const LayerState& state) {
    vector_op(kind, name, read, written, 0);
    ops_.back().state = state.recurrent;
    ops_.back().flops = flops_per_state_value * static_cast<double>(state.recurrent);
  }

  // Hyper-connections: weights from all copies of the hidden state, their weighted sum into the block; after it every
  // copy becomes a mix of all plus its share of the block's output. The weights are normed by 20 Sinkhorn iterations,
  // a few hundred operations a token, which are left out.
  void enter_block(TensorRole weights) {
    const std::int64_t copies = architecture_.hyper_connections;
    project(weights);
    vector_op(OpKind::add, "hc_pre", copies * architecture_.hidden, architecture_.hidden,
              2.0 * static_cast<double>(copies));
  }
  void leave_block(std::string_view name) {
    const std::int64_t copies = architecture_.hyper_connections;
    vector_op(OpKind::add, name, (copies + 1) * architecture_.hidden, copies * architecture_.hidden,
              2.0 * static_cast<double>(copies + 1));
  }

  // Gemma 3n. Each stream is predicted as a mix of all, with coefficients from the normed active one; after the layer
  // the others are corrected by what it changed.
  void predict_streams() {
    const std::int64_t streams = architecture_.alternating_updates.streams;
    norm("altup_router_norm");
    project(TensorRole::altup_router);
    project(TensorRole::altup_predict_coef);
    vector_op(OpKind::add, "altup_predict", streams * architecture_.hidden, streams * architecture_.hidden,
              2.0 * static_cast<double>(streams));
  }
  void correct_streams() {
    const std::int64_t streams = architecture_.alternating_updates.streams;
    norm("altup_router_norm");
    project(TensorRole::altup_router);
    project(TensorRole::altup_correct_coef);
    vector_op(OpKind::add, "altup_correct", (streams + 2) * architecture_.hidden, streams * architecture_.hidden, 3);
  }
  void add_low_rank_branch() {
    project(TensorRole::laurel_l);
    project(TensorRole::laurel_r);
    norm("laurel_post_norm");
    vector_op(OpKind::add, "laurel_residual", 2 * architecture_.hidden, architecture_.hidden, 1);
  }

  // The token's row for this layer, gated by the hidden state and projected onto it.
  void add_per_layer_input() {
    const std::int64_t width = architecture_.per_layer_input.width;
    project(TensorRole::inp_gate);
    vector_op(OpKind::gate, "per_layer_gate", 2 * width, width, flops_per_activation_value);
    project(TensorRole::proj);
    norm("post_norm");
    vector_op(OpKind::add, "per_layer_residual", 2 * architecture_.hidden, architecture_.hidden, 1);
  }

  void attention(const AttentionShape& shape, std::string_view name = "attention") {
    ops_.push_back(
        {.kind = OpKind::attention, .name = name, .layers = place_.layers, .group = place_.group, .attention = shape});
  }

  void feed(const DenseFeedForward& f) {
    project(TensorRole::ffn_gate);
    project(TensorRole::ffn_up);
    activate("ffn_activation", f.activation, f.intermediate);
    project(TensorRole::ffn_down);
  }

  void activate(std::string_view name, Activation activation, std::int64_t width) {
    vector_op(OpKind::activation, name, has_gate(activation) ? 2 * width : width, width, flops_per_activation_value);
  }

  void feed(const ExpertFeedForward& f) {
    const std::int64_t hidden = architecture_.hidden;
    if (f.beside_dense) {
      norm("pre_ffw_norm_2");
      norm("router_norm");
      for (const char* factor : {"router_scale", "ffn_gate_inp_scale"})
        vector_op(OpKind::add, factor, hidden, hidden, 1);
    }
    project(TensorRole::ffn_gate_inp);
    vector_op(f.router_bias ? OpKind::biased_router : OpKind::router, "router", f.experts, f.used,
              flops_per_softmax_value * static_cast<double>(f.experts) /
                  static_cast<double>(std::max<std::int64_t>(f.used, 1)));
    project(TensorRole::ffn_latent_down);
    expert(TensorRole::ffn_gate_exps, f);
    expert(TensorRole::ffn_up_exps, f);
    activate("expert_activation", f.activation, f.used * f.intermediate);
    expert(TensorRole::ffn_down_exps, f);
    if (f.beside_dense) {
      vector_op(OpKind::add, "expert_scales", f.experts, f.used, 0);  // those of the chosen experts
      vector_op(OpKind::add, "ffn_down_exps_scale", f.used * hidden, f.used * hidden, 1);
    }
    const std::int64_t width = f.latent > 0 ? f.latent : hidden;
    vector_op(OpKind::expert_sum, "expert_sum", f.used * width, width, 2.0 * static_cast<double>(f.used));
    project(TensorRole::ffn_latent_up);
    if (f.shared_intermediate == 0) return;
    project(TensorRole::ffn_gate_shexp);
    project(TensorRole::ffn_up_shexp);
    activate("shared_activation", f.activation, f.shared_intermediate);
    project(TensorRole::ffn_down_shexp);
    project(TensorRole::ffn_gate_inp_shexp);
    if (f.beside_dense) {
      norm("post_ffw_norm_1");
      norm("post_ffw_norm_2");
    }
    vector_op(OpKind::add, "shared_add", 2 * hidden, hidden, 1);
  }

  void expert(TensorRole role, const ExpertFeedForward& f) {
    if (!tensors_.has(role)) return;
    MatmulShape shape = tensors_.matmul(role);
    shape.experts = f.experts;
    shape.used = f.used;
    ops_.push_back({.kind = OpKind::expert_matmul,
                    .name = stem(role),
                    .layers = place_.layers,
                    .group = place_.group,
                    .matmul = shape});
    if (f.bias) vector_op(OpKind::bias, stem(role), shape.out * f.used, shape.out * f.used, 1);
  }

  std::vector<Op>& ops_;
  const Architecture& architecture_;
  const TensorsByRole& tensors_;
  LayerPlace place_;
};

}  // namespace

void add_layer_ops(std::vector<Op>& ops, const Architecture& architecture, const Layer& layer,
                   const TensorsByRole& tensors, LayerPlace place) {
  LayerOps(ops, architecture, tensors, place)(layer);
}

}  // namespace silicast
