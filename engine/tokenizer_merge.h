// SPDX-License-Identifier: Apache-2.0
// Joins the best neighbouring pair of symbols until none can be joined.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace silicast::engine {

// Pieces of one text, in order. `cost_of(left, right)` is what the union costs, the lowest goes first and the leftmost
// among equals; nullopt where there is no union. O(n log n) for n pieces.
using PairCost = std::function<std::optional<double>(std::string_view left, std::string_view right)>;
std::vector<std::string_view> merged(std::vector<std::string_view> pieces, const PairCost& cost_of);

// The UTF-8 characters of a text; a byte that begins none stands by itself.
std::vector<std::string_view> characters_of(std::string_view text);

}  // namespace silicast::engine
