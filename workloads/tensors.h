// SPDX-License-Identifier: Apache-2.0
// The tensors of a model as its GGUF stores them: role, layer, shape. Names and shapes follow the GGUF convention
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): shape[0] is the contiguous dimension (a matrix's input).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workloads/architecture.h"

namespace silicast {

enum class TensorRole : std::uint8_t {
  token_embd,
  token_embd_norm,
  token_types,
  position_embd,
  per_layer_token_embd,
  per_layer_model_proj,
  per_layer_proj_norm,
  altup_proj,
  altup_unembd_proj,
  hc_head_fn,
  hc_head_base,
  hc_head_scale,
  output_norm,
  output,
  rope_freqs,
  rope_factors_long,
  rope_factors_short,
  attn_norm,
  attn_norm_2,
  attn_q,
  attn_k,
  attn_v,
  attn_qkv,
  attn_output,
  attn_q_norm,
  attn_k_norm,
  attn_sinks,
  attn_q_a,
  attn_q_a_norm,
  attn_q_b,
  attn_kv_a_mqa,
  attn_kv_a_norm,
  attn_kv_b,
  attn_k_b,
  attn_v_b,
  attn_gate,
  attn_kv,
  attn_kv_norm,
  attn_output_a,
  attn_output_b,
  attn_output_norm,
  attn_compressor_kv,
  attn_compressor_gate,
  attn_compressor_ape,
  attn_compressor_norm,
  indexer_proj,
  indexer_attn_q_b,
  indexer_compressor_kv,
  indexer_compressor_gate,
  indexer_compressor_ape,
  indexer_compressor_norm,
  ssm_in,
  ssm_conv1d,
  ssm_a,
  ssm_d,
  ssm_dt,
  ssm_norm,
  ssm_out,
  ssm_ba,
  ssm_alpha,
  ssm_beta,
  shortconv_in_proj,
  shortconv_conv,
  shortconv_out_proj,
  laurel_l,
  laurel_r,
  laurel_post_norm,
  post_attention_norm,
  ffn_norm,
  post_ffw_norm,
  ffn_gate,
  ffn_up,
  ffn_down,
  ffn_gate_inp,
  ffn_gate_tid2eid,
  ffn_exp_probs_b,
  ffn_gate_exps,
  ffn_up_exps,
  ffn_down_exps,
  ffn_gate_shexp,
  ffn_up_shexp,
  ffn_down_shexp,
  ffn_gate_inp_shexp,
  ffn_latent_down,
  ffn_latent_up,
  inp_gate,
  proj,
  post_norm,
  layer_output_norm,
  hc_attn_fn,
  hc_attn_base,
  hc_attn_scale,
  hc_ffn_fn,
  hc_ffn_base,
  hc_ffn_scale,
  altup_router,
  altup_router_norm,
  altup_predict_coef,
  altup_correct_coef,
  altup_correct_scale,
  other,
};
constexpr std::size_t role_count = static_cast<std::size_t>(TensorRole::other) + 1;
constexpr std::size_t index_of(TensorRole role) { return static_cast<std::size_t>(role); }

struct Tensor {
  TensorRole role = TensorRole::other;
  bool bias = false;  // the ".bias" beside the weight of that role
  int layer = -1;     // -1: not of a layer
  std::array<std::int64_t, 3> shape{1, 1, 1};

  [[nodiscard]] std::int64_t elements() const { return shape[0] * shape[1] * shape[2]; }
  [[nodiscard]] int dimensions() const { return shape[2] > 1 ? 3 : shape[1] > 1 ? 2 : 1; }
};

// The stem of a role's name: "attn_q".
std::string_view stem(TensorRole role);
std::optional<TensorRole> role_of_stem(std::string_view stem);
// "blk.3.attn_q.weight", "token_embd.weight", "blk.0.ssm_a" (no suffix where GGUF has none).
std::string gguf_name(const Tensor& tensor);
// The reverse; role `other` where the name is none of the known roles, with the layer where the name has one.
Tensor tensor_of_name(std::string_view name);

// Whether a quantizer touches the tensor: a matrix or a stack of matrices that is no norm, router, convolution or
// position table. Rules: tensor_allows_quantization in llama-quant.cpp of llama.cpp.
bool is_quantizable(const Tensor& tensor);
// Whether the tensor keeps the 16 bits of the published weights, where others that no quantizer touches become F32.
bool keeps_source_type(const Tensor& tensor);

// Every tensor of the model, layer by layer, without multi-token-prediction blocks.
std::vector<Tensor> tensors_of(const Architecture& architecture);

// What one token's computation uses of a tensor: `used` of `of` parts. Of a stack of experts some, of a table of
// per-layer inputs nothing (a row is looked up).
struct TokenUse {
  std::int64_t used = 1;
  std::int64_t of = 1;
};
TokenUse token_use(const Architecture& architecture, const Tensor& tensor);

std::int64_t parameter_count(const Architecture& architecture);
// Those that one token uses; the embedding counts once.
std::int64_t active_parameter_count(const Architecture& architecture);
std::int64_t active_parameter_count(const Architecture& architecture, const std::vector<Tensor>& tensors);

}  // namespace silicast
