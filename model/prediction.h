// SPDX-License-Identifier: Apache-2.0
// The question and the answer: a query with its defaults, and what silicast says of it. Plain data; report/ formats it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/quantity.h"
#include "model/database.h"
#include "model/memory.h"
#include "model/step_cost.h"

namespace silicast {

enum class FlashAttention { automatic, on, off };

struct Query {
  std::string model;   // catalogue name, model or workload YAML, config.json, GGUF
  std::string quant;   // empty: the file's own, or the stack's usual one
  std::string device;
  std::string stack;   // empty: the device's usual one that reads the quantization's format
  std::optional<Bytes> memory;       // one of the device's options; absent: the largest
  std::int64_t prompt = 512;
  std::int64_t gen = 128;
  std::int64_t depth = 0;            // tokens already in the cache
  std::int64_t concurrency = 1;      // sequences at once
  std::string key_type = "f16";
  std::string value_type = "f16";
  FlashAttention flash_attention = FlashAttention::automatic;
  std::optional<std::int64_t> ubatch;
  std::optional<std::int64_t> threads;  // of a CPU; absent: every core
  std::string os;                       // release that decides the usable share of unified memory
  std::optional<Bytes> wired_limit;     // overrides that share
  std::vector<FieldOverride> overrides; // what-if on any hardware field
};

// An 80 % interval.
struct Interval {
  double value = 0;
  double p10 = 0;
  double p90 = 0;
};

struct Phase {
  Seconds seconds;             // prefill: of the whole prompt; decode: per token of each sequence
  Interval tokens_per_second;  // of all sequences together
  StepCost cost;               // summed over the phase's steps (prefill), or the mean step (decode)
};

struct Quality {
  double perplexity_ratio = 1;
  std::optional<double> kld;
  std::string model;   // that it was measured on
  std::string source;
};

struct Evidence {
  std::string level;  // measured | same-device | same-family | datasheet
  std::int64_t measurements = 0;
  std::vector<std::string> notes;
};

struct ResolvedQuery {
  Query asked;
  std::string model_name;
  std::string device_name;
  std::string stack_release;
  std::string processor;   // "gpu" or "cpu"
  Bytes memory;
  double bits_per_weight = 0;
  std::int64_t parameters = 0;
  std::int64_t active_parameters = 0;
  bool flash_attention = true;
  std::int64_t ubatch = 512;
  std::vector<std::pair<std::string, std::string>> files;  // of the user: path, hash of what was read
};

struct Prediction {
  ResolvedQuery query;
  bool feasible = true;
  std::string limiting;  // empty when feasible
  std::vector<MemoryPool> pools;
  Bytes file_bytes;      // of the tensors of such a file
  std::optional<Phase> prefill;
  std::optional<Phase> decode;
  std::optional<Interval> ttft;                     // seconds
  std::optional<Interval> tpot;                     // seconds
  std::optional<Interval> e2e_latency;              // seconds
  std::optional<Interval> output_token_throughput;  // tokens per second of all sequences, prefill included
  std::optional<Quality> quality;
  Evidence evidence;

  [[nodiscard]] Bytes total_bytes() const;
};

// A query bound to its machine and workload: the compiled evaluator, for sweeps and simulations.
struct Compiled {
  Query query;  // with stack and quantization filled in
  std::shared_ptr<const Device> device;
  std::shared_ptr<const Stack> stack;
  std::shared_ptr<const Workload> workload;
  std::shared_ptr<const QuantScheme> scheme;  // null where a file brought its own types
  Executor executor;
  StepEvaluator evaluator;
  std::vector<std::pair<std::string, std::string>> files;
};

// Throw InputError (unknown names, bad files), UsageError (impossible requests), RefusedError (outside the model).
Compiled compile(const Query& query, const Database& database);
Prediction predict(const Compiled& compiled, const Database& database);
Prediction predict(const Query& query, const Database& database);

// The time to process `prompt` tokens of each sequence in micro-batches, from the depth on.
StepCost prefill_cost(const StepEvaluator& evaluator, const Query& query, std::int64_t ubatch);
// The mean step over the generated tokens, from the depth on (prompt included).
StepCost mean_decode_cost(const StepEvaluator& evaluator, const Query& query);

}  // namespace silicast
