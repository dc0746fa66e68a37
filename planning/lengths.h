// SPDX-License-Identifier: Apache-2.0
// How long prompts and answers are: fixed, lognormal, or drawn from pairs that were observed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planning/random.h"

namespace silicast::serving {

struct LengthPair {
  std::int32_t prompt = 0;
  std::int32_t output = 1;
};

// Tokens: `mean` with a coefficient of variation; 0 is fixed, else lognormal.
struct LengthOf {
  double mean = 0;
  double cv = 0;

  [[nodiscard]] std::int32_t draw(Random& random) const;  // at least 1
};

struct LengthModel {
  LengthOf prompt{512, 0};
  LengthOf output{128, 0};
  std::vector<LengthPair> observed;  // when there are any, pairs are drawn from them instead
  double scale = 1;                  // of both: a what-if

  [[nodiscard]] LengthPair draw(Random& random) const;
  [[nodiscard]] double mean_prompt() const;
  [[nodiscard]] double mean_output() const;
};

}  // namespace silicast::serving
