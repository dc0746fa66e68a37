// SPDX-License-Identifier: Apache-2.0
// What rows of several sequences ask, and that the steps of their figures conserve tokens.
#include "calibration/measured.h"

#include <gtest/gtest.h>

#include "calibration/query_of.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

// Of prompts, and generated, in all steps.
struct Tokens {
  double prompts = 0, generated = 0;
};

Tokens tokens_of(const MeasuredSteps& measured) {
  Tokens sum;
  for (const RepeatedStep& step : measured.steps)
    for (const StepShape& group : step.batch)
      (group.new_tokens > 1 ? sum.prompts : sum.generated) += step.times * group.tokens();
  return sum;
}

Query query(std::int64_t prompt, std::int64_t gen, std::int64_t sequences) {
  return {.model = "llama-3.1-8b", .prompt = prompt, .gen = gen, .concurrency = sequences};
}

TEST(Measured, StepsConserveTokens) {
  constexpr std::int64_t ubatch = 2048;
  for (const std::int64_t prompt : {64, 1000, 5000}) {
    const Query q = query(prompt, 200, 16);
    const auto p = static_cast<double>(prompt);
    const MeasuredSteps whole = measured_steps(q, Measured::whole_batch, ubatch, 64, 8);
    EXPECT_NEAR(tokens_of(whole).prompts, 16 * p, 1e-6);
    EXPECT_NEAR(tokens_of(whole).generated, 16 * 199, 1e-6) << "the first token comes with the prompt";
    EXPECT_EQ(whole.tokens, 16 * 200);
    EXPECT_EQ(whole.prompts, 16 * p);

    const MeasuredSteps burst = measured_steps(q, Measured::burst, ubatch, 64, 8);
    EXPECT_NEAR(tokens_of(burst).prompts, 15 * p, 1e-6) << "the clock starts with the first token of any";
    EXPECT_NEAR(burst.tokens, 16 * 199, 1e-6);

    const MeasuredSteps loop = measured_steps(q, Measured::closed_loop, ubatch, 64, 8);
    EXPECT_NEAR(tokens_of(loop).prompts, 16 * p, 1e-6) << "in a cycle every client is answered once";
    EXPECT_NEAR(tokens_of(loop).generated, 16 * 199, 1e-6);
  }
}

TEST(Measured, DecodingApartHasNoPrompts) {
  const MeasuredSteps apart = measured_steps(query(0, 32, 8), Measured::apart, 512, 64, 8);
  EXPECT_NEAR(tokens_of(apart).generated, 8 * 32, 1e-9);
  EXPECT_EQ(apart.prompts, 0);
  EXPECT_EQ(apart.requests, 0);
}

Observation row(const std::string& backend, const std::string& notes) {
  return {.id = "a",
          .device = "NVIDIA RTX 3090",
          .device_count = 4,
          .backend = backend,
          .model = "llama-3.1-8b",
          .quant = "BF16",
          .gen = 256,
          .depth = 512,
          .batch = 16,
          .metric = "tg_tps",
          .value = 1000,
          .notes = notes};
}

TEST(Measured, NotesSayHow) {
  EXPECT_EQ(measured_how(row("vllm", "")), Measured::closed_loop);
  EXPECT_EQ(measured_how(row("llama.cpp-cuda", "")), Measured::apart);
  EXPECT_EQ(measured_how(row("llama.cpp-cuda", "llama-batched-bench aggregate; ub=2048")), Measured::apart);
  EXPECT_EQ(measured_how(row("llama.cpp-cuda", "8 clients")), Measured::closed_loop);
  EXPECT_EQ(measured_how(row("vllm", "static batch, prompts included")), Measured::whole_batch);
  EXPECT_EQ(measured_how(row("vllm", "total t/s over 10 concurrent requests")), Measured::burst);
}

Question question_of(const Observation& observation) {
  static const QueryMapper mapper(database());
  const QuestionOrReason result = mapper(observation);
  EXPECT_TRUE(std::holds_alternative<Question>(result)) << std::get<Unpredicted>(result).text();
  return std::get<Question>(result);
}

TEST(Measured, LayoutsAndPowerLimitsAreRead) {
  Question q = question_of(row("vllm", "TP=2 PP=1 inst=2; power limit 220 W/GPU"));
  EXPECT_EQ(q.query.device, "rtx-3090x2");
  EXPECT_EQ(q.query.split, Split::tensor);
  EXPECT_EQ(q.replicas, 2);
  EXPECT_EQ(q.query.concurrency, 8) << "16 clients of two servers";
  EXPECT_EQ(q.query.prompt, 512) << "reading the prompt is part of a server's figure";
  EXPECT_EQ(q.query.depth, 0);
  EXPECT_FALSE(q.query.power_limit.has_value()) << "rates hardly follow the limit";
  Observation watts = row("vllm", "TP=2 PP=1 inst=2; power limit 220 W/GPU");
  watts.metric = "power_w";
  q = question_of(watts);
  ASSERT_TRUE(q.query.power_limit.has_value());
  EXPECT_EQ(q.query.power_limit->value(), 220);

  q = question_of(row("vllm", "TP=1 PP=1 inst=4; no NVLink"));
  EXPECT_EQ(q.query.device, "rtx-3090");
  EXPECT_EQ(q.replicas, 4);
  EXPECT_EQ(q.query.interconnect, "pcie");
  q = question_of(row("vllm", "TP=1 PP=4 inst=1"));
  EXPECT_EQ(q.query.split, Split::layer);
  EXPECT_EQ(q.query.device, "rtx-3090x4");
}

TEST(Measured, DefaultsOfTheServerFollowTheMemory) {
  Observation o = row("vllm", "");
  o.device_count = 1;
  o.source_date = "2026-05";
  EXPECT_EQ(question_of(o).query.stack, "vllm");
  o.device = "NVIDIA H100 SXM 80GB";
  EXPECT_EQ(question_of(o).query.stack, "vllm-datacenter");
  o.source_date = "2024-05";
  EXPECT_EQ(question_of(o).query.stack, "vllm-2024");
}

TEST(Measured, ClassesOfConcurrency) {
  EXPECT_EQ(sequences_class(1), "1");
  EXPECT_EQ(sequences_class(2), "2 to 4");
  EXPECT_EQ(sequences_class(4), "2 to 4");
  EXPECT_EQ(sequences_class(4.5), "5 to 8");
  EXPECT_EQ(sequences_class(257), "257 and more");
}

}  // namespace
}  // namespace silicast
