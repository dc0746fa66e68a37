// SPDX-License-Identifier: Apache-2.0
// Repeated timing of what several threads do together, with what disturbed it.
//
// Each repeat starts at a barrier. Its time is the processor time of the thread that took longest, so that the turns of
// other programs do not count (what these do to caches and memory does); the clock on the wall beside it tells whether
// there were any. Where the system has no clock of a thread's processor time, it is the wall's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/thread_pool.h"

namespace silicast::engine {

struct Sample {
  double seconds = 0;       // median over the undisturbed repeats, or over all where fewer than three are
  double best = 0;          // the shortest
  double spread = 0;        // interquartile range over median
  double wall_seconds = 0;  // the median on the wall
  int repeats = 0;
  double disturbed = 0;  // share of the repeats in which a thread had to wait for its processor

  // Half of the repeats or more, or a spread above 10 %.
  [[nodiscard]] bool is_disturbed() const { return disturbed >= 0.5 || spread > 0.1; }
};

// Repeats until `seconds` have gone by, but at least and at most so many times.
struct Effort {
  int least = 5;
  int most = 200;
  double seconds = 0.1;
};

// action(worker) `repeats` times on every thread of the pool; the first is a rehearsal and does not count.
Sample sample(ThreadPool& pool, const Effort& effort, const std::function<void(const Worker&)>& action);

// From measured repeats: (processor seconds, wall seconds) each.
struct Repeat {
  double processor = 0;
  double wall = 0;
};
Sample summary_of(const std::vector<Repeat>& repeats);

// Seconds on the clock on the wall, from no particular point.
double wall_now();

// What the machine was like: clock and temperature where they can be read, and how busy others kept it.
struct Condition {
  double clock_hertz = 0;          // mean over processors; 0: unknown
  double temperature_celsius = 0;  // the hottest sensor; 0: unknown
  double foreign_load = 0;         // processors that other programs kept busy since the first call of this function
};
Condition condition();

}  // namespace silicast::engine
