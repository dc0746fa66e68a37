// SPDX-License-Identifier: Apache-2.0
#include "planning/lengths.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace silicast::serving {

namespace {

std::int32_t whole(double tokens) {
  constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max() / 4;
  return static_cast<std::int32_t>(std::clamp(std::round(tokens), 1.0, static_cast<double>(most)));
}

template <class Of>
double mean_of(const std::vector<LengthPair>& pairs, Of of) {
  double sum = 0;
  for (const LengthPair& pair : pairs) sum += of(pair);
  return sum / static_cast<double>(pairs.size());
}

}  // namespace

std::int32_t LengthOf::draw(Random& random) const { return whole(random.lognormal(mean, cv)); }

LengthPair LengthModel::draw(Random& random) const {
  LengthPair pair;
  if (observed.empty()) {
    pair.prompt = prompt.draw(random);
    pair.output = output.draw(random);
  } else {
    pair = observed[random.below(observed.size())];
  }
  if (scale != 1) pair = {whole(pair.prompt * scale), whole(pair.output * scale)};
  return pair;
}

double LengthModel::mean_prompt() const {
  return scale * (observed.empty() ? prompt.mean : mean_of(observed, [](const LengthPair& p) { return p.prompt; }));
}

double LengthModel::mean_output() const {
  return scale * (observed.empty() ? output.mean : mean_of(observed, [](const LengthPair& p) { return p.output; }));
}

}  // namespace silicast::serving
