// SPDX-License-Identifier: Apache-2.0
#include "planning/scheduler.h"

#include <algorithm>

namespace silicast::serving {

void Step::clear() {
  parts.clear();
  groups.clear();
  forward_ends.clear();
  most_repeats = 1;
}

void StepBuilder::begin(Step& step) {
  step_ = &step;
  tokens_ = 0;
  within_ = beyond_ = {};
  step.most_repeats = serving::most_repeats;
}

void StepBuilder::flush(Decoding& decoding) {
  if (decoding.sequences > 0)
    step_->groups.push_back(
        {.batch = decoding.sequences, .new_tokens = 1, .depth = decoding.depth / decoding.sequences, .outputs = 1});
  decoding = {};
}

void StepBuilder::end_pass() {
  flush(within_);
  flush(beyond_);
  if (!step_->groups.empty() && (step_->forward_ends.empty() || step_->forward_ends.back() != step_->groups.size()))
    step_->forward_ends.push_back(step_->groups.size());
  tokens_ = 0;
}

void StepBuilder::add(Sequence& sequence, std::int64_t tokens) {
  step_->parts.push_back({&sequence, tokens});
  const bool decodes = tokens == 1 && sequence.known() - sequence.computed == 1;
  const std::int64_t left = decodes ? sequence.request.output - sequence.generated : 1;
  step_->most_repeats = std::min(step_->most_repeats, left);
  std::int64_t depth = sequence.computed;
  while (tokens > 0) {
    const std::int64_t now = std::min(tokens, most_tokens_ - tokens_);
    if (now == 1) {
      Decoding& decoding = window_ > 0 && depth >= window_ ? beyond_ : within_;
      decoding.sequences += 1;
      decoding.depth += static_cast<double>(depth);
    } else {
      step_->groups.push_back({.batch = 1,
                               .new_tokens = static_cast<double>(now),
                               .depth = static_cast<double>(depth),
                               .outputs = tokens == now ? 1.0 : 0.0});
    }
    tokens -= now;
    depth += now;
    tokens_ += now;
    if (tokens_ == most_tokens_) end_pass();
  }
}

void StepBuilder::end() { end_pass(); }

}  // namespace silicast::serving
