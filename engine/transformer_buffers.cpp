// SPDX-License-Identifier: Apache-2.0
#include "engine/transformer_buffers.h"

#include <algorithm>

namespace silicast::engine {

namespace {

constexpr std::size_t float_bytes = sizeof(float);

std::size_t floats(std::int64_t count) { return static_cast<std::size_t>(count) * float_bytes; }

// The sizes as they grow from layer to layer.
class Sizes {
 public:
  Sizes(const Model& model, std::int64_t capacity) : capacity_(capacity) {
    const Architecture& a = model.architecture;
    sizes_.x = floats(capacity * a.hidden);
    need(model.weights.output, capacity);
    for (std::size_t i = 0; i < a.layers.size(); ++i) add(a, a.layer(i), model.weights.layers[i]);
    sizes_.first = floats(std::max(first_, capacity * 2 * (sizes_.query_width + sizes_.key_width)));
    sizes_.second = floats(std::max(second_, capacity * a.hidden));
    sizes_.rope = floats(capacity * model.parameters.rope.dimensions);
    sizes_.window_rope = windows_ && model.parameters.rope.local_base > 0;
    constexpr std::int64_t step = 32;
    while (Activations::bytes_for(sizes_.shared_columns, sizes_.shared_rows) < shared_bytes_)
      sizes_.shared_columns += step;
  }

  [[nodiscard]] BufferSizes result() const { return sizes_; }

 private:
  // Input of a product of so many rows.
  void need(const Matrix& matrix, std::int64_t rows) {
    sizes_.columns = std::max(sizes_.columns, matrix.columns);
    sizes_.shared_rows = std::max(sizes_.shared_rows, rows);
    shared_bytes_ = std::max(shared_bytes_, Activations::bytes_for(matrix.columns, rows));
    auto& types = sizes_.activations;
    const ActivationType type = traits_of(matrix.type).activation;
    if (std::find(types.begin(), types.end(), type) == types.end()) types.push_back(type);
  }

  void add(const Architecture& a, const Layer& layer, const LayerWeights& w) {
    const auto& attention = std::get<GroupedAttention>(layer.mixer);
    windows_ = windows_ || attention.window > 0;
    sizes_.query_width = std::max(sizes_.query_width, attention.heads * attention.key_dim);
    sizes_.key_width = std::max(sizes_.key_width, attention.kv_heads * attention.key_dim);
    for (const Matrix* matrix : {&w.q, &w.k, &w.v, &w.output}) need(*matrix, capacity_);
    if (const auto* dense = std::get_if<DenseFeedForward>(&layer.feed_forward)) {
      for (const Matrix* matrix : {&w.gate, &w.up, &w.down}) need(*matrix, capacity_);
      first_ = std::max(first_, capacity_ * dense->intermediate);
      second_ = std::max(second_, capacity_ * dense->intermediate);
      return;
    }
    const auto& experts = std::get<ExpertFeedForward>(layer.feed_forward);
    const std::int64_t slots = capacity_ * experts.used;
    for (const Matrix* matrix : {&w.router, &w.expert_gate.all, &w.expert_up.all}) need(*matrix, capacity_);
    need(w.expert_down.all, slots);
    first_ = std::max(first_, slots * experts.intermediate);
    second_ = std::max(second_, slots * std::max(experts.intermediate, a.hidden));
    sizes_.experts = std::max(sizes_.experts, experts.experts);
    sizes_.used = std::max(sizes_.used, experts.used);
  }

  std::int64_t capacity_;
  BufferSizes sizes_;
  std::int64_t first_ = 0;
  std::int64_t second_ = 0;
  std::size_t shared_bytes_ = 0;
  bool windows_ = false;
};

}  // namespace

std::uint64_t BufferSizes::total() const {
  return x + first + second + rope * (window_rope ? 2 : 1) +
         activations.size() * Activations::bytes_for(shared_columns, shared_rows);
}

BufferSizes buffer_sizes(const Model& model, std::int64_t capacity) { return Sizes(model, capacity).result(); }

}  // namespace silicast::engine
