// SPDX-License-Identifier: Apache-2.0
// Properties that a prediction must have whatever its constants are: monotony, limits, conservation, closed forms.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/database.h"
#include "model/prediction.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

Query base_query() {
  return {.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = "rtx-4090", .prompt = 512, .gen = 128};
}

double decode_seconds(const Query& q) {
  const Prediction p = predict(q, database());
  EXPECT_TRUE(p.decode) << q.device << " " << q.quant << ": " << p.limiting;
  return p.decode ? p.decode->seconds.value() : 0;
}

double prefill_seconds(const Query& q) {
  const Prediction p = predict(q, database());
  EXPECT_TRUE(p.prefill) << p.limiting;
  return p.prefill ? p.prefill->seconds.value() : 0;
}

TEST(Predict, DecodeIsNeverFasterThanTheMemoryAllows) {
  for (const char* device : {"rtx-4090", "m2-ultra-76", "h100-sxm", "m4-pro-20"})
    for (const char* quant : {"F16", "Q8_0", "Q4_K_M", "Q2_K", "IQ2_XXS"}) {
      Query q = base_query();
      q.device = device, q.quant = quant;
      const Prediction p = predict(q, database());
      ASSERT_TRUE(p.decode) << device << quant << p.limiting;
      const double embedding_share = 0.15;  // of the file at most: its rows are read, not streamed
      EXPECT_GT(p.decode->seconds.value(),
                (1 - embedding_share) * p.file_bytes.value() / database().device(device)->memory.bandwidth.value())
          << device << " " << quant;
    }
}

TEST(Predict, GrowsWithDepthPromptBatchAndModel) {
  Query q = base_query();
  const double at_zero = decode_seconds(q);
  q.depth = 16000;
  EXPECT_GT(decode_seconds(q), at_zero);
  q = base_query();
  const double one = prefill_seconds(q);
  q.prompt = 1024;
  const double two = prefill_seconds(q);
  EXPECT_GT(two, 1.9 * one);
  EXPECT_LT(two, 2.5 * one);
  q = base_query();
  q.concurrency = 8;
  const Prediction batched = predict(q, database());
  EXPECT_GE(batched.decode->seconds.value(), at_zero);
  EXPECT_GT(batched.decode->tokens_per_second.value, 1 / at_zero);
  q = base_query();
  q.quant = "Q2_K";
  q.model = "llama-3.1-70b", q.device = "rtx-a6000";
  EXPECT_GT(decode_seconds(q), 4 * at_zero);
}

TEST(Predict, MoreBandwidthNeverHurtsAndHelpsWhatIsBoundByIt) {
  Query q = base_query();
  q.quant = "F16";
  const double before = decode_seconds(q);
  q.overrides = {{"memory.bandwidth", "2016 GB/s"}};
  const double after = decode_seconds(q);
  EXPECT_LT(after, before);
  EXPECT_GT(after, before / 2);
}

TEST(Predict, DecodeMeanEqualsTheSumOverTokens) {
  for (const char* device : {"rtx-4090", "m2-ultra-76"}) {
    Query q = base_query();
    q.device = device, q.gen = 300, q.depth = 900;
    const Compiled c = compile(q, database());
    double sum = 0;
    for (int i = 0; i < q.gen; ++i)
      sum += c.evaluator.seconds({.depth = static_cast<double>(q.depth + q.prompt + i)}).value();
    EXPECT_NEAR(mean_decode_cost(c.evaluator, c.query).seconds.value() / (sum / static_cast<double>(q.gen)), 1, 0.002)
        << device;
  }
}

TEST(Predict, PrefillOfAnyLengthEqualsTheSumOverMicroBatches) {
  Query q = base_query();
  q.model = "llama-3.1-8b";
  for (const std::int64_t prompt : {1, 100, 512, 513, 40000, 100001}) {
    q.prompt = prompt;
    const Compiled c = compile(q, database());
    double sum = 0;
    for (std::int64_t done = 0; done < prompt; done += 512)
      sum += c.evaluator
                 .seconds({.new_tokens = static_cast<double>(std::min<std::int64_t>(512, prompt - done)),
                           .depth = static_cast<double>(done)})
                 .value();
    EXPECT_NEAR(prefill_cost(c.evaluator, c.query, 512).seconds.value() / sum, 1, 0.001) << prompt;
  }
}

// Llama 2 7B: 32 layers of 4 x 4096 x 4096 and 3 x 4096 x 11008, a head of 4096 x 32000. llama.cpp takes the last
// layer's feed-forward and the head for one token of each 2048 (build_inp_out_ids), before March 2024 for all of them;
// vLLM the head for one token of each micro-batch.
TEST(Predict, TokensWithoutLogitsSkipWhatOnlyLogitsNeed) {
  const double attention = 4 * 4096.0 * 4096, feed_forward = 3 * 4096.0 * 11008, head = 4096.0 * 32000;
  struct Case {
    const char* stack;
    const char* quant;
    std::int64_t prompt;
    double last_tokens, head_tokens;
  };
  for (const Case& k : {Case{"llama.cpp-cuda", "Q4_0", 2048, 1, 1}, Case{"llama.cpp-cuda", "Q4_0", 3584, 2, 2},
                        Case{"llama.cpp-cuda-2023", "Q4_0", 2048, 2048, 2048}, Case{"vllm", "BF16", 3584, 3584, 2}}) {
    Query q{.model = "llama-2-7b", .quant = k.quant, .device = "rtx-4090", .stack = k.stack, .prompt = k.prompt};
    const Compiled c = compile(q, database());
    double products = 0;
    for (const RepeatedStep& step : prefill_steps(c.query, cut_of(c), predicted_prefill_steps))
      for (const auto& op : c.evaluator.per_op(step.batch))
        if (op.op->kind == OpKind::matmul && op.kernel != "dequantize")
          products += op.cost.operations.value() / 2 * step.times;
    const double tokens = static_cast<double>(k.prompt);
    const double expected =
        tokens * (32 * attention + 31 * feed_forward) + k.last_tokens * feed_forward + k.head_tokens * head;
    EXPECT_NEAR(products / expected, 1, 1e-9) << k.stack << " " << k.prompt;
  }
}

TEST(Predict, BoundsAndSecondsAgree) {
  const Compiled c = compile(base_query(), database());
  for (const StepShape& shape : {StepShape{}, StepShape{.new_tokens = 512}, StepShape{.batch = 8, .depth = 4000}}) {
    const StepCost cost = c.evaluator(shape);
    double bound = 0;
    for (const double seconds : cost.bound) bound += seconds;
    EXPECT_NEAR(bound, cost.seconds.value(), 1e-12);
    EXPECT_NEAR(c.evaluator.seconds(shape).value(), cost.seconds.value(), 1e-12);
    double by_op = c.evaluator.single()->step_overhead().value();
    for (const auto& op : c.evaluator.per_op(shape)) by_op += op.cost.seconds.value();
    EXPECT_NEAR(by_op, cost.seconds.value(), 1e-12);
    for (std::size_t i = 0; i < resource_count; ++i) EXPECT_LE(cost.busy[i], cost.seconds.value() * (1 + 1e-9));
  }
}

TEST(Predict, LatenciesAddUp) {
  const Prediction p = predict(base_query(), database());
  EXPECT_NEAR(p.e2e_latency->value, p.ttft->value + 127 * p.tpot->value, 1e-12);
  EXPECT_NEAR(p.output_token_throughput->value, 128 / p.e2e_latency->value, 1e-9);
  for (const auto& interval :
       {*p.ttft, *p.tpot, *p.e2e_latency, *p.output_token_throughput, p.decode->tokens_per_second}) {
    EXPECT_LT(interval.p10, interval.value);
    EXPECT_LT(interval.value, interval.p90);
  }
}

TEST(Predict, SaysWhatWouldMakeItFit) {
  Query q = base_query();
  q.model = "llama-3.1-70b";
  const Prediction p = predict(q, database());
  EXPECT_FALSE(p.feasible);
  EXPECT_FALSE(p.decode);
  EXPECT_NE(p.limiting.find("memory of gpu: needs"), std::string::npos) << p.limiting;
  const auto at = p.limiting.find("--quant ");
  ASSERT_NE(at, std::string::npos) << p.limiting;
  // The named remedy works, and the next better scheme would not.
  q.quant = p.limiting.substr(at + 8, p.limiting.find(' ', at + 8) - at - 8);
  EXPECT_TRUE(predict(q, database()).feasible) << q.quant;
}

// gpt-oss comes in MXFP4 alone. A release of llama.cpp before that type, and other models, take the usual one.
TEST(Predict, AModelReleasedQuantizedRunsAsItWasReleased) {
  const auto chosen = [](const char* model, const char* stack) {
    Query q{.model = model, .device = "h100-sxm"};
    q.stack = stack;
    const Query c = compile(q, database()).query;
    return std::pair(c.quant, std::string(name_of(c.quant_origin)));
  };
  using Choice = std::pair<std::string, std::string>;
  EXPECT_EQ(chosen("gpt-oss-20b", "llama.cpp-cuda"), Choice("MXFP4_MOE", "published"));
  EXPECT_EQ(chosen("gpt-oss-120b", "vllm"), Choice("BF16-MXFP4", "published"));
  EXPECT_EQ(chosen("gpt-oss-20b", "llama.cpp-cuda-2024"), Choice("Q4_K_M", "usual"));
  EXPECT_EQ(chosen("qwen3-30b-a3b", "llama.cpp-cuda"), Choice("Q4_K_M", "usual"));
  EXPECT_EQ(chosen("deepseek-v3", "vllm"), Choice("FP8-BLOCK", "published"));
  Query q{.model = "gpt-oss-20b", .quant = "Q8_0", .device = "h100-sxm"};
  EXPECT_EQ(compile(q, database()).query.quant_origin, QuantOrigin::given);
}

TEST(Predict, RefusesImpossibleRequests) {
  const auto expect_usage = [](auto change) {
    Query q = base_query();
    change(q);
    EXPECT_THROW(static_cast<void>(predict(q, database())), UsageError);
  };
  expect_usage([](Query& q) { q.depth = 131072; });
  expect_usage([](Query& q) { q.concurrency = 0; });
  expect_usage([](Query& q) { q.prompt = -1; });
  expect_usage([](Query& q) { q.prompt = q.gen = 0; });
  expect_usage([](Query& q) { q.key_type = "q9_9"; });
  expect_usage([](Query& q) { q.ubatch = 0; });
  const auto expect_input = [](auto change) {
    Query q = base_query();
    change(q);
    EXPECT_THROW(static_cast<void>(predict(q, database())), InputError);
  };
  expect_input([](Query& q) { q.model = "llama-3.1-8bb"; });
  expect_input([](Query& q) { q.device = "rtx-409"; });
  expect_input([](Query& q) { q.quant = "Q4_K_X"; });
  expect_input([](Query& q) { q.memory = 25_GiB; });
  expect_input([](Query& q) { q.overrides = {{"memory.bandwith", "1 GB/s"}}; });
  expect_input([](Query& q) { q.overrides = {{"memory.bandwidth", "-1 GB/s"}}; });
  Query q = base_query();
  q.stack = "llama.cpp-metal";
  EXPECT_THROW(static_cast<void>(predict(q, database())), RefusedError);
}

TEST(Evidence, AnUnmeasuredCacheWidensWithTheShareOfAttention) {
  const auto width = [](const char* type, std::int64_t depth) {
    Query query;
    query.key_type = query.value_type = type;
    query.depth = depth, query.prompt = 0, query.gen = 128;
    query.model = "llama-3.1-8b", query.quant = "Q4_K_M", query.device = "rtx-4090";
    const Interval rate = predict(query, database()).decode->tokens_per_second;
    return rate.p90 / rate.p10;
  };
  EXPECT_NEAR(width("iq4_nl", 0), width("f16", 0), 0.01) << "attention takes next to nothing";
  EXPECT_GT(width("iq4_nl", 60000), 1.1 * width("f16", 60000));
}

// The record reaches some depth on a device; what lies beyond, and a device that is changed, is said.
TEST(Evidence, WhatIsBeyondTheMeasurementsIsSaid) {
  const auto notes = [](Query query) {
    query.model = "llama-3.1-8b", query.quant = "Q4_K_M", query.device = "rtx-4090";
    return predict(query, database()).evidence.notes;
  };
  const auto says = [](const std::vector<std::string>& notes, std::string_view what) {
    return std::any_of(notes.begin(), notes.end(), [&](const std::string& note) { return note.starts_with(what); });
  };
  EXPECT_TRUE(notes({}).empty());
  EXPECT_TRUE(says(notes({.depth = 120000}), "measurements reach "));
  EXPECT_TRUE(says(notes({.key_type = "iq4_nl", .value_type = "iq4_nl"}), "a cache of iq4_nl was not measured"));
  EXPECT_TRUE(says(notes({.overrides = {{"memory.bandwidth", "2000GB/s"}}}), "measured was the device as it is"));
}

}  // namespace
}  // namespace silicast
