// SPDX-License-Identifier: Apache-2.0
// How fast a serving system is simulated: scheduled tokens per second of wall time, small runs whole, a day.
#include <benchmark/benchmark.h>

#include "model/database.h"
#include "planning/serving.h"

namespace {

using silicast::Database;
using namespace silicast::serving;

const Database& database() {
  static const Database instance(SILICAST_SOURCE_DATA);
  return instance;
}

ServingQuestion question() {
  ServingQuestion q;
  q.query = {.model = "llama-3.1-8b", .quant = "BF16", .device = "h100-sxm", .stack = "vllm"};
  q.traffic.lengths.prompt = {512, 0.5};
  q.traffic.lengths.output = {256, 0.5};
  q.interval = false;
  return q;
}

void report(benchmark::State& state, double tokens) {
  state.counters["scheduled tokens"] =
      benchmark::Counter(tokens, benchmark::Counter::kIsRate, benchmark::Counter::kIs1000);
}

// 64 clients that ask again at once: a batch of 64 throughout.
void batch_of_64(benchmark::State& state) {
  ServingQuestion q = question();
  q.traffic.kind = TrafficKind::closed;
  q.traffic.clients = 64;
  q.traffic.requests = 2000;
  const ServingSystem system(q, database());
  double tokens = 0;
  for (auto _ : state) tokens += system.simulate(q.traffic, 1, {}, {}).scheduled_tokens;
  report(state, tokens);
}

// From names to percentiles: compiled, capacity found, 300 requests simulated.
void three_hundred_requests(benchmark::State& state) {
  ServingQuestion q = question();
  q.traffic.arrivals.rate = 10;
  q.traffic.requests = 300;
  q.interval = state.range(0) != 0;
  for (auto _ : state) benchmark::DoNotOptimize(serve(q, database()));
}

void day_of_10_requests_a_second(benchmark::State& state) {
  ServingQuestion q = question();
  q.traffic.arrivals.rate = 10;
  q.traffic.requests = 864'000;
  const ServingSystem system(q, database());
  double tokens = 0;
  for (auto _ : state) tokens += system.simulate(q.traffic, 1, {}, {}).scheduled_tokens;
  report(state, tokens);
}

}  // namespace

BENCHMARK(batch_of_64)->Unit(benchmark::kMillisecond);
BENCHMARK(three_hundred_requests)->Arg(0)->Arg(1)->ArgName("interval")->Unit(benchmark::kMillisecond);
BENCHMARK(day_of_10_requests_a_second)->Unit(benchmark::kSecond)->Iterations(1);

BENCHMARK_MAIN();
