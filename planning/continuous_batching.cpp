// SPDX-License-Identifier: Apache-2.0
#include "planning/continuous_batching.h"

#include <algorithm>

#include "base/error.h"

namespace silicast::serving {

ContinuousBatching::ContinuousBatching(const ContinuousOptions& options)
    : options_(options),
      pool_(options.kv_blocks, options.block_tokens, options.prefix_cache),
      builder_(std::numeric_limits<std::int64_t>::max(), options.window) {}

bool ContinuousBatching::add(std::unique_ptr<Sequence> sequence) {
  const Request& request = sequence->request;
  const bool too_long = pool_.blocks_of(std::int64_t{request.prompt} + request.output - 1) > pool_.total();
  const bool too_wide = !options_.chunked_prefill && request.prompt > options_.token_budget;
  if (too_long || too_wide) {
    ++failed_;
    return false;
  }
  waiting_.push_back(std::move(sequence));
  return true;
}

bool ContinuousBatching::has_room() const {
  return static_cast<std::int64_t>(running_.size()) < options_.max_sequences;
}

void ContinuousBatching::preempt(std::size_t index) {
  const auto at = running_.begin() + static_cast<std::ptrdiff_t>(index);
  Sequence& sequence = **at;
  discarded_ += sequence.computed;
  pool_.release(sequence.request, sequence.holding, sequence.computed);
  sequence.computed = 0;
  ++sequence.preemptions;
  waiting_.push_front(std::move(*at));
  running_.erase(at);
}

std::size_t ContinuousBatching::last_at_rest() const {
  std::size_t i = running_.size() - 1;
  while (running_[i]->in_flight) --i;
  return i;
}

bool ContinuousBatching::plan_running(std::int64_t& budget) {
  bool preempted = false;
  for (std::size_t i = 0; i < running_.size() && budget > 0; ++i) {
    Sequence& sequence = *running_[i];
    if (sequence.in_flight) continue;
    const std::int64_t tokens = std::min(sequence.known() - sequence.computed, budget);
    bool granted = true;
    while (granted && !pool_.grow(sequence.holding, sequence.computed + tokens)) {
      preempted = true;
      const std::size_t last = last_at_rest();
      granted = last != i;
      preempt(last);
    }
    if (!granted) break;
    builder_.add(sequence, tokens);
    budget -= tokens;
  }
  return preempted;
}

void ContinuousBatching::plan_waiting(double now, std::int64_t& budget) {
  while (!waiting_.empty() && budget > 0 && has_room()) {
    Sequence& sequence = *waiting_.front();
    const std::int64_t cached = pool_.cached_tokens(sequence.request, sequence.holding, sequence.known() - 1);
    const std::int64_t missing = sequence.known() - cached;
    if (!options_.chunked_prefill && missing > budget && !running_.empty()) return;
    const std::int64_t tokens = std::min(missing, budget);
    if (cached > 0) pool_.pin(sequence.request, sequence.holding, cached);
    if (!pool_.grow(sequence.holding, cached + tokens)) {
      pool_.release(sequence.request, sequence.holding, 0);
      return;
    }
    sequence.computed = cached;
    sequence.cached += cached;
    if (sequence.started < 0) sequence.started = now;
    builder_.add(sequence, tokens);
    budget -= tokens;
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

std::int64_t ContinuousBatching::blocks_for_repeats(const Step& step, std::int64_t repeats) const {
  std::int64_t blocks = 0;
  for (const Scheduled& part : step.parts)
    blocks += pool_.blocks_of(part.sequence->computed + repeats) - part.sequence->holding.blocks();
  return blocks;
}

void ContinuousBatching::plan(double now, Step& step) {
  step.clear();
  builder_.begin(step);
  std::int64_t budget = options_.token_budget;
  if (!plan_running(budget)) plan_waiting(now, budget);
  builder_.end();
  // Repeated as long as no sequence would have to be preempted on the way.
  if (step.most_repeats > 1 && blocks_for_repeats(step, step.most_repeats) > pool_.available()) step.most_repeats = 1;
  // A sequence left out for want of budget is due in the next step; steps that follow each other closely stay apart.
  if (step.parts.size() < running_.size() || options_.flights > 1) step.most_repeats = 1;
}

void ContinuousBatching::commit(const Step& step, std::int64_t repeats, std::vector<std::unique_ptr<Sequence>>& done) {
  bool any_finished = false;
  for (const Scheduled& part : step.parts) {
    Sequence& sequence = *part.sequence;
    const bool computes_prompt = sequence.computed < sequence.request.prompt;
    sequence.computed += part.tokens + repeats - 1;
    ensure(pool_.grow(sequence.holding, sequence.computed), "blocks for a repeated step were available");
    if (computes_prompt) pool_.publish(sequence.request, sequence.holding, sequence.computed);
    // All known tokens computed: the step has yielded the next one, each repeat another.
    if (sequence.computed >= sequence.known()) sequence.generated = sequence.computed - sequence.request.prompt + 1;
    any_finished = any_finished || sequence.finished();
  }
  if (!any_finished) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < running_.size(); ++i) {
    if (running_[i]->finished()) {
      pool_.release(running_[i]->request, running_[i]->holding, running_[i]->computed);
      done.push_back(std::move(running_[i]));
    } else {
      if (kept != i) running_[kept] = std::move(running_[i]);
      ++kept;
    }
  }
  running_.resize(kept);
}

}  // namespace silicast::serving
