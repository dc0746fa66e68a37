// SPDX-License-Identifier: Apache-2.0
#include "engine/measure/limits.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <random>

#include "base/text.h"
#include "engine/cpu_features.h"
#include "engine/mapping.h"
#include "engine/measure/peaks.h"
#include "engine/measure/storage.h"
#include "engine/topology.h"

namespace silicast::engine {

namespace {

constexpr std::int64_t line = 64;
constexpr std::int64_t kibi = 1024;
constexpr std::int64_t mebi = 1024 * kibi;

class Measurement {
 public:
  explicit Measurement(const LimitsOptions& options) : options_(options) {
    effort_ = options.quick ? Effort{.least = 5, .most = 50, .seconds = 0.05}
                            : Effort{.least = 9, .most = 400, .seconds = 0.5};
    counts_ = options.threads.empty() ? default_thread_counts() : options.threads;
  }

  std::vector<Limit> run() {
    for (const int threads : counts_) {
      ThreadPool pool({.threads = threads, .pin = true});
      arithmetic(pool);
      barriers(pool);
      streams(pool);
      if (threads == counts_.front() || threads == counts_.back()) {
        caches(pool);
        random_lines(pool);
      }
    }
    latencies();
    if (!options_.storage_folder.empty()) storage();
    return std::move(limits_);
  }

 private:
  void say(const std::string& text) const {
    if (options_.progress) options_.progress(text);
  }

  void add_rate(std::string name, int threads, std::int64_t bytes, double amount, const Sample& sample,
                std::string unit = "B/s", std::string detail = "") {
    limits_.push_back({.name = std::move(name),
                       .threads = threads,
                       .bytes = bytes,
                       .detail = std::move(detail),
                       .unit = std::move(unit),
                       .value = sample.seconds > 0 ? amount / sample.seconds : 0,
                       .sample = sample});
  }

  void add_time(std::string name, int threads, std::int64_t bytes, double count, Sample sample,
                std::string detail = "") {
    for (double* time : {&sample.seconds, &sample.best, &sample.wall_seconds}) *time /= count;
    limits_.push_back({.name = std::move(name),
                       .threads = threads,
                       .bytes = bytes,
                       .detail = std::move(detail),
                       .unit = "s",
                       .value = sample.seconds,
                       .sample = sample});
  }

  void arithmetic(ThreadPool& pool) {
    say("arithmetic, " + std::to_string(pool.size()) + " threads");
    for (const Peak& peak : peaks()) {
      constexpr std::int64_t rounds = 200'000;  // 0.4 ms at 3 GHz and two a cycle; tiles take thirty times as long
      const std::int64_t n = peak.operations > 1e5 ? rounds / 20 : rounds;
      const Sample s = sample(pool, effort_, [&](const Worker&) { peak.run(n); });
      add_rate(std::string(peak.name), pool.size(), 0, peak.operations * static_cast<double>(n) * pool.size(), s,
               "op/s", std::string(peak.instruction));
    }
  }

  void barriers(ThreadPool& pool) {
    constexpr int count = 1000;
    const Sample inside = sample(pool, effort_, [](const Worker& worker) {
      for (int i = 0; i < count; ++i) worker.barrier();
    });
    add_time("barrier", pool.size(), 0, count, inside);
    ThreadPool one({.threads = 1, .pin = false});
    const Sample runs = sample(one, effort_, [&](const Worker&) {
      for (int i = 0; i < count; ++i) pool.run([](const Worker&) {});
    });
    add_time("wake", pool.size(), 0, count, runs);
  }

  Mapping& memory() {
    if (!memory_) {
      memory_ = Mapping::of_memory(static_cast<std::size_t>(streaming_bytes()));
      ThreadPool all({.threads = 0, .pin = true});
      first_touch(all, memory_->data(), streaming_bytes() / 4096, 4096, 1);
    }
    return *memory_;
  }

  void streams(ThreadPool& pool) {
    say("memory, " + std::to_string(pool.size()) + " threads");
    const std::int64_t bytes = streaming_bytes();
    std::byte* data = memory().data();
    Effort effort = effort_;
    if (options_.quick) effort.least = 3;
    const Sample read = sample(pool, effort, [&](const Worker& worker) {
      const Range share = worker.share(bytes, 4096);
      read_stream(data + share.begin, share.size());
    });
    add_rate("memory.read", pool.size(), bytes, static_cast<double>(bytes), read);
    const Sample write = sample(pool, effort, [&](const Worker& worker) {
      const Range share = worker.share(bytes, 4096);
      write_stream(data + share.begin, share.size());
    });
    add_rate("memory.write", pool.size(), bytes, static_cast<double>(bytes), write);
    const std::int64_t half = bytes / 2 / 4096 * 4096;
    const Sample copy = sample(pool, effort, [&](const Worker& worker) {
      const Range share = worker.share(half, 4096);
      copy_stream(data + share.begin, data + half + share.begin, share.size());
    });
    add_rate("memory.copy", pool.size(), bytes, 2 * static_cast<double>(half), copy);
  }

  // From the first-level cache to the memory; two sizes for each doubling, so that the steps show.
  void caches(ThreadPool& pool) {
    say("caches, " + std::to_string(pool.size()) + " threads");
    const std::int64_t most = streaming_bytes() / pool.size();
    for (std::int64_t size = 16 * kibi; size <= most; size *= 2)
      for (const std::int64_t bytes : {size, size * 3 / 2}) {
        if (bytes > most || (options_.quick && bytes != size)) continue;
        const std::int64_t passes = std::max<std::int64_t>(1, 4 * mebi / bytes);
        Effort effort = effort_;
        if (options_.quick) effort = {.least = 3, .most = 20, .seconds = 0.02};
        const Sample s = sample(pool, effort, [&](const Worker& worker) {
          const std::byte* own = memory().data() + worker.index() * (most / 4096 * 4096);
          for (std::int64_t i = 0; i < passes; ++i) read_stream(own, bytes / 4096 * 4096);
        });
        add_rate("cache.read", pool.size(), bytes, static_cast<double>(passes * bytes * pool.size()), s);
      }
  }

  // Independent reads of whole lines, as rows of an embedding are looked up: bound by translations and by the lines
  // that may be under way at once.
  void random_lines(ThreadPool& pool) {
    const std::int64_t bytes = std::min<std::int64_t>(streaming_bytes(), 512 * mebi);
    for (const Pages pages : {Pages::small, Pages::huge}) {
      const Mapping own = Mapping::of_memory(static_cast<std::size_t>(bytes), pages);
      first_touch(pool, own.data(), bytes / 4096, 4096, 1);
      constexpr std::int64_t count = 200'000;
      const Sample s = sample(pool, effort_, [&](const Worker& worker) {
        auto at = static_cast<std::uint64_t>(worker.index()) + 1;
        const auto lines = static_cast<std::uint64_t>(bytes / line);
        std::uint64_t sum = 0;
        for (std::int64_t i = 0; i < count; ++i) {
          at = at * 6364136223846793005ULL + 1442695040888963407ULL;
          sum += static_cast<std::uint64_t>(own.data()[(at >> 20) % lines * line]);
        }
        asm volatile("" ::"r"(sum));
      });
      add_rate(pages == Pages::small ? "random.small" : "random.huge", pool.size(), bytes,
               static_cast<double>(count * line * pool.size()), s);
    }
  }

  // Each line holds the place of the next, all in one cycle (Sattolo's shuffle).
  void latencies() {
    say("latency");
    ThreadPool one({.threads = 1, .pin = true});
    const std::int64_t most = options_.quick ? 64 * mebi : std::min<std::int64_t>(512 * mebi, streaming_bytes());
    for (const Pages pages : {Pages::small, Pages::huge}) {
      const Mapping own = Mapping::of_memory(static_cast<std::size_t>(most), pages);
      for (std::int64_t bytes = 16 * kibi; bytes <= most; bytes *= options_.quick ? 4 : 2) {
        link_in_a_cycle(own.data(), bytes / line);
        constexpr std::int64_t count = 100'000;
        const Sample s = sample(one, effort_, [&](const Worker&) {
          std::uint64_t at = 0;
          for (std::int64_t i = 0; i < count; ++i) at = *reinterpret_cast<const std::uint64_t*>(own.data() + at);
          asm volatile("" ::"r"(at));
        });
        add_time(pages == Pages::small ? "latency.small" : "latency.huge", 1, bytes, count, s);
      }
    }
  }

  static void link_in_a_cycle(std::byte* data, std::int64_t lines) {
    std::vector<std::uint32_t> order(static_cast<std::size_t>(lines));
    std::iota(order.begin(), order.end(), 0U);
    std::minstd_rand random(1);
    for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random() % i]);
    for (std::size_t i = 0; i < order.size(); ++i)
      *reinterpret_cast<std::uint64_t*>(data + static_cast<std::int64_t>(i) * line) =
          static_cast<std::uint64_t>(order[i]) * line;
  }

  void storage() {
    say("storage");
    const std::int64_t bytes = (options_.quick ? 128 : 1024) * mebi;
    for (StorageRead& read : measure_storage(options_.storage_folder, bytes, options_.quick ? 3 : 5))
      add_rate(read.random ? "storage.random" : "storage.read", 1, read.bytes, static_cast<double>(read.bytes),
               read.sample, "B/s", read.how);
  }

  const LimitsOptions& options_;
  Effort effort_;
  std::vector<int> counts_;
  std::vector<Limit> limits_;
  std::optional<Mapping> memory_;
};

}  // namespace

std::vector<Limit> measure_limits(const LimitsOptions& options) { return Measurement(options).run(); }

Roof measure_roof(ThreadPool& pool, const Effort& effort, std::int64_t stream_bytes) {
  Roof roof;
  const std::int64_t bytes = stream_bytes;
  const Mapping memory = Mapping::of_memory(static_cast<std::size_t>(bytes));
  first_touch(pool, memory.data(), bytes / 4096, 4096, 1);
  const Sample read = sample(pool, effort, [&](const Worker& worker) {
    const Range share = worker.share(bytes, 4096);
    read_stream(memory.data() + share.begin, share.size());
  });
  roof.read = static_cast<double>(bytes) / read.seconds;
  for (const Peak& peak : peaks()) {
    if (peak.name != "fma.f32" && peak.name != "dot.int8" && peak.name != "tile.int8") continue;
    const std::int64_t rounds = peak.operations > 1e5 ? 10'000 : 200'000;
    const Sample s = sample(pool, effort, [&](const Worker&) { peak.run(rounds); });
    roof.operations =
        std::max(roof.operations, peak.operations * static_cast<double>(rounds) * pool.size() / s.seconds);
  }
  return roof;
}

std::vector<int> default_thread_counts() {
  const int all = static_cast<int>(topology().processors.size());
  std::vector<int> counts;
  for (int n = 1; n < all; n *= 2) counts.push_back(n);
  counts.push_back(all);
  return counts;
}

std::int64_t streaming_bytes() {
  const std::int64_t wanted = std::max<std::int64_t>(256 * mebi, 2 * topology().last_level_cache());
  const std::int64_t memory = topology().memory_bytes;
  return (memory > 0 ? std::min(wanted, memory / 4) : wanted) / mebi * mebi;
}

}  // namespace silicast::engine
