// SPDX-License-Identifier: Apache-2.0
#include "model/steady_state.h"

#include <algorithm>
#include <cmath>

#include "model/running.h"

namespace silicast {

namespace {

// Sequences that generate, evenly spread over the life of a request and over the depths of the batch.
std::vector<StepShape> generating(const Query& query, double sequences) {
  const std::int64_t parts = std::min(query.gen, predicted_decode_steps);
  std::vector<StepShape> groups;
  for (const DepthGroup& group : depth_groups(query)) {
    const double share = static_cast<double>(group.sequences) / static_cast<double>(query.concurrency);
    for (std::int64_t i = 0; i < parts; ++i) {
      const double token =
          (static_cast<double>(i) + 0.5) * static_cast<double>(query.gen) / static_cast<double>(parts) - 0.5;
      groups.push_back({.batch = sequences * share / static_cast<double>(parts),
                        .depth = static_cast<double>(group.depth + query.prompt) + token});
    }
  }
  return groups;
}

double mean_depth(const Query& query) {
  double sum = 0;
  for (const DepthGroup& group : depth_groups(query)) sum += static_cast<double>(group.sequences * group.depth);
  return sum / static_cast<double>(query.concurrency);
}

// A step with prompt tokens from `from` on, beside `beside` generating sequences.
RepeatedStep mixed_step(const Query& query, const StepShape& prompt, double beside, double times) {
  RepeatedStep step{.batch = {prompt}, .times = times};
  if (beside <= 0) return step;
  const auto others = generating(query, beside);
  step.batch.insert(step.batch.end(), others.begin(), others.end());
  return step;
}

// Prompts one after the other, each in micro-batches that leave room for the others' tokens.
Cycle one_by_one(const Query& query, const PromptCut& cut) {
  const std::int64_t room = cut.ubatch;
  Cycle cycle;
  const double b = static_cast<double>(query.concurrency);
  for (std::int64_t done = 0; done < query.prompt; done += room) {
    const std::int64_t chunk = std::min(room, query.prompt - done);
    cycle.steps.push_back(mixed_step(query,
                                     {.new_tokens = static_cast<double>(chunk),
                                      .depth = mean_depth(query) + static_cast<double>(done),
                                      .outputs = cut.outputs_of_each(query.prompt)},
                                     b - 1, b));
  }
  cycle.prompt_steps = static_cast<double>(cycle.steps.size());
  cycle.mixed = b * cycle.prompt_steps;
  cycle.count = cycle.prompt_steps + static_cast<double>(query.gen - 1);
  if (query.prompt == 0) cycle.count = static_cast<double>(query.gen), cycle.prompt_steps = 1;
  if (const double left = cycle.count - cycle.mixed; left > 0)
    cycle.steps.push_back({.batch = generating(query, b), .times = left});
  return cycle;
}

// Every step with its share of prompt tokens: whole prompts together, or a part of one at its mean depth.
Cycle all_mixed(const Query& query, const PromptCut& cut, double steps) {
  const double b = static_cast<double>(query.concurrency);
  const double prompt = static_cast<double>(query.prompt);
  const double tokens = b * prompt / steps;
  const StepShape part = tokens > prompt ? StepShape{.batch = tokens / prompt, .new_tokens = prompt}
                                         : StepShape{.new_tokens = tokens,
                                                     .depth = (prompt - tokens) / 2,
                                                     .outputs = cut.outputs_of_each(query.prompt)};
  StepShape placed = part;
  placed.depth += mean_depth(query);
  const double beside = b * static_cast<double>(query.gen - 1) / steps;
  return {.steps = {mixed_step(query, placed, beside, steps)},
          .count = steps,
          .mixed = steps,
          .prompt_steps = steps - static_cast<double>(query.gen - 1)};
}

Interval like(const Interval& rate, double value) {
  return {value, value * rate.value / rate.p90, value * rate.value / rate.p10};
}

}  // namespace

Cycle steady_cycle(const Query& query, const PromptCut& cut) {
  const std::int64_t ubatch = cut.ubatch;
  const std::int64_t room = ubatch - (query.concurrency - 1);
  const double b = static_cast<double>(query.concurrency);
  const double tokens = static_cast<double>(query.prompt + query.gen - 1);
  if (query.prompt == 0 && query.concurrency <= ubatch) return one_by_one(query, cut);
  if (room >= 1 && query.prompt > 0) {
    const std::int64_t prompt_steps = (query.prompt + room - 1) / room;
    if (query.concurrency * prompt_steps <= prompt_steps + query.gen - 1) return one_by_one(query, {room, cut.batch});
  }
  if (query.prompt == 0) {
    // More sequences than a micro-batch holds: several of them for each token.
    const double rounds = std::ceil(b / static_cast<double>(ubatch));
    const double steps = rounds * static_cast<double>(query.gen);
    return {
        .steps = {{.batch = generating(query, b / rounds), .times = steps}}, .count = steps, .prompt_steps = rounds};
  }
  const double shortest =
      std::ceil(static_cast<double>(query.prompt) / static_cast<double>(ubatch)) + static_cast<double>(query.gen - 1);
  return all_mixed(query, cut, std::max(shortest, b * tokens / static_cast<double>(ubatch)));
}

SteadyState steady_state(const Compiled& c, const Prediction& prediction, const Database& database) {
  SteadyState s;
  const Cycle cycle = steady_cycle(c.query, cut_of(c));
  s.steps = cycle.count;
  s.mixed_steps = cycle.mixed;
  double waiting = 0;  // of a request for its first token: its own steps with prompt tokens, or the mean of all
  for (std::size_t i = 0; i < cycle.steps.size(); ++i) {
    StepCost cost = c.evaluator(cycle.steps[i].batch);
    if (static_cast<double>(i) < cycle.prompt_steps) waiting += cost.seconds.value();
    s.cycle += cost *= cycle.steps[i].times;
  }
  if (cycle.steps.size() == 1) waiting = s.cycle.seconds.value() / cycle.count * cycle.prompt_steps;
  const double unlimited = s.cycle.seconds.value();
  Phase phase{.seconds = s.cycle.seconds, .cost = s.cycle};
  s.power = limited_power(phase, c, prediction.query.devices);
  s.cycle = phase.cost;
  const double slowdown = s.cycle.seconds.value() / unlimited;
  const double overhead = c.stack->overheads.request.value();
  const double seconds = s.cycle.seconds.value();
  const double b = static_cast<double>(c.query.concurrency);
  const double gen = static_cast<double>(c.query.gen);
  const Interval& rate = prediction.decode->tokens_per_second;
  s.ttft = like(rate, waiting * slowdown + overhead);
  s.inter_token = like(rate, gen > 1 ? (seconds - waiting * slowdown) / (gen - 1) : seconds / cycle.count);
  s.request = like(rate, seconds + overhead);
  const double throughput = b * gen / (seconds + overhead);
  s.output_tokens_per_second = {throughput, throughput * rate.p10 / rate.value, throughput * rate.p90 / rate.value};
  s.requests_per_second = b / (seconds + overhead);
  s.cost = cost_of_use(prediction, c, database, {Seconds(seconds + overhead), b * gen, s.power});
  return s;
}

ThroughputCurve throughput_curve(const Query& query, std::int64_t most, const Database& database) {
  if (query.gen < 1) throw UsageError("--gen: at least 1 is expected: a curve is one of generated tokens");
  ThroughputCurve curve;
  for (std::int64_t b = 1;; b = std::min(2 * b, most)) {
    Query at = query;
    at.concurrency = b;
    const Compiled compiled = compile(at, database);
    CurvePoint point{.concurrency = compiled.query.concurrency, .prediction = predict(compiled, database)};
    if (point.prediction.feasible) point.steady = steady_state(compiled, point.prediction, database);
    curve.most_sequences = point.prediction.sequences.most;
    curve.points.push_back(std::move(point));
    if (b >= most) break;
  }
  return curve;
}

}  // namespace silicast
