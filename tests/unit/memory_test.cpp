// SPDX-License-Identifier: Apache-2.0
// Against sizes that llama.cpp logged (XiongjieDai/GPU-Benchmarks-on-LLM-Inference notebooks) and Metal's working-set
// limits.
#include "model/memory.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "model/database.h"
#include "model/prediction.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

// "within 2 % or 16 MiB"
void expect_close(Bytes predicted, double logged_mib, const std::string& what) {
  const double mib = predicted / 1_MiB;
  EXPECT_LE(std::abs(mib - logged_mib), std::max(0.02 * logged_mib, 16.0))
      << what << ": predicted " << mib << " MiB, logged " << logged_mib;
}

struct LoggedCompute {
  const char* model;
  double context;
  double device_mib;
};

TEST(ComputeBuffers, MatchLoggedSizesWithoutFlashAttention) {
  for (const LoggedCompute& row : {LoggedCompute{"llama-3-8b", 8192, 560.0}, LoggedCompute{"llama-2-7b", 512, 73.7},
                                   LoggedCompute{"llama-2-13b", 512, 78.2}, LoggedCompute{"llama-1-65b", 512, 148.0},
                                   LoggedCompute{"llama-2-70b", 512, 145.0}})
    expect_close(
        llama_cpp_buffers(*database().architecture(row.model), {.context = row.context, .fused_attention = false})
            .device,
        row.device_mib, row.model);
}

TEST(ComputeBuffers, AreExactWhereTheScoresRule) {
  // 32 heads x 8192 x 512 x 4 B of scores, four activations of 8 MiB, a mask of 16 MiB.
  const auto llama = database().architecture("llama-3-8b");
  const ComputeBuffers single = llama_cpp_buffers(*llama, {.context = 8192, .fused_attention = false});
  EXPECT_EQ(single.device, 560_MiB);
  EXPECT_NEAR(single.host / 1_MiB, 24.01, 0.02);
  // Several GPUs in a pipeline keep four copies of the inputs: logged 640.01 and 72.02 MiB.
  const ComputeBuffers pipelined =
      llama_cpp_buffers(*llama, {.context = 8192, .fused_attention = false, .pipeline_copies = 4});
  EXPECT_NEAR(pipelined.device / 1_MiB, 640.01, 0.02);
  EXPECT_NEAR(pipelined.host / 1_MiB, 72.02, 0.03);
}

TEST(KvCache, MatchesLoggedSizes) {
  const TypeTable& types = *database().types();
  const auto stack = database().stack("llama.cpp-cuda");
  const auto bytes = [&](const char* model, double context) {
    return kv_cache_bytes(
        *database().architecture(model),
        {.context = context, .sequences = 1, .key_type = types.at("F16"), .value_type = types.at("F16")},
        stack->allocation, types);
  };
  EXPECT_EQ(bytes("llama-3-8b", 8192), 1024_MiB);
  EXPECT_EQ(bytes("llama-2-7b", 512), 256_MiB);
  EXPECT_EQ(bytes("llama-2-13b", 512), 400_MiB);
  EXPECT_EQ(bytes("llama-1-65b", 512), 1280_MiB);
  EXPECT_EQ(bytes("llama-2-70b", 512), 160_MiB);
}

TEST(KvCache, QuantizedAndWindowedCachesShrink) {
  const TypeTable& types = *database().types();
  const auto stack = database().stack("llama.cpp-cuda");
  const auto with = [&](const char* model, const char* type, double context, double sequences) {
    return kv_cache_bytes(
        *database().architecture(model),
        {.context = context, .sequences = sequences, .key_type = types.at(type), .value_type = types.at(type)},
        stack->allocation, types);
  };
  // Q8_0 stores 32 values in 34 bytes, Q4_0 in 18.
  EXPECT_EQ(with("llama-3-8b", "Q8_0", 8192, 1), 1024_MiB * (34.0 / 64));
  EXPECT_EQ(with("llama-3-8b", "Q4_0", 8192, 1), 1024_MiB * (18.0 / 64));
  EXPECT_EQ(with("llama-3-8b", "F16", 8192, 4), 4096_MiB);
  // gpt-oss-20b: 12 full layers of 8 x 64 keys and values; 12 windowed ones that keep pad256(128 + 512) = 768 tokens.
  EXPECT_EQ(with("gpt-oss-20b", "F16", 8192, 1), Bytes(12.0 * 2 * 512 * 2 * (8192 + 768)));
  // DeepSeek-V3: 61 layers of 576 values, the value a view of the key.
  EXPECT_EQ(with("deepseek-v3", "F16", 4096, 1), Bytes(61.0 * 576 * 2 * 4096));
  // Qwen3-Next: 12 full layers of 2 x 2 x 256, and 36 states of 32 x 128 x 128 with a convolution of 3 x 8192, F32.
  EXPECT_EQ(with("qwen3-next-80b-a3b", "F16", 4096, 1),
            Bytes(12.0 * 2 * 2 * 256 * 2 * 4096 + 36.0 * (32 * 128 * 128 + 3 * 8192) * 4));
}

TEST(KvCache, OfAllTokensWhereTheWindowIsNotUsed) {
  Query query;
  query.model = "gpt-oss-20b";
  query.quant = "MXFP4_MOE";
  query.device = "rtx-4090";
  query.stack = "llama.cpp-cuda";
  query.prompt = 0;
  query.gen = 128;
  query.depth = 8192 - 128;
  const auto cache = [&] { return predict(query, database()).pools.front().kv_cache; };
  EXPECT_EQ(cache(), Bytes(12.0 * 2 * 512 * 2 * (8192 + 768)));
  const double windowed = predict(query, database()).decode->seconds.value();
  query.full_window_cache = true;
  EXPECT_EQ(cache(), Bytes(24.0 * 2 * 512 * 2 * 8192));
  // What it reads more is in the step.
  EXPECT_GT(predict(query, database()).decode->seconds.value(), 1.02 * windowed);
}

TEST(Weights, StayWhereLlamaCppPutsThem) {
  // Logged: CUDA0 buffer 4403.49 MiB, CPU buffer (token_embd) 281.81 MiB.
  const Workload w =
      make_workload(*database().architecture("llama-3-8b"), *database().quant("Q4_K_M"), {}, database().types());
  const auto device = database().device("rtx-4090");
  const TypeId f16 = database().types()->at("F16");
  const auto stack = database().stack("llama.cpp-cuda");
  const CacheRequest cache{.context = 8192, .key_type = f16, .value_type = f16};
  const auto pools =
      memory_pools(layer_memory(w, cache, stack->allocation), w.architecture, *device, *stack,
                   {.cache = cache, .usable = {.capacity = 24_GiB}, .placement = {.device_layers = {32}}});
  ASSERT_EQ(pools.size(), 2U);
  EXPECT_NEAR(pools[0].weights / 1_MiB, 4403.49, 0.01);
  EXPECT_NEAR(pools[1].weights / 1_MiB, 281.81, 0.01);
}

TEST(UsableMemory, FollowsMetalsWorkingSetLimits) {
  const auto metal = database().stack("llama.cpp-metal");
  const auto usable_mib = [&](const char* device, Bytes capacity, const char* os = "") {
    return usable_bytes(*database().device(device), *metal, {.capacity = capacity, .os = os}) / 1_MiB;
  };
  EXPECT_NEAR(usable_mib("m1-8", 8_GiB), 5461.3, 0.1);
  EXPECT_NEAR(usable_mib("m1-8", 16_GiB), 10922.67, 0.1);
  EXPECT_NEAR(usable_mib("m1-max-32", 32_GiB), 21845.34, 0.1);
  EXPECT_NEAR(usable_mib("m3-max-40", 48_GiB), 36864, 0.1);
  EXPECT_NEAR(usable_mib("m1-max-32", 64_GiB), 49152, 0.1);
  EXPECT_NEAR(usable_mib("m2-ultra-76", 192_GiB), 147456, 0.1);
  EXPECT_NEAR(usable_mib("m3-max-40", 128_GiB, "macos-26") / 1024, 107.52, 0.01);
}

TEST(UsableMemory, AnExplicitLimitOverrides) {
  const auto device = database().device("m2-ultra-76");
  const auto metal = database().stack("llama.cpp-metal");
  EXPECT_EQ(usable_bytes(*device, *metal, {.capacity = 128_GiB, .wired_limit = 112_GiB}), 112_GiB);
  EXPECT_EQ(usable_bytes(*device, *metal, {.capacity = 64_GiB, .wired_limit = 112_GiB}), 64_GiB);
}

}  // namespace
}  // namespace silicast
