// SPDX-License-Identifier: Apache-2.0
// The engine's kernels beside the machine's limits, measured in the same run: for every type, decode (GEMV; small
// batches) in GB/s of weights with the share of streaming reads, prefill (GEMM) in GFLOP/s with the share of the
// int8 dot product's peak. Cold: weights rotate through more memory than the last-level cache is likely to grant; hot:
// one matrix over and over.
//
//   bench_engine --benchmark_filter='gemv/Q4_K'      SILICAST_ISA=avx2 bench_engine
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <string>

#include "engine/kernels.h"
#include "engine/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

using namespace silicast::engine;

constexpr std::int64_t rows = 5632;
constexpr std::int64_t columns = 2048;

// One thread is timed by its processor time, so that other programs' turns do not count (what they do to caches and
// memory does); several threads by the clock on the wall.
double seconds(int threads) {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  if (threads == 1) {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  }
#endif
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ThreadPool& pool(int threads) {
  static ThreadPool one({.threads = 1, .pin = true});
  static ThreadPool all({.threads = 0, .pin = true});
  return threads == 1 ? one : all;
}

const Kernels& kernels() {
  const char* name = std::getenv("SILICAST_ISA");
  const auto isa = name == nullptr ? best_isa() : find_isa(name).value_or(Isa::portable);
  return kernels_of(isa);
}

// ---------------------------------------------------------------- limits

const AlignedBuffer& memory() {
  static const AlignedBuffer buffer(std::size_t{1} << 30);
  return buffer;
}

std::uint64_t read_all(const std::byte* data, std::int64_t bytes) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(data);
  std::uint64_t sum[8] = {};
  for (std::int64_t i = 0; i < bytes / 8; i += 8) {
    __builtin_prefetch(words + i + 512);
    for (int k = 0; k < 8; ++k) sum[k] += words[i + k];
  }
  return sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}

double best_of(int times, auto measure) {
  double best = 0;
  for (int i = 0; i < times; ++i) best = std::max(best, measure());
  return best;
}

double read_rate(int threads) {
  return best_of(5, [&] {
    const auto bytes = static_cast<std::int64_t>(memory().size());
    const double begin = seconds(threads);
    pool(threads).run([&](const Worker& worker) {
      const Range share = worker.share(bytes, 4096);
      benchmark::DoNotOptimize(read_all(memory().data() + share.begin, share.size()));
    });
    return static_cast<double>(bytes) / (seconds(threads) - begin);
  });
}

#if defined(__x86_64__)
// Twelve chains: more than two ports times five cycles of latency.
[[gnu::target("avx512f,avx512vnni")]] double dot_operations(std::int64_t rounds) {
  __m512i sum[12];
  for (auto& s : sum) s = _mm512_setzero_si512();
  __m512i a = _mm512_set1_epi8(3);
  for (std::int64_t i = 0; i < rounds; ++i) {
    asm volatile("" : "+v"(a));
#pragma GCC unroll 12
    for (auto& s : sum) s = _mm512_dpbusd_epi32(s, a, a);
  }
  for (auto& s : sum) asm volatile("" ::"v"(s));
  return static_cast<double>(rounds) * 12 * 64 * 2;
}
#endif

// Multiplications and additions of bytes per second; 0 where there is no such instruction.
double dot_rate(int threads) {
#if defined(__x86_64__)
  if (!is_supported(Isa::avx512_vnni)) return 0;
  return best_of(5, [&] {
    const double begin = seconds(threads);
    pool(threads).run([](const Worker&) { dot_operations(4'000'000); });
    return pool(threads).size() * 4e6 * 12 * 64 * 2 / (seconds(threads) - begin);
  });
#else
  return 0;
#endif
}

struct Limits {
  double read;
  double dot;
};
const Limits& limits(int threads) {
  static const Limits one{.read = read_rate(1), .dot = dot_rate(1)};
  static const Limits all{.read = read_rate(0), .dot = dot_rate(0)};
  return threads == 1 ? one : all;
}

// ---------------------------------------------------------------- products

// A matrix's worth of valid blocks at each of as many places as fit into `bytes`.
struct Rotation {
  Matrix matrix;
  std::int64_t places;
};

Rotation weights_of(BlockType type, bool cold) {
  std::vector<float> values(static_cast<std::size_t>(16 * columns));
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02F);
  for (auto& value : values) value = normal(random);
  Rotation rotation{.matrix = {.type = type, .data = memory().data(), .rows = rows, .columns = columns}, .places = 1};
  const std::size_t bytes = rotation.matrix.bytes();
  if (cold) rotation.places = static_cast<std::int64_t>(memory().size() / bytes);
  const std::size_t sixteen = 16 * row_bytes(type, columns);
  traits_of(type).quantize(values.data(), memory().data(), 16 * columns);
  const std::size_t end = static_cast<std::size_t>(rotation.places) * bytes;
  for (std::size_t at = sixteen; at < end; at += sixteen)
    std::memcpy(memory().data() + at, memory().data(), std::min(sixteen, end - at));
  return rotation;
}

void product(benchmark::State& state, BlockType type, std::int64_t count, int threads, bool cold) {
  const Rotation rotation = weights_of(type, cold);
  std::vector<float> x(static_cast<std::size_t>(columns * count), 0.5F);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(static_cast<int>(i * 7919 % 201) - 100);
  Activations activations(columns, count);
  activations.set(kernels(), traits_of(type).activation, x.data(), columns, columns, count);
  std::vector<float> out(static_cast<std::size_t>(rows * count));
  ThreadPool& workers = pool(threads);
  std::vector<Scratch> scratch;
  for (int i = 0; i < workers.size(); ++i) scratch.emplace_back(columns);
  std::int64_t place = 0;
  for (auto _ : state) {
    Matrix matrix = rotation.matrix;
    matrix.data += static_cast<std::size_t>(place) * matrix.bytes();
    place = (place + 1) % rotation.places;
    workers.run([&](const Worker& worker) {
      matmul(kernels(), matrix, activations, {.data = out.data(), .stride = rows}, worker.share(rows, row_granule),
             scratch[static_cast<std::size_t>(worker.index())]);
    });
  }
  const double runs = static_cast<double>(state.iterations());
  const double bytes = runs * static_cast<double>(rotation.matrix.bytes());
  const double operations = runs * 2 * static_cast<double>(rows * columns * count);
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes / 1e9, Counter::kIsRate);
  state.counters["of_read"] = Counter(bytes / limits(threads).read, Counter::kIsRate);
  state.counters["GFLOP/s"] = Counter(operations / 1e9, Counter::kIsRate);
  if (limits(threads).dot > 0) state.counters["of_dot"] = Counter(operations / limits(threads).dot, Counter::kIsRate);
}

void register_all() {
  for (const int threads : {1, 0})
    for (const auto& traits : all_types())
      for (const std::int64_t count : {1, 4, 8, 512})
        for (const bool cold : {true, false}) {
          if (count > 1 && !cold) continue;
          const std::string name = std::string(count > 8 ? "gemm/" : "gemv/") + std::string(traits.name) +
                                   "/batch:" + std::to_string(count) + "/threads:" + (threads == 1 ? "1" : "all") +
                                   (cold ? "/cold" : "/hot");
          const BlockType type = traits.type;
          auto* entry = benchmark::RegisterBenchmark(
              name.c_str(), [=](benchmark::State& state) { product(state, type, count, threads, cold); });
          entry->Unit(benchmark::kMicrosecond);
          if (threads != 1) entry->UseRealTime();
        }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::printf("kernels: %s; %lld x %lld\n", std::string(name_of(isa_of(kernels()))).c_str(),
              static_cast<long long>(rows), static_cast<long long>(columns));
  for (const int threads : {1, 0})
    std::printf("limits, %d thread(s): read %.1f GB/s, int8 dot %.0f GOP/s\n", pool(threads).size(),
                limits(threads).read / 1e9, limits(threads).dot / 1e9);
  register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
