// SPDX-License-Identifier: Apache-2.0
#include "engine/model.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"

namespace silicast::engine {

namespace {

constexpr std::size_t weight_alignment = 4;  // of blocks, as the kernels read them

std::string shape_text(const std::array<std::int64_t, 3>& shape) {
  return "[" + std::to_string(shape[0]) + ", " + std::to_string(shape[1]) + ", " + std::to_string(shape[2]) + "]";
}

Matrix rows_of(const Matrix& matrix, std::int64_t first, std::int64_t count) {
  return {.type = matrix.type,
          .data = matrix.data + static_cast<std::size_t>(first) * row_bytes(matrix.type, matrix.columns),
          .rows = count,
          .columns = matrix.columns};
}

class Binder {
 public:
  Binder(Model& model, const std::string& name) : model_(model), name_(name) {
    for (const StoredTensor& tensor : model.tensors) stored_.emplace(tensor.name, &tensor);
    for (const Tensor& tensor : tensors_of(model.architecture)) check(tensor);
  }

  void bind() {
    const Architecture& a = model_.architecture;
    Weights& w = model_.weights;
    w.embedding = matrix(TensorRole::token_embd);
    w.output_norm = vector(TensorRole::output_norm);
    w.output = a.tied_embeddings ? w.embedding : matrix(TensorRole::output);
    for (std::size_t i = 0; i < a.layers.size(); ++i) {
      layer_ = static_cast<int>(i);
      w.layers.push_back(layer(a.layer(i)));
    }
    layer_ = -1;
    bind_rope();
  }

 private:
  [[noreturn]] void fail(std::string_view tensor, const std::string& what) const {
    throw InputError(name_ + ": tensor '" + std::string(tensor) + "': " + what);
  }

  void check(const Tensor& tensor) const {
    const std::string name = gguf_name(tensor);
    const auto at = stored_.find(name);
    if (at == stored_.end()) fail(name, "is missing; the architecture requires it");
    const StoredTensor& stored = *at->second;
    if (tensor.role != TensorRole::rope_freqs && stored.shape != tensor.shape)
      fail(name, "is " + shape_text(stored.shape) + "; " + shape_text(tensor.shape) + " follows from the metadata");
    if (reinterpret_cast<std::uintptr_t>(stored.data) % weight_alignment != 0)
      fail(name, "does not begin at a multiple of 4 bytes");
    constexpr std::int64_t vector_width = 32;
    if (tensor.dimensions() > 1 && tensor.shape[0] % vector_width != 0)
      throw RefusedError(name_ + ": tensor '" + name + "': has rows of " + std::to_string(tensor.shape[0]) +
                         " weights; the engine runs multiples of 32");
  }

  [[nodiscard]] const StoredTensor& stored(TensorRole role, bool bias = false) const {
    return *stored_.at(gguf_name(Tensor{.role = role, .bias = bias, .layer = layer_}));
  }

  [[nodiscard]] Matrix matrix(TensorRole role) const {
    const StoredTensor& tensor = stored(role);
    return {.type = tensor.type, .data = tensor.data, .rows = tensor.rows(), .columns = tensor.shape[0]};
  }

  const float* vector(TensorRole role, bool bias = false) {
    const StoredTensor& tensor = stored(role, bias);
    if (tensor.type == BlockType::f32) return reinterpret_cast<const float*>(tensor.data);
    const std::int64_t n = tensor.shape[0] * tensor.rows();
    std::vector<float>& copy = model_.copies.emplace_back(static_cast<std::size_t>(n));
    traits_of(tensor.type).dequantize(tensor.data, copy.data(), n);
    return copy.data();
  }

  [[nodiscard]] ExpertMatrices experts(TensorRole role) const { return {matrix(role), stored(role).shape[2]}; }

  LayerWeights layer(const Layer& kind) {
    LayerWeights w;
    w.attn_norm = vector(TensorRole::attn_norm);
    bind_attention(std::get<GroupedAttention>(kind.mixer), w);
    if (model_.architecture.norms_per_layer == 4) {
      w.post_attention_norm = vector(TensorRole::post_attention_norm);
      w.post_ffn_norm = vector(TensorRole::post_ffw_norm);
    }
    w.ffn_norm = vector(TensorRole::ffn_norm);
    if (const auto* dense = std::get_if<DenseFeedForward>(&kind.feed_forward)) {
      w.up = matrix(TensorRole::ffn_up);
      w.down = matrix(TensorRole::ffn_down);
      if (dense->fused_gate_up) {
        w.gate = rows_of(w.up, 0, dense->intermediate);
        w.up = rows_of(w.up, dense->intermediate, dense->intermediate);
      } else {
        w.gate = matrix(TensorRole::ffn_gate);
      }
    } else {
      w.router = matrix(TensorRole::ffn_gate_inp);
      w.expert_gate = experts(TensorRole::ffn_gate_exps);
      w.expert_up = experts(TensorRole::ffn_up_exps);
      w.expert_down = experts(TensorRole::ffn_down_exps);
    }
    return w;
  }

  void bind_attention(const GroupedAttention& a, LayerWeights& w) {
    const std::int64_t query = a.heads * a.key_dim;
    const std::int64_t key = a.kv_heads * a.key_dim;
    const bool biased = a.bias != AttentionBias::none;
    if (a.fused_qkv) {
      const Matrix all = matrix(TensorRole::attn_qkv);
      w.q = rows_of(all, 0, query);
      w.k = rows_of(all, query, key);
      w.v = rows_of(all, query + key, key);
      if (biased) {
        w.q_bias = vector(TensorRole::attn_qkv, true);
        w.k_bias = w.q_bias + query;
        w.v_bias = w.k_bias + key;
      }
    } else {
      w.q = matrix(TensorRole::attn_q);
      w.k = matrix(TensorRole::attn_k);
      w.v = matrix(TensorRole::attn_v);
      if (biased) {
        w.q_bias = vector(TensorRole::attn_q, true);
        w.k_bias = vector(TensorRole::attn_k, true);
        w.v_bias = vector(TensorRole::attn_v, true);
      }
    }
    w.output = matrix(TensorRole::attn_output);
    if (a.bias == AttentionBias::qkvo) w.output_bias = vector(TensorRole::attn_output, true);
    if (a.qk_norm == QkNorm::head) {
      w.q_norm = vector(TensorRole::attn_q_norm);
      w.k_norm = vector(TensorRole::attn_k_norm);
    }
  }

  void bind_rope() {
    std::span<const float> factors;
    if (model_.architecture.rope_frequencies) {
      const StoredTensor& tensor = stored(TensorRole::rope_freqs);
      if (tensor.shape[0] < model_.parameters.rope.dimensions / 2 || tensor.rows() != 1)
        fail(tensor.name, "is " + shape_text(tensor.shape) + "; one factor for each pair of a head is accepted");
      factors = {vector(TensorRole::rope_freqs), static_cast<std::size_t>(tensor.shape[0])};
      for (const float factor : factors)
        if (!(factor > 0)) fail(tensor.name, "has a factor that is not above zero");
    }
    model_.rope = rope_table_of(model_.parameters.rope, factors);
  }

  Model& model_;
  const std::string& name_;
  std::unordered_map<std::string_view, const StoredTensor*> stored_;
  int layer_ = -1;
};

}  // namespace

Matrix ExpertMatrices::expert(std::int64_t index) const {
  const std::int64_t rows = all.rows / experts;
  return rows_of(all, index * rows, rows);
}

std::uint64_t Model::tensor_bytes() const {
  std::uint64_t sum = 0;
  for (const StoredTensor& tensor : tensors) sum += tensor.bytes();
  return sum;
}

std::int64_t Model::parameters_count() const {
  std::int64_t sum = 0;
  for (const StoredTensor& tensor : tensors) sum += tensor.shape[0] * tensor.rows();
  return sum;
}

const GroupedAttention& Model::attention(std::size_t layer) const {
  return std::get<GroupedAttention>(architecture.layer(layer).mixer);
}

void bind_weights(Model& model, const std::string& name) { Binder(model, name).bind(); }

}  // namespace silicast::engine
