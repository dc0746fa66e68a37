// SPDX-License-Identifier: Apache-2.0
#include "engine/measure/kernel_bench.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>

#include "engine/mapping.h"
#include "engine/topology.h"

namespace silicast::engine {

namespace {

// Blocks that decode to weights of a trained model's scale, at each of as many places as the memory holds.
class BenchWeights {
 public:
  BenchWeights(BlockType type, const LayerShape& shape, std::int64_t memory_bytes, std::byte* memory, ThreadPool& pool)
      : matrix_{.type = type, .data = memory, .rows = shape.rows, .columns = shape.columns} {
    places_ = std::max<std::int64_t>(1, memory_bytes / size());
    const std::int64_t row = size() / shape.rows;
    constexpr std::int64_t different = 4;  // rows; the rest repeats them
    std::vector<float> values(static_cast<std::size_t>(different * shape.columns));
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 0.02F);
    for (float& value : values) value = normal(random);
    std::vector<std::byte> blocks(static_cast<std::size_t>(different * row));
    traits_of(type).quantize(values.data(), blocks.data(), different * shape.columns);
    pool.run([&](const Worker& worker) {
      const Range share = worker.share(shape.rows, row_granule);
      for (std::int64_t place = 0; place < places_; ++place)
        for (std::int64_t r = share.begin; r < share.end; ++r)
          std::memcpy(memory + place * size() + r * row, blocks.data() + r % different * row,
                      static_cast<std::size_t>(row));
    });
  }

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(matrix_.bytes()); }
  [[nodiscard]] std::int64_t places() const { return places_; }
  [[nodiscard]] Matrix at(std::int64_t place) const {
    Matrix matrix = matrix_;
    matrix.data += place % places_ * size();
    return matrix;
  }

 private:
  Matrix matrix_;
  std::int64_t places_ = 1;
};

Activations activations_of(const Kernels& kernels, BlockType type, std::int64_t columns, std::int64_t count) {
  std::vector<float> x(static_cast<std::size_t>(columns * count));
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (float& value : x) value = normal(random);
  Activations activations(columns, count);
  activations.set(kernels, traits_of(type).activation, x.data(), columns, columns, count);
  return activations;
}

class ProductBench {
 public:
  explicit ProductBench(const KernelBenchOptions& options)
      : options_(options), kernels_(options.isa ? kernels_of(*options.isa) : best_kernels()) {
    stream_bytes_ = options.stream_bytes > 0 ? options.stream_bytes : streaming_bytes();
    effort_ = options.quick ? Effort{.least = 5, .most = 20, .seconds = 0.05}
                            : Effort{.least = 5, .most = 50, .seconds = 0.1};
  }

  std::vector<KernelResult> run() {
    const auto threads = !options_.threads.empty() ? options_.threads
                         : options_.quick          ? ends()
                                                   : default_thread_counts();
    for (const int count : threads) {
      pool_ = std::make_unique<ThreadPool>(ThreadPool::Options{.threads = count, .pin = true});
      scratch_.clear();
      for (int i = 0; i < count; ++i) scratch_.emplace_back(panel_columns_most);
      say("limits, " + std::to_string(count) + " threads");
      for (const BlockType type : types()) {
        // With each type anew: a machine's clock moves within seconds.
        roof_ = measure_roof(*pool_, {.least = 3, .most = 20, .seconds = options_.quick ? 0.1 : 0.5}, stream_bytes_);
        of_type(type);
      }
    }
    return std::move(results_);
  }

 private:
  static constexpr std::int64_t panel_columns_most = 16384;

  static std::vector<int> ends() {
    auto counts = default_thread_counts();
    return counts.size() > 1 ? std::vector<int>{counts.front(), counts.back()} : counts;
  }
  [[nodiscard]] std::vector<BlockType> types() const {
    if (!options_.types.empty()) return options_.types;
    std::vector<BlockType> all;
    for (const TypeTraits& traits : all_types()) all.push_back(traits.type);
    return all;
  }
  [[nodiscard]] std::vector<std::int64_t> batches() const {
    if (!options_.batches.empty()) return options_.batches;
    if (options_.quick) return {1, 4, 512};
    return {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
  }
  [[nodiscard]] std::vector<LayerShape> shapes() const {
    if (!options_.shapes.empty()) return options_.shapes;
    const auto all = layer_shapes();
    return options_.quick ? std::vector<LayerShape>{all.front()} : all;
  }
  void say(const std::string& text) const {
    if (options_.progress) options_.progress(text);
  }

  void of_type(BlockType type) {
    say(std::string(traits_of(type).name) + ", " + std::to_string(pool_->size()) + " threads");
    for (const LayerShape& shape : shapes()) {
      if (shape.columns % traits_of(type).block != 0) continue;
      const std::int64_t bytes = static_cast<std::int64_t>(row_bytes(type, shape.columns)) * shape.rows;
      const std::int64_t memory_bytes = std::max(bytes, stream_bytes_ / (options_.quick ? 2 : 1));
      if (!memory_ || static_cast<std::int64_t>(memory_->size()) < memory_bytes)
        memory_ = Mapping::of_memory(static_cast<std::size_t>(memory_bytes));
      const BenchWeights weights(type, shape, memory_bytes, memory_->data(), *pool_);
      for (const std::int64_t batch : batches()) {
        const Activations x = activations_of(kernels_, type, shape.columns, batch);
        for (const bool cold : {true, false}) {
          if (options_.cold ? *options_.cold != cold : options_.quick && !cold) continue;
          one(weights, x, {.type = type, .shape = shape, .batch = batch, .threads = pool_->size(), .cold = cold});
        }
      }
    }
  }

  void one(const BenchWeights& weights, const Activations& x, const KernelCase& what) {
    std::vector<float> out(static_cast<std::size_t>(what.shape.rows * what.batch));
    // A small product is repeated within one timing: the memory's pipeline fills once, as within a model's layers.
    const double work = static_cast<double>(weights.size()) / 20e9 +
                        2.0 * static_cast<double>(what.shape.rows * what.shape.columns * what.batch) / 1e12;
    const auto times = static_cast<std::int64_t>(std::clamp(2e-3 / work, 1.0, 1000.0));
    std::vector<std::int64_t> place(static_cast<std::size_t>(what.threads), 0);
    Sample s = sample(*pool_, effort_, [&](const Worker& worker) {
      const auto self = static_cast<std::size_t>(worker.index());
      for (std::int64_t i = 0; i < times; ++i) {
        const Matrix matrix = weights.at(what.cold ? place[self]++ : 0);
        matmul(kernels_, matrix, x, {.data = out.data(), .stride = what.shape.rows},
               worker.share(what.shape.rows, row_granule), scratch_[self]);
      }
    });
    for (double* time : {&s.seconds, &s.best, &s.wall_seconds}) *time /= static_cast<double>(times);
    const double rows = static_cast<double>(what.shape.rows);
    const double columns = static_cast<double>(what.shape.columns);
    const double batch = static_cast<double>(what.batch);
    const ActivationTraits& partner = traits_of(traits_of(what.type).activation);
    const double x_bytes = columns * static_cast<double>(partner.bytes) / static_cast<double>(partner.block);
    results_.push_back({.what = what,
                        .sample = s,
                        .bytes = static_cast<double>(weights.size()) + batch * (x_bytes + 4 * rows),
                        .operations = 2 * rows * columns * batch,
                        .roof = roof_});
  }

  const KernelBenchOptions& options_;
  const Kernels& kernels_;
  Effort effort_;
  std::int64_t stream_bytes_ = 0;
  std::unique_ptr<ThreadPool> pool_;
  std::vector<Scratch> scratch_;
  std::optional<Mapping> memory_;
  Roof roof_;
  std::vector<KernelResult> results_;
};

}  // namespace

// config.json of TinyLlama/TinyLlama-1.1B-Chat-v1.0, meta-llama/Llama-3.2-1B, meta-llama/Llama-3.1-8B,
// Qwen/Qwen3-30B-A3B on huggingface.co.
std::vector<LayerShape> layer_shapes() {
  return {{"TinyLlama ffn_up", 5632, 2048},      {"TinyLlama ffn_down", 2048, 5632},
          {"TinyLlama attn_q", 2048, 2048},      {"TinyLlama attn_k", 256, 2048},
          {"Llama-3.2-1B ffn_up", 8192, 2048},   {"Llama-3.2-1B ffn_down", 2048, 8192},
          {"Llama-3.2-1B output", 128256, 2048}, {"Llama-3.1-8B attn_q", 4096, 4096},
          {"Llama-3.1-8B ffn_up", 14336, 4096},  {"Llama-3.1-8B ffn_down", 4096, 14336},
          {"Qwen3-30B-A3B expert_up", 768, 2048}};
}

std::vector<KernelResult> measure_kernels(const KernelBenchOptions& options) { return ProductBench(options).run(); }

}  // namespace silicast::engine
