// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "engine/thread_pool.h"

namespace silicast::engine {
namespace {

TEST(Share, CoversEverythingOnceInWholeGranules) {
  for (const std::int64_t n : {0, 1, 31, 32, 33, 1000, 4096})
    for (const int count : {1, 2, 3, 7})
      for (const std::int64_t granule : {1, 32}) {
        std::int64_t next = 0;
        for (int i = 0; i < count; ++i) {
          const Range range = share_of(n, granule, i, count);
          EXPECT_EQ(range.begin, next);
          EXPECT_TRUE(range.end == n || range.end % granule == 0);
          EXPECT_LE(range.size(), (n / granule / count + 2) * granule);
          next = range.end;
        }
        EXPECT_EQ(next, n) << count << " shares of " << n;
      }
}

// More threads than this machine may have processors: the barrier has to give way, and must not lose anyone.
class Pool : public testing::TestWithParam<int> {};

TEST_P(Pool, RunsEveryWorkerAndMeetsAtBarriers) {
  ThreadPool pool({.threads = GetParam(), .pin = true});
  ASSERT_EQ(pool.size(), GetParam());
  std::vector<int> written(static_cast<std::size_t>(GetParam()));
  std::atomic<int> failures{0};
  for (int run = 1; run <= 20; ++run)
    pool.run([&](const Worker& worker) {
      for (int step = 0; step < 10; ++step) {
        written[static_cast<std::size_t>(worker.index())] = 100 * run + step;
        worker.barrier();
        for (const int value : written) failures += value == 100 * run + step ? 0 : 1;  // all saw all
        worker.barrier();
      }
    });
  EXPECT_EQ(failures, 0);
}

TEST_P(Pool, MaySleepBetweenRuns) {
  ThreadPool pool({.threads = GetParam(), .pin = false});
  std::atomic<int> sum{0};
  for (int run = 0; run < 3; ++run) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    pool.run([&](const Worker& worker) { sum += worker.index() + 1; });
  }
  EXPECT_EQ(sum, 3 * GetParam() * (GetParam() + 1) / 2);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Pool, testing::Values(1, 2, 5));

}  // namespace
}  // namespace silicast::engine
