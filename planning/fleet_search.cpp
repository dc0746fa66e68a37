// SPDX-License-Identifier: Apache-2.0
#include "planning/fleet_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text.h"

namespace silicast::serving {

namespace {

// What is left when the most capable `redundancy` machines have failed.
Counts survivors(Counts counts, const std::vector<double>& rates, std::int64_t redundancy) {
  std::vector<std::size_t> order(counts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rates[a] > rates[b]; });
  for (const std::size_t i : order) {
    const std::int64_t failed = std::min(counts[i], redundancy);
    counts[i] -= failed;
    redundancy -= failed;
  }
  return counts;
}

std::int64_t sum(const Counts& counts) { return std::accumulate(counts.begin(), counts.end(), std::int64_t{0}); }

// The class's machines of a month.
class Month {
 public:
  Month(const Fleet& fleet, const WorkloadClass& workload, const std::vector<const MachineCapacity*>& machines,
        std::int64_t month)
      : fleet_(fleet), machines_(machines), need_(workload.rate_in(month)), mean_load_(workload.mean_load) {
    for (const MachineCapacity* machine : machines) rates_.push_back(machine->rate);
  }

  [[nodiscard]] double need() const { return need_; }
  [[nodiscard]] bool served_by(double rate) const {
    constexpr double rounding = 1 - 1e-9;
    return rate >= need_ * rounding;
  }
  [[nodiscard]] bool enough(const Counts& counts) const { return served_by(capacity(left(counts))); }
  // Of them, the most capable that may fail taken away.
  [[nodiscard]] Counts left(const Counts& counts) const { return survivors(counts, rates_, fleet_.site.redundancy); }
  [[nodiscard]] double capacity(const Counts& counts) const {
    double rate = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) rate += static_cast<double>(counts[i]) * rates_[i];
    return rate;
  }
  // All machines share the load in proportion to what they can.
  [[nodiscard]] double mean_share(const Counts& counts) const {
    return std::min(1.0, need_ * mean_load_ / std::max(capacity(counts), 1e-300));
  }
  [[nodiscard]] double cost(const Counts& counts) const {
    double usd = 0;
    for (std::size_t i = 0; i < counts.size(); ++i)
      usd += static_cast<double>(counts[i]) * machines_[i]->cost_per_month(mean_share(counts));
    return usd;
  }
  [[nodiscard]] double watts(const Counts& counts, double share) const {
    double watts = 0;
    for (std::size_t i = 0; i < counts.size(); ++i)
      watts += static_cast<double>(counts[i]) * machines_[i]->watts_at(share);
    return watts;
  }

  // The fewest of the last type beside the given counts of the others.
  [[nodiscard]] Counts completed(Counts counts) const {
    while (!enough(counts)) {
      const double missing = need_ - capacity(left(counts));
      counts.back() += std::max<std::int64_t>(1, static_cast<std::int64_t>(missing / rates_.back()));
    }
    return counts;
  }

 private:
  const Fleet& fleet_;
  const std::vector<const MachineCapacity*>& machines_;
  double need_;
  double mean_load_;
  std::vector<double> rates_;
};

constexpr std::int64_t most_machines = 1'000'000;

// Best counts of two types with at least those of the month before.
Counts best_pair(const Month& month, const Counts& least, Aim aim) {
  Counts best;
  std::pair<double, double> best_value;
  const std::int64_t most_first = std::min<std::int64_t>(least[0] + 1000, most_machines);
  for (std::int64_t first = least[0]; first <= most_first; ++first) {
    Counts counts = month.completed({first, least[1]});
    const double cost = month.cost(counts);
    const auto machines = static_cast<double>(sum(counts));
    const auto value = aim == Aim::cheapest ? std::pair(cost, machines) : std::pair(machines, cost);
    const bool others_done = counts[1] == least[1];
    if (best.empty() || value < best_value) best_value = value, best = std::move(counts);
    if (others_done) break;
  }
  return best;
}

// From the arithmetic's counts to those that simulation asks for; nullopt: not even half as many again and two more do.
std::optional<Counts> settled(const Month& month, Counts counts, const Counts& least, const Together& together) {
  const auto meets = [&](const Counts& c) {
    const Counts left = month.left(c);
    return sum(left) > 0 && month.served_by(together(left));
  };
  if (!meets(counts)) {
    const std::int64_t most = sum(counts) + sum(counts) / 2 + 2;
    do {
      if (sum(counts) == most) return std::nullopt;
      ++counts.back();
    } while (!meets(counts));
    return counts;
  }
  if (counts.size() == 1) {
    // First as many as would do if each served as much as now, then by halves.
    const double now = together(month.left(counts));
    std::int64_t low = least[0];
    auto next = static_cast<std::int64_t>(std::ceil(static_cast<double>(counts[0]) * month.need() / now));
    while (low < counts[0]) {
      const Counts fewer{std::clamp(next, low, counts[0] - 1)};
      if (meets(fewer))
        counts = fewer;
      else
        low = fewer[0] + 1;
      next = (low + counts[0]) / 2;
    }
    return counts;
  }
  // The dearest that can be spared goes first.
  for (bool dropped = true; dropped;) {
    dropped = false;
    std::vector<std::pair<double, Counts>> fewer;
    for (std::size_t i = 0; i < counts.size(); ++i)
      if (counts[i] > least[i]) {
        Counts without = counts;
        --without[i];
        fewer.emplace_back(month.cost(without), std::move(without));
      }
    std::sort(fewer.begin(), fewer.end());
    for (auto& [cost, without] : fewer)
      if (meets(without)) {
        counts = std::move(without);
        dropped = true;
        break;
      }
  }
  return counts;
}

double value_of(const ClassPlan& plan, Aim aim) {
  return aim == Aim::cheapest ? plan.total_cost()
                              : static_cast<double>(plan.machines_in(static_cast<std::int64_t>(plan.cost.size()) - 1));
}

double most(const std::vector<double>& values) { return *std::max_element(values.begin(), values.end()); }

// Options that another one beats in everything that a site or an aim can ask for.
std::vector<ClassPlan> without_beaten(std::vector<ClassPlan> options, Aim aim) {
  std::stable_sort(options.begin(), options.end(), [&](const ClassPlan& a, const ClassPlan& b) {
    const double va = value_of(a, aim);
    const double vb = value_of(b, aim);
    return va != vb ? va < vb : a.total_cost() < b.total_cost();
  });
  std::vector<ClassPlan> kept;
  constexpr std::size_t enough = 24;
  for (ClassPlan& option : options) {
    const bool beaten = std::any_of(kept.begin(), kept.end(), [&](const ClassPlan& k) {
      return value_of(k, aim) <= value_of(option, aim) && most(k.watts) <= most(option.watts) &&
             most(k.cost) <= most(option.cost);
    });
    if (!beaten && kept.size() < enough) kept.push_back(std::move(option));
  }
  return kept;
}

}  // namespace

std::optional<ClassPlan> class_plan(const Fleet& fleet, std::size_t workload_index,
                                    const std::vector<MachineCapacity>& capacity, const std::vector<std::size_t>& types,
                                    Aim aim, const Together& together) {
  const WorkloadClass& workload = fleet.workloads[workload_index];
  std::vector<const MachineCapacity*> machines;
  for (const std::size_t type : types) {
    if (!capacity[type].possible()) return std::nullopt;
    machines.push_back(&capacity[type]);
  }
  ClassPlan plan;
  for (const std::size_t type : types) plan.machines.push_back({type, {}});
  Counts counts(types.size(), 0);
  double prompts = 0;
  double all = 0;
  for (std::int64_t m = 0; m < fleet.months; ++m) {
    const Month month(fleet, workload, machines, m);
    const bool rented = std::all_of(machines.begin(), machines.end(), [](const auto* c) { return c->rented; });
    const Counts least = rented && workload.growth < 0 ? Counts(types.size(), 0) : counts;
    counts = types.size() == 1 ? month.completed(least) : best_pair(month, least, aim);
    if (together) {
      const auto simulated = settled(month, std::move(counts), least, together);
      if (!simulated) return std::nullopt;
      counts = *simulated;
    }
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (fleet.machines[types[i]].at_most && counts[i] > *fleet.machines[types[i]].at_most) return std::nullopt;
      plan.machines[i].count.push_back(counts[i]);
      prompts += static_cast<double>(counts[i]) * machines[i]->rate * machines[i]->prompt_share;
      all += static_cast<double>(counts[i]) * machines[i]->rate;
    }
    plan.cost.push_back(month.cost(counts));
    plan.watts.push_back(month.watts(counts, 1));
    plan.mean_watts.push_back(month.watts(counts, month.mean_share(counts)));
    plan.headroom.push_back((together ? together(counts) : month.capacity(counts)) / month.need() - 1);
  }
  plan.prompt_share = prompts / all;
  return plan;
}

std::string exceeded(const Fleet& fleet, const FleetPlan& plan) {
  for (std::int64_t m = 0; m < fleet.months; ++m) {
    const std::string month = " in month " + std::to_string(m + 1);
    if (fleet.site.power && plan.watts_in(m) > fleet.site.power->value())
      return "power of the site: " + rounded(plan.watts_in(m) / 1000, 4) + " kW" + month + ", at most " +
             rounded(fleet.site.power->value() / 1000, 4) + " kW";
    if (fleet.site.budget && plan.cost_in(m) > *fleet.site.budget)
      return "budget: $" + rounded(plan.cost_in(m), 5) + month + ", at most $" + rounded(*fleet.site.budget, 5);
  }
  for (std::size_t machine = 0; machine < fleet.machines.size(); ++machine) {
    if (!fleet.machines[machine].at_most) continue;
    std::int64_t count = 0;
    for (const ClassPlan& c : plan.classes)
      for (const Assigned& a : c.machines)
        if (a.machine == machine) count += a.count.back();
    if (count > *fleet.machines[machine].at_most)
      return fleet.machines[machine].name + ": " + std::to_string(count) + ", at most " +
             std::to_string(*fleet.machines[machine].at_most);
  }
  return "";
}

FleetPlan combined(const Fleet& fleet, const std::vector<std::vector<ClassPlan>>& options, Aim aim) {
  std::vector<std::vector<ClassPlan>> kept;
  for (std::size_t c = 0; c < options.size(); ++c) {
    if (options[c].empty()) {
      FleetPlan none;
      none.limiting = "no machine serves '" + fleet.workloads[c].name + "'";
      return none;
    }
    kept.push_back(without_beaten(options[c], aim));
  }
  FleetPlan best;
  FleetPlan best_anyway;
  std::pair<double, double> best_value;
  std::pair<double, double> anyway_value;
  std::vector<std::size_t> at(kept.size(), 0);
  constexpr std::int64_t most_combinations = 200'000;
  for (std::int64_t tried = 0; tried < most_combinations; ++tried) {
    FleetPlan plan;
    double value = 0;
    for (std::size_t c = 0; c < kept.size(); ++c) {
      plan.classes.push_back(kept[c][at[c]]);
      value += value_of(plan.classes.back(), aim);
    }
    const std::pair ranked(value, plan.total_cost());
    if (best.classes.empty() || ranked < best_value) {
      if (exceeded(fleet, plan).empty())
        best_value = ranked, best = plan;
      else if (best_anyway.classes.empty() || ranked < anyway_value)
        anyway_value = ranked, best_anyway = std::move(plan);
    }
    std::size_t digit = 0;
    while (digit < at.size() && ++at[digit] == kept[digit].size()) at[digit++] = 0;
    if (digit == at.size()) break;
  }
  if (!best.classes.empty()) return best;
  best_anyway.limiting = exceeded(fleet, best_anyway);
  return best_anyway;
}

}  // namespace silicast::serving
