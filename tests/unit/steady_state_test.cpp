// SPDX-License-Identifier: Apache-2.0
// Batches whose sequences differ, continuous batching, and how many sequences memory holds: conservation laws, and
// agreement with predictions of one sequence.
#include "model/steady_state.h"

#include <gtest/gtest.h>

#include "model/database.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

Query query(const char* model = "llama-3.1-8b", const char* quant = "Q4_K_M", const char* device = "rtx-4090",
            const char* stack = "") {
  return {.model = model, .quant = quant, .device = device, .stack = stack, .prompt = 512, .gen = 128};
}

TEST(MixedBatch, EqualsTheMeanOfItsSequences) {
  // What attention reads and computes is a sum over sequences: two at two depths are half of four, two at each.
  for (const char* model : {"llama-3.1-8b", "gemma-3-12b", "deepseek-v2-lite", "qwen3-next-80b-a3b"}) {
    const Compiled c = compile(query(model, "Q4_K_M", "h100-sxm"), database());
    const std::vector<StepShape> mixed{{.depth = 1000}, {.depth = 30000}};
    const StepCost both = c.evaluator(mixed);
    const StepCost shallow = c.evaluator({.batch = 2, .depth = 1000});
    const StepCost deep = c.evaluator({.batch = 2, .depth = 30000});
    EXPECT_NEAR(both.dram_bytes / ((shallow.dram_bytes + deep.dram_bytes) / 2), 1, 1e-12) << model;
    EXPECT_NEAR(both.operations / ((shallow.operations + deep.operations) / 2), 1, 1e-12) << model;
    EXPECT_GT(both.seconds, shallow.seconds);
    EXPECT_LT(both.seconds, deep.seconds);
    const std::vector<StepShape> alike{{.depth = 1000}, {.depth = 1000}};
    EXPECT_NEAR(c.evaluator(alike).seconds / shallow.seconds, 1, 1e-12);
  }
}

TEST(MixedBatch, PromptsBesideGeneratingSequencesShareTheWeights) {
  const Compiled c = compile(query(), database());
  const StepShape prompt{.new_tokens = 256};
  const StepShape others{.batch = 8, .depth = 2000};
  const std::vector<StepShape> together{prompt, others};
  const StepCost both = c.evaluator(together);
  EXPECT_LT(both.seconds, c.evaluator(prompt).seconds + c.evaluator(others).seconds);
  EXPECT_GT(both.seconds, c.evaluator(prompt).seconds);
  double by_op = c.evaluator.single()->step_overhead().value();
  for (const auto& op : c.evaluator.per_op(together)) by_op += op.cost.seconds.value();
  EXPECT_NEAR(by_op, both.seconds.value(), 1e-12);
}

TEST(MixedBatch, EachSequenceCostsTheServerItsShare) {
  Query q = query("llama-3.1-8b", "BF16", "h100-sxm", "vllm");
  q.calibrated = false;
  const Compiled c = compile(q, database());
  const StepEvaluator& step = *c.evaluator.single();
  const double each = c.stack->overheads.sequence.value();
  ASSERT_GT(each, 0);
  for (const double sequences : {1.0, 64.0}) {
    const StepShape shape{.batch = sequences, .depth = 1000};
    double by_op = c.stack->overheads.step.value() + sequences * each;
    for (const auto& op : step.per_op(shape)) by_op += op.cost.seconds.value();
    EXPECT_NEAR(step(shape).seconds.value(), by_op, 1e-12);
    EXPECT_NEAR(step.seconds(shape).value(), by_op, 1e-12);
  }
}

TEST(MixedBatch, OfAQueryIsThatOfItsDepths) {
  Query q = query();
  q.depths = {0, 4096, 8192};
  const Prediction mixed = predict(q, database());
  EXPECT_EQ(mixed.query.asked.concurrency, 3);
  double bytes = 0;
  for (const std::int64_t depth : q.depths) {
    Query one = query();
    one.depth = depth, one.concurrency = 3;
    bytes += predict(one, database()).decode->cost.dram_bytes.value() / 3;
  }
  EXPECT_NEAR(mixed.decode->cost.dram_bytes.value(), bytes, 1e-6 * bytes);
  // A range: each sequence in the middle of its part.
  q.depths.clear();
  q.depth_range = {0, 8000};
  q.concurrency = 4;
  EXPECT_EQ(predict(q, database()).query.asked.depths, (std::vector<std::int64_t>{1000, 3000, 5000, 7000}));
}

TEST(MixedBatch, RefusesWhatIsNoBatch) {
  Query q = query();
  q.depths = {0, 4096, 8192};
  q.concurrency = 2;
  EXPECT_THROW(static_cast<void>(predict(q, database())), UsageError);
  q.concurrency = 3, q.depth = 100;
  EXPECT_THROW(static_cast<void>(predict(q, database())), UsageError);
  q.depth = 0, q.depths = {0, -1, 5};
  EXPECT_THROW(static_cast<void>(predict(q, database())), UsageError);
  q.depths.clear(), q.depth_range = {500, 100};
  EXPECT_THROW(static_cast<void>(predict(q, database())), UsageError);
}

TEST(SteadyState, ProcessesEveryTokenOnceWhateverTheLoad) {
  for (const std::int64_t ubatch : {64, 512, 2048})
    for (const std::int64_t sequences : {1, 2, 7, 64, 500, 3000})
      for (const std::int64_t prompt : {0, 1, 100, 512, 9000})
        for (const std::int64_t gen : {1, 2, 128, 4000}) {
          Query q = query();
          q.concurrency = sequences, q.prompt = prompt, q.gen = gen;
          const Cycle cycle = steady_cycle(q, ubatch);
          double prompts = 0;
          double generated = 0;
          double count = 0;
          for (const RepeatedStep& step : cycle.steps) {
            double tokens = 0;
            for (const StepShape& group : step.batch) {
              tokens += group.tokens();
              (group.depth < static_cast<double>(prompt) ? prompts : generated) += group.tokens() * step.times;
            }
            count += step.times;
            EXPECT_LE(tokens, static_cast<double>(ubatch) * (1 + 1e-12))
                << ubatch << " " << sequences << " " << prompt << " " << gen;
          }
          // The first token comes with the prompt; without one, every token is generated.
          const auto b = static_cast<double>(sequences);
          const double each = static_cast<double>(prompt > 0 ? gen - 1 : gen);
          EXPECT_NEAR(prompts, b * static_cast<double>(prompt), 1e-9 * (1 + prompts));
          EXPECT_NEAR(generated, b * each, 1e-9 * (1 + generated));
          EXPECT_NEAR(count, cycle.count, 1e-9 * count);
          EXPECT_LE(cycle.mixed, cycle.count * (1 + 1e-12));
        }
}

SteadyState steady(const Query& q) {
  const Compiled c = compile(q, database());
  return steady_state(c, predict(c, database()), database());
}

TEST(SteadyState, OfOneSequenceIsThePredictedRequest) {
  for (const std::int64_t prompt : {100, 512, 700, 3000}) {
    Query q = query();
    q.prompt = prompt, q.depth = 1000;
    const Prediction p = predict(q, database());
    const SteadyState s = steady(q);
    EXPECT_NEAR(s.ttft.value / p.ttft->value, 1, 1e-9) << prompt;
    // The generated tokens' depths are sampled alike; the first one is the prompt's.
    EXPECT_NEAR(s.request.value / p.e2e_latency->value, 1, 1e-3) << prompt;
    EXPECT_NEAR(s.output_tokens_per_second.value / p.output_token_throughput->value, 1, 1e-3) << prompt;
  }
}

TEST(SteadyState, ObeysLittlesLawAndGainsByBatching) {
  double before = 0;
  double waits = 0;
  for (const std::int64_t b : {1, 2, 4, 8, 16, 32, 64, 128, 256}) {
    Query q = query("llama-3.1-8b", "BF16", "h100-sxm", "vllm");
    q.concurrency = b;
    const SteadyState s = steady(q);
    EXPECT_NEAR(s.requests_per_second * s.request.value, static_cast<double>(b), 1e-9 * static_cast<double>(b));
    EXPECT_GT(s.output_tokens_per_second.value, before);
    EXPECT_GE(s.ttft.value, waits * (1 - 1e-9));
    EXPECT_NEAR(s.request.value, s.ttft.value + static_cast<double>(q.gen - 1) * s.inter_token.value,
                1e-9 * s.request.value);
    before = s.output_tokens_per_second.value;
    waits = s.ttft.value;
  }
}

TEST(SteadyState, CurveEndsWhereMemoryDoes) {
  const ThroughputCurve curve = throughput_curve(query("llama-3.1-8b", "Q8_0", "rtx-3080"), 100, database());
  ASSERT_TRUE(curve.most_sequences);
  for (const CurvePoint& point : curve.points)
    EXPECT_EQ(point.steady.has_value(), point.concurrency <= *curve.most_sequences) << point.concurrency;
  EXPECT_EQ(curve.points.back().concurrency, 100);
  EXPECT_FALSE(curve.points.back().steady);
  EXPECT_TRUE(curve.points.front().steady);
}

struct HeldCase {
  const char* model;
  const char* quant;
  const char* device;
  const char* stack;
  bool unified;
  const char* allocation;
};

class SequencesHeld : public testing::TestWithParam<HeldCase> {};

// So many fit, and one more does not.
TEST_P(SequencesHeld, AreTheMostThatFit) {
  const HeldCase& row = GetParam();
  Query q = query(row.model, row.quant, row.device, row.stack);
  q.prompt = 3000;
  q.unified_cache = row.unified;
  const Prediction one = predict(q, database());
  EXPECT_EQ(one.sequences.allocation, row.allocation);
  ASSERT_TRUE(one.sequences.most);
  ASSERT_GT(*one.sequences.most, 1);
  q.concurrency = *one.sequences.most;
  EXPECT_TRUE(predict(q, database()).feasible);
  q.concurrency += 1;
  const Prediction beyond = predict(q, database());
  EXPECT_FALSE(beyond.feasible);
  EXPECT_EQ(beyond.sequences.most, one.sequences.most);
}

INSTANTIATE_TEST_SUITE_P(Stacks, SequencesHeld,
                         testing::Values(HeldCase{"llama-3.1-8b", "BF16", "h100-sxm", "vllm", false, "paged"},
                                         HeldCase{"qwen3-8b", "BF16", "rtx-5090", "tensorrt-llm", false, "paged"},
                                         HeldCase{"llama-3.1-8b", "Q4_K_M", "rtx-4090", "", false, "slots"},
                                         HeldCase{"llama-3.1-8b", "Q4_K_M", "rtx-4090", "", true, "unified"},
                                         HeldCase{"gemma-3-12b", "Q4_K_M", "rtx-4090", "", false, "slots"},
                                         HeldCase{"gemma-3-12b", "Q4_K_M", "rtx-4090", "", true, "unified"},
                                         HeldCase{"qwen3-30b-a3b", "MLX-4bit", "m4-pro-20", "mlx", false, "growing"},
                                         HeldCase{"llama-3.3-70b", "Q4_K_M", "rtx-a6000x2", "", false, "slots"}));

TEST(SequencesHeld, OfUnequalLengthNeedTheLongestSlotUnlessTheyShare) {
  Query q = query();
  q.depths = {0, 0, 0, 16000};
  const Bytes slots = predict(q, database()).pools.front().kv_cache;
  q.unified_cache = true;
  const Bytes unified = predict(q, database()).pools.front().kv_cache;
  EXPECT_GT(slots, 2.5 * unified);
  // One buffer of 16,000 + 4 x 640 tokens, padded to 256; 128 KiB of cache a token.
  EXPECT_NEAR(unified / 1_KiB, 128.0 * 18688, 1);
}

}  // namespace
}  // namespace silicast
