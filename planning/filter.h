// SPDX-License-Identifier: Apache-2.0
// Conditions on predicted points, as --filter takes them:
//
//   decode >= 20 and (memory < 64GiB or device == m2-ultra-76) and not ttft > 2s
//
// A comparison is NAME OP VALUE with < <= > >= == != (and = for ==); NAME is a figure (planning/figures.h), `feasible`,
// `bound`, `evidence`, or an option that the grid names. `and`, `or`, `not` (also && || !) and parentheses combine
// them; `and` binds tighter than `or`. A figure that a point does not have fails every comparison. Sizes, times and
// powers take units; without one they are bytes, seconds and watts. Texts are compared as names are: case, '_' and '-'
// alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "planning/figures.h"

namespace silicast {

// What a condition is asked of.
struct FilteredPoint {
  bool feasible = false;
  const Figures* figures = nullptr;
  std::string_view bound;     // of decoding, else of prefill
  std::string_view evidence;  // level
  struct Choice {
    std::string_view text;
    double number = 0;  // NaN where the text is none
  };
  std::vector<Choice> choices;  // of each option, in the grid's order
};

class Filter {
 public:
  Filter() = default;  // lets everything through
  // Throws UsageError with the column and what is accepted there.
  Filter(std::string_view text, const std::vector<std::string>& options);

  [[nodiscard]] bool empty() const { return nodes_.empty(); }
  [[nodiscard]] bool operator()(const FilteredPoint& point) const;

 private:
  friend class FilterParser;
  enum class Kind : std::uint8_t { all_of, any_of, none_of, feasible, figure, bound, evidence, option };
  enum class Comparison : std::uint8_t { less, at_most, more, at_least, equal, unequal };
  struct Node {
    Kind kind = Kind::all_of;
    Comparison comparison = Comparison::equal;
    std::size_t index = 0;  // of the figure or the option
    double number = 0;
    std::string text;                 // canonical
    std::size_t left = 0, right = 0;  // of all_of and any_of; none_of has a left one
  };
  [[nodiscard]] bool holds(std::size_t node, const FilteredPoint& point) const;
  static bool compared(Comparison comparison, double value, double limit);

  std::vector<Node> nodes_;
  std::size_t root_ = 0;
};

}  // namespace silicast
