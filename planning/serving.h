// SPDX-License-Identifier: Apache-2.0
// One question to a serving system: a predicted machine, its software's way of batching, and traffic.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/prediction.h"
#include "planning/simulation.h"
#include "planning/step_meter.h"

namespace silicast::serving {

enum class Batching { automatic, continuous, slots, static_batches };
const std::vector<std::string>& batching_names();

// Absent values are the usual ones of the software.
struct BatchingModel {
  Batching kind = Batching::automatic;        // slots for llama.cpp, else continuous
  std::optional<std::int64_t> max_sequences;  // 256; slots: 4; static: 8
  std::optional<std::int64_t> token_budget;   // continuous: the stack's; slots: 2048
  std::optional<std::int64_t> kv_tokens;      // of a replica; what the memory holds
  std::int64_t block_tokens = 16;
  bool chunked_prefill = true;
  bool prefix_cache = true;
  bool unified_cache = true;   // slots
  double batch_timeout = 0.1;  // static: seconds
};

struct ServingQuestion {
  Query query;  // prompt, gen and concurrency are taken from the traffic
  TrafficModel traffic;
  BatchingModel batching;
  SimulationOptions system;
  std::uint64_t seed = 1;
  bool interval = true;  // simulate the ends of the predictor's interval as well
  TimeFactors what_if;   // beside the interval: a slower or faster machine than predicted
};

struct ServingCost {
  double usd_per_hour = 0;              // of all replicas: price or rent, and electricity
  double electricity_usd_per_hour = 0;  // of that
  std::optional<double> usd_per_million_input;
  std::optional<double> usd_per_million_output;
};

struct ServingAnswer {
  Prediction prediction;  // of one request of the mean lengths; not feasible: nothing is simulated
  Batching batching = Batching::continuous;
  std::int64_t max_sequences = 0;
  std::int64_t token_budget = 0;
  std::int64_t kv_tokens = 0;      // of a replica
  double offered = 0;              // requests/s; 0: a closed loop
  std::optional<double> capacity;  // requests/s of all replicas; absent: a closed loop
  SimulationResult result;
  std::optional<SimulationResult> fast;  // 10 % of cases are faster
  std::optional<SimulationResult> slow;
  std::optional<ServingCost> cost;

  [[nodiscard]] bool stable() const { return !capacity || offered <= *capacity; }
};

// The most tokens of sequences of `context` tokens whose cache every memory pool holds beside the rest.
std::int64_t kv_capacity(const Compiled& compiled, double context);

// A compiled system that can be asked again and again, with other traffic.
class ServingSystem {
 public:
  // `context`: tokens of a usual sequence, which decides what the cache takes where layers have windows.
  ServingSystem(const ServingQuestion& question, const Database& database);

  [[nodiscard]] const Prediction& prediction() const { return prediction_; }
  [[nodiscard]] const Compiled& compiled() const { return compiled_; }
  [[nodiscard]] std::int64_t kv_tokens() const { return kv_tokens_; }
  [[nodiscard]] std::int64_t max_sequences() const { return max_sequences_; }
  [[nodiscard]] std::int64_t token_budget() const { return token_budget_; }
  [[nodiscard]] Batching batching() const { return batching_.kind; }
  [[nodiscard]] std::int64_t max_context() const;
  // Steps that run at once.
  [[nodiscard]] std::int64_t flights() const {
    const bool follows = batching_.kind == Batching::continuous;
    return follows ? std::max<std::int64_t>(1, static_cast<std::int64_t>(compiled_.evaluator.stages())) : 1;
  }
  [[nodiscard]] TimeFactors fast() const { return fast_; }
  [[nodiscard]] TimeFactors slow() const { return slow_; }

  [[nodiscard]] MakeScheduler scheduler() const;
  [[nodiscard]] SimulationResult simulate(const TrafficModel& traffic, std::uint64_t seed,
                                          const SimulationOptions& options, const TimeFactors& factors) const;
  // Seconds of each request before its first step.
  [[nodiscard]] double request_overhead() const { return compiled_.stack->overheads.request.value(); }
  // Requests a second of all replicas.
  [[nodiscard]] double capacity(const TrafficModel& traffic, std::uint64_t seed, const SimulationOptions& options,
                                const TimeFactors& factors) const;
  // Of a simulated run; absent where no price is known.
  [[nodiscard]] std::optional<ServingCost> cost(const SimulationResult& result, std::int64_t replicas) const;

 private:
  Compiled compiled_;
  Prediction prediction_;
  BatchingModel batching_;
  std::int64_t kv_tokens_ = 0;
  std::int64_t max_sequences_ = 0;
  std::int64_t token_budget_ = 0;
  TimeFactors fast_, slow_;
};

// Throws what compile() throws, and UsageError for impossible traffic or objectives.
ServingAnswer serve(const ServingQuestion& question, const Database& database);

}  // namespace silicast::serving
