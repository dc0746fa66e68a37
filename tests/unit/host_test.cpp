// SPDX-License-Identifier: Apache-2.0
// A made-up machine whose kernels take known times: what follows for whole runs is arithmetic.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "calibration/host.h"
#include "model/prediction.h"

namespace silicast {
namespace {

constexpr double gb = 1e9;

HostMachine machine() {
  HostMachine m;
  m.id = "made-up";
  m.name = "Made-up processor";
  m.cores = 2;
  m.clock = Hertz(3e9);
  m.vector_bits = 512;
  m.instruction_sets = {"avx2", "avx512", "avx512_vnni"};
  m.l2 = 4_MiB;
  m.l3 = 32_MiB;
  m.memory = 16_GiB;
  m.read = BytesPerSecond(20 * gb);
  m.read_one_core = BytesPerSecond(10 * gb);
  return m;
}

class Host : public testing::Test {
 protected:
  void SetUp() override {
    file_ = std::filesystem::temp_directory_path() / "silicast-host-test.yaml";
    std::ofstream(file_) << device_yaml(machine(), "2026-11-20");
  }
  void TearDown() override { std::filesystem::remove(file_); }

  // Products of one row of activations that take `times` as long as reading their weights.
  static std::vector<HostKernel> kernels(double times) {
    std::vector<HostKernel> result;
    for (const auto& [type, bits] : {std::pair{"Q4_0", 4.5}, std::pair{"Q6_K", 6.5625}, std::pair{"Q4_K", 4.5}})
      for (const int threads : {1, 2}) {
        const double bytes = 5632.0 * 2048 * bits / 8;
        result.push_back({.type = type,
                          .rows = 5632,
                          .columns = 2048,
                          .batch = 1,
                          .threads = threads,
                          .weights = Bytes(bytes),
                          .time = Seconds(times * bytes / (threads * 10 * gb))});
      }
    return result;
  }

  // Weights that a token passes, over the bandwidth.
  [[nodiscard]] double reading_seconds(int threads) const {
    Query query;
    query.model = "tinyllama-1.1b";
    query.quant = "Q4_0";
    query.device = file_.string();
    query.stack = "silicast-engine";
    const Compiled compiled = compile(query, database_);
    constexpr double embedding = 32000.0 * 2048 * 4.5 / 8;  // of Q4_0; a token reads one row of it
    return (compiled.workload->tensor_bytes().value() - embedding) / (threads * 10 * gb);
  }

  Database database_{std::string(SILICAST_SOURCE_ROOT) + "/data"};
  std::filesystem::path file_;
};

TEST_F(Host, DeviceFileSaysWhatWasMeasured) {
  const auto device = database_.device(file_.string());
  EXPECT_EQ(device->id, "made-up");
  EXPECT_EQ(device->memory.achievable_bandwidth.value(), 20 * gb);
  ASSERT_TRUE(device->memory.core_bandwidth);
  EXPECT_EQ(device->memory.core_bandwidth->value(), 10 * gb);
  ASSERT_TRUE(device->cpu);
  EXPECT_EQ(device->cpu->cores, 2);
}

TEST_F(Host, KernelsThatTakeThriceAsLongMakeDecodingThriceAsLong) {
  for (const double times : {3.0, 6.0}) {
    HostFit fit(database_, file_.string());
    fit.fit(kernels(times), {});
    for (const int threads : {1, 2}) {
      const HostRun run{.model = "tinyllama-1.1b", .quant = "Q4_0", .gen = 4, .threads = threads};
      const double weights = times * reading_seconds(threads);
      // Beside the weights: launches and attention, which make it longer, by less than a tenth.
      EXPECT_GT(1 / fit.predicted(run), weights * (1 - 1e-3)) << "the fit's own rounding";
      EXPECT_LT(1 / fit.predicted(run), 1.1 * weights);
    }
  }
}

TEST_F(Host, KernelsAtTheLimitLeaveTheBandwidth) {
  HostFit fit(database_, file_.string());
  fit.fit(kernels(1.0), {});
  const HostRun run{.model = "tinyllama-1.1b", .quant = "Q4_0", .gen = 4, .threads = 2};
  EXPECT_NEAR(1 / fit.predicted(run), reading_seconds(2), 0.1 * reading_seconds(2));
}

TEST_F(Host, RunsTellWhatLaunchesCost) {
  HostFit bare(database_, file_.string());
  bare.fit(kernels(2.0), {});
  HostRun run{.model = "qwen2.5-0.5b", .quant = "Q4_0", .gen = 4, .threads = 2};
  run.tokens_per_second = 1 / (1 / bare.predicted(run) + 0.002);  // 2 ms more than the kernels
  HostFit fit(database_, file_.string());
  fit.fit(kernels(2.0), {run});
  EXPECT_NEAR(fit.predicted(run) / run.tokens_per_second, 1, 0.02);
  EXPECT_GT(fit.corrections().launch * fit.corrections().step, 1);
}

TEST_F(Host, ProductsWithinModelsMayBeSlowerThanByThemselves) {
  std::vector<HostKernel> alone = kernels(1.5);
  for (const std::int64_t batch : {32, 256})
    for (HostKernel kernel : kernels(1.5)) {
      kernel.batch = batch;
      kernel.time = Seconds(kernel.time.value() + static_cast<double>(batch) * 1e-4 / kernel.threads);
      alone.push_back(kernel);
    }
  HostFit bare(database_, file_.string());
  bare.fit(alone, {});
  HostRun prompt{.model = "tinyllama-1.1b", .quant = "Q4_0", .prompt = 256, .threads = 2};
  HostRun other{.model = "llama-3.2-1b", .quant = "Q6_K", .prompt = 256, .threads = 2};
  const double slower = 0.92;
  prompt.tokens_per_second = slower * bare.predicted(prompt);
  HostFit fit(database_, file_.string());
  fit.fit(alone, {prompt});
  EXPECT_NEAR(fit.predicted(prompt) / prompt.tokens_per_second, 1, 0.02);
  EXPECT_NEAR(fit.predicted(other) / bare.predicted(other), slower, 0.03) << "of another model and type as well";
}

TEST_F(Host, ProfileIsReadBackWithTheSameFactors) {
  HostFit fit(database_, file_.string());
  fit.fit(kernels(3.0), {});
  HostRun run{.model = "tinyllama-1.1b", .quant = "Q4_0", .gen = 4, .threads = 2};
  run.tokens_per_second = 1.05 * fit.predicted(run);
  const Profile profile = fit.profile({run}, "2026-11-20");
  const auto file = std::filesystem::temp_directory_path() / "silicast-host-profile.yaml";
  std::ofstream(file) << profile_yaml(profile);
  const Profile back = read_profile(file);
  std::filesystem::remove(file);
  const Scope scope{.device = "made-up", .architecture = "made-up", .stack = "silicast-engine"};
  EXPECT_EQ(back.level(scope), EvidenceLevel::measured);
  const Corrections corrections = back.corrections(scope);
  for (const auto& [type, factor] : fit.corrections().unpack_of_type)
    EXPECT_NEAR(corrections.unpack_of_type.at(type) / factor, 1, 1e-3) << type;
  EXPECT_NEAR(corrections.launch / fit.corrections().launch, 1, 1e-3);
  // 5 % off, in standard deviations of a normal distribution.
  EXPECT_NEAR(profile.residual_of(EvidenceLevel::measured).decode, 1.4826 * std::log(1.05), 1e-6);
}

}  // namespace
}  // namespace silicast
