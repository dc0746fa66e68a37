// SPDX-License-Identifier: Apache-2.0
// Continuous batching in its steady state: `concurrency` requests always in flight, each replaced by an equal one when
// it ends, so that their progress is spread evenly over a request's life.
//
// Each request has P prompt and G generated tokens (the first comes with the prompt). A step takes the generating
// sequences, one token each, and prompt tokens up to the stack's micro-batch of C. In a cycle every slot completes one
// request; it has N steps, of which a prompt needs s = ceil(P / (C - (B - 1))):
//
//   B s <= s + G - 1        prompts one after the other: B s steps with prompt tokens and B - 1 generating sequences,
//                           the others with B
//   B (P + G - 1) <= N C    N = s + G - 1, prompts in every step, several together where they are short
//   beyond                  N = B (P + G - 1) / C: every step is full, requests wait for their turn
//
// The cases join where they meet. A cycle's time is a request's (Little's law: requests in flight = rate x latency);
// what is left of it after the first token is spread over the others. At B = 1 it is predict()'s request.
//
// Non-goals: arrivals that come and go, queues, percentiles (a simulation's work), prompts of different lengths.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/prediction.h"

namespace silicast {

struct SteadyState {
  double steps = 0;                   // of a cycle
  double mixed_steps = 0;             // of them, with prompt tokens
  StepCost cycle;                     // in which every slot completes one request
  Interval ttft;                      // seconds
  Interval inter_token;               // seconds
  Interval request;                   // seconds from arrival to last token
  Interval output_tokens_per_second;  // of all sequences
  double requests_per_second = 0;
  std::optional<PowerOfPhase> power;  // absent: nothing is known of the device's
  std::optional<CostFigures> cost;    // everything paid by output tokens
};

// Of a feasible prediction that generates tokens; `prediction` is the same query's.
SteadyState steady_state(const Compiled& compiled, const Prediction& prediction, const Database& database);

// The steps of a cycle, whose `times` add up to `steps`.
struct Cycle {
  std::vector<RepeatedStep> steps;
  double count = 0;
  double mixed = 0;
  double prompt_steps = 0;  // that a request waits for its first token
};
Cycle steady_cycle(const Query& query, const PromptCut& cut);

struct CurvePoint {
  std::int64_t concurrency = 1;
  Prediction prediction;
  std::optional<SteadyState> steady;  // absent: it does not fit
};

struct ThroughputCurve {
  std::vector<CurvePoint> points;
  std::optional<std::int64_t> most_sequences;  // that memory holds in full length
};

// From one sequence to `most`, doubling, `most` itself included. Throws what compile() throws; UsageError where no
// token is generated.
ThroughputCurve throughput_curve(const Query& query, std::int64_t most, const Database& database);

}  // namespace silicast
