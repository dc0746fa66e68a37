// SPDX-License-Identifier: Apache-2.0
// Whether a measured number can be: against the memory bandwidth, the peak arithmetic and the prediction.
//
//   decode    every step reads the active weights, less what the largest caches hold: rate <= sequences x bandwidth /
//             bytes, of all devices together
//   prefill   2 x active parameters operations a token: rate <= peak of the fastest units / operations
//   times     the same, from below
//   slips     a rate, a size or a column off by about 1000, 1024, 10^6 or 10^9 from what is predicted is a unit, not a
//             machine; so are a time hundreds of times too long or short, and a rate that is the reciprocal
//
// Rows partly on a host have its bandwidth and peak besides: those of the fastest servers, as rows seldom name theirs.
// Rows that ask nothing predictable are judged by what no machine does.
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

// A value that is off from what is expected as another unit is, and which: "looks like milliseconds".
std::optional<Doubt> unit_slip(Metric metric, double value, double expected);

// Either, of a row whose prediction is at hand. Partly on a host it may be slow for other reasons.
std::optional<Doubt> doubt_of(const Question& question, double value, const Compiled& c, double expected);

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
  Verdict judged(const Observation& row, std::optional<Metric> metric);
  struct Cell;
  Cell& cell_of(const Query& query);

  const Database* database_;
  QueryMapper mapper_;
  std::map<std::string, std::unique_ptr<Cell>> cells_;
};

}  // namespace silicast
