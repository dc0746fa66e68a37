// SPDX-License-Identifier: Apache-2.0
// Capacity planning: which machines, how many, month by month, at what cost.
//
// For every class and machine the rate within the objectives is found by simulation (planning/machine_capacity.h). A
// class then takes the fewest machines of a type, or of two, that serve each month's peak with `redundancy` of them
// failed; machines stay while demand grows, and what is bought stays. Fleets of all classes are combined so that site
// and budget hold in every month. The machines of each month are then simulated together, behind one balancer: what can
// be spared is dropped, what is missing is added. Three fleets are looked for: of one type of machine, the cheapest of
// any, and the one with the fewest machines.
//
// All of it is asked again under other conditions: lengths, a slower model, both ends of the predictor's interval.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planning/fleet.h"
#include "planning/machine_capacity.h"

namespace silicast::serving {

// So many of a machine for a class.
struct Assigned {
  std::size_t machine = 0;          // of the fleet's offers
  std::vector<std::int64_t> count;  // by month
};

// What one class runs on.
struct ClassPlan {
  std::vector<Assigned> machines;  // one or two types
  std::vector<double> cost;        // USD, by month
  std::vector<double> watts;       // all machines at their peak, by month
  std::vector<double> headroom;    // capacity over the peak's need less one, machines in reserve included, by month
  std::vector<double> mean_watts;  // by month
  double prompt_share = 0;         // of the cost, that prompts cause

  [[nodiscard]] std::int64_t machines_in(std::int64_t month) const;
  [[nodiscard]] double total_cost() const;
};

enum class Aim { cheapest, smallest };

struct FleetPlan {
  std::string name;  // "one type", "cheapest", "smallest"
  Aim aim = Aim::cheapest;
  std::vector<ClassPlan> classes;  // as the fleet's workloads; empty: none is possible
  std::string limiting;            // not empty: what is exceeded, and when, or why there is none

  [[nodiscard]] bool possible() const { return !classes.empty() && limiting.empty(); }
  [[nodiscard]] std::int64_t machines_in(std::int64_t month) const;
  [[nodiscard]] double cost_in(std::int64_t month) const;
  [[nodiscard]] double watts_in(std::int64_t month) const;
  [[nodiscard]] double headroom_in(std::int64_t month) const;  // least over the classes
  [[nodiscard]] double total_cost() const;
};

// Everything under one condition.
struct Outlook {
  std::string what;  // "lengths +20 %"
  Variation variation;
  std::vector<std::vector<MachineCapacity>> capacity;  // [class][machine]
  // The types of the best fleet, as many as it then takes; no classes: they cannot serve.
  FleetPlan fleet;
  // Of the machines that are planned, were this to come: least over the classes, by month. Below 0: peaks are too high.
  std::vector<double> headroom_as_planned;
};

struct Plan {
  std::vector<FleetPlan> fleets;
  std::size_t best = 0;           // the cheapest possible one
  std::vector<Outlook> outlooks;  // the first is as predicted

  [[nodiscard]] const std::vector<std::vector<MachineCapacity>>& capacity() const { return outlooks.front().capacity; }
  [[nodiscard]] bool possible() const { return !fleets.empty() && fleets[best].possible(); }
};

// On so many threads; the result does not depend on them. Throws what compile() throws.
Plan make_plan(const Fleet& fleet, const Database& database, int threads);

// Tokens of a class in a month, at its mean load.
double prompt_tokens_in(const WorkloadClass& workload, std::int64_t month);
double output_tokens_in(const WorkloadClass& workload, std::int64_t month);
// USD a million tokens of a class in a month.
double usd_per_million_input(const WorkloadClass& workload, const ClassPlan& plan, std::int64_t month);
double usd_per_million_output(const WorkloadClass& workload, const ClassPlan& plan, std::int64_t month);

}  // namespace silicast::serving
