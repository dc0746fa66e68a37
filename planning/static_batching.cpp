// SPDX-License-Identifier: Apache-2.0
#include "planning/static_batching.h"

#include <algorithm>

namespace silicast::serving {

bool StaticBatching::add(std::unique_ptr<Sequence> sequence) {
  const std::int64_t tokens = std::int64_t{sequence->request.prompt} + sequence->request.output - 1;
  if (options_.kv_tokens > 0 && tokens > options_.kv_tokens) {
    ++failed_;
    return false;
  }
  waiting_.push_back(std::move(sequence));
  return true;
}

double StaticBatching::wake_up() const {
  if (waiting_.empty() || !running_.empty()) return std::numeric_limits<double>::infinity();
  return waiting_.front()->delivered + options_.timeout;
}

void StaticBatching::form_batch(double now) {
  const bool full = static_cast<std::int64_t>(waiting_.size()) >= options_.batch;
  if (waiting_.empty() || (!full && now < wake_up())) return;
  std::int64_t prompt = 0;
  std::int64_t output = 0;
  while (!waiting_.empty() && static_cast<std::int64_t>(running_.size()) < options_.batch) {
    const Request& next = waiting_.front()->request;
    const std::int64_t p = std::max<std::int64_t>(prompt, next.prompt);
    const std::int64_t o = std::max<std::int64_t>(output, next.output);
    const std::int64_t tokens = (static_cast<std::int64_t>(running_.size()) + 1) * (p + o - 1);
    if (options_.kv_tokens > 0 && tokens > options_.kv_tokens && !running_.empty()) break;
    prompt = p, output = o, reserved_ = tokens;
    waiting_.front()->started = now;
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  size_ = static_cast<std::int64_t>(running_.size());
  longest_ = 0;
  padded_ = prompt;
}

void StaticBatching::plan(double now, Step& step) {
  step.clear();
  if (running_.empty()) form_batch(now);
  if (running_.empty()) return;
  const bool prefill = longest_ == 0;
  step.most_repeats = prefill ? 1 : serving::most_repeats;
  for (const auto& sequence : running_) {
    step.parts.push_back({sequence.get(), prefill ? sequence->request.prompt : 1});
    step.most_repeats = std::min(step.most_repeats, sequence->request.output - sequence->generated);
  }
  step.groups.push_back({.batch = static_cast<double>(size_),
                         .new_tokens = static_cast<double>(prefill ? padded_ : 1),
                         .depth = static_cast<double>(longest_),
                         .outputs = 1});
  step.forward_ends.push_back(1);
}

void StaticBatching::commit(const Step& step, std::int64_t repeats, std::vector<std::unique_ptr<Sequence>>& done) {
  longest_ = longest_ == 0 ? padded_ : longest_ + repeats;
  for (const Scheduled& part : step.parts) {
    part.sequence->computed += part.tokens + repeats - 1;
    part.sequence->generated += repeats;
  }
  const auto unfinished = std::stable_partition(running_.begin(), running_.end(),
                                                [](const auto& sequence) { return !sequence->finished(); });
  for (auto at = unfinished; at != running_.end(); ++at) done.push_back(std::move(*at));
  running_.erase(unfinished, running_.end());
  if (running_.empty()) reserved_ = 0;
}

}  // namespace silicast::serving
