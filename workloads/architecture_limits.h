// SPDX-License-Identifier: Apache-2.0
// How large an architecture may be.
#pragma once

#include <cstdint>

namespace silicast {

// Far beyond any model; keeps every product of three dimensions below 2^63.
constexpr std::int64_t largest_dimension = 16'777'216;
constexpr std::int64_t most_layers = 10'000;
constexpr std::int64_t longest_context = 1'000'000'000;

}  // namespace silicast
