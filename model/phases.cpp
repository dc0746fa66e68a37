// SPDX-License-Identifier: Apache-2.0
// The steps of a phase, and what they cost together.
#include <algorithm>
#include <array>
#include <cmath>

#include "model/prediction.h"

namespace silicast {

namespace {

StepCost sum_of(const PlacedStep& evaluator, const std::vector<RepeatedStep>& steps) {
  StepCost total;
  for (const RepeatedStep& step : steps) {
    StepCost cost = evaluator(step.batch);
    cost *= step.times;
    total += cost;
  }
  return total;
}

// Prompts so short that several share a micro-batch, in the order of the sequences.
std::vector<RepeatedStep> joined_prompts(const Query& query, std::int64_t together) {
  std::vector<RepeatedStep> steps;
  std::int64_t room = 0;
  for (const DepthGroup& group : depth_groups(query)) {
    std::int64_t left = group.sequences;
    const auto shape = [&](std::int64_t sequences) {
      return StepShape{.batch = static_cast<double>(sequences),
                       .new_tokens = static_cast<double>(query.prompt),
                       .depth = static_cast<double>(group.depth)};
    };
    if (const std::int64_t n = std::min(left, room); n > 0) {
      steps.back().batch.push_back(shape(n));
      left -= n, room -= n;
    }
    if (const std::int64_t full = left / together; full > 0)
      steps.push_back({{shape(together)}, static_cast<double>(full)});
    if (const std::int64_t rest = left % together; rest > 0) {
      steps.push_back({{shape(rest)}, 1});
      room = together - rest;
    }
  }
  return steps;
}

// Micro-batches follow each other through the devices: the first one passes all of them, each further one waits for the
// slowest.
void pipeline(StepCost& total, const PlacedStep& evaluator, const Query& query, const PromptCut& cut, double steps) {
  const auto tokens = static_cast<double>(std::min(cut.ubatch, query.prompt));
  const StepShape middle{.new_tokens = tokens,
                         .depth = static_cast<double>(query.depth) + (static_cast<double>(query.prompt) - tokens) / 2,
                         .outputs = cut.outputs_of_each(query.prompt)};
  const double serial = evaluator(middle).seconds.value() * steps;
  const double pipelined =
      evaluator(middle).seconds.value() + (steps - 1) * evaluator.slowest_stage(Batch(&middle, 1)).seconds.value();
  const double ratio = std::min(1.0, pipelined / serial);
  total.seconds *= ratio;
  for (double& seconds : total.bound) seconds *= ratio;
}

// The token at which a sample of the decoding stands.
double decode_token(std::int64_t sample, std::int64_t gen, std::int64_t samples) {
  return (static_cast<double>(sample) + 0.5) * static_cast<double>(gen) / static_cast<double>(samples) - 0.5;
}

std::int64_t prompts_together(const Query& query, std::int64_t ubatch) {
  return std::max<std::int64_t>(1, ubatch / std::max<std::int64_t>(query.prompt, 1));
}

}  // namespace

double PromptCut::outputs_of_each(std::int64_t prompt) const {
  if (batch <= ubatch) return 1;
  const auto pieces = [&](std::int64_t tokens) {
    const std::int64_t whole = (prompt + tokens - 1) / tokens;
    return static_cast<double>(whole);
  };
  return pieces(batch) / pieces(ubatch);
}

std::vector<DepthGroup> depth_groups(const Query& query) {
  if (query.depths.empty()) return {{query.concurrency, query.depth}};
  const auto kinds = static_cast<std::int64_t>(query.depths.size());
  std::vector<DepthGroup> groups;
  for (std::int64_t i = 0; i < std::min(kinds, query.concurrency); ++i)
    groups.push_back({query.concurrency / kinds + (i < query.concurrency % kinds ? 1 : 0),
                      query.depths[static_cast<std::size_t>(i)]});
  return groups;
}

std::vector<RepeatedStep> prefill_steps(const Query& query, const PromptCut& cut, std::int64_t most) {
  const std::int64_t ubatch = cut.ubatch;
  const std::int64_t together = prompts_together(query, ubatch);
  if (together > 1 && query.concurrency > 1) return joined_prompts(query, together);
  std::vector<RepeatedStep> steps;
  // Whole micro-batches differ by their depth alone, in which a step's time is all but linear.
  const double outputs = cut.outputs_of_each(query.prompt);
  const std::int64_t whole = query.prompt / ubatch;
  const std::int64_t rest = query.prompt % ubatch;
  const std::int64_t sampled = std::min(whole, most);
  for (const DepthGroup& group : depth_groups(query)) {
    const double depth = static_cast<double>(group.depth);
    const double sequences = static_cast<double>(group.sequences);
    for (std::int64_t i = 0; i < sampled; ++i) {
      const double each = static_cast<double>(whole) / static_cast<double>(sampled);
      const double step = (static_cast<double>(i) + 0.5) * each - 0.5;
      steps.push_back({{{.new_tokens = static_cast<double>(ubatch),
                         .depth = depth + step * static_cast<double>(ubatch),
                         .outputs = outputs}},
                       each * sequences});
    }
    if (rest > 0)
      steps.push_back({{{.new_tokens = static_cast<double>(rest),
                         .depth = depth + static_cast<double>(whole * ubatch),
                         .outputs = outputs}},
                       sequences});
  }
  return steps;
}

std::vector<RepeatedStep> decode_steps(const Query& query, std::int64_t most) {
  // Midpoint rule: exact for what is linear in the depth; cache padding makes steps of 256 tokens at most.
  const std::int64_t samples = std::min(query.gen, most);
  const std::vector<DepthGroup> groups = depth_groups(query);
  std::vector<RepeatedStep> steps;
  for (std::int64_t i = 0; i < samples; ++i) {
    const double token = decode_token(i, query.gen, samples);
    RepeatedStep step{.times = 1 / static_cast<double>(samples)};
    for (const DepthGroup& group : groups)
      step.batch.push_back({.batch = static_cast<double>(group.sequences),
                            .depth = static_cast<double>(group.depth + query.prompt) + token});
    steps.push_back(std::move(step));
  }
  return steps;
}

StepCost prefill_cost(const PlacedStep& evaluator, const Query& query, const PromptCut& cut) {
  const std::int64_t ubatch = cut.ubatch;
  StepCost total = sum_of(evaluator, prefill_steps(query, cut, predicted_prefill_steps));
  const double steps = std::ceil(static_cast<double>(query.prompt) / static_cast<double>(ubatch)) *
                       static_cast<double>(query.concurrency);
  const bool joined = query.concurrency > 1 && prompts_together(query, ubatch) > 1;
  if (!joined && evaluator.pipelines() && steps > 1) pipeline(total, evaluator, query, cut, steps);
  return total;
}

StepCost mean_decode_cost(const PlacedStep& evaluator, const Query& query) {
  return sum_of(evaluator, decode_steps(query, predicted_decode_steps));
}

const StepCost& StepMemo::rest(const StepEvaluator& single, const StepShape& shape) {
  if (entries_.empty()) entries_.resize(shapes_);
  constexpr std::uint64_t odd = 31;
  const auto mixed = static_cast<std::uint64_t>(shape.batch) * odd + static_cast<std::uint64_t>(shape.new_tokens);
  Entry& entry = entries_[mixed % shapes_];
  if (entry.batch != shape.batch || entry.new_tokens != shape.new_tokens || entry.outputs != shape.outputs)
    entry = {shape.batch, shape.new_tokens, shape.outputs, single.without_attention(shape)};
  return entry.cost;
}

StepCost StepMemo::operator()(const StepShape& shape) {
  const StepEvaluator* const single = step_->single();
  if (single == nullptr) return (*step_)(shape);
  StepCost cost = rest(*single, shape);
  single->add_attention(cost, shape);
  return cost;
}

StepCost StepMemo::mean(StepShape shape, std::span<const double> depths) {
  const StepEvaluator* const single = step_->single();
  StepCost sum;
  for (const double depth : depths) {
    shape.depth = depth;
    if (single != nullptr)
      single->add_attention(sum, shape);
    else
      sum += (*step_)(shape);
  }
  sum *= 1 / static_cast<double>(depths.size());
  if (single != nullptr) sum += rest(*single, shape);
  return sum;
}

StepCost prefill_cost(StepMemo& evaluator, const Query& query, const PromptCut& cut) {
  if (evaluator.step().single() == nullptr || !query.depths.empty()) return prefill_cost(evaluator.step(), query, cut);
  StepCost total;
  for (const RepeatedStep& step : prefill_steps(query, cut, predicted_prefill_steps)) {
    StepCost cost = evaluator(step.batch.front());
    cost *= step.times;
    total += cost;
  }
  return total;
}

StepCost mean_decode_cost(StepMemo& evaluator, const Query& query) {
  if (!query.depths.empty()) return mean_decode_cost(evaluator.step(), query);
  const std::int64_t samples = std::min(query.gen, predicted_decode_steps);
  std::array<double, predicted_decode_steps> depths{};
  for (std::int64_t i = 0; i < samples; ++i)
    depths[static_cast<std::size_t>(i)] =
        static_cast<double>(query.depth + query.prompt) + decode_token(i, query.gen, samples);
  return evaluator.mean({.batch = static_cast<double>(query.concurrency)},
                        std::span(depths).first(static_cast<std::size_t>(samples)));
}

}  // namespace silicast
