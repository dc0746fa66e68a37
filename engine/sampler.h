// SPDX-License-Identifier: Apache-2.0
// From logits to the next token: the likeliest, or drawn at a temperature among the likeliest.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace silicast::engine {

struct SamplerOptions {
  float temperature = 0;   // 0: always the likeliest
  std::int64_t top_k = 0;  // only the k likeliest; 0: all
  float top_p = 1;         // of those, the fewest whose probabilities reach p together
  std::uint64_t seed = 1;
};

// The index of the largest value, the first of several; 0 of none. NaNs are passed over.
std::int32_t likeliest(std::span<const float> logits);

// The natural logarithm of the token's probability.
double log_probability(std::span<const float> logits, std::int32_t token);

class Sampler {
 public:
  // Throws InputError for a temperature below 0, a negative k, a p outside of (0, 1].
  explicit Sampler(SamplerOptions options);
  // The same seed draws the same tokens.
  std::int32_t sample(std::span<const float> logits);

 private:
  double uniform();  // in [0, 1)

  SamplerOptions options_;
  std::uint64_t drawn_ = 0;
  std::vector<std::int32_t> order_;
  std::vector<double> probabilities_;
};

}  // namespace silicast::engine
