// SPDX-License-Identifier: Apache-2.0
// What is worked out once for many shapes says what predict() says of each: kinds of models, machines, placements.
#include "planning/point.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

Shape random_shape(std::mt19937& random, std::int64_t longest) {
  std::uniform_int_distribution<std::int64_t> tokens(0, longest / 4);
  std::uniform_int_distribution<std::int64_t> kind(0, 5);
  Shape shape{tokens(random), tokens(random) % 700, tokens(random) * 2, 1};
  if (kind(random) == 0) shape.prompt = 0;
  if (kind(random) == 0) shape.gen = 0;
  if (kind(random) == 0) shape.depth = 0;
  if (kind(random) < 3) shape.concurrency = 1 + tokens(random) % 40;
  return shape;
}

void expect_same(const Point& fast, const Point& slow, const std::string& what) {
  EXPECT_EQ(fast.feasible, slow.feasible) << what;
  EXPECT_EQ(fast.prefill_bound, slow.prefill_bound) << what;
  EXPECT_EQ(fast.decode_bound, slow.decode_bound) << what;
  EXPECT_EQ(fast.evidence, slow.evidence) << what;
  EXPECT_TRUE(slow.reason.starts_with(fast.reason)) << what << ": " << fast.reason << " | " << slow.reason;
  for (std::size_t i = 0; i < figure_count; ++i) {
    const auto figure = static_cast<Figure>(i);
    ASSERT_EQ(fast.figures.has(figure), slow.figures.has(figure)) << what << " " << traits(figure).name;
    if (!fast.figures.has(figure)) continue;
    EXPECT_NEAR(fast.figures[figure] / slow.figures[figure], 1, 1e-9) << what << " " << traits(figure).name;
  }
}

Point predicted(Query query, const Shape& shape) {
  set_shape(query, shape);
  try {
    return point_of(predict(query, database()));
  } catch (const Error& error) {
    Point point;
    point.reason = error.what();
    return point;
  }
}

// Returns how many of the points are feasible.
int compare(const Query& query, int points, std::int64_t longest = 9000) {
  PhaseCache cache(16);  // small, so that entries push each other out
  PointEvaluator evaluator(query, database(), cache);
  std::mt19937 random(7);
  int feasible = 0;
  for (int i = 0; i < points; ++i) {
    const Shape shape = random_shape(random, longest);
    const std::string what = query.model + " on " + query.device + " pp" + std::to_string(shape.prompt) + " tg" +
                             std::to_string(shape.gen) + " d" + std::to_string(shape.depth) + " x" +
                             std::to_string(shape.concurrency);
    const Point& fast = evaluator(shape);
    expect_same(fast, predicted(query, shape), what);
    feasible += fast.feasible ? 1 : 0;
  }
  return feasible;
}

TEST(Point, EqualsThePredictionOnOneDevice) {
  EXPECT_GT(compare({.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = "rtx-4090"}, 40), 10);
  EXPECT_GT(compare({.model = "qwen3-30b-a3b", .quant = "Q4_K_M", .device = "m2-ultra-76"}, 20), 5);
  EXPECT_GT(compare({.model = "gemma-3-27b", .quant = "Q4_K_M", .device = "m4-pro-20"}, 20), 2);
  EXPECT_GT(compare({.model = "llama-3.1-8b", .quant = "Q8_0", .device = "ryzen-9-9950x"}, 20), 5);
  EXPECT_GT(compare({.model = "llama-3.1-8b", .quant = "BF16", .device = "h100-sxm", .stack = "vllm"}, 20), 5);
}

TEST(Point, EqualsThePredictionUnderAPowerLimitAndWithPricesGiven) {
  Query query{.model = "llama-3-8b", .quant = "Q4_K_M", .device = "rtx-4090"};
  query.power_limit = Watts(180);
  query.cost.price = 1234;
  query.cost.electricity = 0.4;
  query.cost.duty = 0.3;
  EXPECT_GT(compare(query, 20), 5);
  query.cost.price.reset();
  query.cost.rent = 0.69;
  EXPECT_GT(compare(query, 10), 3);
}

TEST(Point, EqualsThePredictionOverDevicesAndHost) {
  EXPECT_GT(compare({.model = "llama-3.3-70b", .quant = "Q4_K_M", .device = "rtx-4090x2"}, 15, 4000), 2);
  Query query{.model = "llama-3.3-70b", .quant = "Q4_K_M", .device = "rtx-4090"};
  query.host = "desktop-ddr5-6000";
  query.offload = {.layers = Offload::Layers::count, .gpu_layers = 40};
  EXPECT_GT(compare(query, 15, 4000), 2);
  query.offload = {.layers = Offload::Layers::automatic};  // the placement follows the shape
  EXPECT_GT(compare(query, 10, 4000), 5);
  Query experts{.model = "qwen3-30b-a3b", .quant = "Q8_0", .device = "rtx-4090"};
  experts.host = "desktop-ddr5-6000";
  experts.offload = {.layers = Offload::Layers::automatic};
  EXPECT_GT(compare(experts, 6, 4000), 3);
}

TEST(Point, EqualsThePredictionWhereWeightsPage) {
  Query query{.model = "llama-3.3-70b", .quant = "Q4_K_M", .device = "ryzen-9-9950x"};
  query.memory = 32_GiB;
  EXPECT_GT(compare(query, 8, 4000), 3);
}

TEST(Point, WhatIsRefusedIsTheReasonOfEveryPoint) {
  PhaseCache cache;
  PointEvaluator evaluator(
      {.model = "llama-3-8b", .quant = "NVFP4", .device = "m2-ultra-76", .stack = "llama.cpp-metal"}, database(),
      cache);
  const Point& point = evaluator({});
  EXPECT_FALSE(point.feasible);
  EXPECT_NE(point.reason.find("llama.cpp-metal"), std::string::npos) << point.reason;
}

TEST(Point, AContextThatTheModelDoesNotHaveIsAReason) {
  PhaseCache cache;
  PointEvaluator evaluator({.model = "llama-3-8b", .quant = "Q4_K_M", .device = "rtx-4090"}, database(), cache);
  EXPECT_TRUE(evaluator({.prompt = 8000, .gen = 192}).feasible);
  const Point& point = evaluator({.prompt = 8000, .gen = 193});
  EXPECT_FALSE(point.feasible);
  EXPECT_NE(point.reason.find("exceed the context"), std::string::npos) << point.reason;
  EXPECT_FALSE(evaluator({.prompt = 0, .gen = 0}).feasible);
  EXPECT_TRUE(evaluator({}).feasible);
}

}  // namespace
}  // namespace silicast
