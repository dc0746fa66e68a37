// SPDX-License-Identifier: Apache-2.0
#include "planning/machine_capacity.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "planning/capacity_estimate.h"

namespace silicast::serving {

namespace {

constexpr double lightest_share = 0.02;  // of saturation
constexpr double joules_per_kilowatt_hour = 3.6e6;

TrafficModel traffic_of(const WorkloadClass& workload, const Fleet& fleet, const Variation& variation, double rate,
                        const ServingSystem& system) {
  TrafficModel traffic = workload.traffic;
  traffic.lengths.scale = variation.lengths;
  traffic.requests = fleet.requests;
  traffic.arrivals.rate = rate / static_cast<double>(traffic.turns);
  traffic.max_context = system.max_context();
  return traffic;
}

TimeFactors factors_of(const ServingSystem& system, const Variation& variation) {
  TimeFactors factors = variation.interval < 0 ? system.fast() : variation.interval > 0 ? system.slow() : TimeFactors{};
  factors.prefill *= variation.slower;
  factors.decode *= variation.slower;
  return factors;
}

SimulationOptions options_of(const WorkloadClass& workload, const Fleet& fleet, std::int64_t machines) {
  constexpr std::int64_t warm_share = 10;
  return {.replicas = machines,
          .balancer = workload.traffic.turns > 1 ? Balancer::session_sticky : Balancer::least_loaded,
          .warmup = fleet.requests / warm_share,
          .slo = workload.slo};
}

// The objective that is missed by most.
std::string missed(const SimulationResult& result, const Slo& slo) {
  const std::pair<const char*, double> ratios[] = {{"ttft", slo.ttft ? result.percentile_ttft / *slo.ttft : 0},
                                                   {"tpot", slo.tpot ? result.percentile_tpot / *slo.tpot : 0},
                                                   {"e2e", slo.e2e ? result.percentile_e2e / *slo.e2e : 0}};
  const auto* most = std::max_element(std::begin(ratios), std::end(ratios),
                                      [](const auto& a, const auto& b) { return a.second < b.second; });
  return result.failed > 0 ? "memory" : most->first;
}

std::string complaint(const SimulationResult& result, const Slo& slo) {
  if (result.failed > 0) return "requests are longer than the cache";
  const std::string what = missed(result, slo);
  const double value = what == "ttft"   ? result.percentile_ttft
                       : what == "tpot" ? result.percentile_tpot
                                        : result.percentile_e2e;
  const double limit = what == "ttft" ? *slo.ttft : what == "tpot" ? *slo.tpot : *slo.e2e;
  return what + " of " + human(Seconds(value)) + " when idle, " + human(Seconds(limit)) + " is asked for";
}

// The first quantization that the machine runs; empty reason: found.
std::shared_ptr<const ServingSystem> system_of(const WorkloadClass& workload, const MachineOffer& machine,
                                               const Variation& variation, const Database& database,
                                               std::string& reason) {
  std::vector<std::string> quants = machine.quants.empty() ? workload.quants : machine.quants;
  if (quants.empty()) quants.emplace_back();
  for (const std::string& quant : quants) {
    ServingQuestion question{.query = machine.query, .traffic = workload.traffic, .batching = machine.batching};
    question.query.model = workload.model;
    question.query.quant = quant;
    question.traffic.lengths.scale = variation.lengths;
    try {
      auto system = std::make_shared<const ServingSystem>(question, database);
      if (system->prediction().feasible) return system;
      if (reason.empty()) reason = "does not fit: " + system->prediction().limiting;
    } catch (const RefusedError& error) {
      if (reason.empty()) reason = error.what();
    } catch (const UsageError& error) {
      if (reason.empty()) reason = error.what();
    }
  }
  return nullptr;
}

// What no simulation need be asked for: one request of the mean lengths on an idle machine is too slow already.
std::string too_slow(const WorkloadClass& workload, const ServingSystem& system, const Variation& variation) {
  const Prediction& p = system.prediction();
  const TimeFactors factors = factors_of(system, variation);
  const auto complaint_of = [](const char* what, double value, double limit) {
    return std::string(what) + " of " + human(Seconds(value)) + " for one request, " + human(Seconds(limit)) +
           " is asked for";
  };
  // What the cache has of a prompt is not computed.
  const bool reuses = workload.traffic.turns > 1 || workload.traffic.shared_prompt > 0;
  if (workload.slo.ttft && p.ttft && !reuses && p.ttft->value * factors.prefill > *workload.slo.ttft)
    return complaint_of("ttft", p.ttft->value * factors.prefill, *workload.slo.ttft);
  if (workload.slo.tpot && p.tpot && p.tpot->value * factors.decode > *workload.slo.tpot)
    return complaint_of("tpot", p.tpot->value * factors.decode, *workload.slo.tpot);
  return "";
}

void add_money(MachineCapacity& capacity) {
  const Prediction& prediction = capacity.system->prediction();
  if (!prediction.cost) {
    capacity.why_not = "no price is known: give it a price or a rent";
    return;
  }
  const CostFigures& cost = *prediction.cost;
  constexpr double hours_per_year = 8760;
  capacity.rented = cost.rented;
  capacity.capital_per_month =
      cost.price.usd * hours_per_month / (cost.rented ? 1 : cost.lifetime_years * hours_per_year);
  const CostQuestion& question = capacity.system->compiled().query.cost;
  if (!cost.rented && cost.electricity) capacity.usd_per_kwh = cost.electricity->usd * question.pue;
}

// The highest value that meets, out from the guess in steps that double to one that does and one that does not, then by
// halves; within [least, most], nullopt: none does.
template <class Meets>
std::optional<double> highest(double guess, double least, double most, double precision, Meets meets) {
  double low = 0;   // does; 0: none yet
  double high = 0;  // does not; 0: none yet
  const auto ask = [&](double value) { return meets(value) ? (low = value, true) : (high = value, false); };
  double step = 1.1;
  if (ask(std::clamp(guess, least, most))) {
    for (; low < most && high == 0; step *= step) ask(std::min(most, low * step));
  } else {
    for (; low == 0 && high > least; step *= step) ask(std::max(least, high / step));
  }
  if (low == 0) return std::nullopt;
  while (high > 0 && high - low > precision * high) ask((low + high) / 2);
  return low;
}

}  // namespace

double MachineCapacity::cost_per_month(double load) const {
  return capital_per_month + watts_at(load) * seconds_per_month / joules_per_kilowatt_hour * usd_per_kwh;
}

MachineCapacity machine_capacity(const WorkloadClass& workload, const MachineOffer& machine, const Fleet& fleet,
                                 const Variation& variation, const Database& database) {
  MachineCapacity capacity;
  capacity.system = system_of(workload, machine, variation, database, capacity.why_not);
  if (!capacity.system) return capacity;
  capacity.why_not.clear();
  const ServingSystem& system = *capacity.system;
  capacity.quant = system.compiled().query.quant;
  add_money(capacity);
  if (capacity.possible()) capacity.why_not = too_slow(workload, system, variation);
  if (!capacity.possible()) return capacity;
  const TrafficModel traffic = traffic_of(workload, fleet, variation, 1, system);
  const CapacityEstimate estimate = estimated_capacity(system, traffic, workload.slo, factors_of(system, variation));
  capacity.estimate = estimate.rate;
  capacity.saturated = system.capacity(traffic, fleet.seed, {}, factors_of(system, variation));
  const auto meets = [&](double share) {
    ++capacity.simulations;
    SimulationResult result =
        system.simulate(traffic_of(workload, fleet, variation, share * capacity.saturated, system), fleet.seed,
                        options_of(workload, fleet, 1), factors_of(system, variation));
    const bool met = result.meets(workload.slo);
    if (!met) capacity.limited_by = missed(result, workload.slo);
    if (met || capacity.rate == 0) capacity.at_rate = std::move(result);
    if (met) capacity.rate = share * capacity.saturated;
    return met;
  };
  constexpr double precision = 0.01;
  const auto share =
      highest(estimate.rate / estimate.saturated, lightest_share, highest_share_of_saturation, precision, meets);
  if (!share) {
    capacity.why_not = complaint(capacity.at_rate, workload.slo);
    return capacity;
  }
  if (*share == highest_share_of_saturation) capacity.limited_by = "throughput";
  const SimulationResult& best = capacity.at_rate;
  capacity.watts = best.joules / best.seconds;
  capacity.idle_watts = std::min(capacity.watts, StepMeter(system.compiled()).idle_watts());
  const double busy = best.busy * best.seconds;
  if (system.prediction().prefill && busy > 0)
    capacity.prompt_share = std::clamp(
        (best.prompt_tokens - best.cached_tokens) / system.prediction().prefill->tokens_per_second.value / busy, 0.0,
        1.0);
  return capacity;
}

double capacity_together(const WorkloadClass& workload, const std::vector<MachineGroup>& groups, const Fleet& fleet,
                         const Variation& variation) {
  constexpr std::int64_t requests_per_machine = 100;
  constexpr double precision = 0.02;
  double alone = 0;
  double saturated = 0;
  double overhead = 0;
  std::int64_t machines = 0;
  std::vector<std::unique_ptr<StepMeter>> meters;
  std::vector<ReplicaGroup> replicas;
  const ServingSystem* any = nullptr;
  for (const auto& [capacity, count] : groups) {
    if (count == 0 || !capacity->possible()) continue;
    const ServingSystem& system = *capacity->system;
    any = &system;
    alone += static_cast<double>(count) * capacity->rate;
    saturated += static_cast<double>(count) * capacity->saturated;
    machines += count;
    meters.push_back(std::make_unique<StepMeter>(system.compiled(), factors_of(system, variation)));
    replicas.push_back({count, system.scheduler(), meters.back().get(), capacity->rate});
    overhead = std::max(overhead, system.request_overhead());
  }
  if (any == nullptr) return 0;
  if (machines == 1) return alone;
  Fleet longer = fleet;
  longer.requests = std::max(fleet.requests, requests_per_machine * machines);
  SimulationOptions options = options_of(workload, longer, machines);
  options.request_overhead = overhead;
  const auto meets = [&](double rate) {
    const TrafficModel traffic = traffic_of(workload, longer, variation, rate, *any);
    return simulate(traffic, fleet.seed, replicas, options).meets(workload.slo);
  };
  return highest(alone, lightest_share * saturated, highest_share_of_saturation * saturated, precision, meets)
      .value_or(0);
}

}  // namespace silicast::serving
