// SPDX-License-Identifier: Apache-2.0
#include "engine/measure/attention_bench.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

#include "base/error.h"
#include "engine/mapping.h"
#include "engine/measure/peaks.h"

namespace silicast::engine {

namespace {

std::vector<float> normal_values(std::int64_t n) {
  std::vector<float> values(static_cast<std::size_t>(n));
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (float& value : values) value = normal(random);
  return values;
}

// Keys and values of several layers, together larger than the caches, so that each repeat reads another one.
class Layers {
 public:
  Layers(const Kernels& kernels, const AttentionCase& what, std::int64_t memory_bytes, ThreadPool& pool)
      : what_(what),
        row_(static_cast<std::int64_t>(kv_row_bytes(what.type, what.shape.head_dim))),
        half_(what.shape.kv_heads * what.positions * row_),
        count_(std::max<std::int64_t>(1, memory_bytes / (2 * half_))),
        memory_(Mapping::of_memory(static_cast<std::size_t>(2 * half_ * count_))) {
    constexpr std::int64_t different = 64;  // rows; the rest repeats them
    const auto values = normal_values(different * what.shape.head_dim);
    const std::int64_t rows = 2 * what.shape.kv_heads * what.positions * count_;
    pool.run([&](const Worker& worker) {
      const Range share = worker.share(rows);
      for (std::int64_t r = share.begin; r < share.end; ++r)
        store_kv(kernels, what_.type, values.data() + r % different * what_.shape.head_dim, what_.shape.head_dim,
                 memory_.data() + r * row_);
    });
  }

  [[nodiscard]] std::int64_t layer_bytes() const { return 2 * half_; }
  [[nodiscard]] KvView keys(std::int64_t layer) const { return view(2 * (layer % count_)); }
  [[nodiscard]] KvView values(std::int64_t layer) const { return view(2 * (layer % count_) + 1); }

 private:
  [[nodiscard]] KvView view(std::int64_t half) const {
    return {.type = what_.type, .data = memory_.data() + half * half_, .head_stride = what_.positions * row_};
  }

  const AttentionCase what_;
  std::int64_t row_;
  std::int64_t half_;  // of a layer: its keys, or its values
  std::int64_t count_;
  Mapping memory_;
};

double float_peak(ThreadPool& pool, const Effort& effort) {
  const auto all = peaks();
  const auto peak = std::find_if(all.begin(), all.end(), [](const Peak& p) { return p.name == "fma.f32"; });
  ensure(peak != all.end(), "there is a peak of 32-bit floats");
  constexpr std::int64_t rounds = 200'000;
  const Sample s = sample(pool, effort, [&](const Worker&) { peak->run(rounds); });
  return peak->operations * static_cast<double>(rounds) * pool.size() / s.seconds;
}

class AttentionBench {
 public:
  explicit AttentionBench(const AttentionBenchOptions& options)
      : options_(options), kernels_(options.isa ? kernels_of(*options.isa) : best_kernels()) {
    stream_bytes_ = options.stream_bytes > 0 ? options.stream_bytes : streaming_bytes();
    effort_ = options.quick ? Effort{.least = 3, .most = 20, .seconds = 0.05}
                            : Effort{.least = 5, .most = 50, .seconds = 0.2};
  }

  std::vector<AttentionResult> run() {
    auto threads = options_.threads.empty() ? default_thread_counts() : options_.threads;
    if (options_.threads.empty() && options_.quick && threads.size() > 2) threads = {threads.front(), threads.back()};
    for (const int count : threads) {
      pool_ = std::make_unique<ThreadPool>(ThreadPool::Options{.threads = count, .pin = true});
      scratch_.clear();
      for (int i = 0; i < count; ++i) scratch_.emplace_back(0);
      if (options_.progress) options_.progress("attention, " + std::to_string(count) + " threads");
      const Effort limits{.least = 5, .most = 20, .seconds = options_.quick ? 0.2 : 1.0};
      read_limit_ = measure_roof(*pool_, limits, stream_bytes_).read;
      peak_ = float_peak(*pool_, limits);
      for (const AttentionShape& shape : shapes())
        for (const KvType type : {KvType::f16, KvType::q8_0})
          for (const std::int64_t positions : depths())
            of_cache({.shape = shape, .type = type, .positions = positions, .threads = count});
    }
    return std::move(results_);
  }

 private:
  [[nodiscard]] std::vector<AttentionShape> shapes() const {
    if (!options_.shapes.empty()) return options_.shapes;
    const auto all = attention_shapes();
    return options_.quick ? std::vector<AttentionShape>{all.front()} : all;
  }
  [[nodiscard]] std::vector<std::int64_t> depths() const {
    if (!options_.positions.empty()) return options_.positions;
    return options_.quick ? std::vector<std::int64_t>{2048} : std::vector<std::int64_t>{512, 2048, 8192};
  }

  void of_cache(AttentionCase what) {
    const Layers layers(kernels_, what, stream_bytes_ / 4, *pool_);
    for (const std::int64_t tokens : options_.tokens.empty() ? std::vector<std::int64_t>{1, 512} : options_.tokens) {
      if (tokens > what.positions) continue;
      what.tokens = tokens;
      one(layers, what);
    }
  }

  void one(const Layers& layers, const AttentionCase& what) {
    const AttentionShape& shape = what.shape;
    const std::int64_t width = shape.heads * shape.head_dim;
    const auto q = normal_values(what.tokens * width);
    std::vector<float> out(q.size());
    std::vector<std::int64_t> layer(static_cast<std::size_t>(what.threads), 0);
    const auto seen = static_cast<double>(what.tokens) *
                      (static_cast<double>(what.positions) - static_cast<double>(what.tokens - 1) / 2);
    const double operations = 4.0 * static_cast<double>(width) * seen;
    // A small one is repeated within one timing, for the clock's sake.
    const auto times = static_cast<std::int64_t>(
        std::clamp(2e-4 / (operations / 1e11 + static_cast<double>(layers.layer_bytes()) / 2e10), 1.0, 100.0));
    Sample s = sample(*pool_, effort_, [&](const Worker& worker) {
      const auto self = static_cast<std::size_t>(worker.index());
      for (std::int64_t i = 0; i < times; ++i, ++layer[self]) {
        const Attention task{.q = q.data(),
                             .q_stride = width,
                             .k = layers.keys(layer[self]),
                             .v = layers.values(layer[self]),
                             .out = out.data(),
                             .out_stride = width,
                             .tokens = what.tokens,
                             .first_position = what.positions - what.tokens,
                             .heads = shape.heads,
                             .kv_heads = shape.kv_heads,
                             .head_dim = shape.head_dim,
                             .scale = 1 / std::sqrt(static_cast<float>(shape.head_dim))};
        // Later tokens see more: so the items go round, as in the forward pass.
        for (std::int64_t item = worker.index(); item < attention_items(task); item += worker.count())
          attention(kernels_, task, {item, item + 1}, scratch_[self]);
      }
    });
    for (double* time : {&s.seconds, &s.best, &s.wall_seconds}) *time /= static_cast<double>(times);
    results_.push_back({.what = what,
                        .sample = s,
                        .bytes = static_cast<double>(layers.layer_bytes() + 2 * what.tokens * width * 4),
                        .operations = operations,
                        .read_limit = read_limit_,
                        .peak = peak_});
  }

  const AttentionBenchOptions& options_;
  const Kernels& kernels_;
  Effort effort_;
  std::int64_t stream_bytes_ = 0;
  std::unique_ptr<ThreadPool> pool_;
  std::vector<Scratch> scratch_;
  double read_limit_ = 0;
  double peak_ = 0;
  std::vector<AttentionResult> results_;
};

}  // namespace

// config.json of TinyLlama/TinyLlama-1.1B-Chat-v1.0, meta-llama/Llama-3.2-1B, meta-llama/Llama-3.1-8B,
// Qwen/Qwen3-30B-A3B and google/gemma-3-1b-it on huggingface.co.
std::vector<AttentionShape> attention_shapes() {
  return {{"TinyLlama", 32, 4, 64},
          {"Llama-3.2-1B", 32, 8, 64},
          {"Llama-3.1-8B", 32, 8, 128},
          {"Qwen3-30B-A3B", 32, 4, 128},
          {"Gemma-3-1B", 4, 1, 256}};
}

std::string_view name_of(KvType type) { return type == KvType::f16 ? "f16" : "q8_0"; }

std::vector<AttentionResult> measure_attention(const AttentionBenchOptions& options) {
  return AttentionBench(options).run();
}

}  // namespace silicast::engine
