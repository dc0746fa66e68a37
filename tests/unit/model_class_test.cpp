// SPDX-License-Identifier: Apache-2.0
#include "planning/model_class.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "planning/recommend.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

bool holds(const char* text, const char* model) {
  const auto names = models_of_class(text, database());
  return std::find(names.begin(), names.end(), model) != names.end();
}

// Parameters as the models' makers publish them.
TEST(ModelClass, SizesAreNearRangesExact) {
  EXPECT_TRUE(holds("8b", "llama-3.1-8b"));
  EXPECT_TRUE(holds("8b", "llama-2-7b"));
  EXPECT_FALSE(holds("8b", "qwen3-14b"));
  EXPECT_TRUE(holds("70b", "llama-3.3-70b"));
  EXPECT_TRUE(holds("20b..40b", "qwen3-30b-a3b"));
  EXPECT_TRUE(holds("20b..40b", "gemma-3-27b"));
  EXPECT_FALSE(holds("31b..40b", "qwen3-30b-a3b"));  // 30.5 billion
  EXPECT_TRUE(holds("500m..2b", "llama-3.2-1b"));
}

TEST(ModelClass, ExpertsAndActiveParametersDistinguish) {
  EXPECT_TRUE(holds("30b-moe", "qwen3-30b-a3b"));
  EXPECT_FALSE(holds("30b-dense", "qwen3-30b-a3b"));
  EXPECT_TRUE(holds("30b-dense", "gemma-3-27b"));
  EXPECT_TRUE(holds("30b-a3b", "qwen3-30b-a3b"));
  EXPECT_FALSE(holds("30b-a3b", "gemma-3-27b"));
  EXPECT_TRUE(holds("any-moe", "deepseek-v3"));
  EXPECT_TRUE(holds("any-a30b..40b", "deepseek-v3"));
}

TEST(ModelClass, WhatIsNoneIsRefused) {
  for (const char* text : {"", "30", "b", "-moe", "40b..20b", "30b-a", "30b-big", "0b", "30b..", "nanb"})
    EXPECT_THROW(ModelClass{text}, UsageError) << text;
  EXPECT_THROW(models_of_class("900b..901b", database()), UsageError);
}

TEST(ModelClass, AllOfItsModelsAreAsked) {
  Needs needs;
  needs.classes = {"30b-moe", "qwen3-30b-a3b-not"};
  EXPECT_THROW(recommend(needs, RankBy::price, database(), 1), UsageError);
  needs.classes = {"20b..40b-moe"};
  needs.devices = {"rtx-4090"};
  needs.quants = {"Q4_K_M"};
  needs.host = "";
  const Recommendation found = recommend(needs, RankBy::decode, database(), 1);
  ASSERT_GT(found.proposals.size(), 2U);
  for (const Proposal& p : found.proposals) EXPECT_TRUE(holds("20b..40b-moe", p.model.c_str())) << p.model;
  // The same figures as for the model by its name.
  needs.classes = {};
  needs.models = {found.proposals.front().model};
  const Recommendation named = recommend(needs, RankBy::decode, database(), 1);
  EXPECT_EQ(named.proposals.front().decode_each, found.proposals.front().decode_each);
}

}  // namespace
}  // namespace silicast
