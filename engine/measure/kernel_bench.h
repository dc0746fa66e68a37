// SPDX-License-Identifier: Apache-2.0
// The engine's kernels one by one: products of every type at the shapes of real layers, and attention, with known bytes
// and operations, as shares of limits measured in the same run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/cpu_features.h"
#include "engine/kernels.h"
#include "engine/measure/limits.h"
#include "engine/measure/sample.h"

namespace silicast::engine {

struct LayerShape {
  std::string name;  // "Llama-3.2-1B ffn_up"; empty: given by its numbers
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};
// Layers of TinyLlama-1.1B, Llama-3.2-1B, Llama-3.1-8B and Qwen3-30B-A3B's experts, from their published
// configurations.
std::vector<LayerShape> layer_shapes();

struct KernelCase {
  BlockType type{};
  LayerShape shape;
  std::int64_t batch = 1;
  int threads = 1;
  bool cold = true;  // weights from memory: matrices in turn, together larger than the last-level cache; else one
};

struct KernelResult {
  KernelCase what;
  Sample sample;
  double bytes = 0;       // weights read, activations read and written
  double operations = 0;  // 2 rows columns batch
  Roof roof;              // of as many threads

  [[nodiscard]] double bytes_per_second() const { return bytes / sample.seconds; }
  [[nodiscard]] double operations_per_second() const { return operations / sample.seconds; }
  [[nodiscard]] double of_read() const { return bytes_per_second() / roof.read; }
  [[nodiscard]] double of_peak() const { return operations_per_second() / roof.operations; }
  // Of the time that the nearer of both limits asks for.
  [[nodiscard]] double of_limit() const { return std::max(of_read(), of_peak()); }
};

struct KernelBenchOptions {
  bool quick = false;                 // a minute at most
  std::vector<BlockType> types;       // empty: all
  std::vector<LayerShape> shapes;     // empty: layer_shapes(), quick: one
  std::vector<std::int64_t> batches;  // empty: 1 2 4 8 16 32 64 128 256 512, quick: 1 4 512
  std::vector<int> threads;           // empty: default_thread_counts(), quick: 1 and all
  std::optional<bool> cold;           // empty: both, quick: cold
  std::optional<Isa> isa;             // empty: the best
  std::int64_t stream_bytes = 0;      // memory that cold weights and the read limit go through; 0: streaming_bytes()
  std::function<void(const std::string&)> progress;
};
std::vector<KernelResult> measure_kernels(const KernelBenchOptions& options);

}  // namespace silicast::engine
