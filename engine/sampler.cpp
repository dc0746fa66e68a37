// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/text.h"
#include "engine/random_weights.h"

namespace silicast::engine {

std::int32_t likeliest(std::span<const float> logits) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < logits.size(); ++i)
    if (logits[i] > logits[best] || std::isnan(logits[best])) best = i;
  return static_cast<std::int32_t>(best);
}

double log_probability(std::span<const float> logits, std::int32_t token) {
  const double largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return static_cast<double>(logits[static_cast<std::size_t>(token)]) - largest - std::log(sum);
}

Sampler::Sampler(SamplerOptions options) : options_(options) {
  if (!(options.temperature >= 0))
    throw InputError("temperature: " + exact(static_cast<double>(options.temperature)) + "; 0 or more is accepted");
  if (options.top_k < 0) throw InputError("top-k: " + std::to_string(options.top_k) + "; 0 or more is accepted");
  if (!(options.top_p > 0 && options.top_p <= 1))
    throw InputError("top-p: " + exact(static_cast<double>(options.top_p)) + "; above 0 and up to 1 is accepted");
}

double Sampler::uniform() {
  constexpr double unit = 1.0 / 9007199254740992.0;  // 2^-53
  return static_cast<double>(random_bits(random_bits(options_.seed) + drawn_++) >> 11) * unit;
}

std::int32_t Sampler::sample(std::span<const float> logits) {
  if (options_.temperature == 0) return likeliest(logits);
  const std::size_t all = logits.size();
  const std::size_t kept = options_.top_k > 0 ? std::min(all, static_cast<std::size_t>(options_.top_k)) : all;
  order_.resize(all);
  std::iota(order_.begin(), order_.end(), 0);
  const auto likelier = [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)];
    const float y = logits[static_cast<std::size_t>(b)];
    return x > y || (x == y && a < b);
  };
  std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(kept), order_.end(), likelier);
  probabilities_.resize(kept);
  const double largest = static_cast<double>(logits[static_cast<std::size_t>(order_[0])]);
  double sum = 0;
  for (std::size_t i = 0; i < kept; ++i) {
    const double logit = static_cast<double>(logits[static_cast<std::size_t>(order_[i])]);
    sum += probabilities_[i] = std::exp((logit - largest) / static_cast<double>(options_.temperature));
  }
  // The fewest that reach p.
  std::size_t candidates = 0;
  double reached = 0;
  while (candidates < kept && (candidates == 0 || reached < static_cast<double>(options_.top_p) * sum))
    reached += probabilities_[candidates++];
  double left = uniform() * reached;
  for (std::size_t i = 0; i + 1 < candidates; ++i) {
    left -= probabilities_[i];
    if (left < 0) return order_[i];
  }
  return order_[candidates - 1];
}

}  // namespace silicast::engine
