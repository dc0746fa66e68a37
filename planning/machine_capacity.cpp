// SPDX-License-Identifier: Apache-2.0
#include "planning/machine_capacity.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace silicast::serving {

namespace {

constexpr double highest_share = 0.95;  // of saturation
constexpr double lightest_share = 0.02;
constexpr double seconds_per_month = hours_per_month * 3600;
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

SimulationResult simulated(const WorkloadClass& workload, const ServingSystem& system, const Fleet& fleet,
                           const Variation& variation, std::int64_t machines, double rate) {
  return system.simulate(traffic_of(workload, fleet, variation, rate, system), fleet.seed,
                         options_of(workload, fleet, machines), factors_of(system, variation));
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
  capacity.saturated = system.capacity(traffic, fleet.seed, {}, factors_of(system, variation));
  const auto at = [&](double share) {
    return simulated(workload, system, fleet, variation, 1, share * capacity.saturated);
  };
  double low = lightest_share;
  SimulationResult best = at(low);
  if (!best.meets(workload.slo)) {
    capacity.why_not = complaint(best, workload.slo);
    return capacity;
  }
  double high = highest_share;
  SimulationResult next = at(high);
  if (next.meets(workload.slo)) {
    low = high;
    best = std::move(next);
    capacity.limited_by = "throughput";
  } else {
    capacity.limited_by = missed(next, workload.slo);
    constexpr double precision = 0.01;
    while (high - low > precision * high) {
      const double middle = (low + high) / 2;
      next = at(middle);
      if (next.meets(workload.slo)) {
        low = middle;
        best = std::move(next);
      } else {
        high = middle;
        capacity.limited_by = missed(next, workload.slo);
      }
    }
  }
  capacity.rate = low * capacity.saturated;
  capacity.watts = best.joules / best.seconds;
  capacity.idle_watts = std::min(capacity.watts, StepMeter(system.compiled()).idle_watts());
  const double busy = best.busy * best.seconds;
  if (system.prediction().prefill && busy > 0)
    capacity.prompt_share = std::clamp(
        (best.prompt_tokens - best.cached_tokens) / system.prediction().prefill->tokens_per_second.value / busy, 0.0,
        1.0);
  capacity.at_rate = std::move(best);
  return capacity;
}

bool together_meet(const WorkloadClass& workload, const MachineCapacity& capacity, const Fleet& fleet,
                   const Variation& variation, std::int64_t machines, double rate) {
  constexpr std::int64_t requests_per_machine = 100;
  if (rate > highest_share * capacity.saturated * static_cast<double>(machines)) return false;
  Fleet longer = fleet;
  longer.requests = std::max(fleet.requests, requests_per_machine * machines);
  return simulated(workload, *capacity.system, longer, variation, machines, rate).meets(workload.slo);
}

}  // namespace silicast::serving
