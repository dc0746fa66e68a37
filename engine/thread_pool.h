// SPDX-License-Identifier: Apache-2.0
// Threads that run one function together and meet at barriers.
//
// A forward pass is some hundred short steps: so the threads stay inside of one `run` and separate the steps by
// `Worker::barrier()`, which costs about a microsecond, rather than being woken for each step. A thread that waits
// spins (spin_rounds) and then yields; between runs it goes on to sleep on a futex.
//
// Contract: `run` is called from one thread at a time; the function must not throw; every worker passes the same
// barriers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

namespace silicast::engine {

struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  [[nodiscard]] std::int64_t size() const { return end - begin; }
  [[nodiscard]] bool empty() const { return end <= begin; }
};

// The share of worker `index` of `count` in [0, n): whole granules, contiguous, sizes differing by at most one granule.
// Static, so that a thread meets the same rows (and pages, and caches) in every token.
Range share_of(std::int64_t n, std::int64_t granule, int index, int count);

class Barrier;

class Worker {
 public:
  Worker(int index, int count, Barrier* barrier) : index_(index), count_(count), barrier_(barrier) {}

  [[nodiscard]] int index() const { return index_; }
  [[nodiscard]] int count() const { return count_; }
  [[nodiscard]] Range share(std::int64_t n, std::int64_t granule = 1) const {
    return share_of(n, granule, index_, count_);
  }
  // Returns when all workers have arrived. What they wrote before is seen by all after.
  void barrier() const;

 private:
  int index_;
  int count_;
  Barrier* barrier_;  // null: alone
};

class ThreadPool {
 public:
  struct Options {
    int threads = 0;  // 0: one per processor that the process may use
    bool pin = true;  // thread i stays on the i-th of them
  };

  explicit ThreadPool(Options options);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int size() const;
  // Calls action(const Worker&) on every thread, the caller's being worker 0; returns when all have returned.
  template <class Action>
  void run(Action&& action) {
    using Plain = std::remove_reference_t<Action>;
    run_all([](void* context, const Worker& worker) { (*static_cast<Plain*>(context))(worker); },
            const_cast<std::remove_const_t<Plain>*>(&action));
  }

 private:
  using Function = void (*)(void* context, const Worker& worker);
  void run_all(Function function, void* context);

  struct State;
  std::unique_ptr<State> state_;
};

// The processors this process may run on, in the order in which threads are pinned: topology().processors.
std::vector<int> usable_processors();

}  // namespace silicast::engine
