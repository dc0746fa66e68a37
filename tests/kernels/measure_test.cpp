// SPDX-License-Identifier: Apache-2.0
// What the measurements say about themselves: medians, spread, disturbance; bytes and operations that are known. No
// speed is asserted, only that limits which contain each other come out in order by construction of the figures.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/error.h"
#include "engine/mapping.h"
#include "engine/measure/attention_bench.h"
#include "engine/measure/kernel_bench.h"
#include "engine/measure/limits.h"
#include "engine/measure/peaks.h"
#include "engine/measure/storage.h"
#include "engine/topology.h"

namespace silicast::engine {
namespace {

TEST(Summary, IsTheMedianOfTheUndisturbedRepeats) {
  const Sample s = summary_of({{1.0, 1.0}, {2.0, 2.0}, {3.0, 3.0}, {9.0, 90.0}});
  EXPECT_DOUBLE_EQ(s.seconds, 2.0);
  EXPECT_DOUBLE_EQ(s.best, 1.0);
  EXPECT_DOUBLE_EQ(s.spread, 0.5);  // (2.5 - 1.5) / 2
  EXPECT_EQ(s.repeats, 4);
  EXPECT_DOUBLE_EQ(s.disturbed, 0.25);
  EXPECT_TRUE(s.is_disturbed()) << "a spread of half of the median";
}

TEST(Summary, TakesAllRepeatsWhereFewWereUndisturbed) {
  const Sample s = summary_of({{1.0, 5.0}, {2.0, 5.0}, {3.0, 3.0}});
  EXPECT_DOUBLE_EQ(s.seconds, 2.0);
  EXPECT_NEAR(s.disturbed, 2.0 / 3, 1e-12);
  EXPECT_TRUE(s.is_disturbed());
  EXPECT_DOUBLE_EQ(s.wall_seconds, 5.0);
}

TEST(Summary, OfEqualQuietRepeatsIsQuiet) {
  const Sample s = summary_of({{1.0, 1.01}, {1.0, 1.0}, {1.0, 1.0}});
  EXPECT_EQ(s.spread, 0);
  EXPECT_FALSE(s.is_disturbed());
  EXPECT_EQ(summary_of({}).repeats, 0);
}

TEST(Sampling, RepeatsAsOftenAsAskedAndRehearsesOnce) {
  ThreadPool pool({.threads = 2, .pin = false});
  std::vector<int> calls(2);
  const Sample s = sample(pool, {.least = 4, .most = 4, .seconds = 100},
                          [&](const Worker& worker) { ++calls[static_cast<std::size_t>(worker.index())]; });
  EXPECT_EQ(s.repeats, 4);
  EXPECT_EQ(calls[0], 5);
  EXPECT_EQ(calls[1], 5);
}

TEST(Machine, NamesEachProcessorOnceAndItsCachesInOrder) {
  const Topology& machine = topology();
  ASSERT_FALSE(machine.processors.empty());
  EXPECT_EQ(std::set<int>(machine.processors.begin(), machine.processors.end()).size(), machine.processors.size());
  EXPECT_LE(machine.cores, static_cast<int>(machine.processors.size()));
  for (std::size_t i = 1; i < machine.caches.size(); ++i) {
    EXPECT_GT(machine.caches[i].level, machine.caches[i - 1].level);
    EXPECT_GE(machine.caches[i].shared_by, machine.caches[i - 1].shared_by);
  }
  EXPECT_GT(streaming_bytes(), 0);
  const auto counts = default_thread_counts();
  EXPECT_EQ(counts.front(), 1);
  EXPECT_EQ(counts.back(), static_cast<int>(machine.processors.size()));
}

TEST(Machine, EveryPeakRunsAndCountsOperations) {
  std::set<std::string_view> names;
  for (const Peak& peak : peaks()) {
    EXPECT_TRUE(names.insert(peak.name).second) << peak.name;
    EXPECT_GT(peak.operations, 0);
    peak.run(10);
  }
  EXPECT_TRUE(names.contains("fma.f32"));
}

TEST(Memory, OfPagesIsZeroAlignedAndWritable) {
  for (const Pages pages : {Pages::small, Pages::huge}) {
    Mapping memory = Mapping::of_memory(5 * 4096 + 100, pages);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % (2U << 20), 0U);
    for (std::size_t i = 0; i < memory.size(); ++i) ASSERT_EQ(memory.data()[i], std::byte{0});
    memory.data()[memory.size() - 1] = std::byte{7};
    const Mapping moved = std::move(memory);
    EXPECT_EQ(moved.data()[moved.size() - 1], std::byte{7});
    ThreadPool pool({.threads = 2, .pin = false});
    first_touch(pool, moved.data(), 5, 4096, 1);
  }
}

TEST(Storage, IsReadInOrderAndAtRandomAndCleanedUp) {
  const auto folder = std::filesystem::temp_directory_path() / "silicast-storage-test";
  std::filesystem::create_directory(folder);
  const auto reads = measure_storage(folder, std::int64_t{2} << 20, 1);
  ASSERT_EQ(reads.size(), 2U);
  EXPECT_EQ(reads[0].bytes, std::int64_t{2} << 20);
  EXPECT_GT(reads[0].sample.seconds, 0);
  EXPECT_TRUE(reads[1].random);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove(folder);
  EXPECT_THROW(measure_storage(folder / "none", 1 << 20, 1), InputError);
}

TEST(KernelBench, KnowsBytesAndOperationsOfItsCases) {
  const auto results = measure_kernels({.quick = true,
                                        .types = {BlockType::q4_k},
                                        .shapes = {{"", 64, 512}},
                                        .batches = {3},
                                        .threads = {1},
                                        .cold = false,
                                        .isa = Isa::portable,
                                        .stream_bytes = 1 << 20,
                                        .progress = {}});
  ASSERT_EQ(results.size(), 1U);
  const KernelResult& r = results.front();
  // 64 rows of two blocks of 144 bytes; three activation rows of two Q8_K blocks of 292 bytes; 64 floats each.
  EXPECT_DOUBLE_EQ(r.bytes, 64 * 2 * 144 + 3 * (2 * 292 + 64 * 4));
  EXPECT_DOUBLE_EQ(r.operations, 2.0 * 64 * 512 * 3);
  EXPECT_GT(r.sample.seconds, 0);
  EXPECT_DOUBLE_EQ(r.of_limit(), std::max(r.of_read(), r.of_peak()));
}

TEST(AttentionBench, KnowsBytesAndOperationsOfItsCases) {
  const auto results = measure_attention({.quick = true,
                                          .shapes = {{"", 4, 2, 64}},
                                          .positions = {40},
                                          .tokens = {1, 3, 50},
                                          .threads = {1},
                                          .isa = Isa::portable,
                                          .stream_bytes = 1 << 20,
                                          .progress = {}});
  ASSERT_EQ(results.size(), 4U) << "two caches, one token and three; fifty are more than there are positions";
  const AttentionResult& three = results[1];
  EXPECT_EQ(three.what.type, KvType::f16);
  // 40 positions of two heads, keys and values of 64 halves; three queries and outputs of 4 x 64 floats.
  EXPECT_DOUBLE_EQ(three.bytes, 40 * 2 * 2 * 64 * 2 + 2 * 3 * 4 * 64 * 4);
  // Scores and sums, two operations each, at 38, 39 and 40 positions.
  EXPECT_DOUBLE_EQ(three.operations, 4.0 * 4 * 64 * (38 + 39 + 40));
  EXPECT_DOUBLE_EQ(results[2].bytes, 40 * 2 * 2 * 68 + 2 * 4 * 64 * 4) << "34 bytes for 32 values of Q8_0";
  EXPECT_GT(three.sample.seconds, 0);
}

TEST(KernelBench, LeavesOutShapesThatATypeCannotHave) {
  const auto results = measure_kernels({.quick = true,
                                        .types = {BlockType::q4_k, BlockType::q4_0},
                                        .shapes = {{"", 32, 32}},
                                        .batches = {1},
                                        .threads = {1},
                                        .cold = false,
                                        .isa = Isa::portable,
                                        .stream_bytes = 1 << 20,
                                        .progress = {}});
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results.front().what.type, BlockType::q4_0);
}

}  // namespace
}  // namespace silicast::engine
