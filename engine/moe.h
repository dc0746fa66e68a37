// SPDX-License-Identifier: Apache-2.0
// Which experts the tokens of a step go to: softmax over the router's scores, the best of them, and the tokens grouped
// by expert, so that an expert's weights are read once for all of its tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels.h"

namespace silicast::engine {

class ExpertRouting {
 public:
  ExpertRouting(std::int64_t experts, std::int64_t used, std::int64_t capacity);

  // Scores of a step's tokens, `experts` each.
  [[nodiscard]] float* scores() { return scores_.data(); }
  // Chooses the experts of tokens [range): the `used` highest scores (the lower index first among equals), weighted by
  // their softmax over all experts, or over the chosen ones.
  void choose(const Kernels& kernels, Range tokens, bool normalized);
  // Groups the slots (a token with one of its experts) of `count` tokens by expert; after all have chosen.
  void group(std::int64_t count);

  [[nodiscard]] std::int64_t experts() const { return experts_; }
  [[nodiscard]] std::int64_t used() const { return used_; }
  // The slots of an expert are consecutive.
  [[nodiscard]] std::int64_t first_slot(std::int64_t expert) const { return first_[static_cast<std::size_t>(expert)]; }
  [[nodiscard]] std::int64_t slots_of(std::int64_t expert) const { return first_slot(expert + 1) - first_slot(expert); }
  // The token of each slot of an expert.
  [[nodiscard]] std::span<const std::int32_t> tokens_of(std::int64_t expert) const;
  // The indices of those slots themselves.
  [[nodiscard]] std::span<const std::int32_t> slots(std::int64_t expert) const;
  // Where the j-th choice of a token went, and its weight.
  [[nodiscard]] std::int64_t slot(std::int64_t token, std::int64_t j) const {
    return slot_[static_cast<std::size_t>(token * used_ + j)];
  }
  [[nodiscard]] float weight(std::int64_t token, std::int64_t j) const {
    return weight_[static_cast<std::size_t>(token * used_ + j)];
  }

 private:
  std::int64_t experts_;
  std::int64_t used_;
  std::vector<float> scores_;
  std::vector<std::int32_t> chosen_;  // [token][used]
  std::vector<float> weight_;
  std::vector<std::int32_t> slot_;
  std::vector<std::int64_t> first_;  // [experts + 1]
  std::vector<std::int64_t> next_;
  std::vector<std::int32_t> tokens_;  // by slot
  std::vector<std::int32_t> identity_;
};

}  // namespace silicast::engine
