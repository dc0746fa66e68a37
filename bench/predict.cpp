// SPDX-License-Identifier: Apache-2.0
// How long a prediction takes: a compiled step, a whole query from names, and what a query is made of.
#include <benchmark/benchmark.h>

#include "model/database.h"
#include "model/prediction.h"
#include "workloads/step.h"

namespace {

using silicast::Compiled;
using silicast::Database;
using silicast::Query;

const Database& database() {
  static const Database instance(SILICAST_SOURCE_DATA);
  return instance;
}

Query query(const char* model, const char* device) {
  return {.model = model, .quant = "Q4_K_M", .device = device, .prompt = 512, .gen = 128};
}

void step(benchmark::State& state, const char* model, const char* device) {
  const Compiled compiled = silicast::compile(query(model, device), database());
  double depth = 0;
  for (auto _ : state) {
    depth = depth > 8000 ? 0 : depth + 1;
    benchmark::DoNotOptimize(compiled.evaluator.seconds({.batch = 1, .new_tokens = 1, .depth = depth}));
  }
}

void step_with_bounds(benchmark::State& state, const char* model, const char* device) {
  const Compiled compiled = silicast::compile(query(model, device), database());
  double depth = 0;
  for (auto _ : state) {
    depth = depth > 8000 ? 0 : depth + 1;
    benchmark::DoNotOptimize(compiled.evaluator({.batch = 1, .new_tokens = 1, .depth = depth}));
  }
}

// Names to Prediction with the catalogue files read before, everything else anew: tensors, types, graph, evaluation.
void whole_query(benchmark::State& state, const char* model, const char* device) {
  const Query q = query(model, device);
  for (auto _ : state) benchmark::DoNotOptimize(silicast::predict(q, database()));
}

void compile_only(benchmark::State& state, const char* model, const char* device) {
  const Query q = query(model, device);
  for (auto _ : state) benchmark::DoNotOptimize(silicast::compile(q, database()));
}

}  // namespace

BENCHMARK_CAPTURE(step, dense_llama_3_1_8b_m2_ultra, "llama-3.1-8b", "m2-ultra-76");
BENCHMARK_CAPTURE(step, dense_llama_3_1_8b_rtx_4090, "llama-3.1-8b", "rtx-4090");
BENCHMARK_CAPTURE(step, moe_qwen3_30b_a3b_rtx_4090, "qwen3-30b-a3b", "rtx-4090");
BENCHMARK_CAPTURE(step_with_bounds, dense_llama_3_1_8b_m2_ultra, "llama-3.1-8b", "m2-ultra-76");
BENCHMARK_CAPTURE(whole_query, dense_llama_3_1_8b_m2_ultra, "llama-3.1-8b", "m2-ultra-76")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(whole_query, dense_llama_3_1_8b_rtx_4090, "llama-3.1-8b", "rtx-4090")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(whole_query, moe_deepseek_v3_m3_ultra, "deepseek-v3", "m3-ultra-80")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(compile_only, dense_llama_3_1_8b_m2_ultra, "llama-3.1-8b", "m2-ultra-76")
    ->Unit(benchmark::kMicrosecond);

BENCHMARK_MAIN();
