// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"

namespace silicast::engine {
namespace {

std::map<std::int32_t, int> drawn(const std::vector<float>& logits, SamplerOptions options, int times) {
  Sampler sampler(options);
  std::map<std::int32_t, int> counts;
  for (int i = 0; i < times; ++i) ++counts[sampler.sample(logits)];
  return counts;
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  Sampler sampler({});
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 2, 3}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{std::nanf(""), -5, -4}), 2);
}

TEST(Sampler, FrequenciesAreTheSoftmax) {
  // Logits 0, ln 2, ln 5: probabilities 1/8, 2/8, 5/8; 20,000 draws stay within five standard deviations.
  const std::vector<float> logits{0, std::log(2.0F), std::log(5.0F)};
  constexpr int times = 20'000;
  const auto counts = drawn(logits, {.temperature = 1}, times);
  const double expected[] = {0.125, 0.25, 0.625};
  for (int i = 0; i < 3; ++i) {
    const double p = expected[i];
    EXPECT_NEAR(counts.at(i), times * p, 5 * std::sqrt(times * p * (1 - p))) << i;
  }
}

TEST(Sampler, TemperatureSharpens) {
  // At temperature 1/2 the ratio of two is squared: 1 to 4 becomes 1 to 16.
  constexpr int times = 17'000;
  const auto counts = drawn({0, std::log(4.0F)}, {.temperature = 0.5F}, times);
  EXPECT_NEAR(counts.at(0), times / 17.0, 5 * std::sqrt(times / 17.0));
}

TEST(Sampler, TopKAndTopPLeaveTheOthersOut) {
  const std::vector<float> logits{2, 1, 0, 3};
  const auto two = drawn(logits, {.temperature = 5, .top_k = 2}, 500);
  EXPECT_EQ(two.size(), 2U);
  EXPECT_EQ(two.count(3) + two.count(0), 2U);
  // Probabilities 0.644, 0.237, 0.087, 0.032: the first two reach 0.8.
  EXPECT_EQ(drawn(logits, {.temperature = 1, .top_p = 0.8F}, 500).size(), 2U);
  EXPECT_EQ(drawn(logits, {.temperature = 1, .top_p = 0.01F}, 100).size(), 1U);
}

TEST(Sampler, TheSeedDecides) {
  const std::vector<float> logits(50, 0.0F);
  const auto sequence = [&](std::uint64_t seed) {
    Sampler sampler({.temperature = 1, .seed = seed});
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 20; ++i) tokens.push_back(sampler.sample(logits));
    return tokens;
  };
  EXPECT_EQ(sequence(1), sequence(1));
  EXPECT_NE(sequence(1), sequence(2));
}

TEST(Sampler, RefusesWhatMakesNoSense) {
  EXPECT_THROW(Sampler({.temperature = -1}), InputError);
  EXPECT_THROW(Sampler({.temperature = std::nanf("")}), InputError);
  EXPECT_THROW(Sampler({.top_k = -1}), InputError);
  EXPECT_THROW(Sampler({.top_p = 0}), InputError);
  EXPECT_THROW(Sampler({.top_p = 1.5F}), InputError);
}

TEST(LogProbability, IsTheSoftmaxs) {
  const std::vector<float> logits{0, std::log(3.0F)};
  EXPECT_NEAR(log_probability(logits, 0), std::log(0.25), 1e-7);
  EXPECT_NEAR(log_probability(logits, 1), std::log(0.75), 1e-7);
  const std::vector<float> large{1000, 1000};
  EXPECT_NEAR(log_probability(large, 0), std::log(0.5), 1e-7);
}

}  // namespace
}  // namespace silicast::engine
