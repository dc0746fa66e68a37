// SPDX-License-Identifier: Apache-2.0
// The serving simulation against queueing theory: service without batching, times given.
#include <gtest/gtest.h>

#include <cmath>

#include "planning/continuous_batching.h"
#include "planning/simulation.h"
#include "planning/static_batching.h"

namespace silicast::serving {
namespace {

// Each token takes as long as the others.
class PerToken : public StepSource {
 public:
  explicit PerToken(double seconds) : seconds_(seconds) {}
  StepUse step(std::span<const StepShape> groups) override {
    double tokens = 0;
    for (const StepShape& group : groups) tokens += group.tokens();
    return {tokens * seconds_, 100};
  }
  [[nodiscard]] double idle_watts() const override { return 10; }

 private:
  double seconds_;
};

constexpr double mean_tokens = 10'000;
constexpr double service = 1;  // seconds, the mean

std::unique_ptr<Scheduler> one_at_a_time() {
  return std::make_unique<ContinuousBatching>(
      ContinuousOptions{.token_budget = 1'000'000'000, .max_sequences = 1, .prefix_cache = false});
}

TrafficModel poisson(double load, std::int64_t requests) {
  TrafficModel traffic;
  traffic.arrivals.rate = load / service;
  traffic.lengths.prompt = {mean_tokens, 0};
  traffic.lengths.output = {1, 0};
  traffic.requests = requests;
  return traffic;
}

// E[W] = lambda E[S^2] / (2 (1 - rho)), Pollaczek and Khinchine.
double pollaczek_khinchine(double load, double second_moment) {
  return load / service * second_moment / (2 * (1 - load));
}

SimulationResult run(const TrafficModel& traffic, const SimulationOptions& options = {}) {
  PerToken source(service / mean_tokens);
  return simulate(traffic, 1, one_at_a_time, source, options);
}

TEST(Queueing, WaitingTimeOfMM1) {
  const double load = 0.5;
  TrafficModel traffic = poisson(load, 1'500'000);
  // Exponential service by its quantiles: lengths drawn from observed ones.
  constexpr int quantiles = 200'000;
  for (int i = 0; i < quantiles; ++i) {
    const double tokens = -mean_tokens * std::log1p(-(i + 0.5) / quantiles);
    traffic.lengths.observed.push_back({std::max(1, static_cast<std::int32_t>(std::lround(tokens))), 1});
  }
  const SimulationResult result = run(traffic);
  const double expected = load / (1 - load) * service;
  EXPECT_NEAR(result.queue.mean, expected, 0.01 * expected);
  // The queue is empty with probability 1 - rho; beyond, waiting is exponential with mean 1 / (mu - lambda).
  const double p95 = std::log(load / 0.05) * service / (1 - load);
  EXPECT_NEAR(result.queue.p95, p95, 0.02 * p95);
  EXPECT_NEAR(result.busy, load, 0.01 * load);
}

TEST(Queueing, WaitingTimeOfMD1) {
  for (const double load : {0.3, 0.7}) {
    const SimulationResult result = run(poisson(load, 800'000));
    const double expected = pollaczek_khinchine(load, service * service);
    EXPECT_NEAR(result.queue.mean, expected, 0.01 * expected) << load;
  }
}

TEST(Queueing, WaitingTimeOfMG1) {
  const double load = 0.4;
  const double cv = 0.8;
  TrafficModel traffic = poisson(load, 1'500'000);
  traffic.lengths.prompt.cv = cv;
  const SimulationResult result = run(traffic);
  const double expected = pollaczek_khinchine(load, service * service * (1 + cv * cv));
  EXPECT_NEAR(result.queue.mean, expected, 0.01 * expected);
}

TEST(Queueing, EqualDistancesBelowCapacityNeverWait) {
  TrafficModel traffic = poisson(0.99, 1000);
  traffic.arrivals.kind = ArrivalKind::constant;
  EXPECT_NEAR(run(traffic).queue.max, 0, 1e-9);
}

TEST(Queueing, TwoReplicasWaitLessThanOneOfHalfTheLoad) {
  const auto varied = [](double rate) {
    TrafficModel traffic = poisson(rate, 200'000);
    traffic.lengths.prompt.cv = 1;
    return traffic;
  };
  const double one = run(varied(0.7)).queue.mean;
  const double blind = run(varied(1.4), {.replicas = 2, .balancer = Balancer::round_robin}).queue.mean;
  const double seeing = run(varied(1.4), {.replicas = 2, .balancer = Balancer::least_loaded}).queue.mean;
  // A blind balancer's distances are sums of two exponentials, more even than one; a seeing one leaves none idle.
  EXPECT_LT(blind, 0.9 * one);
  EXPECT_LT(seeing, 0.8 * blind);
}

TEST(Queueing, SaturatedRateIsTheServiceRate) {
  PerToken source(service / mean_tokens);
  EXPECT_NEAR(saturated_rate(poisson(5, 1), 1, one_at_a_time, source, {}, 400), 1 / service, 1e-6);
}

TEST(Queueing, EnergyIsThatOfTheTimes) {
  const SimulationResult result = run(poisson(0.5, 1000));
  const double busy = static_cast<double>(result.completed) * service;
  const double whole = busy / result.busy;
  EXPECT_NEAR(result.joules, 100 * busy + 10 * (whole - busy), 1e-6 * result.joules);
}

TEST(Queueing, StaticBatchesWaitForTheirLast) {
  PerToken source(1);
  TrafficModel traffic;
  traffic.kind = TrafficKind::closed;
  traffic.clients = 2;
  traffic.requests = 2;
  traffic.lengths.observed = {{4, 3}};
  const auto make = [] { return std::make_unique<StaticBatching>(StaticOptions{.batch = 2, .timeout = 1}); };
  const SimulationResult result = simulate(traffic, 1, make, source, {});
  // One pass over 2 x 4 tokens, then two over 2 tokens.
  EXPECT_DOUBLE_EQ(result.ttft.mean, 8);
  EXPECT_DOUBLE_EQ(result.e2e.mean, 12);
}

TEST(Queueing, StaticBatchesStartWhenTheFirstHasWaitedEnough) {
  PerToken source(0.001);
  TrafficModel traffic = poisson(1e-3, 50);
  traffic.lengths.prompt = {10, 0};
  const auto make = [] { return std::make_unique<StaticBatching>(StaticOptions{.batch = 8, .timeout = 2}); };
  const SimulationResult result = simulate(traffic, 1, make, source, {});
  EXPECT_NEAR(result.queue.p50, 2, 1e-9);
}

}  // namespace
}  // namespace silicast::serving
