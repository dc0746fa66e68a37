// SPDX-License-Identifier: Apache-2.0
#include "engine/thread_pool.h"

#include <atomic>
#include <thread>

#include "engine/topology.h"

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace silicast::engine {

namespace {

// Some 20 microseconds: longer than the spread of a step's end, shorter than what a sleeping thread costs.
constexpr int spin_rounds = 20'000;
// Between runs, the time a token's sampling takes.
constexpr int idle_spin_rounds = 50'000;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until the counter is no longer `old`.
std::uint32_t wait_changed(const std::atomic<std::uint32_t>& counter, std::uint32_t old) {
  for (int round = 0; round < spin_rounds; ++round) {
    const std::uint32_t now = counter.load(std::memory_order_acquire);
    if (now != old) return now;
    relax();
  }
  for (;;) {  // more threads than processors: give way to the one that is waited for
    const std::uint32_t now = counter.load(std::memory_order_acquire);
    if (now != old) return now;
    std::this_thread::yield();
  }
}

void pin_to(int processor) {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(processor), &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
#else
  static_cast<void>(processor);
#endif
}

}  // namespace

// A counter of arrivals and one of phases: the last to arrive starts the next phase. A line of its own each.
class Barrier {
 public:
  explicit Barrier(int count) : count_(static_cast<std::uint32_t>(count)) {}

  void arrive_and_wait() {
    const std::uint32_t phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
      arrived_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_release);
      return;
    }
    wait_changed(phase_, phase);
  }

 private:
  alignas(64) std::atomic<std::uint32_t> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> phase_{0};
  std::uint32_t count_;
};

void Worker::barrier() const {
  if (barrier_ != nullptr) barrier_->arrive_and_wait();
}

Range share_of(std::int64_t n, std::int64_t granule, int index, int count) {
  const std::int64_t granules = (n + granule - 1) / granule;
  return {std::min(n, granules * index / count * granule), std::min(n, granules * (index + 1) / count * granule)};
}

struct ThreadPool::State {
  State(int size, std::vector<int> pin_to_these) : count(size), barrier(size), processors(std::move(pin_to_these)) {}

  int count;
  Barrier barrier;
  std::vector<int> processors;  // to pin to; empty: not pinned
  Function function = nullptr;
  void* context = nullptr;
  alignas(64) std::atomic<std::uint32_t> run{0};  // counts runs
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;

  void pin(int index) const {
    if (!processors.empty()) pin_to(processors[static_cast<std::size_t>(index) % processors.size()]);
  }

  void work(int index) {
    pin(index);
    std::uint32_t seen = 0;
    for (;;) {
      seen = wait_for_run(seen);
      if (stop.load(std::memory_order_acquire)) return;
      function(context, Worker(index, count, &barrier));
      barrier.arrive_and_wait();
    }
  }

  // Spins for a while, then sleeps on the futex behind std::atomic::wait.
  std::uint32_t wait_for_run(std::uint32_t seen) {
    for (int round = 0; round < idle_spin_rounds; ++round) {
      const std::uint32_t now = run.load(std::memory_order_acquire);
      if (now != seen) return now;
      relax();
    }
    run.wait(seen, std::memory_order_acquire);
    return run.load(std::memory_order_acquire);
  }

  void announce() {
    run.fetch_add(1, std::memory_order_release);
    run.notify_all();
  }
};

ThreadPool::ThreadPool(Options options) {
  std::vector<int> processors = usable_processors();
  const int threads = options.threads > 0 ? options.threads : static_cast<int>(processors.size());
  // Pinning more threads than processors would tie two to one while another is free.
  if (!options.pin || threads > static_cast<int>(processors.size())) processors.clear();
  state_ = std::make_unique<State>(threads, std::move(processors));
  state_->pin(0);
  for (int i = 1; i < threads; ++i) state_->threads.emplace_back([state = state_.get(), i] { state->work(i); });
}

ThreadPool::~ThreadPool() {
  state_->stop.store(true, std::memory_order_release);
  state_->announce();
  for (auto& thread : state_->threads) thread.join();
}

int ThreadPool::size() const { return state_->count; }

void ThreadPool::run_all(Function function, void* context) {
  if (state_->count == 1) return function(context, Worker(0, 1, nullptr));
  state_->function = function;
  state_->context = context;
  state_->announce();
  function(context, Worker(0, state_->count, &state_->barrier));
  state_->barrier.arrive_and_wait();
}

std::vector<int> usable_processors() { return topology().processors; }

}  // namespace silicast::engine
