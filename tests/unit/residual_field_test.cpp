// SPDX-License-Identifier: Apache-2.0
// What cells of one machine tell of their neighbours, against the closed forms of one and two of them.
#include "model/residual_field.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace silicast {
namespace {

constexpr double noise = 0.1;  // as the header says

RateCell prompt_of(double tokens) {
  return {.tokens = tokens,
          .stack = "llama.cpp-cuda",
          .model = "llama-3-8b",
          .quant = "Q4_K_M",
          .hidden = 4096,
          .parameters = 8e9};
}

TEST(ResidualField, KnowsNothingWithoutCells) {
  const Leftover leftover = ResidualField().at(prompt_of(512));
  EXPECT_EQ(leftover.log, 0);
  EXPECT_EQ(leftover.open, 1);
}

TEST(ResidualField, OfOneCellTheMeanAndVarianceAreThoseOfTwoNormals) {
  const ResidualField field({{prompt_of(512), 0.2}});
  for (const double tokens : {512.0, 256.0, 8192.0}) {
    const double c = std::exp(-std::abs(std::log(tokens / 512)) / 2);
    EXPECT_NEAR(correlation(prompt_of(tokens), prompt_of(512)), c, 1e-12);
    const Leftover leftover = field.at(prompt_of(tokens));
    EXPECT_NEAR(leftover.log, 0.2 * c / (1 + noise), 1e-12);
    EXPECT_NEAR(leftover.open, std::sqrt((1 - c * c / (1 + noise) + noise) / (1 + noise)), 1e-12);
  }
}

TEST(ResidualField, OfTwoCellsItSolvesTheirEquations) {
  const ResidualField field({{prompt_of(128), 0.1}, {prompt_of(2048), -0.3}});
  const double to = std::exp(-std::log(4.0) / 2);  // 512 lies in the middle
  const double between = to * to;
  // w (1 + noise) + w between = to, for both.
  const double w = to / (1 + noise + between);
  EXPECT_NEAR(field.at(prompt_of(512)).log, w * (0.1 - 0.3), 1e-12);
}

TEST(ResidualField, WhatDiffersTellsLess) {
  const RateCell asked = prompt_of(512);
  RateCell quant = asked, stack = asked, model = asked, experts = asked, larger = asked;
  quant.quant = "Q8_0";
  stack.stack = "llama.cpp-cuda-2024";
  model.model = "mistral-7b";
  model.parameters = 7e9;
  larger.model = "llama-3-70b";
  larger.hidden = 8192;
  larger.parameters = 70e9;
  experts.model = "of experts";
  experts.has_experts = true;
  EXPECT_EQ(correlation(asked, asked), 1);
  EXPECT_EQ(correlation(asked, quant), 0.5);
  EXPECT_EQ(correlation(asked, stack), 0.6);
  EXPECT_LT(correlation(asked, model), 0.6);
  EXPECT_GT(correlation(asked, model), 0.55);
  RateCell mixture = experts, another = experts;
  another.model = "of other experts";
  EXPECT_DOUBLE_EQ(correlation(mixture, another), 0.4);
  EXPECT_LT(correlation(asked, larger), correlation(asked, model));
  EXPECT_EQ(correlation(asked, experts), 0);
}

TEST(ResidualField, ASlipMovesNoOtherCellByMoreThanAFactor) {
  EXPECT_LT(ResidualField({{prompt_of(512), 3}}).at(prompt_of(512)).log, 0.5);
}

// Two settings of one machine that are not told apart: most runs are as predicted, the others half as fast. What is
// predicted is one of the two, not between them.
TEST(ResidualField, RunsThatContradictEachOtherTellLittle) {
  std::vector<MeasuredRate> agreeing, contradicting;
  for (int i = 0; i < 30; ++i) {
    const double tokens = 128 + 32 * i;
    agreeing.push_back({prompt_of(tokens), -0.2});
    contradicting.push_back({prompt_of(tokens), i % 5 < 3 ? 0.0 : -0.5});
  }
  EXPECT_LT(std::abs(ResidualField::of_runs(contradicting).at(prompt_of(600)).log), 0.06);
  EXPECT_LT(ResidualField(contradicting).at(prompt_of(600)).log, -0.15) << "with the noise of one run";
  EXPECT_NEAR(ResidualField::of_runs(agreeing).at(prompt_of(600)).log, -0.2, 0.02);
}

// Residuals drawn from the process itself: what is predicted is off as far as it says, and less than without.
TEST(ResidualField, SaysHowFarItIsOff) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal(0, 0.1);
  constexpr int draws = 4000;
  double squares = 0, without = 0, expected = 0;
  const RateCell asked = prompt_of(512), known = prompt_of(300);
  const double c = correlation(asked, known);
  for (int i = 0; i < draws; ++i) {
    const double shared = normal(random);
    const double there = shared + std::sqrt(noise) * normal(random);
    const double here = c * shared + std::sqrt(1 - c * c) * normal(random) + std::sqrt(noise) * normal(random);
    const Leftover leftover = ResidualField({{known, there}}).at(asked);
    squares += std::pow(here - leftover.log, 2);
    without += here * here;
    expected += leftover.open * leftover.open * (1 + noise) * 0.01;
  }
  EXPECT_NEAR(squares / expected, 1, 0.08);
  EXPECT_LT(squares, 0.6 * without);
}

}  // namespace
}  // namespace silicast
