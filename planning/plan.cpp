// SPDX-License-Identifier: Apache-2.0
#include "planning/plan.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "planning/fleet_search.h"

namespace silicast::serving {

namespace {

constexpr double seconds_per_month = hours_per_month * 3600;
constexpr double million = 1e6;

// Calls `work(i)` for every i below `count`, on so many threads; rethrows the first exception.
template <class Work>
void in_parallel(std::size_t count, int threads, Work work) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto loop = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::thread> pool;
  for (int t = 1; t < threads; ++t) pool.emplace_back(loop);
  loop();
  for (std::thread& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

class Planner {
 public:
  Planner(const Fleet& fleet, const Database& database, int threads)
      : fleet_(fleet), database_(database), threads_(threads) {}

  Plan make() {
    plan_.capacity.assign(fleet_.workloads.size(), std::vector<MachineCapacity>(fleet_.machines.size()));
    in_parallel(fleet_.workloads.size() * fleet_.machines.size(), threads_, [&](std::size_t i) {
      const std::size_t w = i / fleet_.machines.size();
      const std::size_t m = i % fleet_.machines.size();
      plan_.capacity[w][m] = machine_capacity(fleet_.workloads[w], fleet_.machines[m], fleet_, {}, database_);
    });
    plan_.fleets = {of_one_type(), mixed(Aim::cheapest, "cheapest"), mixed(Aim::smallest, "smallest")};
    for (FleetPlan& fleet : plan_.fleets) refine(fleet);
    choose();
    add_sensitivity();
    return std::move(plan_);
  }

 private:
  // Every class on the same type.
  FleetPlan of_one_type() {
    FleetPlan best;
    best.limiting = "no machine serves all classes";
    for (std::size_t m = 0; m < fleet_.machines.size(); ++m) {
      std::vector<std::vector<ClassPlan>> options(fleet_.workloads.size());
      for (std::size_t w = 0; w < fleet_.workloads.size(); ++w)
        if (auto plan = class_plan(fleet_, w, plan_.capacity[w], {m}, Aim::cheapest))
          options[w].push_back(std::move(*plan));
      FleetPlan fleet = combined(fleet_, options, Aim::cheapest);
      if (fleet.classes.empty()) continue;
      const bool better = best.classes.empty() || (fleet.possible() && !best.possible()) ||
                          (fleet.possible() == best.possible() && fleet.total_cost() < best.total_cost());
      if (better) best = std::move(fleet);
    }
    best.name = "one type";
    return best;
  }

  FleetPlan mixed(Aim aim, const char* name) {
    std::vector<std::vector<ClassPlan>> options(fleet_.workloads.size());
    in_parallel(fleet_.workloads.size(), threads_, [&](std::size_t w) {
      const auto take = [&](const std::vector<std::size_t>& types) {
        if (auto plan = class_plan(fleet_, w, plan_.capacity[w], types, aim)) options[w].push_back(std::move(*plan));
      };
      for (std::size_t a = 0; a < fleet_.machines.size(); ++a) {
        take({a});
        for (std::size_t b = 0; b < fleet_.machines.size(); ++b)
          if (a != b) take({a, b});
      }
    });
    FleetPlan fleet = combined(fleet_, options, aim);
    fleet.name = name;
    return fleet;
  }

  // Fewer machines of a class's only type where simulated replicas still meet the objectives.
  void refine(FleetPlan& fleet) {
    if (fleet.classes.empty()) return;
    in_parallel(fleet.classes.size(), threads_, [&](std::size_t w) {
      ClassPlan& plan = fleet.classes[w];
      drop_unused(plan);
      if (plan.machines.size() != 1) return;
      const std::size_t machine = plan.machines.front().machine;
      const auto enough = [&](std::size_t m, std::int64_t month, std::int64_t count) {
        return together(w, m, count, fleet_.workloads[w].rate_in(month));
      };
      if (auto refined = class_plan(fleet_, w, plan_.capacity[w], {machine}, Aim::cheapest, enough))
        plan = std::move(*refined);
    });
    fleet.limiting = exceeded(fleet_, fleet);
  }

  // Types of a pair of which no month has one.
  static void drop_unused(ClassPlan& plan) {
    std::erase_if(plan.machines, [](const Assigned& a) {
      return std::all_of(a.count.begin(), a.count.end(), [](std::int64_t count) { return count == 0; });
    });
  }

  bool together(std::size_t workload, std::size_t machine, std::int64_t count, double rate) {
    const std::tuple key(workload, machine, count, rate);
    {
      const std::lock_guard lock(mutex_);
      if (const auto known = together_.find(key); known != together_.end()) return known->second;
    }
    const bool meets =
        together_meet(fleet_.workloads[workload], plan_.capacity[workload][machine], fleet_, {}, count, rate);
    const std::lock_guard lock(mutex_);
    return together_[key] = meets;
  }

  void choose() {
    const auto better = [](const FleetPlan& a, const FleetPlan& b) {
      if (a.possible() != b.possible()) return a.possible();
      if (a.classes.empty() != b.classes.empty()) return b.classes.empty();
      return a.total_cost() < b.total_cost();
    };
    for (std::size_t i = 1; i < plan_.fleets.size(); ++i)
      if (better(plan_.fleets[i], plan_.fleets[plan_.best])) plan_.best = i;
  }

  void add_sensitivity() {
    const FleetPlan& best = plan_.fleets[plan_.best];
    if (best.classes.empty()) return;
    const std::vector<std::pair<std::string, Variation>> variations = {
        {"as predicted", {}},
        {"lengths +20 %", {.lengths = 1.2}},
        {"lengths -20 %", {.lengths = 0.8}},
        {"model 10 % slower", {.slower = 1.1}},
        {"fast end of the 80 % interval", {.interval = -1}},
        {"slow end of the 80 % interval", {.interval = 1}}};
    plan_.sensitivity.resize(variations.size());
    in_parallel(variations.size(), threads_, [&](std::size_t i) {
      Sensitivity& row = plan_.sensitivity[i];
      row.what = variations[i].first;
      for (std::size_t w = 0; w < best.classes.size() && row.possible; ++w) {
        if (i == 0)
          count(row, best.classes[w]);
        else if (const auto plan = varied(w, best.classes[w], variations[i].second))
          count(row, *plan);
        else
          row.possible = false;
      }
    });
  }

  void count(Sensitivity& row, const ClassPlan& plan) const {
    row.machines += plan.machines_in(fleet_.months - 1);
    row.cost += plan.cost.back();
    row.watts += plan.watts.back();
  }

  // The same types under other conditions.
  std::optional<ClassPlan> varied(std::size_t w, const ClassPlan& plan, const Variation& variation) {
    std::vector<MachineCapacity> capacity(fleet_.machines.size());
    std::vector<std::size_t> types;
    for (const Assigned& a : plan.machines) {
      types.push_back(a.machine);
      capacity[a.machine] =
          machine_capacity(fleet_.workloads[w], fleet_.machines[a.machine], fleet_, variation, database_);
    }
    const auto enough = [&](std::size_t m, std::int64_t month, std::int64_t count) {
      return together_meet(fleet_.workloads[w], capacity[m], fleet_, variation, count,
                           fleet_.workloads[w].rate_in(month));
    };
    return class_plan(fleet_, w, capacity, types, Aim::cheapest, enough);
  }

  const Fleet& fleet_;
  const Database& database_;
  int threads_;
  Plan plan_;
  std::mutex mutex_;
  std::map<std::tuple<std::size_t, std::size_t, std::int64_t, double>, bool> together_;
};

template <class Of>
double sum_over(const FleetPlan& plan, Of of) {
  double sum = 0;
  for (const ClassPlan& c : plan.classes) sum += of(c);
  return sum;
}

std::size_t index(std::int64_t month) { return static_cast<std::size_t>(month); }

double requests_in(const WorkloadClass& workload, std::int64_t month) {
  return workload.rate_in(month) * workload.mean_load * seconds_per_month;
}

}  // namespace

std::int64_t ClassPlan::machines_in(std::int64_t month) const {
  std::int64_t sum = 0;
  for (const Assigned& a : machines) sum += a.count[index(month)];
  return sum;
}

double ClassPlan::total_cost() const {
  double sum = 0;
  for (const double usd : cost) sum += usd;
  return sum;
}

std::int64_t FleetPlan::machines_in(std::int64_t month) const {
  std::int64_t sum = 0;
  for (const ClassPlan& c : classes) sum += c.machines_in(month);
  return sum;
}

double FleetPlan::cost_in(std::int64_t month) const {
  return sum_over(*this, [&](const ClassPlan& c) { return c.cost[index(month)]; });
}

double FleetPlan::watts_in(std::int64_t month) const {
  return sum_over(*this, [&](const ClassPlan& c) { return c.watts[index(month)]; });
}

double FleetPlan::total_cost() const {
  return sum_over(*this, [](const ClassPlan& c) { return c.total_cost(); });
}

double prompt_tokens_in(const WorkloadClass& workload, std::int64_t month) {
  const TrafficModel& t = workload.traffic;
  // Later turns repeat what was said: the mean turn has half of the others before it.
  const double said = static_cast<double>(t.turns - 1) / 2 * (t.lengths.mean_prompt() + t.lengths.mean_output());
  return requests_in(workload, month) * (t.lengths.mean_prompt() + static_cast<double>(t.shared_prompt) + said);
}

double output_tokens_in(const WorkloadClass& workload, std::int64_t month) {
  return requests_in(workload, month) * workload.traffic.lengths.mean_output();
}

double usd_per_million_input(const WorkloadClass& workload, const ClassPlan& plan, std::int64_t month) {
  return plan.cost[index(month)] * plan.prompt_share / prompt_tokens_in(workload, month) * million;
}

double usd_per_million_output(const WorkloadClass& workload, const ClassPlan& plan, std::int64_t month) {
  return plan.cost[index(month)] * (1 - plan.prompt_share) / output_tokens_in(workload, month) * million;
}

Plan make_plan(const Fleet& fleet, const Database& database, int threads) {
  return Planner(fleet, database, std::max(1, threads)).make();
}

}  // namespace silicast::serving
