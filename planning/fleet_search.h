// SPDX-License-Identifier: Apache-2.0
// The arithmetic of fleets: counts by month from capacities, and the combination of classes under a site's limits.
#pragma once

#include <functional>
#include <vector>

#include "planning/plan.h"

namespace silicast::serving {

enum class Aim { cheapest, smallest };

// One class on one type, or on two: `types` index the offers. `fewer(machine, month, count)` says whether so many of a
// single type are enough by simulation; null: not asked. Nullopt where a type cannot serve the class, or there are not
// enough of it.
using FewerEnough = std::function<bool(std::size_t machine, std::int64_t month, std::int64_t count)>;
std::optional<ClassPlan> class_plan(const Fleet& fleet, std::size_t workload,
                                    const std::vector<MachineCapacity>& capacity, const std::vector<std::size_t>& types,
                                    Aim aim, const FewerEnough& fewer = {});

// The best combination of one option for each class that the site allows; else the best one that it does not, with
// what it exceeds.
FleetPlan combined(const Fleet& fleet, const std::vector<std::vector<ClassPlan>>& options, Aim aim);

// What the site does not allow of it; empty: nothing.
std::string exceeded(const Fleet& fleet, const FleetPlan& plan);

}  // namespace silicast::serving
