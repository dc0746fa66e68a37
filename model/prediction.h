// SPDX-License-Identifier: Apache-2.0
// The question and the answer: a query with its defaults, and what silicast says of it. Plain data; report/ formats it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.h"
#include "model/database.h"
#include "model/economics.h"
#include "model/energy.h"
#include "model/memory.h"
#include "model/placement.h"
#include "model/residual_field.h"
#include "model/startup.h"
#include "model/step_cost.h"

namespace silicast {

struct PreparedModel;  // model/model_source.h

enum class FlashAttention { automatic, on, off };

// Where layers are wanted; counted as llama.cpp's --gpu-layers counts them (the output is one more layer).
struct Offload {
  enum class Layers { all, count, automatic };
  Layers layers = Layers::all;
  std::int64_t gpu_layers = 0;      // with Layers::count
  std::int64_t cpu_moe_layers = 0;  // routed experts of the first so many layers stay on the host
  bool for_ttft = false;            // what `automatic` makes fast: the first token, or decoding
  bool streams_prompts = true;      // from the stack's batch on; else the host computes its layers whatever the batch
  // Every step copies all of the host's weights to the device and computes there, instead of what the stack does.
  bool streams_everything = false;

  [[nodiscard]] bool wants_host() const { return layers != Layers::all || cpu_moe_layers > 0; }
};

// Who chose the quantization: the query, a file that holds one, those who released the model quantized alone, or the
// habit of the stack's users.
enum class QuantOrigin { given, file, published, usual };
std::string_view name_of(QuantOrigin origin);

struct Query {
  std::string model;  // catalogue name, model or workload YAML, config.json, GGUF
  std::string quant;  // empty: the file's own, the one that the model is released in, or the stack's usual one
  QuantOrigin quant_origin = QuantOrigin::given;  // filled in when the query is compiled
  std::string device;                             // NAME, or NAMExN for several
  std::optional<int> devices;                     // of that NAME, without xN; absent: as `device` says
  std::string stack;                              // empty: the device's usual one that reads the quantization's format
  std::optional<Bytes> memory;                    // one of the device's options; absent: the largest
  // The file's own size, of a mix that is known only roughly: what a step reads of it goes by this. Absent: the mix's.
  std::optional<Bytes> model_size;
  std::int64_t prompt = 512;
  std::int64_t gen = 128;
  std::int64_t depth = 0;  // tokens already in the cache
  // A mixed batch: the sequences stand at these depths in turn; empty: all at `depth`.
  std::vector<std::int64_t> depths;
  // Or evenly spread from the first to the last: each at the middle of its equal part.
  std::optional<std::pair<std::int64_t, std::int64_t>> depth_range;
  std::int64_t concurrency = 1;  // sequences at once
  std::string key_type = "f16";
  std::string value_type = "f16";
  bool unified_cache = false;  // llama.cpp's --kv-unified: the sequences share one buffer
  bool full_window_cache =
      false;  // llama.cpp's --swa-full: layers of a sliding window keep, and go through, all tokens
  FlashAttention flash_attention = FlashAttention::automatic;
  std::optional<std::int64_t> ubatch;
  std::optional<std::int64_t> threads;        // of a CPU; absent: every fast core
  std::string os;                             // release that decides the usable share of unified memory
  std::optional<Bytes> wired_limit;           // overrides that share
  std::vector<FieldOverride> overrides;       // what-if on any hardware field
  std::vector<FieldOverride> host_overrides;  // the same on the host
  std::optional<Watts> power_limit;           // of each device; absent: its own
  std::optional<BytesPerSecond> storage;      // that the weights are read from; absent: the device's usual one
  CostQuestion cost;
  std::string host;                  // the machine around a discrete GPU; empty: nothing can be placed there
  std::optional<Bytes> host_memory;  // one of its options; absent: the largest
  std::optional<Pcie> pcie;          // between them; absent: the lesser of the two slots
  bool mapped = true;                // weights on the host are the page cache of the file: copies are not pinned
  Offload offload;
  Split split = Split::layer;
  std::vector<double> device_shares;  // of an uneven layer split; empty: even
  std::string interconnect;           // between devices; empty: NVLink, Thunderbolt or PCIe, what they have
  bool calibrated = true;             // false: datasheets and kernel descriptions alone
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
  std::string model;  // that it was measured on
  std::string source;
  bool same_model = false;      // as the one asked for
  std::optional<bool> imatrix;  // the file was made with an importance matrix; absent: not stated
};

struct Evidence {
  std::string level;  // measured | same-device | same-family | datasheet
  std::int64_t measurements = 0;
  std::vector<std::string> notes;
};

struct ResolvedQuery {
  Query asked;
  std::string model_id;  // of the catalogue, or of the file
  std::string device_id;
  std::string model_name;
  std::string device_name;
  std::string stack_release;
  std::string processor;  // "gpu" or "cpu"
  Bytes memory;
  double bits_per_weight = 0;
  std::int64_t parameters = 0;
  std::int64_t active_parameters = 0;
  bool flash_attention = true;
  std::int64_t ubatch = 512;
  std::string profile;  // empty: none applied
  std::string profile_date;
  int devices = 1;
  std::string host_name;                                   // empty: none
  std::string interconnect;                                // of several devices
  std::string placement;                                   // in words, empty where all is on one device
  std::int64_t gpu_layers = 0;                             // as llama.cpp counts them
  std::int64_t cpu_moe_layers = 0;                         // whose experts are on the host, likewise
  std::vector<std::pair<std::string, std::string>> files;  // of the user: path, hash of what was read
};

// How many sequences such as the query's (their mean, of a mixed batch) memory holds in full length beside the weights.
struct SequencesThatFit {
  std::optional<std::int64_t> most;  // 0: not even one; absent: nothing of them is kept, or no capacity is known
  Bytes each;                        // cache of one, in all pools
  std::string allocation;            // "paged", "slots" (as many buffers of equal length), "unified" or "growing"
  std::int64_t context = 0;          // tokens that each may hold; of slots and growing caches the deepest's
};

struct Prediction {
  ResolvedQuery query;
  bool feasible = true;
  std::string limiting;  // empty when feasible
  std::vector<MemoryPool> pools;
  Bytes file_bytes;  // of the tensors of such a file
  SequencesThatFit sequences;
  std::optional<Phase> prefill;
  std::optional<Phase> decode;
  std::optional<Interval> ttft;                     // seconds
  std::optional<Interval> tpot;                     // seconds
  std::optional<Interval> e2e_latency;              // seconds
  std::optional<Interval> output_token_throughput;  // tokens per second of all sequences, prefill included
  std::optional<PowerFigures> power;                // absent: nothing is known of the device's
  std::optional<EnergyFigures> energy;
  std::optional<StartupFigures> startup;
  std::optional<CostFigures> cost;  // absent: no price is known
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
  std::shared_ptr<const Device> host;         // of a discrete GPU; null: none
  std::shared_ptr<const Stack> host_stack;    // null: nothing can run there
  std::string interconnect;                   // of several devices
  MachineExecutors machine;
  LayerMemory layers;
  Placement placement;
  PlacedStep evaluator;
  std::shared_ptr<const Profile> profile;  // of the stack's family; null: none, or not wanted
  Scope scope;
  std::vector<std::pair<std::string, std::string>> files;
};

// Throw InputError (unknown names, bad files), UsageError (impossible requests), RefusedError (outside the model).
Compiled compile(const Query& query, const Database& database);
// Of the query's model and quantization, prepared before.
Compiled compile(const Query& query, const Database& database, const PreparedModel& prepared);
Prediction predict(const Compiled& compiled, const Database& database);
Prediction predict(const Query& query, const Database& database);

// The memory question of a compiled query; `placement` and capacity can be changed to ask another.
MemoryRequest memory_request(const Compiled& compiled);

// Sequences of a batch that stand at the same depth.
struct DepthGroup {
  std::int64_t sequences = 1;
  std::int64_t depth = 0;
};
std::vector<DepthGroup> depth_groups(const Query& query);

// A step and how many of its kind.
struct RepeatedStep {
  std::vector<StepShape> batch;
  double times = 1;
};
// How a prompt is cut: into micro-batches of `ubatch` tokens, of which one in each `batch` tokens has logits to
// compute.
struct PromptCut {
  PromptCut(std::int64_t ubatch_tokens, std::int64_t batch_tokens = 0) : ubatch(ubatch_tokens), batch(batch_tokens) {}
  std::int64_t ubatch;
  std::int64_t batch;  // 0: every micro-batch has

  // Of the micro-batches of a prompt, the share that has.
  [[nodiscard]] double outputs_of_each(std::int64_t prompt) const;
};
PromptCut cut_of(const Compiled& compiled);

// The micro-batches of a prompt, long ones by at most `most` of them evenly spread; the steps of decoding as the mean
// of at most `most`. Their `times` add up to the steps of the prompt, and to 1.
std::vector<RepeatedStep> prefill_steps(const Query& query, const PromptCut& cut, std::int64_t most);
std::vector<RepeatedStep> decode_steps(const Query& query, std::int64_t most);
// With which predict() works.
constexpr std::int64_t predicted_prefill_steps = 64;
constexpr std::int64_t predicted_decode_steps = 8;

// A placed step on one device that keeps the part of it that does not depend on the depth, for the shapes seen last;
// other placements are asked as they are. Answers are those of the step, to rounding. Not to be shared by threads.
class StepMemo {
 public:
  explicit StepMemo(const PlacedStep& step, std::size_t shapes = 256) : step_(&step), shapes_(shapes) {}

  StepCost operator()(const StepShape& shape);
  // The mean of steps that differ in their depth alone.
  StepCost mean(StepShape shape, std::span<const double> depths);
  [[nodiscard]] const PlacedStep& step() const { return *step_; }

 private:
  // Without attention; of a step on one device.
  const StepCost& rest(const StepEvaluator& single, const StepShape& shape);

  struct Entry {
    double batch = 0, new_tokens = 0, outputs = 0;
    StepCost cost;
  };
  const PlacedStep* step_;
  std::size_t shapes_;
  std::vector<Entry> entries_;  // empty until the first question
};

// The time to process `prompt` tokens of each sequence in micro-batches, from the depth on.
StepCost prefill_cost(const PlacedStep& evaluator, const Query& query, const PromptCut& cut);
StepCost prefill_cost(StepMemo& evaluator, const Query& query, const PromptCut& cut);
// The mean step over the generated tokens, from the depth on (prompt included).
StepCost mean_decode_cost(const PlacedStep& evaluator, const Query& query);
StepCost mean_decode_cost(StepMemo& evaluator, const Query& query);

// What a step depends on but for its attention, kept for the shapes asked last: only attention changes with the depth.
class SlopeMemo {
 public:
  // Of one such step, without attention.
  const ParameterSpread::Slopes& rest(const ParameterSpread& parameters, const PlacedStep& step,
                                      const StepShape& shape);

 private:
  struct Entry {
    double batch = 0, new_tokens = 0, outputs = 0;  // of no shape
    ParameterSpread::Slopes slopes;
  };
  std::vector<Entry> entries_;
};

// Where a query stands among what was measured on its machine: all but its shape, and with the shape of a phase.
RateCell cell_of(const Compiled& compiled);
RateCell cell_at(RateCell cell, const Query& query, PhaseKind phase);

// How sure a prediction is: the residual scale of its level of evidence, beside what the parameters leave open.
struct Certainty {
  ResidualScale residual;
  std::shared_ptr<const ParameterSpread> parameters;  // null: nothing was fitted
  const PlacedStep* step = nullptr;                   // of the bound query, which outlives this
  PromptCut cut{0};
  std::shared_ptr<SlopeMemo> memo{};         // for callers that ask for many shapes, on one thread
  std::shared_ptr<const Profile> machine{};  // whose own cells bear on the query; null: none do
  RateCell cell{};                           // of the query, whatever its shape
  // Standard deviation of the logarithm of attention's time where the cache is of a type that was not measured.
  double attention_doubt = 0;

  // What measured cells of the same machine tell of the phase.
  [[nodiscard]] Leftover leftover(const Query& query, PhaseKind phase) const;
  // Standard deviations of the logarithm of the phase's rate, were there no such cells.
  [[nodiscard]] double prefill(const Query& query) const;
  [[nodiscard]] double decode(const Query& query) const;
};
Certainty certainty_of(const Compiled& compiled, const Database& database);
EvidenceLevel evidence_level(const Compiled& compiled);

// From the cost of a whole prompt, and of the mean step.
Phase prefill_phase(const StepCost& cost, const Query& query, const Certainty& certainty);
Phase decode_phase(const StepCost& cost, const Query& query, const Certainty& certainty);

struct Latencies {
  std::optional<Interval> ttft;
  std::optional<Interval> tpot;
  std::optional<Interval> e2e_latency;
  std::optional<Interval> output_token_throughput;
};
// Phases that the query does not have are null; `request` passes before the first step.
Latencies latencies_of(const Phase* prefill, const Phase* decode, const Query& query, Seconds request);

constexpr std::int64_t most_sequences = 1'000'000;
// Throws UsageError where there is nothing to predict, whatever the machine: counts out of range, a context that the
// model does not have; RefusedError for what its kind does not do.
void check_request(const Query& query, const Architecture& architecture);

}  // namespace silicast
