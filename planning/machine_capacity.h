// SPDX-License-Identifier: Apache-2.0
// How much of a workload one machine takes within its objectives: a closed form first, then simulations.
//
// A machine on which one request of the mean lengths is too slow is out by the predictor alone. Else the closed form
// (planning/capacity_estimate.h) says about how many requests a second it serves; from there the highest rate at which
// the simulated percentile meets the objectives is closed in on, up to 95 % of what a saturated machine serves.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "planning/fleet.h"

namespace silicast::serving {

// A what-if on a class and a machine.
struct Variation {
  double lengths = 1;  // of prompts and answers, times
  double slower = 1;   // every step, times
  int interval = 0;    // -1, 1: the fast and the slow end of the predictor's interval
};

struct MachineCapacity {
  std::string why_not;     // not empty: this machine cannot serve this class
  std::string quant;       // that it runs
  double estimate = 0;     // requests/s within the objectives, by the closed form
  double rate = 0;         // requests/s of one machine within the objectives, by simulation
  double saturated = 0;    // requests/s
  std::string limited_by;  // "ttft", "tpot", "e2e", "throughput"
  double watts = 0;        // at that rate, at the plug
  double idle_watts = 0;
  double capital_per_month = 0;  // USD, bought and worn off, or rented
  double usd_per_kwh = 0;        // building's losses included; 0: in the rent
  bool rented = false;
  double prompt_share = 0;       // of the computing time, that prompts take
  std::int64_t simulations = 0;  // that it took
  SimulationResult at_rate;      // simulated there
  std::shared_ptr<const ServingSystem> system;

  [[nodiscard]] bool possible() const { return why_not.empty(); }
  // USD a month of a machine at a share of that rate.
  [[nodiscard]] double cost_per_month(double load) const;
  [[nodiscard]] double watts_at(double load) const { return idle_watts + (watts - idle_watts) * load; }
};

constexpr double hours_per_month = 730.5;
constexpr double seconds_per_month = hours_per_month * 3600;

MachineCapacity machine_capacity(const WorkloadClass& workload, const MachineOffer& machine, const Fleet& fleet,
                                 const Variation& variation, const Database& database);

// So many machines of a kind.
struct MachineGroup {
  const MachineCapacity* capacity = nullptr;
  std::int64_t count = 0;
};
// Requests/s that the machines serve within the objectives behind one balancer, within 2 %: they share what one alone
// must spare.
double capacity_together(const WorkloadClass& workload, const std::vector<MachineGroup>& groups, const Fleet& fleet,
                         const Variation& variation);

}  // namespace silicast::serving
