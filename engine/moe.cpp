// SPDX-License-Identifier: Apache-2.0
#include "engine/moe.h"

#include <algorithm>
#include <numeric>

namespace silicast::engine {

namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

}  // namespace

ExpertRouting::ExpertRouting(std::int64_t experts, std::int64_t used, std::int64_t capacity)
    : experts_(experts),
      used_(used),
      scores_(at(experts * capacity)),
      chosen_(at(used * capacity)),
      weight_(at(used * capacity)),
      slot_(at(used * capacity)),
      first_(at(experts + 1)),
      next_(at(experts)),
      tokens_(at(used * capacity)),
      identity_(at(used * capacity)) {
  std::iota(identity_.begin(), identity_.end(), 0);
}

void ExpertRouting::choose(const Kernels& kernels, Range tokens, bool normalized) {
  for (std::int64_t t = tokens.begin; t < tokens.end; ++t) {
    float* scores = scores_.data() + t * experts_;
    softmax(kernels, scores, experts_, 1);
    std::int32_t* chosen = chosen_.data() + t * used_;
    float* weights = weight_.data() + t * used_;
    // Insertion into the few best so far.
    std::int64_t filled = 0;
    for (std::int32_t e = 0; e < experts_; ++e) {
      if (filled == used_ && scores[e] <= weights[used_ - 1]) continue;
      std::int64_t place = filled < used_ ? filled++ : used_ - 1;
      for (; place > 0 && scores[e] > weights[place - 1]; --place) {
        weights[place] = weights[place - 1];
        chosen[place] = chosen[place - 1];
      }
      weights[place] = scores[e];
      chosen[place] = e;
    }
    if (!normalized) continue;
    float sum = 0;
    for (std::int64_t j = 0; j < used_; ++j) sum += weights[j];
    for (std::int64_t j = 0; j < used_; ++j) weights[j] /= sum;
  }
}

void ExpertRouting::group(std::int64_t count) {
  std::fill(first_.begin(), first_.end(), 0);
  for (std::int64_t i = 0; i < count * used_; ++i) ++first_[at(chosen_[at(i)]) + 1];
  std::partial_sum(first_.begin(), first_.end(), first_.begin());
  std::copy_n(first_.begin(), next_.size(), next_.begin());
  for (std::int64_t i = 0; i < count * used_; ++i) {
    const std::int64_t slot = next_[at(chosen_[at(i)])]++;
    slot_[at(i)] = static_cast<std::int32_t>(slot);
    tokens_[at(slot)] = static_cast<std::int32_t>(i / used_);
  }
}

std::span<const std::int32_t> ExpertRouting::tokens_of(std::int64_t expert) const {
  return std::span(tokens_).subspan(at(first_slot(expert)), at(slots_of(expert)));
}

std::span<const std::int32_t> ExpertRouting::slots(std::int64_t expert) const {
  return std::span(identity_).subspan(at(first_slot(expert)), at(slots_of(expert)));
}

}  // namespace silicast::engine
