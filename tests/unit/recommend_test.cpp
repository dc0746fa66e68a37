// SPDX-License-Identifier: Apache-2.0
// Recommendations against a search by hand: every combination asked by predict().
#include "planning/recommend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "planning/candidates.h"
#include "report/recommend_report.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

Needs some_needs() {
  Needs needs;
  needs.models = {"llama-3.1-8b"};
  needs.devices = {"rtx-3060", "rtx-4090", "m2-ultra-76", "m4-pro-20", "ryzen-9-9950x"};
  needs.quants = {"Q2_K", "Q4_K_M", "Q8_0", "F16"};
  needs.host = "";
  needs.context = 6000;
  return needs;
}

struct Asked {
  std::string device, quant;
  Prediction prediction;
};

// Of each device and quantization, with the smallest memory that holds it, if one does.
std::vector<Asked> by_hand(const Needs& needs) {
  std::vector<Asked> all;
  for (const std::string& device : needs.devices)
    for (const std::string& quant : needs.quants) {
      Asked asked{device, quant, {}};
      for (const Bytes memory : database().device(device)->memory.capacities) {
        Query query{.model = needs.models.front(), .quant = quant, .device = device};
        query.memory = memory;
        query.prompt = needs.prompt;
        query.gen = needs.gen;
        query.depth = needs.context - needs.prompt - needs.gen;
        query.concurrency = needs.users;
        asked.prediction = predict(query, database());
        if (asked.prediction.feasible) break;
      }
      all.push_back(asked);
    }
  return all;
}

double decode_of(const Asked& asked, const Needs& needs) {
  return asked.prediction.feasible ? asked.prediction.decode->tokens_per_second.value / static_cast<double>(needs.users)
                                   : 0;
}

// What is not quantized loses nothing.
double ratio_of(const Asked& asked) {
  return asked.quant == "F16" ? 1 : asked.prediction.quality ? asked.prediction.quality->perplexity_ratio : 1e9;
}

TEST(Recommend, WhatQualifiesIsWhatASearchFinds) {
  for (const double rate : {10.0, 30.0, 60.0, 100.0})
    for (const double ratio : {1.001, 1.01, 1.1, 2.0}) {
      Needs needs = some_needs();
      needs.min_decode = rate;
      needs.max_perplexity_ratio = ratio;
      std::set<std::string> expected;
      for (const Asked& asked : by_hand(needs))
        if (decode_of(asked, needs) >= rate && ratio_of(asked) <= ratio) expected.insert(asked.device);
      const Recommendation found = recommend(needs, RankBy::decode, database(), 2);
      std::set<std::string> devices;
      for (const Proposal& p : found.proposals) {
        devices.insert(p.device);
        EXPECT_GE(p.decode_each, rate);
        EXPECT_LE(p.point.figures[Figure::quality], ratio);
      }
      EXPECT_EQ(devices, expected) << rate << " " << ratio;
      EXPECT_EQ(found.proposals.size() + found.losers.size(), needs.devices.size());
      EXPECT_TRUE(found.proposals.empty() || found.relaxations.empty());
      EXPECT_TRUE(std::is_sorted(found.proposals.begin(), found.proposals.end(),
                                 [](const Proposal& a, const Proposal& b) { return a.decode_each > b.decode_each; }));
    }
}

// What is not asked because it cannot be fast enough could not have been: over the whole catalogue.
TEST(Recommend, NothingIsFasterThanItsBound) {
  Needs needs;
  needs.models = {"llama-3.1-8b", "qwen3-30b-a3b", "tinyllama-1.1b"};
  needs.quants = {"Q4_K_M", "F16"};
  needs.counts = {1, 2};
  const Candidates candidates(needs, database());
  PhaseCache cache(16);
  std::size_t compared = 0;
  for (const CandidateModel& model : candidates.models())
    for (const auto& machines : candidates.devices())
      for (const CandidateMachine& machine : machines)
        for (const CandidateQuant& quant : model.quants)
          for (const bool offloaded : {false, true}) {
            if (offloaded && !(machine.offloads && quant.offloads)) continue;
            const Shape shape{.prompt = 512, .gen = 16};
            PointEvaluator evaluator(candidates.query(model, machine, quant, offloaded), database(), cache, &shape);
            const Point& point = evaluator(shape);
            if (!point.feasible) continue;
            EXPECT_LE(point.figures[Figure::decode], fastest_decode(machine, quant))
                << model.name << " " << quant.name << " " << machine.label;
            EXPECT_GE(point.figures[Figure::ttft], soonest_first_token(machine, quant).value())
                << model.name << " " << quant.name << " " << machine.label;
            if (const double watts = point.figures[Figure::power]; !std::isnan(watts)) {
              EXPECT_GE(watts, machine.least_watts.value() * (1 - 1e-9)) << model.name << " " << machine.label;
            }
            ++compared;
          }
  EXPECT_GT(compared, 2000U);
}

TEST(Recommend, WhereNothingQualifiesTheSmallestChangesAreTold) {
  Needs needs = some_needs();
  needs.min_decode = 1000;
  needs.max_perplexity_ratio = 1.1;
  const Recommendation found = recommend(needs, RankBy::price, database(), 1);
  EXPECT_TRUE(found.proposals.empty());
  double fastest = 0;
  for (const Asked& asked : by_hand(needs))
    if (ratio_of(asked) <= 1.1) fastest = std::max(fastest, decode_of(asked, needs));
  const auto decode = std::find_if(found.relaxations.begin(), found.relaxations.end(),
                                   [](const Relaxation& r) { return r.need == Need::decode; });
  ASSERT_NE(decode, found.relaxations.end());
  EXPECT_NEAR(decode->enough / fastest, 1, 1e-9);
  // With that one need relaxed as told, and no further, something qualifies.
  needs.min_decode = decode->enough * (1 - 1e-9);
  EXPECT_EQ(recommend(needs, RankBy::price, database(), 1).proposals.size(), 1U);
  needs.min_decode = decode->enough * (1 + 1e-6);
  EXPECT_TRUE(recommend(needs, RankBy::price, database(), 1).proposals.empty());
}

TEST(Recommend, ContextAndUsersAreRelaxedToTheLastOneThatDoes) {
  Needs needs = some_needs();
  needs.devices = {"rtx-3060"};
  needs.quants = {"Q8_0"};
  needs.context = 100000;
  needs.users = 3;
  const Recommendation found = recommend(needs, RankBy::price, database(), 1);
  ASSERT_TRUE(found.proposals.empty());
  for (const Relaxation& r : found.relaxations) {
    Needs changed = needs;
    std::int64_t& target = r.need == Need::context ? changed.context : changed.users;
    target = std::llround(r.enough);
    EXPECT_EQ(recommend(changed, RankBy::price, database(), 1).proposals.size(), 1U) << name_of(r.need);
    ++target;
    EXPECT_TRUE(recommend(changed, RankBy::price, database(), 1).proposals.empty()) << name_of(r.need);
  }
  EXPECT_TRUE(std::any_of(found.relaxations.begin(), found.relaxations.end(),
                          [](const Relaxation& r) { return r.need == Need::context; }));
}

TEST(Recommend, LayersThatADeviceDoesNotHoldGoToItsHost) {
  Needs needs = some_needs();
  needs.models = {"llama-3.3-70b"};
  needs.devices = {"rtx-4090"};
  needs.quants = {"Q4_K_M"};
  EXPECT_TRUE(recommend(needs, RankBy::price, database(), 1).proposals.empty());
  needs.host = "desktop-ddr5-6000";
  const Recommendation found = recommend(needs, RankBy::price, database(), 1);
  ASSERT_EQ(found.proposals.size(), 1U);
  EXPECT_NE(found.proposals.front().placement.find("on the GPU"), std::string::npos);
}

TEST(Recommend, BudgetAndWattsAreKept) {
  Needs needs;
  needs.models = {"llama-3.1-8b"};
  needs.budget = 1000;
  needs.max_watts = Watts(200);
  needs.min_decode = 20;
  const Recommendation found = recommend(needs, RankBy::price, database(), 2);
  ASSERT_FALSE(found.proposals.empty());
  for (const Proposal& p : found.proposals) {
    EXPECT_LE(p.price.value_or(1e9), 1000);
    EXPECT_LE(p.point.figures[Figure::power], 200);
    EXPECT_GE(p.decode_each, 20);
  }
  for (const Proposal& p : found.losers) EXPECT_FALSE(p.missed.empty()) << p.device;
  for (std::size_t i = 1; i < found.proposals.size(); ++i)
    EXPECT_LE(*found.proposals[i - 1].price, *found.proposals[i].price);
}

TEST(Recommend, ThreadsDoNotChangeTheAnswer) {
  Needs needs = some_needs();
  needs.min_decode = 40;
  EXPECT_EQ(recommendation_json(recommend(needs, RankBy::price, database(), 1), needs),
            recommendation_json(recommend(needs, RankBy::price, database(), 3), needs));
}

TEST(Recommend, ContradictionsAndUnknownNamesAreErrors) {
  Needs needs = some_needs();
  needs.context = 600;
  EXPECT_THROW(recommend(needs, RankBy::price, database(), 1), UsageError);
  needs = some_needs();
  needs.max_perplexity_ratio = 0.5;
  EXPECT_THROW(recommend(needs, RankBy::price, database(), 1), UsageError);
  needs = some_needs();
  needs.models = {};
  EXPECT_THROW(recommend(needs, RankBy::price, database(), 1), UsageError);
  needs = some_needs();
  needs.devices = {"rtx-409O"};
  EXPECT_THROW(recommend(needs, RankBy::price, database(), 1), InputError);
}

}  // namespace
}  // namespace silicast
