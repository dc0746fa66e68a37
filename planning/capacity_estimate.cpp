// SPDX-License-Identifier: Apache-2.0
#include "planning/capacity_estimate.h"

#include <algorithm>
#include <cmath>

#include "model/steady_state.h"

namespace silicast::serving {

namespace {

constexpr double percent = 100;

// So many requests in flight.
struct Loaded {
  double in_flight = 0;
  double rate = 0;     // requests/s
  double request = 0;  // seconds
  double first = 0;    // seconds to the first token
  double each = 0;     // seconds a further token
};

class Estimator {
 public:
  Estimator(const ServingSystem& system, const TrafficModel& traffic, const Slo& slo, const TimeFactors& factors)
      : system_(system), slo_(slo), factors_(factors), query_(system.compiled().query) {
    const double said =
        static_cast<double>(traffic.turns - 1) / 2 * (traffic.lengths.mean_prompt() + traffic.lengths.mean_output());
    query_.prompt = std::max<std::int64_t>(1, std::llround(traffic.lengths.mean_prompt()));
    query_.gen = std::max<std::int64_t>(1, std::llround(traffic.lengths.mean_output()));
    query_.depth = std::llround(said) + traffic.shared_prompt;
    const auto context = static_cast<double>(query_.prompt + query_.gen + query_.depth);
    places_ = std::max(1.0, std::min(static_cast<double>(system.max_sequences()),
                                     std::floor(static_cast<double>(system.kv_tokens()) / context)));
    constexpr double apart = 1.25;
    for (double b = 1; b < places_; b = std::max(b + 1, std::floor(b * apart))) loads_.push_back(loaded(b));
    loads_.push_back(loaded(places_));
  }

  [[nodiscard]] double saturated() const { return loads_.back().rate; }

  // Whether the objectives hold at so many requests a second.
  [[nodiscard]] bool meets(double rate) const {
    const Loaded at = between(rate);
    const double load = rate / saturated();
    const double busy = std::pow(load, std::sqrt(2 * (places_ + 1)) - 1);  // share of requests that wait
    const double mean_of_waiting = loads_.back().request / places_ / (1 - load);
    const double miss = std::max(1 - slo_.percentile / percent, 1e-6);
    const double wait = busy > miss ? mean_of_waiting * std::log(busy / miss) : 0;
    const auto within = [](const std::optional<double>& limit, double value) { return !limit || value <= *limit; };
    return within(slo_.ttft, at.first + wait) && within(slo_.tpot, at.each) && within(slo_.e2e, at.request + wait);
  }

 private:
  [[nodiscard]] Loaded loaded(double in_flight) const {
    Query query = query_;
    // Devices that follow each other have a part of the requests each.
    query.concurrency = static_cast<std::int64_t>(std::ceil(in_flight / static_cast<double>(system_.flights())));
    const Cycle cycle = steady_cycle(query, system_.token_budget());
    double seconds = 0;
    double first = 0;
    for (std::size_t i = 0; i < cycle.steps.size(); ++i) {
      const auto& batch = cycle.steps[i].batch;
      const bool prompts = std::any_of(batch.begin(), batch.end(), [](const StepShape& g) { return g.new_tokens > 1; });
      const double each =
          system_.compiled().evaluator(batch).seconds.value() * (prompts ? factors_.prefill : factors_.decode);
      if (static_cast<double>(i) < cycle.prompt_steps) first += each;
      seconds += each * cycle.steps[i].times;
    }
    if (cycle.steps.size() == 1) first = seconds / cycle.count * cycle.prompt_steps;
    const double overhead = system_.request_overhead();
    const double further = std::max<double>(1, static_cast<double>(query.gen - 1));
    return {in_flight, in_flight / (seconds + overhead), seconds + overhead, first + overhead,
            (seconds - first) / further};
  }

  [[nodiscard]] Loaded between(double rate) const {
    const auto above =
        std::find_if(loads_.begin(), loads_.end(), [&](const Loaded& load) { return load.rate >= rate; });
    if (above == loads_.begin()) return *above;
    if (above == loads_.end()) return loads_.back();
    const Loaded& low = *(above - 1);
    const double share = (rate - low.rate) / (above->rate - low.rate);
    const auto mix = [&](double a, double b) { return a + share * (b - a); };
    return {mix(low.in_flight, above->in_flight), rate, mix(low.request, above->request), mix(low.first, above->first),
            mix(low.each, above->each)};
  }

  const ServingSystem& system_;
  const Slo& slo_;
  const TimeFactors& factors_;
  Query query_;  // of a request, what the cache has of its prompt as depth
  double places_ = 1;
  std::vector<Loaded> loads_;
};

}  // namespace

CapacityEstimate estimated_capacity(const ServingSystem& system, const TrafficModel& traffic, const Slo& slo,
                                    const TimeFactors& factors) {
  const Estimator estimator(system, traffic, slo, factors);
  CapacityEstimate estimate{.saturated = estimator.saturated()};
  double low = 0;
  double high = highest_share_of_saturation * estimate.saturated;
  if (estimator.meets(high)) {
    estimate.rate = high;
    return estimate;
  }
  constexpr double precision = 1e-3;
  while (high - low > precision * high && high > precision * estimate.saturated) {
    const double middle = (low + high) / 2;
    (estimator.meets(middle) ? low : high) = middle;
  }
  estimate.rate = low;
  return estimate;
}

}  // namespace silicast::serving
