// SPDX-License-Identifier: Apache-2.0
// Where layers live, against llama.cpp's rules of counting, conservation, and closed forms of links.
#include "model/placement.h"

#include <gtest/gtest.h>

#include "model/database.h"
#include "model/machine.h"
#include "model/prediction.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

Query offloaded(const char* model, const char* device, Offload::Layers layers, std::int64_t gpu_layers = 0) {
  Query q{.model = model, .quant = "Q4_K_M", .device = device};
  q.host = "desktop-ddr5-6000";
  q.offload = {.layers = layers, .gpu_layers = gpu_layers};
  return q;
}

Bytes weights(const Prediction& p) {
  Bytes sum;
  for (const MemoryPool& pool : p.pools) sum += pool.weights;
  return sum;
}

TEST(Placement, CountsLayersAsLlamaCppDoes) {
  // 33 = everything; 32 leaves block 0 on the host; 1 leaves all blocks there; 0 the output as well.
  const auto placement = [](std::int64_t n) {
    return compile(offloaded("llama-3.1-8b", "rtx-4090", Offload::Layers::count, n), database()).placement;
  };
  EXPECT_FALSE(placement(33).uses_host());
  EXPECT_EQ(placement(32).host_layers, 1);
  EXPECT_EQ(placement(1).host_layers, 32);
  EXPECT_FALSE(placement(1).host_output);
  EXPECT_TRUE(placement(0).host_output);
  for (const int n : {0, 1, 5, 32, 33}) EXPECT_EQ(placement(n).gpu_layers(32), n);
}

TEST(Placement, LosesAndDoublesNoWeight) {
  const Prediction all = predict({.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = "rtx-4090"}, database());
  for (const std::int64_t n : {0, 1, 7, 20, 32})
    EXPECT_EQ(weights(predict(offloaded("llama-3.1-8b", "rtx-4090", Offload::Layers::count, n), database())),
              weights(all))
        << n;
  for (const char* device : {"rtx-4090x2", "rtx-4090x3", "rtx-4090x8"})
    EXPECT_EQ(weights(predict({.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = device}, database())),
              weights(all))
        << device;
}

TEST(Placement, DecodeSlowsDownWithEveryLayerOnTheHost) {
  double before = 0;
  for (const std::int64_t n : {33, 32, 24, 16, 8, 1, 0}) {
    const Prediction p = predict(offloaded("llama-3.1-8b", "rtx-4090", Offload::Layers::count, n), database());
    ASSERT_TRUE(p.decode) << p.limiting;
    EXPECT_GT(p.decode->seconds.value(), before) << n;
    before = p.decode->seconds.value();
  }
}

TEST(Placement, HostLayersDecodeAtHostBandwidth) {
  // All 32 blocks on the host: at least their bytes over the host's peak bandwidth.
  const Compiled c = compile(offloaded("llama-3.1-8b", "rtx-4090", Offload::Layers::count, 1), database());
  Bytes host;
  for (const Bytes bytes : c.layers.weights) host += bytes;
  const double floor = host / c.host->memory.bandwidth / Seconds(1);
  const double seconds = c.evaluator.seconds(StepShape{}).value();
  EXPECT_GT(seconds, floor);
  EXPECT_LT(seconds, 2.5 * floor);
}

TEST(Placement, PrefillStreamsHostWeightsOncePerMicroBatch) {
  Query q = offloaded("llama-3.1-8b", "rtx-4090", Offload::Layers::count, 1);
  q.prompt = 512;
  const auto bytes = [&](std::int64_t prompt) {
    q.prompt = prompt;
    const Compiled c = compile(q, database());
    return prefill_cost(c.evaluator, c.query, 512).link_bytes.value();
  };
  const double once = bytes(512);
  EXPECT_NEAR(bytes(2048) / once, 4, 1e-9);
  // Below 32 tokens the CPU computes, and only activations cross: 16 KiB a token and hand-over.
  EXPECT_NEAR(bytes(31), 31 * 4096 * 4, 1);
  // A wider slot is faster in prefill, and all but indifferent to decoding.
  q.prompt = 512;
  const Prediction narrow = predict(q, database());
  q.pcie = Pcie{5, 16};
  const Prediction wide = predict(q, database());
  EXPECT_LT(wide.prefill->seconds.value(), 0.7 * narrow.prefill->seconds.value());
  EXPECT_NEAR(wide.decode->seconds / narrow.decode->seconds, 1, 0.01);
  q.mapped = false;
  EXPECT_LT(predict(q, database()).prefill->seconds.value(), wide.prefill->seconds.value());
}

TEST(Placement, AutomaticFillsTheGpuAndNoMore) {
  const Compiled c = compile(offloaded("llama-3.3-70b", "rtx-5090", Offload::Layers::automatic), database());
  EXPECT_TRUE(c.placement.uses_host());
  Query q = offloaded("llama-3.3-70b", "rtx-5090", Offload::Layers::count, c.placement.gpu_layers(80));
  EXPECT_TRUE(predict(q, database()).feasible);
  q.offload.gpu_layers += 1;
  EXPECT_FALSE(predict(q, database()).feasible);
  // Nothing to move: everything stays on the device.
  EXPECT_FALSE(
      compile(offloaded("llama-3.1-8b", "rtx-5090", Offload::Layers::automatic), database()).placement.uses_host());
}

TEST(Placement, ExpertsOnTheHostBeatWholeLayers) {
  Query q = offloaded("qwen3-30b-a3b", "rtx-3060", Offload::Layers::automatic);
  q.quant = "Q8_0";
  const Prediction automatic = predict(q, database());
  ASSERT_TRUE(automatic.decode) << automatic.limiting;
  EXPECT_NE(automatic.query.placement.find("experts"), std::string::npos) << automatic.query.placement;
  q.offload = {.layers = Offload::Layers::all, .cpu_moe_layers = 48};
  const Prediction all_experts = predict(q, database());
  EXPECT_GE(automatic.decode->tokens_per_second.value, all_experts.decode->tokens_per_second.value);
}

TEST(Placement, LayerSplitGivesCapacityNotDecodeSpeed) {
  const auto decode = [](const char* device, Split split) {
    Query q{.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = device};
    q.split = split;
    return predict(q, database()).decode->seconds.value();
  };
  EXPECT_GE(decode("rtx-a6000x2", Split::layer), decode("rtx-a6000", Split::layer));
  EXPECT_LT(decode("rtx-a6000x2", Split::tensor), decode("rtx-a6000", Split::layer));
}

TEST(Placement, AllReducesGoRoundARingOnlyWhereThereIsMuchToSend) {
  Query q{.model = "llama-3.1-70b", .quant = "BF16", .device = "h100-sxmx8"};
  q.stack = "vllm";
  q.split = Split::tensor;
  q.calibrated = false;
  const Compiled c = compile(q, database());
  const double latency = c.machine.links.peer_latency.value();
  const double bandwidth = c.machine.links.peer.value();
  const double layers = 80, token = 8192 * 2;  // 16-bit activations of Llama 70B
  EXPECT_NEAR(c.evaluator.reduce_seconds(1).value(), 2 * layers * (latency + 7 * token / bandwidth), 1e-9)
      << "each reads the others' at once";
  EXPECT_NEAR(c.evaluator.reduce_seconds(8192).value(), 2 * layers * 14 * (latency + 8192 * token / 8 / bandwidth),
              1e-9)
      << "2 (G-1) messages of a G-th";
}

TEST(Placement, ARowSplitSendsInputsAndGathersOutputsOfEveryProduct) {
  // Llama 3.1 8B, Q8_0, on two cards, one token: of each layer q, k, v, o, gate, up and down, and the output matrix.
  // The input goes to the other card in blocks of 36 bytes for 32 values, half of the output comes back as F32.
  Query q{.model = "llama-3.1-8b", .quant = "Q8_0", .device = "rtx-4090x2"};
  q.split = Split::row;
  const Compiled c = compile(q, database());
  const auto product = [](double in, double out) { return in * 36 / 32 + out / 2 * 4; };
  const double layer = product(4096, 4096) + 2 * product(4096, 1024) + product(4096, 4096) + 2 * product(4096, 14336) +
                       product(14336, 4096);
  const double head = product(4096, 128256);
  const auto seconds = [&](double bytes) {
    const double started = 2 * c.machine.device.stack->overheads.shared_product.value();
    return (32 * 7 + 1) * (2 * c.machine.links.peer_latency.value() + started) + bytes / c.machine.links.peer.value();
  };
  EXPECT_NEAR(c.evaluator.gather_seconds({.sequences = 1, .tokens = 1, .outputs = 1}).value(),
              seconds(32 * layer + head), 1e-12);
  EXPECT_NEAR(c.evaluator(StepShape{}).link_bytes.value(), 32 * layer + head, 1);
  EXPECT_EQ(c.evaluator.reduce_seconds(1).value(), 0);
  // 16-bit weights take their input as F32: 4 bytes a value instead of 36 / 32.
  q.quant = "F16";
  q.device = "rtx-a6000x2";
  const double values = 32 * (4096.0 * 6 + 14336) + 4096;
  EXPECT_NEAR(compile(q, database()).evaluator(StepShape{}).link_bytes.value(),
              32 * layer + head + values * (4 - 36.0 / 32), 1);
}

TEST(Placement, ARowSplitRunsAllButProductsOnOneDevice) {
  const auto decode = [](Split split, std::int64_t depth) {
    Query q{.model = "llama-3.1-8b", .quant = "F16", .device = "rtx-a6000x2", .depth = depth};
    q.split = split;
    const Compiled c = compile(q, database());
    return c.evaluator.seconds(StepShape{.depth = static_cast<double>(depth)}).value();
  };
  // Attention over a deep cache takes as long as on one device, where a layer split has it.
  EXPECT_NEAR(decode(Split::row, 100'000) - decode(Split::row, 0),
              decode(Split::layer, 100'000) - decode(Split::layer, 0), 1e-5);
  EXPECT_LT(decode(Split::tensor, 100'000) - decode(Split::tensor, 0),
            0.6 * (decode(Split::row, 100'000) - decode(Split::row, 0)));
  // Half of the weights at a time, and a message or two for each product.
  EXPECT_LT(decode(Split::row, 0), decode(Split::layer, 0));
  EXPECT_GT(decode(Split::row, 0), decode(Split::tensor, 0));
}

TEST(Placement, OnlyLlamaCppDividesByRows) {
  Query q{.model = "llama-3.1-8b", .quant = "BF16", .device = "h100-sxmx2"};
  q.stack = "vllm";
  q.split = Split::row;
  EXPECT_EQ(compile(q, database()).placement.split, Split::tensor);
}

TEST(Placement, TheCudaOf2023KnowsNoSplitByLayers) {
  Query q{.model = "llama-2-7b", .quant = "Q4_0", .device = "rtx-3090x2", .stack = "llama.cpp-cuda-2023"};
  q.split = Split::layer;
  EXPECT_EQ(compile(q, database()).placement.split, Split::row);
  q.device_shares = {3, 1};
  EXPECT_THROW(compile(q, database()), UsageError) << "shares are of layers";
}

// Stages with the same operations are evaluated once: as many times their cost as one of them alone.
TEST(Placement, AlikeStagesCountEach) {
  const auto decode = [](const char* device) {
    const Compiled c = compile({.model = "llama-3.1-8b", .quant = "Q8_0", .device = device}, database());
    return c.evaluator(StepShape{}).dram_bytes.value();
  };
  EXPECT_NEAR(decode("rtx-4090x8"), decode("rtx-4090"), 1e-6 * decode("rtx-4090"));
}

TEST(Placement, PrefillPipelinesOverDevices) {
  const auto prefill = [](const char* device) {
    return predict({.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = device, .prompt = 16384}, database())
        .prefill->seconds.value();
  };
  const double one = prefill("rtx-a6000");
  const double two = prefill("rtx-a6000x2");
  EXPECT_LT(two, 0.62 * one);
  EXPECT_GT(two, 0.5 * one);
}

// The same operations and bytes, whoever does them: layers over two devices and a host are the parts of one device's
// step.
TEST(Placement, SeveralDevicesWithAHostLoseNoWork) {
  Query q = offloaded("qwen3-30b-a3b", "rtx-3090", Offload::Layers::all);
  const StepShape token{.depth = 512};
  const StepShape prompt{.new_tokens = 512};
  const Compiled one = compile(q, database());
  for (const std::int64_t n : {48, 30, 9, 1})
    for (const std::int64_t experts : {0, 5, 24, 48}) {
      q.device = "rtx-3090x2";
      q.offload = {.layers = Offload::Layers::count, .gpu_layers = n, .cpu_moe_layers = experts};
      const Compiled both = compile(q, database());
      for (const StepShape& shape : {token, prompt}) {
        const StepCost whole = one.evaluator(shape);
        const StepCost parts = both.evaluator(shape);
        EXPECT_NEAR(parts.operations / whole.operations, 1, 1e-9) << n << " " << experts;
        EXPECT_NEAR(parts.dram_bytes / whole.dram_bytes, 1, 0.02) << n << " " << experts;
      }
      Bytes weights_of_both;
      Bytes cache_of_both;
      for (const MemoryPool& pool : predict(both, database()).pools) {
        weights_of_both += pool.weights;
        cache_of_both += pool.kv_cache;
      }
      EXPECT_EQ(weights_of_both, weights(predict(one, database()))) << n << " " << experts;
      EXPECT_NEAR(cache_of_both / one.layers.cache.front() / 48, 1, 1e-9);
      // The host's cache is that of its layers.
      const auto pools = predict(both, database()).pools;
      EXPECT_NEAR(pools.back().kv_cache / one.layers.cache.front(), static_cast<double>(49 - n), 1e-9);
    }
}

TEST(Placement, AutomaticFillsSeveralDevices) {
  // 70B in Q4_K_M, 40 GiB, on two cards of 16 GiB: what lies on the host is less than on one card, and one layer more
  // on the cards would not fit.
  Query q = offloaded("llama-3.3-70b", "rtx-5080x2", Offload::Layers::automatic);
  const Compiled two = compile(q, database());
  q.device = "rtx-5080";
  const Compiled one = compile(q, database());
  EXPECT_TRUE(two.placement.uses_host());
  EXPECT_LT(two.placement.host_layers, one.placement.host_layers);
  EXPECT_LT(two.evaluator.seconds(StepShape{}).value(), one.evaluator.seconds(StepShape{}).value());
  int placed = two.placement.host_layers;
  for (const int layers : two.placement.device_layers) placed += layers;
  EXPECT_EQ(placed, 80);
  const auto fits = [&](std::int64_t gpu_layers) {
    q.device = "rtx-5080x2";
    q.offload = {.layers = Offload::Layers::count, .gpu_layers = gpu_layers};
    for (double first = 30; first < 50; ++first) {
      q.device_shares = {first, 80 - first};
      if (predict(q, database()).feasible) return true;
    }
    return false;
  };
  EXPECT_TRUE(predict(two, database()).feasible);
  EXPECT_FALSE(fits(two.placement.gpu_layers(80) + 1));
}

TEST(Placement, ExpertsOnTheHostBalanceTheDevices) {
  // The first layers lose their experts: the first device then takes more layers than the second.
  Query q = offloaded("qwen3-30b-a3b", "rtx-3060x2", Offload::Layers::automatic);
  q.quant = "Q8_0";
  const Compiled c = compile(q, database());
  ASSERT_GT(c.placement.host_expert_layers, 0);
  EXPECT_GT(c.placement.device_layers.front(), c.placement.device_layers.back());
  EXPECT_TRUE(predict(c, database()).feasible);
}

TEST(Placement, NoPipelineBesideAHost) {
  const auto ratio = [](std::int64_t gpu_layers) {
    Query q = offloaded("llama-3.1-8b", "rtx-a6000x2", Offload::Layers::count, gpu_layers);
    q.prompt = 8192;
    const Compiled c = compile(q, database());
    const double whole = prefill_cost(c.evaluator, c.query, 512).seconds.value();
    StepCost steps;
    for (const RepeatedStep& step : prefill_steps(c.query, 512, predicted_prefill_steps)) {
      StepCost cost = c.evaluator(step.batch);
      cost *= step.times;
      steps += cost;
    }
    return whole / steps.seconds.value();
  };
  EXPECT_LT(ratio(33), 0.6);
  EXPECT_NEAR(ratio(32), 1, 1e-12);
}

// ik_llama.cpp copies experts from 32 times as many tokens on as there are experts to each that is used (its PR 520):
// 32 x 256 / 8 = 1024 for DeepSeek-V3.
TEST(Placement, ExpertsAreCopiedFromLargerBatchesOn) {
  Query q = offloaded("deepseek-v3", "rtx-5090", Offload::Layers::all);
  q.quant = "Q2_K";
  q.stack = "ik-llama.cpp-cuda";
  q.host = "epyc-9355";
  q.offload.cpu_moe_layers = 61;
  const Compiled c = compile(q, database());
  const auto host_seconds = [&](double tokens) { return c.evaluator({.new_tokens = tokens}).host.seconds.value(); };
  EXPECT_GT(host_seconds(1023), 0);
  EXPECT_EQ(host_seconds(1024), 0);
  // All experts of all layers cross the link, chosen or not.
  Bytes experts;
  for (const Bytes bytes : c.layers.experts) experts += bytes;
  EXPECT_NEAR(c.evaluator({.new_tokens = 1024}).link_bytes / experts, 1, 1e-9);
  q.offload.streams_prompts = false;
  EXPECT_GT(compile(q, database()).evaluator({.new_tokens = 4096}).host.seconds.value(), 0);
}

TEST(Placement, UnevenSharesFollowTheList) {
  Query q{.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = "rtx-4090x2"};
  q.device_shares = {3, 1};
  EXPECT_EQ(compile(q, database()).placement.device_layers, (std::vector<int>{24, 8}));
  q.device_shares = {1};
  EXPECT_THROW(static_cast<void>(compile(q, database())), UsageError);
  q.device_shares = {0, 0};
  EXPECT_THROW(static_cast<void>(compile(q, database())), UsageError);
}

TEST(Placement, PagesFromStorageBeyondTheHostsMemory) {
  Query q{.model = "llama-3.1-405b", .quant = "Q4_K_M", .device = "ryzen-9-7950x"};
  const Prediction paged = predict(q, database());
  ASSERT_TRUE(paged.decode) << paged.limiting;
  EXPECT_NE(paged.query.placement.find("page from storage"), std::string::npos);
  EXPECT_EQ(paged.decode->cost.bottleneck(), Resource::link);
  q.mapped = false;
  EXPECT_FALSE(predict(q, database()).feasible);
}

TEST(Placement, SaysWhatIsMissing) {
  const auto refused = [](auto change) {
    Query q{.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = "rtx-4090"};
    change(q);
    EXPECT_THROW(static_cast<void>(compile(q, database())), UsageError);
  };
  refused([](Query& q) { q.offload = {.layers = Offload::Layers::automatic}; });      // no host
  refused([](Query& q) { q.device = "m2-ultra-76", q.host = "desktop-ddr5-6000"; });  // a whole machine
  refused([](Query& q) { q.device = "rtx-4090x2", q.interconnect = "nvlink"; });      // has none
  refused([](Query& q) { q.device = "rtx-4090x0"; });
  refused([](Query& q) { q.interconnect = "nvlink"; });                       // has none here either
  refused([](Query& q) { q.device = "m2-ultra-76", q.pcie = Pcie{4, 16}; });  // has no slot
  refused([](Query& q) { q.device = "rtx-4090x2", q.split = Split::row, q.device_shares = {3, 1}; });
  Query q{.model = "llama-3.1-8b", .quant = "FP8", .device = "rtx-4090"};
  q.host = "desktop-ddr5-6000";
  q.offload = {.layers = Offload::Layers::automatic};
  EXPECT_THROW(static_cast<void>(compile(q, database())), RefusedError);  // vLLM leaves nothing on the host
}

TEST(Placement, UnifiedMemoryNeedsNoCopies) {
  Query q{.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = "m2-max-38"};
  q.offload = {.layers = Offload::Layers::count, .gpu_layers = 16};
  const Compiled c = compile(q, database());
  EXPECT_EQ(c.evaluator({.new_tokens = 512}).link_bytes.value(), 0);
  const auto pools = predict(c, database()).pools;
  EXPECT_EQ(pools.size(), 1U);
}

// 25 GB: more than the GPU may keep of 32 GiB, less than there is.
TEST(Placement, LayersOfTheCpuDoNotCountAgainstTheGpusLimit) {
  Query q{.model = "qwen3-30b-a3b", .quant = "Q6_K", .device = "m2-max-38", .memory = 32_GiB};
  EXPECT_FALSE(predict(q, database()).feasible);
  q.offload = {.layers = Offload::Layers::count, .gpu_layers = 0};
  const Prediction p = predict(q, database());
  EXPECT_TRUE(p.feasible) << p.limiting;
  EXPECT_LE(p.pools.front().usable, p.pools.front().capacity);
}

TEST(Placement, PagingTakesTheStoragesTime) {
  Query q{.model = "llama-3.3-70b",
          .quant = "Q8_0",
          .device = "rtx-5090",
          .host = "desktop-ddr5-6000",
          .host_memory = 32_GiB};
  q.offload = {.layers = Offload::Layers::count, .gpu_layers = 20};
  q.calibrated = false;
  const auto step = [&](double rate) {
    q.storage = BytesPerSecond(rate);
    return 1 / predict(q, database()).decode->tokens_per_second.value;
  };
  const double paged = compile(q, database()).placement.paged.value();
  ASSERT_GT(paged, 10e9);
  EXPECT_NEAR(step(2e9) - step(4e9), paged / 4e9, 0.01 * paged / 4e9);
}

TEST(Placement, ABridgeJoinsTwo) {
  const auto link = [](int devices) {
    return compile({.model = "llama-3.3-70b", .quant = "Q4_K_M", .device = "rtx-a6000", .devices = devices}, database())
        .interconnect;
  };
  EXPECT_EQ(link(2), "nvlink");
  EXPECT_EQ(link(4), "pcie");
}

}  // namespace
}  // namespace silicast
