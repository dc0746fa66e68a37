// SPDX-License-Identifier: Apache-2.0
// How many requests a second a machine serves within its objectives, in closed form: microseconds instead of the
// simulations, which the estimate spares most of their search.
//
// With B requests in flight, evenly spread over their lives, a request takes C(B) seconds (model/steady_state.h), so
// B / C(B) requests a second are served, at most with as many as there are places. At a lower rate r the requests in
// flight are those with B / C(B) = r. What of the time is a queue's: places taken as the servers of an M/M/c queue, by
// Sakasegawa's approximation (An approximation formula L_q = a rho^b / (1 - rho), Ann. Inst. Stat. Math. 29, 1977):
// mean wait = C / c * rho^(sqrt(2 (c + 1)) - 1) / (1 - rho), exponential above zero.
//
// Left out: lengths that differ, bursts of prompts, preemption. The simulation has the last word.
#pragma once

#include "planning/serving.h"

namespace silicast::serving {

struct CapacityEstimate {
  double saturated = 0;  // requests/s with every place taken
  double rate = 0;       // requests/s within the objectives, at most 95 % of that; 0: not even one at a time
};

constexpr double highest_share_of_saturation = 0.95;  // beyond which queues do not settle

CapacityEstimate estimated_capacity(const ServingSystem& system, const TrafficModel& traffic, const Slo& slo,
                                    const TimeFactors& factors);

}  // namespace silicast::serving
