// SPDX-License-Identifier: Apache-2.0
#include "model/startup.h"

#include <gtest/gtest.h>

#include "model/prediction.h"
#include "model/quality.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

TEST(Startup, TheSlowerOfReadingAndCopyingCounts) {
  StartupInputs inputs{.file = 14_GB, .storage = 7_GBps, .copied = 13_GB, .to_device = 26_GBps, .build = 40_s};
  StartupFigures s = startup_of(inputs);
  EXPECT_EQ(*s.read, 2_s);
  EXPECT_EQ(*s.copy, Seconds(0.5));
  EXPECT_EQ(*s.load, 2_s);
  EXPECT_EQ(*s.build, 40_s);
  inputs.to_device = 1_GBps;
  EXPECT_EQ(*startup_of(inputs).load, 13_s);
  inputs.devices = 2;  // each over its own slot
  EXPECT_EQ(*startup_of(inputs).load, Seconds(6.5));
}

TEST(Startup, UnknownStorageIsNotGuessed) {
  const StartupFigures s = startup_of({.file = 14_GB});
  EXPECT_FALSE(s.load);
  EXPECT_FALSE(s.copy);
  EXPECT_FALSE(s.build);
}

TEST(Startup, AnEmptyRunIsAddedToWhatIsBuilt) {
  const StartupFigures s = startup_of({.file = 14_GB, .build = 40_s, .warm_up = 2_s});
  EXPECT_EQ(*s.build, 42_s);
  EXPECT_EQ(*s.warm_up, 2_s);
}

TEST(Startup, LlamaCppWarmsUpWithAnEmptyRunThatReadsAllWeights) {
  const auto warm_up = [](const char* model, const char* stack) {
    Query q{.model = model, .quant = "Q4_K_M", .device = "rtx-5090"};
    q.stack = stack;
    const Prediction p = predict(q, database());
    EXPECT_TRUE(p.startup->warm_up && p.startup->build == p.startup->warm_up);
    return p.startup->warm_up->value() / p.tpot->value;
  };
  // Two tokens of a dense model read its weights once, as one token does; of a model with experts 30 B of weights
  // instead of the 3 B that a token chooses.
  EXPECT_NEAR(warm_up("llama-3.1-8b", "llama.cpp-cuda"), 1, 0.3);
  EXPECT_GT(warm_up("qwen3-30b-a3b", "llama.cpp-cuda"), 2);
}

TEST(Startup, EnginesTakeTheirTimeToBuild) {
  Query q{.model = "llama-3.1-8b", .quant = "BF16", .device = "h100-sxm"};
  q.stack = "tensorrt-llm-cpp";
  EXPECT_EQ(*predict(q, database()).startup->build, 47_s);
  EXPECT_FALSE(predict(q, database()).startup->warm_up);
}

TEST(Startup, OfAPrediction) {
  Query q{.model = "llama-3.1-8b", .quant = "Q8_0", .device = "m2-ultra-76"};
  q.storage = 2_GBps;
  const Prediction p = predict(q, database());
  ASSERT_TRUE(p.startup && p.startup->load);
  EXPECT_NEAR(p.startup->load->value(), p.file_bytes.value() / 2e9, 1e-9);
  EXPECT_FALSE(p.startup->copy);
  const Prediction vllm =
      predict({.model = "llama-3.1-8b", .quant = "BF16", .device = "rtx-5090", .stack = "vllm"}, database());
  EXPECT_TRUE(vllm.startup->build);
  EXPECT_TRUE(vllm.startup->copy);
}

TEST(Quality, WhatIsNotQuantizedLosesNothing) {
  const auto of = [](const char* quant) {
    return predict({.model = "llama-3.1-8b", .quant = quant, .device = "h100-sxm"}, database()).quality;
  };
  ASSERT_TRUE(of("F16"));
  EXPECT_EQ(of("F16")->perplexity_ratio, 1);
  EXPECT_FALSE(of("FP8")) << "nothing was measured of it";
}

TEST(Quality, TheNearestModelSpeaks) {
  const auto of = [](const char* model) {
    return quality_of(*database().quant("Q4_K_M"), *database().architecture(model))->model;
  };
  EXPECT_EQ(of("llama-3-8b"), "llama-3-8b");
  EXPECT_EQ(of("llama-3.1-8b"), "llama-3-8b");
  EXPECT_EQ(of("llama-3.3-70b"), "llama-2-70b");
  EXPECT_EQ(of("llama-3.1-405b"), "llama-2-70b");
  EXPECT_EQ(of("gemma-3-12b"), "gemma-2-9b");
  EXPECT_EQ(of("qwen3-30b-a3b"), "llama-3-8b");  // as a dense model of 9.5 billion
  EXPECT_EQ(model_distance("qwen3-8b", "qwen3-8b"), 0);
  EXPECT_LT(model_distance("llama-3.1-70b", "llama-2-70b"), model_distance("llama-3.1-70b", "llama-3-8b"));
}

}  // namespace
}  // namespace silicast
