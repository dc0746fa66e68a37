// SPDX-License-Identifier: Apache-2.0
// When requests arrive at an open system: renewal processes and two whose rate changes with time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "planning/random.h"

namespace silicast::serving {

enum class ArrivalKind {
  constant,  // equal distances
  poisson,   // exponential distances
  gamma,     // distances of a gamma distribution with `cv`
  bursty,    // Poisson, switched between two rates (a Markov-modulated process of two states)
  diurnal,   // Poisson with a rate that follows a sine over `period`
};
const std::vector<std::string>& arrival_kind_names();

struct ArrivalModel {
  ArrivalKind kind = ArrivalKind::poisson;
  double rate = 1;            // requests a second, the mean over time
  double cv = 1;              // gamma: of the distances
  double burst = 4;           // bursty: rate of a burst over the mean rate
  double burst_seconds = 10;  // bursty: mean length of a burst
  double burst_share = 0.2;   // bursty: of the time; burst * share is at most 1
  double period = 86400;      // diurnal: seconds; the lowest rate is at time 0
  double amplitude = 0.8;     // diurnal: (highest - mean) / mean, at most 1

  [[nodiscard]] double peak_rate() const;
};

// Throws UsageError for what is impossible.
void check(const ArrivalModel& model);

class Arrivals {
 public:
  Arrivals(const ArrivalModel& model, Random random) : model_(model), random_(random) {}

  double next();  // the time of the next arrival, seconds

 private:
  double next_bursty();
  double next_diurnal();

  ArrivalModel model_;
  Random random_;
  double time_ = 0;
  bool in_burst_ = false;
  double switch_ = -1;  // when the state changes; below zero: not drawn yet
};

}  // namespace silicast::serving
