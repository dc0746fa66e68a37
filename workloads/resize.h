// SPDX-License-Identifier: Apache-2.0
// The same kind of architecture in another size: for small models of a large one's shape.
#pragma once

#include <cstdint>
#include <optional>

#include "workloads/architecture.h"

namespace silicast {

struct Sizes {
  std::optional<std::int64_t> layers;  // the pattern of the layers' kinds goes on
  std::optional<std::int64_t> hidden;
  std::optional<std::int64_t> vocabulary;
  std::optional<std::int64_t> context;
  std::optional<std::int64_t> heads;     // of grouped attention
  std::optional<std::int64_t> kv_heads;  // of grouped attention
  std::optional<std::int64_t> head_dim;  // of grouped attention
  std::optional<std::int64_t> intermediate;
  std::optional<std::int64_t> experts;
  std::optional<std::int64_t> experts_used;
  std::optional<std::int64_t> expert_intermediate;

  [[nodiscard]] bool any() const;
};

// Throws InputError where the sizes do not go together (heads no multiple of kv_heads, ...).
Architecture resized(const Architecture& architecture, const Sizes& sizes);

}  // namespace silicast
