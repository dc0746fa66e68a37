// SPDX-License-Identifier: Apache-2.0
// How long a prediction takes: a compiled step, a whole query from names, and what a query is made of.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "base/error.h"
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

// The whole query with --gpu-layers auto on a card that the model does not fit: the search is in it.
void automatic_layers(benchmark::State& state, const char* model, const char* quant, const char* device,
                      bool for_ttft = false) {
  Query q = query(model, device);
  q.quant = quant;
  q.host = "threadripper-pro-7975wx";
  q.offload.layers = silicast::Offload::Layers::automatic;
  q.offload.for_ttft = for_ttft;
  for (auto _ : state) benchmark::DoNotOptimize(silicast::predict(q, database()));
}

// Where layers may be moved: a card that nearly every model exceeds, a large one, several, experts left on the host
// or not, and one memory; each made fast for decoding and for the first token.
struct Machine {
  const char* device;
  const char* host;  // empty: unified memory
};
constexpr Machine machines[] = {{"rtx-3060", "threadripper-pro-7975wx"},
                                {"rtx-5090", "threadripper-pro-7975wx"},
                                {"rtx-3090x4", "threadripper-pro-7975wx"},
                                {"h100-sxmx8", "epyc-9654"},
                                {"m4-max-40", ""}};

constexpr double millisecond = 1e-3;

// --gpu-layers auto for every model of the catalogue and placement: the label names the slowest, by the best of its
// times (the first reads files, others share the machine), and how many take more than a millisecond.
void automatic_layers_of_every_model(benchmark::State& state) {
  const auto& models = database().models().all();
  std::map<std::string, double> best;
  const auto time = [&](const Query& q, const std::string& name) {
    const auto start = std::chrono::steady_clock::now();
    try {
      benchmark::DoNotOptimize(silicast::predict(q, database()));
    } catch (const silicast::Error&) {
      return;  // encoders generate nothing, some contexts are shorter than the request
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const auto [at, is_new] = best.emplace(name, seconds);
    if (!is_new) at->second = std::min(at->second, seconds);
  };
  for (auto _ : state)
    for (const Machine& machine : machines)
      for (const bool for_ttft : {false, true})
        for (const auto& entry : models) {
          Query q = query(entry.id.c_str(), machine.device);
          q.host = machine.host;
          q.offload.layers = silicast::Offload::Layers::automatic;
          q.offload.for_ttft = for_ttft;
          time(q, entry.id + " on " + machine.device + (for_ttft ? ", for the first token" : ""));
        }
  const auto slowest =
      std::max_element(best.begin(), best.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto above = std::count_if(best.begin(), best.end(), [](const auto& x) { return x.second > millisecond; });
  state.SetLabel("slowest of " + std::to_string(best.size()) + ": " + slowest->first +
                 "; above 1 ms: " + std::to_string(above));
  state.counters["slowest_ms"] = 1e3 * slowest->second;
  state.counters["above_1_ms"] = static_cast<double>(above);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(best.size()));
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

BENCHMARK_CAPTURE(automatic_layers, dense_llama_3_3_70b_rtx_3060, "llama-3.3-70b", "Q4_K_M", "rtx-3060")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(automatic_layers, moe_qwen3_235b_rtx_5090, "qwen3-235b-a22b", "Q4_K_M", "rtx-5090")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(automatic_layers, moe_qwen3_235b_rtx_3090x4, "qwen3-235b-a22b", "Q4_K_M", "rtx-3090x4")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(automatic_layers, moe_deepseek_v4_pro_h100_sxmx8, "deepseek-v4-pro", "Q4_K_M", "h100-sxmx8")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(automatic_layers, moe_deepseek_v4_pro_h100_sxmx8_ttft, "deepseek-v4-pro", "Q4_K_M", "h100-sxmx8",
                  true)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(automatic_layers_of_every_model)->Unit(benchmark::kMillisecond)->Iterations(5);

BENCHMARK_MAIN();
