// SPDX-License-Identifier: Apache-2.0
// The rotations' scalings where their formulas can be worked out by hand.
#include "engine/parameters.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace silicast::engine {
namespace {

RopeParameters rope(RopeScaling scaling, double factor) {
  return {.dimensions = 64, .base = 10000, .scaling = scaling, .factor = factor, .original_context = 4096};
}

TEST(RopeTables, WithoutScalingThereIsNothingToDo) {
  EXPECT_TRUE(rope_table_of(rope(RopeScaling::none, 1), {}).divisors.empty());
}

TEST(RopeTables, LinearScalingDividesEveryPosition) {
  const RopeTable table = rope_table_of(rope(RopeScaling::linear, 8), {});
  ASSERT_EQ(table.divisors.size(), 32U);
  for (const float divisor : table.divisors) EXPECT_FLOAT_EQ(divisor, 8);
  EXPECT_EQ(table.magnitude, 1);
}

TEST(RopeTables, FrequencyFactorsMultiply) {
  const std::vector<float> factors(32, 3);
  for (const float divisor : rope_table_of(rope(RopeScaling::none, 1), factors).divisors) EXPECT_FLOAT_EQ(divisor, 3);
  for (const float divisor : rope_table_of(rope(RopeScaling::linear, 2), factors).divisors) EXPECT_FLOAT_EQ(divisor, 6);
}

// arXiv:2309.00071, section 3.2: a pair that turns more than beta_fast times over the original context stays, one that
// turns less than beta_slow times is interpolated, those between are mixed; the temperature is 0.1 ln(s) + 1.
TEST(RopeTables, YarnLeavesFastPairsAndInterpolatesSlowOnes) {
  const RopeParameters p = rope(RopeScaling::yarn, 4);
  const RopeTable table = rope_table_of(p, {});
  ASSERT_EQ(table.divisors.size(), 32U);
  double before = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    const double wavelength = 2 * std::numbers::pi * std::pow(p.base, 2 * static_cast<double>(i) / 64);
    const double turns = p.original_context / wavelength;
    const double divisor = static_cast<double>(table.divisors[i]);
    // The corners are rounded to whole pairs: a neighbour of one may be on either side.
    const double step = std::pow(p.base, 2.0 / 64);
    if (turns > p.beta_fast * step) {
      EXPECT_FLOAT_EQ(table.divisors[i], 1) << i;
    }
    if (turns < p.beta_slow / step) {
      EXPECT_FLOAT_EQ(table.divisors[i], 4) << i;
    }
    EXPECT_GE(divisor, before) << i;
    before = divisor;
  }
  EXPECT_FLOAT_EQ(table.magnitude, static_cast<float>(0.1 * std::log(4.0) + 1));
}

}  // namespace
}  // namespace silicast::engine
