// SPDX-License-Identifier: Apache-2.0
// Attention alone, at the heads of real models: decode of one token and prefill of many, over keys and values that are
// in the cache already, with known bytes and operations.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cpu_features.h"
#include "engine/kernels.h"
#include "engine/measure/limits.h"
#include "engine/measure/sample.h"

namespace silicast::engine {

struct AttentionShape {
  std::string name;  // "TinyLlama"
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
};
// Of TinyLlama-1.1B, Llama-3.2-1B, Llama-3.1-8B, Qwen3-30B-A3B and Gemma-3-1B, from their published configurations.
std::vector<AttentionShape> attention_shapes();
std::string_view name_of(KvType type);  // "f16", "q8_0"

struct AttentionCase {
  AttentionShape shape;
  KvType type{};
  std::int64_t tokens = 1;  // of one sequence: the last positions of `positions`
  std::int64_t positions = 0;
  int threads = 1;
};

struct AttentionResult {
  AttentionCase what;
  Sample sample;
  double bytes = 0;       // keys and values, each read once; queries and outputs
  double operations = 0;  // 4 head_dim for each query head and position that a token sees
  double read_limit = 0;  // bytes/s of as many threads, in the same run
  double peak = 0;        // op/s of 32-bit floats

  [[nodiscard]] double bytes_per_second() const { return bytes / sample.seconds; }
  [[nodiscard]] double operations_per_second() const { return operations / sample.seconds; }
  [[nodiscard]] double of_read() const { return bytes_per_second() / read_limit; }
  [[nodiscard]] double of_peak() const { return operations_per_second() / peak; }
};

struct AttentionBenchOptions {
  bool quick = false;                   // one shape, one depth
  std::vector<AttentionShape> shapes;   // empty: attention_shapes(), quick: the first
  std::vector<std::int64_t> positions;  // empty: 512 2048 8192, quick: 2048
  std::vector<std::int64_t> tokens;     // empty: 1 and 512; those that are more than the positions are left out
  std::vector<int> threads;             // empty: default_thread_counts(), quick: 1 and all
  std::optional<Isa> isa;               // empty: the best
  std::int64_t stream_bytes = 0;        // memory that the layers of a cold cache take; 0: streaming_bytes()
  std::function<void(const std::string&)> progress;
};
std::vector<AttentionResult> measure_attention(const AttentionBenchOptions& options);

}  // namespace silicast::engine
