// SPDX-License-Identifier: Apache-2.0
// Collects what replicas do, and sums it up.
#pragma once

#include <vector>

#include "planning/simulation.h"

namespace silicast::serving {

class Recorder {
 public:
  explicit Recorder(const SimulationOptions& options) : options_(options) {}

  void arrived(double now) { timeline.count(now, &Span::arrivals); }
  // `count` gaps between tokens.
  void gap(double seconds, double count) { gaps_.add(seconds, count); }
  void finished(const Sequence& sequence, double now);

  // Into the result: summaries, counts, timeline.
  void sum_up(SimulationResult& result);

  Timeline timeline;

 private:
  const SimulationOptions& options_;
  Histogram gaps_;
  std::vector<double> ttft_, tpot_, e2e_, queue_;
  std::vector<double> answers_;  // when
  double prompt_tokens_ = 0;
  double output_tokens_ = 0;
  double cached_tokens_ = 0;
  std::int64_t preemptions_ = 0;
  std::int64_t good_ = 0;
};

}  // namespace silicast::serving
