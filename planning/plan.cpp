// SPDX-License-Identifier: Apache-2.0
#include "planning/plan.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "planning/fleet_search.h"

namespace silicast::serving {

namespace {

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
    plan_.outlooks = {{.what = "as predicted"},
                      {.what = "lengths +20 %", .variation = {.lengths = 1.2}},
                      {.what = "lengths -20 %", .variation = {.lengths = 0.8}},
                      {.what = "model 10 % slower", .variation = {.slower = 1.1}},
                      {.what = "fast end of the 80 % interval", .variation = {.interval = -1}},
                      {.what = "slow end of the 80 % interval", .variation = {.interval = 1}}};
    const std::size_t machines = fleet_.machines.size();
    const std::size_t pairs = fleet_.workloads.size() * machines;
    for (Outlook& outlook : plan_.outlooks)
      outlook.capacity.assign(fleet_.workloads.size(), std::vector<MachineCapacity>(machines));
    in_parallel(plan_.outlooks.size() * pairs, threads_, [&](std::size_t i) {
      Outlook& outlook = plan_.outlooks[i / pairs];
      const std::size_t w = i % pairs / machines;
      const std::size_t m = i % machines;
      outlook.capacity[w][m] =
          machine_capacity(fleet_.workloads[w], fleet_.machines[m], fleet_, outlook.variation, database_);
    });
    plan_.fleets = {of_one_type(), mixed(Aim::cheapest, "cheapest"), mixed(Aim::smallest, "smallest")};
    in_parallel(plan_.fleets.size() * fleet_.workloads.size(), threads_,
                [&](std::size_t i) { settle(plan_.fleets[i / fleet_.workloads.size()], i % fleet_.workloads.size()); });
    for (FleetPlan& fleet : plan_.fleets) judge(fleet);
    choose();
    look_ahead();
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
        if (auto plan = class_plan(fleet_, w, plan_.capacity()[w], {m}, Aim::cheapest))
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
        if (auto plan = class_plan(fleet_, w, plan_.capacity()[w], types, aim)) options[w].push_back(std::move(*plan));
      };
      for (std::size_t a = 0; a < fleet_.machines.size(); ++a) {
        take({a});
        for (std::size_t b = 0; b < fleet_.machines.size(); ++b)
          if (a != b) take({a, b});
      }
    });
    FleetPlan fleet = combined(fleet_, options, aim);
    fleet.name = name;
    fleet.aim = aim;
    return fleet;
  }

  // The counts that simulation asks for. Empty machines: they do not serve, however many.
  void settle(FleetPlan& fleet, std::size_t w) {
    if (fleet.classes.empty()) return;
    fleet.classes[w] = simulated(plan_.outlooks.front(), w, fleet.classes[w], fleet.aim).value_or(ClassPlan{});
  }

  // The same types, in such numbers as the outlook asks for.
  std::optional<ClassPlan> simulated(const Outlook& outlook, std::size_t w, const ClassPlan& plan, Aim aim) {
    std::vector<std::size_t> types;
    for (const Assigned& a : plan.machines) {
      const bool used = std::any_of(a.count.begin(), a.count.end(), [](std::int64_t count) { return count > 0; });
      if (used) types.push_back(a.machine);
    }
    if (types.empty()) return std::nullopt;
    return class_plan(fleet_, w, outlook.capacity[w], types, aim,
                      [&](const Counts& counts) { return together(outlook, w, types, counts); });
  }

  double together(const Outlook& outlook, std::size_t w, const std::vector<std::size_t>& types, const Counts& counts) {
    const std::tuple key(outlook.what, w, types, counts);
    {
      const std::lock_guard lock(mutex_);
      if (const auto known = together_.find(key); known != together_.end()) return known->second;
    }
    std::vector<MachineGroup> groups;
    for (std::size_t i = 0; i < types.size(); ++i) groups.push_back({&outlook.capacity[w][types[i]], counts[i]});
    const double rate = capacity_together(fleet_.workloads[w], groups, fleet_, outlook.variation);
    const std::lock_guard lock(mutex_);
    return together_[key] = rate;
  }

  void judge(FleetPlan& fleet) const {
    if (fleet.classes.empty()) return;
    for (std::size_t w = 0; w < fleet.classes.size(); ++w)
      if (fleet.classes[w].machines.empty()) {
        fleet.classes.clear();
        fleet.limiting = "the machines miss the objectives of '" + fleet_.workloads[w].name + "'";
        return;
      }
    fleet.limiting = exceeded(fleet_, fleet);
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

  // The best fleet under every condition.
  void look_ahead() {
    const FleetPlan& best = plan_.fleets[plan_.best];
    if (best.classes.empty()) return;
    for (Outlook& outlook : plan_.outlooks) outlook.fleet.classes.resize(best.classes.size());
    const std::size_t classes = best.classes.size();
    plan_.outlooks.front().fleet = best;
    in_parallel((plan_.outlooks.size() - 1) * classes, threads_, [&](std::size_t i) {
      Outlook& outlook = plan_.outlooks[1 + i / classes];
      const std::size_t w = i % classes;
      outlook.fleet.classes[w] = simulated(outlook, w, best.classes[w], best.aim).value_or(ClassPlan{});
    });
    in_parallel(plan_.outlooks.size(), threads_, [&](std::size_t i) {
      plan_.outlooks[i].headroom_as_planned = headroom_of(best, plan_.outlooks[i]);
      judge(plan_.outlooks[i].fleet);
    });
  }

  // Least over the classes, by month.
  std::vector<double> headroom_of(const FleetPlan& best, const Outlook& outlook) {
    std::vector<double> least(static_cast<std::size_t>(fleet_.months), std::numeric_limits<double>::infinity());
    for (std::size_t w = 0; w < best.classes.size(); ++w)
      for (std::size_t month = 0; month < least.size(); ++month) {
        std::vector<std::size_t> types;
        Counts counts;
        for (const Assigned& a : best.classes[w].machines) types.push_back(a.machine), counts.push_back(a.count[month]);
        const double need = fleet_.workloads[w].rate_in(static_cast<std::int64_t>(month));
        least[month] = std::min(least[month], together(outlook, w, types, counts) / need - 1);
      }
    return least;
  }

  const Fleet& fleet_;
  const Database& database_;
  int threads_;
  Plan plan_;
  std::mutex mutex_;
  std::map<std::tuple<std::string, std::size_t, std::vector<std::size_t>, Counts>, double> together_;
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

double FleetPlan::headroom_in(std::int64_t month) const {
  double least = std::numeric_limits<double>::infinity();
  for (const ClassPlan& c : classes) least = std::min(least, c.headroom[index(month)]);
  return least;
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
