// SPDX-License-Identifier: Apache-2.0
// Keys and values of the tokens seen so far, for several sequences.
//
// Each layer holds [sequence][kv_head][cell][head_dim]. A layer with a sliding window keeps window + step cells only:
// when they are full, the last `window` of them move to the front. So a position's cell is position - origin(layer).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/kernels.h"
#include "engine/mapping.h"
#include "engine/thread_pool.h"
#include "workloads/architecture.h"

namespace silicast::engine {

class KvCache {
 public:
  struct Shape {
    std::int64_t sequences = 1;
    std::int64_t context = 0;  // positions of a sequence
    std::int64_t step = 512;   // most tokens of a sequence in one forward pass
    KvType type = KvType::f16;
  };

  KvCache(const Architecture& architecture, Shape shape);
  [[nodiscard]] static std::uint64_t bytes_for(const Architecture& architecture, Shape shape);

  // Takes the memory, all zeros: each head's cells by the worker that attends to it when every sequence decodes.
  void touch(ThreadPool& pool);

  // Makes room for `tokens` positions of a sequence from `first` on, in every layer; at most `step`, within the
  // context, following what is there. Moves cells where a layer with a window is full.
  void advance(std::int64_t sequence, std::int64_t first, std::int64_t tokens);
  // The sequence counts as filled up to `position`; what its cells hold stays as it is (zeros at first).
  void jump(std::int64_t sequence, std::int64_t position);
  // The position of a layer's first cell.
  [[nodiscard]] std::int64_t origin(std::size_t layer, std::int64_t sequence) const {
    return layers_[layer].origin[static_cast<std::size_t>(sequence)];
  }

  [[nodiscard]] KvView keys(std::size_t layer, std::int64_t sequence) const { return view(layer, sequence, 0); }
  [[nodiscard]] KvView values(std::size_t layer, std::int64_t sequence) const { return view(layer, sequence, 1); }
  // Where the row of that cell and head is stored; `which` 0: key, 1: value.
  [[nodiscard]] std::byte* row(std::size_t layer, std::int64_t sequence, int which, std::int64_t head,
                               std::int64_t cell) const;

  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] std::uint64_t bytes() const { return memory_.size(); }

 private:
  struct LayerCells {
    std::size_t offset = 0;  // of the layer in the memory
    std::size_t row = 0;     // bytes
    std::int64_t heads = 0;
    std::int64_t cells = 0;
    std::int64_t window = 0;
    std::vector<std::int64_t> origin;  // of each sequence

    [[nodiscard]] std::size_t head_bytes() const { return row * static_cast<std::size_t>(cells); }
    [[nodiscard]] std::size_t part_bytes() const { return head_bytes() * static_cast<std::size_t>(heads); }
  };

  static std::vector<LayerCells> layers_of(const Architecture& architecture, Shape shape);
  [[nodiscard]] KvView view(std::size_t layer, std::int64_t sequence, int which) const;
  void advance_layer(std::size_t layer, std::int64_t sequence, std::int64_t first, std::int64_t tokens);

  Shape shape_;
  std::vector<LayerCells> layers_;
  Mapping memory_;
};

}  // namespace silicast::engine
