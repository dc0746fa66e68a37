// SPDX-License-Identifier: Apache-2.0
// Whether a measured number can be: against the memory bandwidth, the peak arithmetic and the prediction.
//
//   decode    every step reads the active weights, less what the largest cache holds: rate <= sequences x bandwidth /
//   bytes prefill   2 x active parameters operations a token: rate <= peak of the fastest unit / operations times the
//   same, from below slips     a time or a size off by about 1000, 1024 or 10^6 from what is predicted is a unit, not a
//   machine
//
// Rows on several devices, or partly on the host, and rows that ask nothing predictable are not judged.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "calibration/observation.h"
#include "calibration/query_of.h"
#include "model/database.h"

namespace silicast {

struct Doubt {
  std::string reason;  // one of a few, to be counted
  std::string detail;
};

// Faster than the device, or all of several, can read the weights or multiply.
std::optional<Doubt> beyond_the_hardware(const Question& question, double value, const Compiled& c);

class Plausibility {
 public:
  explicit Plausibility(const Database& database);
  ~Plausibility();
  Plausibility(const Plausibility&) = delete;
  Plausibility& operator=(const Plausibility&) = delete;

  struct Verdict {
    std::optional<Doubt> doubt;
    std::string not_judged;  // why, where it was not: "unknown device"
    std::string name;        // of what is unknown
  };
  [[nodiscard]] Verdict operator()(const Observation& row);

 private:
  struct Cell;
  Cell& cell_of(const Query& query);

  const Database* database_;
  QueryMapper mapper_;
  std::map<std::string, std::unique_ptr<Cell>> cells_;
};

}  // namespace silicast
