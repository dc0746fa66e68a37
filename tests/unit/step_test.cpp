// SPDX-License-Identifier: Apache-2.0
#include "workloads/step.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>
#include <random>

#include "model/database.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

Workload workload(const char* model, const char* quant) {
  return make_workload(*database().architecture(model), *database().quant(quant), {}, database().types());
}

// Weights that one token multiplies: all matrices but the embedding's rows, for MoE the chosen experts'.
double multiplied_weights(const StepGraph& graph) {
  double sum = 0;
  for (const Op& op : graph.ops)
    if (op.kind == OpKind::matmul || op.kind == OpKind::expert_matmul)
      sum += static_cast<double>(op.layers * op.matmul.in * op.matmul.out) *
             static_cast<double>(op.matmul.experts > 0 ? op.matmul.used : 1);
  return sum;
}

TEST(StepGraph, MultipliesEveryWeightOfADenseModelOnce) {
  const Workload w = workload("llama-3.1-8b", "Q4_K_M");
  // Llama-3.1-8B: 8,030,261,312 parameters less the embedding (128256 x 4096), 65 norms of 4096, and 64 RoPE factors.
  EXPECT_EQ(multiplied_weights(step_graph(w)), 8030261312.0 - 128256.0 * 4096 - 65 * 4096 - 64);
}

TEST(StepGraph, ListsLayersOfEqualTypesOnce) {
  const StepGraph f16 = step_graph(workload("llama-3.1-8b", "F16"));
  ASSERT_EQ(f16.groups.size(), 1U);
  EXPECT_EQ(f16.groups[0].layers.size(), 32U);
  // Q4_K_M gives half of the layers Q6_K for attn_v and ffn_down.
  const StepGraph mixed = step_graph(workload("llama-3.1-8b", "Q4_K_M"));
  ASSERT_EQ(mixed.groups.size(), 2U);
  EXPECT_EQ(mixed.groups[0].layers.size() + mixed.groups[1].layers.size(), 32U);
}

// Norms of a layer in ggml-org/llama.cpp src/models/gemma4.cpp: before and after attention and the feed-forward, of
// the dense block's result, of the experts' input and result, and of the router's input.
TEST(StepGraph, Gemma4NormsTheDenseBlockAndTheExpertsApart) {
  const auto norms = [](const char* model) {
    int count = 0;
    for (const Op& op : step_graph(workload(model, "Q8_0")).ops)
      if (op.kind == OpKind::norm && op.group >= 0) count += op.layers;
    return count;
  };
  EXPECT_EQ(norms("gemma-4-31b"), 60 * 4);
  EXPECT_EQ(norms("gemma-4-26b-a4b"), 30 * 8);
}

TEST(StepGraph, PartsHoldEveryOperationOfEveryLayerOnce) {
  const StepGraph graph = step_graph(workload("gemma-4-26b-a4b", "Q4_K_M"));
  const auto parts = parts_of(graph, 3, [](const Op& op, int layer) {
    return layer < 0 ? 2 : op.state > 0 ? -1 : layer % 3;
  });
  ASSERT_EQ(parts.size(), 3U);
  double weights = 0;
  std::size_t layers = 0;
  for (const StepGraph& part : parts) {
    weights += multiplied_weights(part);
    for (const LayerGroup& group : part.groups) layers += group.layers.size();
  }
  EXPECT_DOUBLE_EQ(weights, multiplied_weights(graph));
  EXPECT_EQ(layers, 30U);
}

TEST(StepGraph, CoversEveryLayerOfEveryModelOnce) {
  for (const Entry& entry : database().models().all()) {
    const auto architecture = database().architecture(entry.id);
    const StepGraph graph = step_graph(workload(entry.id.c_str(), "Q8_0"));
    std::vector<int> layers;
    for (const LayerGroup& group : graph.groups) layers.insert(layers.end(), group.layers.begin(), group.layers.end());
    std::sort(layers.begin(), layers.end());
    std::vector<int> expected(architecture->layers.size());
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(layers, expected) << entry.id;
    // What is multiplied per token is what is active, less vectors, embedding rows and (tied) counted once.
    const double active = static_cast<double>(active_parameter_count(*architecture));
    const double embedding =
        architecture->tied_embeddings ? 0 : static_cast<double>(architecture->vocabulary * architecture->hidden);
    const double positions = architecture->positions == Positions::learned
                                 ? static_cast<double>(architecture->context * architecture->hidden)
                                 : 0;
    EXPECT_NEAR(multiplied_weights(graph) / (active - embedding - positions), 1, 0.01) << entry.id;
  }
}

// Shares of mean 1/16 that spread by a half of it are beta distributed with a + b = 15 / 0.25 - 1 = 59; an expert stays
// untouched by the tokens after each other with (b + j) / (a + b + j).
TEST(DistinctExperts, IsTheExpectationOverBetaDistributedShares) {
  EXPECT_DOUBLE_EQ(expected_distinct_experts(128, 8, 1), 8);
  EXPECT_DOUBLE_EQ(expected_distinct_experts(8, 8, 3), 8);
  double untouched = 1;
  for (int tokens = 0; tokens < 64; ++tokens) {
    if (tokens > 0) {
      EXPECT_NEAR(expected_distinct_experts(128, 8, tokens), 128 * (1 - untouched), 1e-3) << tokens;
    }
    untouched *= (59.0 * 15 / 16 + tokens) / (59.0 + tokens);
  }
  EXPECT_NEAR(expected_distinct_experts(128, 8, 1e6), 128, 1e-9);
}

TEST(ExpertTiles, AreAllTokensWhereEveryExpertTakesThem) {
  EXPECT_DOUBLE_EQ(expected_expert_tiles(8, 8, 40, 32), 2);
  EXPECT_DOUBLE_EQ(expected_expert_tiles(8, 8, 32, 32), 1);
  // Tiles of one column hold one token each.
  EXPECT_NEAR(expected_expert_tiles(64, 4, 100, 1) * expected_distinct_experts(64, 4, 100), 400, 1e-9);
  // Tiles that no expert fills are one each.
  EXPECT_NEAR(expected_expert_tiles(128, 8, 16, 64), 1, 2e-3);
}

// Draws of distinct experts whose popularity spreads by a half (gamma distributed, of shape 4).
TEST(ExpertTiles, MatchDraws) {
  std::mt19937 random(3);
  for (const auto& [experts, used, tokens, columns] :
       {std::array{128, 8, 512, 32}, std::array{128, 8, 256, 32}, std::array{64, 8, 512, 32}, std::array{32, 4, 128, 8},
        std::array{128, 4, 2048, 16}, std::array{128, 8, 8, 8}}) {
    double tiles = 0, touched = 0;
    constexpr int rounds = 20;
    for (int round = 0; round < rounds; ++round) {
      std::gamma_distribution<double> popularity(4, 1);
      std::vector<double> weight(static_cast<std::size_t>(experts));
      for (double& w : weight) w = popularity(random);
      std::vector<int> count(static_cast<std::size_t>(experts));
      for (int t = 0; t < tokens; ++t) {
        std::vector<double> left = weight;
        for (int k = 0; k < used; ++k) {
          const auto chosen = std::discrete_distribution<std::size_t>(left.begin(), left.end())(random);
          left[chosen] = 0;
          ++count[chosen];
        }
      }
      for (const int n : count) tiles += std::ceil(static_cast<double>(n) / columns), touched += n > 0 ? 1 : 0;
    }
    EXPECT_NEAR(expected_expert_tiles(experts, used, tokens, columns) / (tiles / touched), 1, 0.05)
        << experts << " " << used << " " << tokens << " " << columns;
    EXPECT_NEAR(expected_distinct_experts(experts, used, tokens) / (touched / rounds), 1, 0.02)
        << experts << " " << used << " " << tokens;
  }
}

double attended_by_counting(int new_tokens, int depth, int window) {
  double sum = 0;
  for (int i = 1; i <= new_tokens; ++i) sum += window > 0 ? std::min(depth + i, window) : depth + i;
  return sum / new_tokens;
}

TEST(MeanAttended, EqualsTheCountOverQueries) {
  for (const int window : {0, 1, 128, 4096})
    for (const int depth : {0, 1, 100, 127, 128, 129, 5000})
      for (const int new_tokens : {1, 2, 64, 512, 5000})
        EXPECT_NEAR(mean_attended(new_tokens, depth, window), attended_by_counting(new_tokens, depth, window), 1e-6)
            << new_tokens << " new, depth " << depth << ", window " << window;
}

}  // namespace
}  // namespace silicast
