// SPDX-License-Identifier: Apache-2.0
#include "engine/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace silicast::engine {

std::vector<KvCache::LayerCells> KvCache::layers_of(const Architecture& architecture, Shape shape) {
  std::vector<LayerCells> layers;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < architecture.layers.size(); ++i) {
    const auto& attention = std::get<GroupedAttention>(architecture.layer(i).mixer);
    LayerCells layer;
    layer.offset = offset;
    layer.row = kv_row_bytes(shape.type, attention.key_dim);
    layer.heads = attention.kv_heads;
    layer.window = attention.window;
    layer.cells = layer.window > 0 ? std::min(shape.context, layer.window + shape.step) : shape.context;
    layer.origin.assign(static_cast<std::size_t>(shape.sequences), 0);
    offset += 2 * layer.part_bytes() * static_cast<std::size_t>(shape.sequences);
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::uint64_t KvCache::bytes_for(const Architecture& architecture, Shape shape) {
  const auto layers = layers_of(architecture, shape);
  return layers.back().offset + 2 * layers.back().part_bytes() * static_cast<std::size_t>(shape.sequences);
}

KvCache::KvCache(const Architecture& architecture, Shape shape)
    : shape_(shape),
      layers_(layers_of(architecture, shape)),
      memory_(Mapping::of_memory(bytes_for(architecture, shape))) {}

void KvCache::touch(ThreadPool& pool) {
  pool.run([&](const Worker& worker) {
    for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
      const LayerCells& cells = layers_[layer];
      const Range heads = worker.share(shape_.sequences * cells.heads);
      for (std::int64_t i = heads.begin; i < heads.end; ++i)
        for (int which = 0; which < 2; ++which)
          engine::touch(row(layer, i / cells.heads, which, i % cells.heads, 0), cells.head_bytes());
    }
  });
}

std::byte* KvCache::row(std::size_t layer, std::int64_t sequence, int which, std::int64_t head,
                        std::int64_t cell) const {
  const LayerCells& cells = layers_[layer];
  const auto part = static_cast<std::size_t>(2 * sequence + which);
  return memory_.data() + cells.offset + part * cells.part_bytes() +
         static_cast<std::size_t>(head) * cells.head_bytes() + static_cast<std::size_t>(cell) * cells.row;
}

KvView KvCache::view(std::size_t layer, std::int64_t sequence, int which) const {
  return {.type = shape_.type,
          .data = row(layer, sequence, which, 0, 0),
          .head_stride = static_cast<std::int64_t>(layers_[layer].head_bytes())};
}

void KvCache::advance(std::int64_t sequence, std::int64_t first, std::int64_t tokens) {
  ensure(first + tokens <= shape_.context && tokens <= shape_.step, "the cache has room");
  for (std::size_t i = 0; i < layers_.size(); ++i) advance_layer(i, sequence, first, tokens);
}

void KvCache::advance_layer(std::size_t layer, std::int64_t sequence, std::int64_t first, std::int64_t tokens) {
  LayerCells& cells = layers_[layer];
  std::int64_t& origin = cells.origin[static_cast<std::size_t>(sequence)];
  if (first + tokens - origin <= cells.cells) return;
  // What the first of the new tokens still sees.
  const std::int64_t kept = std::min(cells.window - 1, first - origin);
  const std::int64_t from = first - kept;
  for (int which = 0; which < 2; ++which)
    for (std::int64_t head = 0; head < cells.heads; ++head)
      std::memmove(row(layer, sequence, which, head, 0), row(layer, sequence, which, head, from - origin),
                   static_cast<std::size_t>(kept) * cells.row);
  origin = from;
}

void KvCache::jump(std::int64_t sequence, std::int64_t position) {
  for (LayerCells& layer : layers_) {
    const std::int64_t kept = layer.window > 0 ? std::min(layer.window, layer.cells) : position;
    layer.origin[static_cast<std::size_t>(sequence)] = std::max<std::int64_t>(0, position - kept);
  }
}

}  // namespace silicast::engine
