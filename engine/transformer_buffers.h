// SPDX-License-Identifier: Apache-2.0
// How much memory a forward pass of a model needs.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model.h"

namespace silicast::engine {

struct BufferSizes {
  std::size_t x = 0;  // bytes
  std::size_t first = 0;
  std::size_t second = 0;
  std::size_t rope = 0;
  bool window_rope = false;  // a table of its own for layers with a window
  std::int64_t columns = 0;  // widest input of a product
  std::int64_t query_width = 0;
  std::int64_t key_width = 0;
  std::int64_t shared_columns = 0;  // of the activations that the threads share
  std::int64_t shared_rows = 0;
  std::vector<ActivationType> activations;  // that the model's types want
  std::int64_t experts = 0;
  std::int64_t used = 0;

  [[nodiscard]] std::uint64_t total() const;  // without what each thread has for itself
};

BufferSizes buffer_sizes(const Model& model, std::int64_t capacity);

}  // namespace silicast::engine
