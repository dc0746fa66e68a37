// SPDX-License-Identifier: Apache-2.0
#include "planning/plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "planning/capacity_estimate.h"
#include "planning/fleet_search.h"
#include "report/plan_report.h"
#include "tests/unit/expect_error.h"
#include "tests/unit/shipped_data.h"

namespace silicast::serving {
namespace {

// One class of `rate` requests a second on machines of given capacities and monthly costs.
struct Case {
  explicit Case(double rate, std::int64_t months = 1) {
    fleet.months = months;
    fleet.workloads.resize(1);
    fleet.workloads[0].name = "class";
    fleet.workloads[0].rate = rate;
    capacity.resize(1);
  }
  void offer(double rate, double cost, double watts = 100) {
    fleet.machines.push_back({.name = "machine " + std::to_string(fleet.machines.size())});
    MachineCapacity c;
    c.rate = rate;
    c.capital_per_month = cost;
    c.watts = watts;
    c.idle_watts = watts / 2;
    capacity[0].push_back(c);
  }
  [[nodiscard]] std::optional<ClassPlan> plan(const std::vector<std::size_t>& types, Aim aim = Aim::cheapest) const {
    return class_plan(fleet, 0, capacity[0], types, aim);
  }
  Fleet fleet;
  std::vector<std::vector<MachineCapacity>> capacity;
};

TEST(FleetSearch, FewestMachinesThatServeThePeak) {
  Case c(10);
  c.offer(3, 100);
  EXPECT_EQ(c.plan({0})->machines_in(0), 4);
  c.fleet.workloads[0].rate = 9;  // exactly three
  EXPECT_EQ(c.plan({0})->machines_in(0), 3);
}

TEST(FleetSearch, OneMoreMayFail) {
  Case c(9);
  c.offer(3, 100);
  c.fleet.site.redundancy = 1;
  EXPECT_EQ(c.plan({0})->machines_in(0), 4);
  c.fleet.site.redundancy = 2;
  EXPECT_EQ(c.plan({0})->machines_in(0), 5);
}

TEST(FleetSearch, PairsFillTheRestWithTheSmallType) {
  Case c(11);
  c.offer(10, 1000);
  c.offer(1, 150);
  const auto pair = c.plan({0, 1});
  ASSERT_TRUE(pair);
  EXPECT_EQ(pair->machines[0].count[0], 1);
  EXPECT_EQ(pair->machines[1].count[0], 1);
  EXPECT_LT(pair->cost[0], c.plan({0})->cost[0]);
  // Any of them may fail, the large one too.
  c.fleet.site.redundancy = 1;
  const auto spare = c.plan({0, 1});
  const auto large = static_cast<double>(spare->machines[0].count[0]);
  const auto small = static_cast<double>(spare->machines[1].count[0]);
  EXPECT_GE(10 * large + small - (large > 0 ? 10 : 1), 11);
}

TEST(FleetSearch, WhatIsBoughtStays) {
  Case c(30, 12);
  c.offer(10, 1000);
  c.offer(1, 90);
  c.fleet.workloads[0].growth = 0.1;
  const auto plan = c.plan({0, 1});
  ASSERT_TRUE(plan);
  for (const Assigned& a : plan->machines)
    for (std::size_t m = 1; m < a.count.size(); ++m) EXPECT_GE(a.count[m], a.count[m - 1]);
}

TEST(FleetSearch, LimitsOfTheSiteChooseAnother) {
  Case c(10);
  c.offer(5, 100, 1000);  // cheap and hungry
  c.offer(5, 200, 300);
  const std::vector<std::vector<ClassPlan>> options{{*c.plan({0}), *c.plan({1})}};
  EXPECT_EQ(combined(c.fleet, options, Aim::cheapest).classes[0].machines[0].machine, 0U);
  c.fleet.site.power = Watts(1500);
  const FleetPlan within = combined(c.fleet, options, Aim::cheapest);
  EXPECT_TRUE(within.possible());
  EXPECT_EQ(within.classes[0].machines[0].machine, 1U);
  c.fleet.site.power = Watts(500);
  const FleetPlan none = combined(c.fleet, options, Aim::cheapest);
  EXPECT_FALSE(none.possible());
  EXPECT_NE(none.limiting.find("power of the site"), std::string::npos) << none.limiting;
}

TEST(FleetSearch, SmallestTakesTheLargest) {
  Case c(10);
  c.offer(2, 10);
  c.offer(10, 1000);
  const std::vector<std::vector<ClassPlan>> options{{*c.plan({0}), *c.plan({1})}};
  EXPECT_EQ(combined(c.fleet, options, Aim::cheapest).machines_in(0), 5);
  EXPECT_EQ(combined(c.fleet, options, Aim::smallest).machines_in(0), 1);
}

// What simulation says of the machines together overrides the arithmetic of single ones, in both directions.
TEST(FleetSearch, SimulationDropsAndAdds) {
  Case c(10);
  c.offer(3, 100);
  c.offer(1, 20);
  const auto with = [&](const std::vector<std::size_t>& types, double needed) {
    return class_plan(c.fleet, 0, c.capacity[0], types, Aim::cheapest, [&](const Counts& counts) {
      double rate = 0;
      for (std::size_t i = 0; i < counts.size(); ++i)
        rate += static_cast<double>(counts[i]) * c.capacity[0][types[i]].rate;
      return rate * 10 / needed;
    });
  };
  EXPECT_EQ(with({0}, 10)->machines_in(0), 4);
  EXPECT_EQ(with({0}, 6)->machines_in(0), 2);
  EXPECT_EQ(with({0}, 13)->machines_in(0), 5);
  EXPECT_FALSE(with({0}, 100));
  // Of two types the dearer is spared first.
  const auto pair = with({0, 1}, 4);
  EXPECT_EQ(pair->machines[0].count[0] * 3 + pair->machines[1].count[0], 4);
  c.fleet.site.redundancy = 1;
  EXPECT_EQ(with({0}, 6)->machines_in(0), 3);  // two are left when one has failed
}

std::filesystem::path written(const std::string& text) {
  auto file = std::filesystem::path(testing::TempDir()) / ("fleet-" + std::to_string(getpid()) + ".yaml");
  std::ofstream(file) << text;
  return file;
}

constexpr const char* small_fleet =
    "months: 2\n"
    "requests: 200\n"
    "workloads:\n"
    "  - {name: chat, model: llama-3.1-8b, quant: BF16, rate: 3, prompt: 500, gen: {mean: 100, cv: 0.5}, "
    "slo: mlperf-llama3.1-8b}\n"
    "machines:\n"
    "  - {device: h100-sxm, stack: vllm}\n"
    "  - {device: rtx-2060, stack: vllm}\n"
    "site: {power: 100 kW}\n";

TEST(Plan, MeetsTheObjectivesItWasAskedFor) {
  const Fleet fleet = read_fleet(written(small_fleet), database());
  const Plan plan = make_plan(fleet, database(), 2);
  ASSERT_TRUE(plan.possible());
  const MachineCapacity& h100 = plan.capacity()[0][0];
  EXPECT_LE(h100.at_rate.percentile_ttft, 2);
  EXPECT_LE(h100.at_rate.percentile_tpot, 0.1);
  EXPECT_LE(h100.rate, h100.saturated);
  EXPECT_FALSE(plan.capacity()[0][1].possible());  // 16 GB of weights in 6 GB
  // Threads change nothing.
  const Plan again = make_plan(fleet, database(), 1);
  EXPECT_EQ(again.capacity()[0][0].rate, h100.rate);
  EXPECT_EQ(again.fleets[again.best].total_cost(), plan.fleets[plan.best].total_cost());
}

ServingQuestion one_at_a_time() {
  ServingQuestion q;
  q.query = {.model = "llama-3.1-8b", .quant = "BF16", .device = "h100-sxm", .stack = "vllm"};
  q.traffic.lengths.prompt = {700, 0};
  q.traffic.lengths.output = {200, 0};
  q.batching.max_sequences = 1;
  return q;
}

// With one place it is M/M/1 with service as predicted: P(wait > t) = load exp(-(1 - load) t / service).
TEST(Estimate, OfOnePlaceIsThatOfAQueue) {
  const ServingSystem system(one_at_a_time(), database());
  const double service = system.prediction().e2e_latency->value;
  const Slo slo{.e2e = 3 * service, .percentile = 95};
  const CapacityEstimate estimate = estimated_capacity(system, one_at_a_time().traffic, slo, {});
  EXPECT_NEAR(estimate.saturated * service, 1, 1e-3);
  const double load = estimate.rate * service;
  EXPECT_NEAR(load * std::exp(-(1 - load) * 2), 0.05, 5e-4);
  // Slower steps serve fewer; nothing is served in less time than one request takes.
  EXPECT_LT(estimated_capacity(system, one_at_a_time().traffic, slo, {1.2, 1.2}).rate, estimate.rate);
  EXPECT_EQ(estimated_capacity(system, one_at_a_time().traffic, {.e2e = service / 2}, {}).rate, 0);
}

// The search starts near its end: the estimate of these two is off by less than a third, and fewer simulations are
// asked for than halving from both ends would take (two, and eight to a hundredth of the range).
TEST(Estimate, IsNearWhatSimulationsFind) {
  const Fleet fleet = read_fleet(written(small_fleet), database());
  const MachineCapacity c = machine_capacity(fleet.workloads[0], fleet.machines[0], fleet, {}, database());
  EXPECT_NEAR(c.estimate, c.rate, c.rate / 3);
  EXPECT_LT(c.simulations, 10);
}

TEST(Plan, MixedMachinesAreSimulatedTogether) {
  const Fleet fleet = read_fleet(written(small_fleet), database());
  const WorkloadClass& chat = fleet.workloads[0];
  const MachineCapacity large = machine_capacity(chat, fleet.machines[0], fleet, {}, database());
  MachineOffer offer = fleet.machines[0];
  offer.query.device = "l40s";
  const MachineCapacity small = machine_capacity(chat, offer, fleet, {}, database());
  ASSERT_TRUE(small.possible()) << small.why_not;
  ASSERT_LT(small.rate, large.rate);
  const auto together = [&](std::int64_t larges, std::int64_t smalls) {
    return capacity_together(chat, {{&large, larges}, {&small, smalls}}, fleet, {});
  };
  EXPECT_EQ(together(1, 0), large.rate);
  EXPECT_EQ(together(0, 0), 0);
  // Within the 2 % of the search, more machines serve more, and never more than they can compute.
  EXPECT_GT(together(1, 1), 0.98 * large.rate);
  EXPECT_GT(together(1, 2), together(1, 1));
  EXPECT_LE(together(1, 1), 0.95 * (large.saturated + small.saturated));
}

TEST(Plan, EveryTableIsAskedUnderEveryCondition) {
  const Fleet fleet = read_fleet(written(small_fleet), database());
  const Plan plan = make_plan(fleet, database(), 2);
  ASSERT_EQ(plan.outlooks.size(), 6U);
  const double planned = plan.capacity()[0][0].rate;
  for (const Outlook& o : plan.outlooks) {
    EXPECT_EQ(o.headroom_as_planned.size(), 2U) << o.what;
    ASSERT_FALSE(o.fleet.classes.empty()) << o.what;
    EXPECT_EQ(o.fleet.classes[0].cost.size(), 2U) << o.what;
    // What is planned has less room where a machine serves fewer.
    if (o.variation.interval >= 0 && o.what != "lengths -20 %")
      EXPECT_LE(o.capacity[0][0].rate, planned) << o.what;
    else
      EXPECT_GE(o.capacity[0][0].rate, planned) << o.what;
    EXPECT_GE(o.fleet.headroom_in(1), -1e-9) << o.what;  // what is counted anew is enough
  }
  const std::string csv = plan_csv(fleet, plan);
  const std::string markdown = plan_markdown(fleet, plan);
  for (const Outlook& o : plan.outlooks) {
    EXPECT_NE(csv.find(o.what), std::string::npos) << o.what;
    EXPECT_NE(markdown.find(o.what), std::string::npos) << o.what;
  }
}

TEST(Plan, LongerOrSlowerServesFewer) {
  const Fleet fleet = read_fleet(written(small_fleet), database());
  const auto rate = [&](const Variation& v) {
    return machine_capacity(fleet.workloads[0], fleet.machines[0], fleet, v, database()).rate;
  };
  const double planned = rate({});
  EXPECT_LT(rate({.lengths = 1.2}), planned);
  EXPECT_LT(rate({.slower = 1.1}), planned);
  EXPECT_LT(rate({.interval = 1}), planned);
  EXPECT_GT(rate({.interval = -1}), planned);
}

TEST(Plan, PresetsAreMlperfs) {
  const auto presets = read_slo_presets(database().folder() / "slos");
  const auto at = std::find_if(presets.begin(), presets.end(),
                               [](const SloPreset& p) { return p.name == "mlperf-llama2-70b-interactive"; });
  ASSERT_NE(at, presets.end());
  EXPECT_EQ(at->slo.ttft, 0.45);
  EXPECT_EQ(at->slo.tpot, 0.04);
}

TEST(Plan, BadFleetsAreNamed) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = small_fleet;
    text.replace(text.find(from), from.size(), to);
    return written(text);
  };
  EXPECT_INPUT_ERROR(read_fleet(with("mlperf-llama3.1-8b", "mlperf-llama"), database()), "slo");
  EXPECT_INPUT_ERROR(read_fleet(with("rate: 3", "rat: 3"), database()), "rat");
  EXPECT_INPUT_ERROR(read_fleet(with("power: 100 kW", "power: 100"), database()), "power");
  EXPECT_INPUT_ERROR(read_fleet(with("months: 2", "months: 0"), database()), "months");
  EXPECT_THROW(read_fleet(with("slo: mlperf-llama3.1-8b", "slo: {ttft: 2 s, e2e: 1 s}"), database()), Error);
}

}  // namespace
}  // namespace silicast::serving
