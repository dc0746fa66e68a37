// SPDX-License-Identifier: Apache-2.0
// The schedulers, the cache and the served predictor. Conservation laws are checked inside of each simulation.
#include "planning/serving.h"

#include <gtest/gtest.h>

#include <set>

#include "planning/continuous_batching.h"
#include "planning/server_slots.h"
#include "report/serving_report.h"
#include "tests/unit/expect_error.h"
#include "tests/unit/shipped_data.h"

namespace silicast::serving {
namespace {

class PerStep : public StepSource {
 public:
  StepUse step(std::span<const StepShape> groups) override {
    double tokens = 0;
    for (const StepShape& group : groups) tokens += group.tokens();
    largest = std::max(largest, tokens);
    return {0.001 + 1e-5 * tokens, 50};
  }
  double largest = 0;
};

TrafficModel traffic(double rate, std::int64_t requests) {
  TrafficModel t;
  t.arrivals.rate = rate;
  t.requests = requests;
  t.lengths.prompt = {300, 0.8};
  t.lengths.output = {60, 0.8};
  return t;
}

MakeScheduler continuous(ContinuousOptions options) {
  return [options] { return std::make_unique<ContinuousBatching>(options); };
}

TEST(Continuous, StepsKeepToTheBudget) {
  PerStep source;
  const auto make = continuous({.token_budget = 128, .max_sequences = 32});
  const SimulationResult result = simulate(traffic(20, 500), 1, make, source, {});
  EXPECT_EQ(result.completed, 500);
  EXPECT_LE(source.largest, 128);
  EXPECT_LE(result.max_running, 32);
}

TEST(Continuous, PreemptsWhenTheCacheIsFullAndLosesNothing) {
  PerStep source;
  // Room for two or three sequences, offered far more.
  const auto make = continuous({.token_budget = 512, .kv_blocks = 80, .prefix_cache = false});
  TrafficModel t = traffic(50, 300);
  t.lengths.prompt = {200, 0.3};
  t.lengths.output = {300, 0.3};
  t.max_context = 1200;
  const SimulationResult result = simulate(t, 1, make, source, {});
  EXPECT_EQ(result.completed, 300);
  EXPECT_GT(result.preemptions, 0);
  EXPECT_GT(result.discarded_tokens, 0);
  EXPECT_LE(result.max_kv, 80 * 16);
  // Recomputed tokens are scheduled again: what was due, and what was discarded.
  EXPECT_EQ(result.scheduled_tokens, result.prompt_tokens + result.output_tokens - 300 + result.discarded_tokens);
}

TEST(Continuous, WithoutPressureNothingIsComputedTwice) {
  PerStep source;
  const SimulationResult result = simulate(traffic(5, 300), 1, continuous({.prefix_cache = false}), source, {});
  EXPECT_EQ(result.preemptions, 0);
  EXPECT_EQ(result.scheduled_tokens, result.prompt_tokens + result.output_tokens - 300);
}

TEST(Continuous, LongerThanTheCacheFails) {
  PerStep source;
  TrafficModel t = traffic(1, 20);
  t.lengths.prompt = {1000, 0};
  const SimulationResult result = simulate(t, 1, continuous({.kv_blocks = 10}), source, {});
  EXPECT_EQ(result.failed, 20);
  EXPECT_EQ(result.completed, 0);
}

TEST(Continuous, PromptsStallNoOneWhenChunked) {
  // One long prompt among decoding sequences: whole, the others wait for it; in chunks, they go on.
  TrafficModel t = traffic(8, 400);
  t.lengths.observed = {{20, 100}, {20, 100}, {20, 100}, {20'000, 2}};
  PerStep source;
  const double whole =
      simulate(t, 1, continuous({.token_budget = 40'000, .chunked_prefill = false}), source, {}).itl.max;
  const double chunked = simulate(t, 1, continuous({.token_budget = 256}), source, {}).itl.max;
  EXPECT_LT(chunked, 0.1 * whole);
}

// Two devices with half of the layers each: a step of one token takes 0.1 s, 0.05 s on each of them.
class TwoStages : public StepSource {
 public:
  StepUse step(std::span<const StepShape> groups) override {
    double tokens = 0;
    for (const StepShape& group : groups) tokens += group.tokens();
    return {0.1 * tokens, 100, 0.05 * tokens};
  }
  [[nodiscard]] double idle_watts() const override { return 40; }
};

TEST(Pipeline, StepsFollowEachOtherThroughTheDevices) {
  TwoStages source;
  TrafficModel t;
  t.kind = TrafficKind::replay;
  const Request request{.arrival = 0, .prompt = 1, .output = 101};
  t.trace = {request, request};
  t.trace[1].arrival = 0.02;
  t.requests = 2;
  // Alone in the pipeline, a sequence waits 0.1 s for each token; so do two that are half a pipeline apart.
  const SimulationResult two = simulate(t, 1, continuous({.flights = 2}), source, {});
  EXPECT_NEAR(two.e2e.max, 0.03 + 101 * 0.1, 1e-9);
  EXPECT_NEAR(two.itl.mean, 0.1, 1e-3);
  EXPECT_NEAR(two.seconds, 0.05 + 101 * 0.1, 1e-9);
  // 202 steps of 0.1 s with 60 W above the 40 W that it always draws.
  EXPECT_NEAR(two.joules, 202 * 0.1 * 60 + two.seconds * 40, 1e-6);
  // One step at a time: both sequences in each, which takes twice as long.
  const SimulationResult one = simulate(t, 1, continuous({.flights = 1}), source, {});
  EXPECT_NEAR(one.itl.mean, 0.2, 0.01);
  EXPECT_NEAR(one.joules, 202 * 0.1 * 60 + one.seconds * 40, 1e-6);
}

TEST(Pipeline, FullPipelinesLoseNothing) {
  TwoStages source;
  TrafficModel t = traffic(0.05, 200);
  t.lengths.prompt = {20, 0.8};
  t.lengths.output = {30, 0.8};
  t.max_context = 200;
  for (const std::int64_t blocks : {0, 25}) {  // with and without preemption; the run checks its laws
    const SimulationResult result =
        simulate(t, 1, continuous({.token_budget = 16, .kv_blocks = blocks, .flights = 2}), source, {});
    EXPECT_EQ(result.completed, 200);
  }
}

TEST(PrefixCache, SharedPromptsAreComputedOnce) {
  PerStep source;
  TrafficModel t = traffic(2, 200);
  t.lengths.prompt = {64, 0};
  t.shared_prompt = 1600;
  const SimulationResult result = simulate(t, 1, continuous({}), source, {});
  // All but the first few find all of its 100 blocks; those that came while it was computed do not.
  EXPECT_GT(result.cached_tokens, 190 * 1600.0);
  EXPECT_LE(result.cached_tokens, 199 * 1600.0);
  EXPECT_EQ(simulate(t, 1, continuous({.prefix_cache = false}), source, {}).cached_tokens, 0);
}

TEST(PrefixCache, ConversationsFindWhatWasSaid) {
  PerStep source;
  TrafficModel t = traffic(0.2, 200);
  t.turns = 5;
  t.lengths.prompt = {100, 0};
  t.lengths.output = {60, 0};
  const SimulationResult result = simulate(t, 1, continuous({}), source, {});
  // Turn k finds the whole blocks of k (100 + 60) - 1 tokens: 144, 304, 464, 624.
  EXPECT_EQ(result.cached_tokens, 40 * (144 + 304 + 464 + 624.0));
  // llama.cpp's slots keep every token of the last conversation that each had.
  const auto slots = [] { return std::make_unique<ServerSlots>(SlotOptions{.slots = 40}); };
  EXPECT_EQ(simulate(t, 1, slots, source, {}).cached_tokens, 40 * (159 + 319 + 479 + 639.0));
}

// vLLM's blocks do not end where segments do: a block across the border of system prompt and conversation is shared by
// the turns of the conversation, though not by other conversations.
TEST(PrefixCache, BlocksLieAcrossTheBordersOfSegments) {
  PerStep source;
  TrafficModel t = traffic(0.2, 40);
  t.turns = 2;
  t.shared_prompt = 410;  // 25 blocks and 10 tokens
  t.lengths.prompt = {100, 0};
  t.lengths.output = {60, 0};
  const SimulationResult result = simulate(t, 1, continuous({}), source, {});
  // First turns, but for the very first, find 25 blocks; second ones the whole blocks of 410 + 100 + 60 - 1 tokens.
  EXPECT_EQ(result.cached_tokens, 19 * 400 + 20 * 560.0);
}

TEST(PrefixCache, PromptsShareAsFarAsTheyAreEqual) {
  PerStep source;
  TrafficModel t;
  t.kind = TrafficKind::replay;
  const auto request = [](double at, std::int32_t prompt, std::vector<PrefixSegment> prefix) {
    return Request{.arrival = at, .prompt = prompt, .output = 2, .prefix = std::move(prefix)};
  };
  t.trace = {request(0, 1000, {{1, 512}, {2, 488}}), request(10, 700, {{1, 300}, {3, 400}}),
             request(20, 1000, {{1, 512}, {2, 488}}), request(30, 1100, {{1, 512}, {2, 512}, {4, 76}})};
  t.requests = 4;
  const SimulationResult result = simulate(t, 1, continuous({}), source, {});
  // 300 tokens: 18 blocks; the same again: all whole blocks but the last token's, which has to be computed; and 992
  // tokens of the same beginning.
  EXPECT_EQ(result.cached_tokens, 288 + 992 + 992);
}

TEST(PrefixCache, PreemptedSequencesFindWhatIsLeftOfThem) {
  PerStep source;
  TrafficModel t = traffic(50, 300);
  t.lengths.prompt = {200, 0.3};
  t.lengths.output = {300, 0.3};
  t.max_context = 1200;
  const auto run = [&](bool cache) {
    return simulate(t, 1, continuous({.token_budget = 512, .kv_blocks = 80, .prefix_cache = cache}), source, {});
  };
  const SimulationResult with = run(true);
  EXPECT_GT(with.preemptions, 0);
  EXPECT_GT(with.cached_tokens, 0);
  EXPECT_LE(with.cached_tokens, with.discarded_tokens);
  EXPECT_EQ(run(false).cached_tokens, 0);
}

TEST(PrefixCache, StickySessionsFindMoreThanScatteredOnes) {
  PerStep source;
  TrafficModel t = traffic(1, 1000);
  t.turns = 5;
  const auto cached = [&](Balancer balancer) {
    return simulate(t, 1, continuous({}), source, {.replicas = 4, .balancer = balancer}).cached_tokens;
  };
  EXPECT_GT(cached(Balancer::session_sticky), 1.5 * cached(Balancer::round_robin));
}

TEST(Pool, EvictsWhatWasUsedLongestAgo) {
  KvPool pool(10, 16, true);
  const auto conversation = [](std::uint64_t key) {
    return Request{.prompt = 64, .session = key, .prefix = {{key, 64}}};
  };
  for (const std::uint64_t key : {std::uint64_t{1}, std::uint64_t{2}}) {
    KvPool::Holding holding;
    ASSERT_TRUE(pool.grow(holding, 64));
    pool.release(conversation(key), holding, 64);
  }
  EXPECT_EQ(pool.used(), 0);
  EXPECT_EQ(pool.cached(), 8);
  KvPool::Holding newcomer;
  ASSERT_TRUE(pool.grow(newcomer, 64));
  EXPECT_EQ(pool.cached_tokens(conversation(1), {}, 64), 32);  // its last blocks went
  EXPECT_EQ(pool.cached_tokens(conversation(2), {}, 64), 64);
  EXPECT_EQ(pool.cached_tokens(conversation(2), {}, 63), 48);
  KvPool::Holding second;
  EXPECT_FALSE(pool.grow(second, 7 * 16));
  EXPECT_EQ(second.blocks(), 0);
  pool.pin(conversation(2), second, 64);
  EXPECT_EQ(pool.used(), 8);
  pool.release(conversation(2), second, 0);
  pool.release({}, newcomer, 0);
  EXPECT_EQ(pool.used(), 0);
}

TEST(Pool, PinsWhatIsUsedAndNoMore) {
  KvPool pool(20, 16, true);
  const Request all{.prompt = 160, .prefix = {{7, 160}}};
  const Request half{.prompt = 100, .prefix = {{7, 80}}};
  KvPool::Holding first;
  ASSERT_TRUE(pool.grow(first, 160));
  pool.publish(all, first, 160);
  EXPECT_EQ(first.own, 0);
  pool.release(all, first, 160);
  EXPECT_EQ(pool.cached(), 10);
  KvPool::Holding second;
  pool.pin(half, second, pool.cached_tokens(half, second, 99));
  EXPECT_EQ(pool.used(), 5);  // the other five can be had
  ASSERT_TRUE(pool.grow(second, 15 * 16));
  EXPECT_EQ(pool.cached_tokens(all, {}, 160), 160);
  ASSERT_TRUE(pool.grow(second, 18 * 16));
  EXPECT_EQ(pool.cached_tokens(all, {}, 160), 112);
  pool.release(half, second, 18 * 16);
  EXPECT_EQ(pool.used(), 0);
}

TEST(Slots, FillBatchesInMicroBatches) {
  PerStep source;
  const auto make = [] { return std::make_unique<ServerSlots>(SlotOptions{.slots = 4, .ubatch = 64}); };
  const SimulationResult result = simulate(traffic(5, 300), 1, make, source, {});
  EXPECT_EQ(result.completed, 300);
  EXPECT_LE(source.largest, 64);
  EXPECT_LE(result.max_running, 4);
}

TEST(Slots, GiveUpWhatFindsNoRoom) {
  PerStep source;
  TrafficModel t = traffic(50, 100);
  t.lengths.prompt = {100, 0};
  t.lengths.output = {400, 0};
  const auto make = [] { return std::make_unique<ServerSlots>(SlotOptions{.slots = 4, .cells = 1000}); };
  const SimulationResult result = simulate(t, 1, make, source, {});
  EXPECT_GT(result.failed, 0);
  EXPECT_GT(result.completed, 0);
  EXPECT_EQ(result.failed + result.completed, 100);
}

TEST(Simulation, IsTheSameForTheSameSeed) {
  PerStep source;
  const auto run = [&](std::uint64_t seed) { return simulate(traffic(20, 500), seed, continuous({}), source, {}); };
  EXPECT_EQ(run(7).ttft.mean, run(7).ttft.mean);
  EXPECT_EQ(run(7).joules, run(7).joules);
  EXPECT_NE(run(7).ttft.mean, run(8).ttft.mean);
}

TEST(Simulation, ArrivalsHaveTheirRateAndSpread) {
  for (std::size_t kind = 0; kind < arrival_kind_names().size(); ++kind) {
    ArrivalModel model;
    model.kind = static_cast<ArrivalKind>(kind);
    model.rate = 5;
    model.cv = 2;
    model.period = 100;
    Arrivals arrivals(model, Random(3));
    constexpr int count = 200'000;
    double last = 0;
    double squares = 0;
    for (int i = 0; i < count; ++i) {
      const double next = arrivals.next();
      ASSERT_GE(next, last);
      squares += (next - last) * (next - last);
      last = next;
    }
    EXPECT_NEAR(count / last, 5, 0.1) << arrival_kind_names()[kind];
    const double cv_squared = squares / count * 25 - 1;
    switch (model.kind) {
      case ArrivalKind::constant: EXPECT_NEAR(cv_squared, 0, 1e-6); break;
      case ArrivalKind::poisson: EXPECT_NEAR(cv_squared, 1, 0.03); break;
      case ArrivalKind::gamma: EXPECT_NEAR(cv_squared, 4, 0.2); break;
      case ArrivalKind::bursty: EXPECT_GT(cv_squared, 1.3); break;
      case ArrivalKind::diurnal: break;
    }
  }
}

TEST(Simulation, ContradictoryObjectivesAreRefused) {
  EXPECT_THROW(check(Slo{.ttft = 2, .e2e = 1}), UsageError);
  EXPECT_THROW(check(Slo{.tpot = 2, .e2e = 1}), UsageError);
  EXPECT_THROW(check(Slo{.percentile = 101}), UsageError);
  EXPECT_NO_THROW(check(Slo{.ttft = 1, .tpot = 0.1, .e2e = 10}));
}

ServingQuestion served(const char* device, const char* stack, const char* quant) {
  ServingQuestion q;
  q.query = {.model = "llama-3.1-8b", .quant = quant, .device = device, .stack = stack};
  q.traffic.lengths.prompt = {700, 0};
  q.traffic.lengths.output = {200, 0};
  q.traffic.requests = 5;
  q.interval = false;
  return q;
}

TEST(Serving, OneClientGetsWhatIsPredicted) {
  const std::pair<const char*, const char*> machines[] = {
      {"h100-sxm", "vllm"}, {"h100-sxm", "tensorrt-llm"}, {"rtx-4090", "llama.cpp"}, {"m2-ultra-76", "llama.cpp"}};
  for (const auto& [device, stack] : machines) {
    ServingQuestion q = served(device, stack, std::string(stack) == "llama.cpp" ? "Q8_0" : "BF16");
    q.traffic.kind = TrafficKind::closed;
    q.batching.prefix_cache = false;
    const ServingAnswer answer = serve(q, database());
    const Prediction& p = answer.prediction;
    EXPECT_NEAR(answer.result.ttft.mean, p.ttft->value, 1e-6 * p.ttft->value) << device << " " << stack;
    // The predictor averages over as many steps as tokens; the first token comes with the prompt.
    EXPECT_NEAR(answer.result.tpot.mean, p.tpot->value, 1e-3 * p.tpot->value) << device << " " << stack;
    EXPECT_NEAR(answer.result.e2e.mean, p.e2e_latency->value, 1e-3 * p.e2e_latency->value) << device << " " << stack;
    EXPECT_FALSE(answer.capacity);
  }
}

TEST(Serving, OfferedAboveCapacityIsUnstable) {
  ServingQuestion q = served("rtx-4090", "vllm", "BF16");
  q.traffic.arrivals.rate = 0.1;
  q.traffic.requests = 50;
  const ServingAnswer calm = serve(q, database());
  EXPECT_TRUE(calm.stable());
  ASSERT_TRUE(calm.capacity);
  q.traffic.arrivals.rate = 1.5 * *calm.capacity;
  q.traffic.requests = 2000;
  const ServingAnswer flooded = serve(q, database());
  EXPECT_FALSE(flooded.stable());
  // What is answered a second cannot exceed the capacity, but for the start and the end.
  EXPECT_NEAR(flooded.result.requests_per_second(), *calm.capacity, 0.1 * *calm.capacity);
}

TEST(Serving, SlowerStepsWaitLonger) {
  ServingQuestion q = served("rtx-4090", "vllm", "BF16");
  q.traffic.arrivals.rate = 1;
  q.traffic.requests = 200;
  q.interval = true;
  const ServingAnswer answer = serve(q, database());
  ASSERT_TRUE(answer.fast && answer.slow);
  EXPECT_LT(answer.fast->e2e.p99, answer.result.e2e.p99);
  EXPECT_GT(answer.slow->e2e.p99, answer.result.e2e.p99);
}

TEST(Serving, TheSameSeedGivesTheSameBytes) {
  ServingQuestion q = served("rtx-4090", "vllm", "BF16");
  q.traffic.lengths.prompt.cv = 1;
  q.traffic.arrivals.rate = 2;
  q.traffic.requests = 100;
  const std::string first = serving_json(q, serve(q, database()));
  EXPECT_EQ(first, serving_json(q, serve(q, database())));
  EXPECT_EQ(timeline_csv(q, serve(q, database())), timeline_csv(q, serve(q, database())));
  q.seed = 2;
  EXPECT_NE(first, serving_json(q, serve(q, database())));
}

TEST(Serving, CacheTakesWhatTheWeightsLeave) {
  const ServingSystem system(served("rtx-4090", "vllm", "BF16"), database());
  // 32 layers x 8 heads x 128 x 2 (keys, values) x 2 bytes = 128 KiB a token of Llama-3.1-8B.
  double left = 0;
  for (const MemoryPool& pool : system.prediction().pools)
    if (pool.name == "gpu") left = (pool.usable - pool.weights - pool.compute - pool.overhead).value();
  EXPECT_NEAR(static_cast<double>(system.kv_tokens()), left / 131072, 0.01 * left / 131072);
}

}  // namespace
}  // namespace silicast::serving
