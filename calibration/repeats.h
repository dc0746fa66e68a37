// SPDX-License-Identifier: Apache-2.0
// Rows of one source that say the same conditions: the same figure again, or another one.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "calibration/observation.h"

namespace silicast {

struct Repeats {
  // Indices into the rows: a row, and the first one that says exactly the same.
  struct Duplicate {
    std::size_t row = 0;
    std::size_t of = 0;
  };
  // Rows of the same conditions whose largest value exceeds the smallest by more than `conflict_ratio`.
  using Conflict = std::vector<std::size_t>;

  std::vector<Duplicate> duplicates;  // in the order of the rows
  std::vector<Conflict> conflicts;    // in the order of their first rows
};

// Runs of one machine vary by some percent.
constexpr double conflict_ratio = 1.2;

// Everything that a row says beside its id, its value and their spread.
std::string conditions_of(const Observation& row);

Repeats repeats_of(const std::vector<Observation>& rows);

}  // namespace silicast
