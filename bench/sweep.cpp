// SPDX-License-Identifier: Apache-2.0
// How long a point of a sweep takes: the shape of the request varies, everything else is worked out before.
#include <benchmark/benchmark.h>

#include "planning/point.h"

namespace {

using silicast::Database;
using silicast::PhaseCache;
using silicast::PointEvaluator;
using silicast::Query;
using silicast::Shape;

const Database& database() {
  static const Database instance(SILICAST_SOURCE_DATA);
  return instance;
}

// Each point a depth, and so a decoding, of its own.
void depths(benchmark::State& state, const char* model, const char* device) {
  PhaseCache cache;
  const Query query{.model = model, .quant = "Q4_K_M", .device = device};
  PointEvaluator evaluator(query, database(), cache);
  Shape shape{.prompt = 512, .gen = 128, .depth = 0};
  for (auto _ : state) {
    shape.depth = shape.depth > 7000 ? 0 : shape.depth + 1;
    benchmark::DoNotOptimize(evaluator(shape));
  }
  state.SetItemsProcessed(state.iterations());
}

// Each point a prompt, and so a prefill and a decoding, of its own.
void prompts(benchmark::State& state, const char* model, const char* device) {
  PhaseCache cache;
  const Query query{.model = model, .quant = "Q4_K_M", .device = device};
  PointEvaluator evaluator(query, database(), cache);
  Shape shape{.prompt = 0, .gen = 128, .depth = 0};
  for (auto _ : state) {
    shape.prompt = shape.prompt > 7000 ? 1 : shape.prompt + 1;
    benchmark::DoNotOptimize(evaluator(shape));
  }
  state.SetItemsProcessed(state.iterations());
}

}  // namespace

BENCHMARK_CAPTURE(depths, llama_3_1_8b_rtx_4090, "llama-3.1-8b", "rtx-4090");
BENCHMARK_CAPTURE(depths, llama_3_1_8b_m2_ultra, "llama-3.1-8b", "m2-ultra-76");
BENCHMARK_CAPTURE(depths, qwen3_30b_a3b_m2_ultra, "qwen3-30b-a3b", "m2-ultra-76");
BENCHMARK_CAPTURE(prompts, llama_3_1_8b_rtx_4090, "llama-3.1-8b", "rtx-4090");

BENCHMARK_MAIN();
