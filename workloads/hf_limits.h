// SPDX-License-Identifier: Apache-2.0
// What a configuration may say at most: far above every published model, and low enough that products and sums over
// all layers stay within 63 bits.
#pragma once

#include <cstdint>

namespace silicast {

constexpr std::int64_t most_hf_layers = 1 << 12;
constexpr std::int64_t most_hf_hidden = 1 << 16;
constexpr std::int64_t most_hf_intermediate = 1 << 19;
constexpr std::int64_t most_hf_experts = 1 << 12;
constexpr std::int64_t most_hf_shared_experts = 64;
constexpr std::int64_t most_hf_heads = 1 << 12;
constexpr std::int64_t most_hf_head_dim = 1 << 12;
constexpr std::int64_t most_hf_vocabulary = 1 << 24;

}  // namespace silicast
