// SPDX-License-Identifier: Apache-2.0
// The arithmetic of fleets: counts by month from capacities, and the combination of classes under a site's limits.
#pragma once

#include <functional>
#include <vector>

#include "planning/plan.h"

namespace silicast::serving {

// So many of each type.
using Counts = std::vector<std::int64_t>;
// Requests/s that they serve within the objectives, simulated behind one balancer.
using Together = std::function<double(const Counts& counts)>;

// One class on one type, or on two: `types` index the offers. By the arithmetic of what single machines serve; then
// `together`, where it is given, is asked of those that are left when the most capable `redundancy` have failed:
// machines that are not needed are dropped, what is missing is added. Nullopt where a type cannot serve the class, or
// there are not enough of it.
std::optional<ClassPlan> class_plan(const Fleet& fleet, std::size_t workload,
                                    const std::vector<MachineCapacity>& capacity, const std::vector<std::size_t>& types,
                                    Aim aim, const Together& together = {});

// The best combination of one option for each class that the site allows; else the best one that it does not, with
// what it exceeds.
FleetPlan combined(const Fleet& fleet, const std::vector<std::vector<ClassPlan>>& options, Aim aim);

// What the site does not allow of it; empty: nothing.
std::string exceeded(const Fleet& fleet, const FleetPlan& plan);

}  // namespace silicast::serving
