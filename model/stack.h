// SPDX-License-Identifier: Apache-2.0
// A software stack and generation, as data: which kernel runs an operation, what unpacking a weight costs it, what a
// launch costs, what it allocates. Files: data/stacks/*.yaml, described in data/stacks/README.md.
#pragma once

#include <array>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.h"
#include "hardware/device.h"
#include "workloads/quantization.h"
#include "workloads/step.h"

namespace silicast {

class Section;
struct Entry;

// Instructions to unpack one weight and multiply it, by the pipe that executes them.
struct UnpackCost {
  double simple = 0;   // at the rate of Unit::int32
  double slow = 0;     // at the rate of Unit::int32_slow, beside the simple ones
  double lookups = 0;  // at the rate of Unit::lookup, after them
  double scaling = 0;  // vector instructions that apply the scales to one result of 32 weights after an integer product
  std::map<std::string, double, std::less<>> by_set;  // the simple ones of a CPU with an instruction set

  // Of a processor: the fewest that its instruction sets need, where one is named in by_set.
  [[nodiscard]] double simple_of(const Processor& processor) const;
};

// A weight matrix kernel and the operations it runs: the first of a stack's list that applies is used.
struct MatmulKernel {
  std::string name;
  // When it applies.
  std::vector<std::string> types;                            // empty: all
  std::vector<std::string> architectures;                    // empty: all
  std::vector<std::string> needs;                            // instruction sets of a CPU that must be there
  std::optional<bool> experts;                               // only for, or not for, mixtures of experts
  double columns = std::numeric_limits<double>::infinity();  // at most so many tokens
  std::map<std::string, double, std::less<>> columns_by_type;
  double expert_columns = std::numeric_limits<double>::infinity();  // at most so many tokens of an expert on average
  // What it does.
  std::vector<Unit> units;  // the first that the processor has; empty: the arithmetic is in the unpack cost
  double unit_share = 1;    // of the unit's peak that large matrices reach
  std::map<std::string, double, std::less<>> share_by_architecture;  // of that, unit and feed, where it is less
  double conflict_share = 1;  // of that, where the rows of the matrix fall on the same memory channels
  double feed_rate = std::numeric_limits<double>::infinity();  // operations per core and clock that loads can feed
  bool applies_scales = false;                                 // pays UnpackCost::scaling: integer products of blocks
  double dram_share = 1;                                       // of the achievable bandwidth
  bool overlaps_loads = true;  // weights arrive while others are multiplied; else the two times add up
  double unpack_share = 1;     // of the peak of the pipes that unpack
  double unpack_every = 1;     // columns that one unpacking serves; infinity: all
  std::optional<double>
      further_column;  // instructions a weight of each column after the first that shares its unpacking
  double pass = 0;     // instructions a weight of each pass, whatever its type: what unpacking lays out for the unit
  double tile_rows = 1;
  double tile_columns = 1;
  double resident_tiles = 1;       // that a core works on at once at its best: fewer leave its latencies in the open
  bool split_k = true;             // tiles are also split along the dot product: no idle cores in the last wave
  bool unpacks_to_memory = false;  // writes the whole matrix as F16 and reads it back
  double launches = 1;
  double expert_launches = 0;  // beside them, of each expert that is touched
  double choice_scan = 0;      // cycles of a core for each choice of an expert that a tile goes through for its tokens
};

struct AttentionKernel {
  std::string name;
  std::vector<std::string> architectures;                       // empty: all
  double columns = std::numeric_limits<double>::infinity();     // at most so many new tokens a sequence
  double key_values = std::numeric_limits<double>::infinity();  // at most so many in a key
  bool quantized = false;                                       // only for caches of quantized types
  bool grouped = false;  // only where several heads of the query share keys and values
  std::vector<Unit> units;
  double unit_share = 1;
  std::map<std::string, double, std::less<>> share_by_architecture;  // of unit_share
  double dram_share = 1;
  double launches = 1;
  double key_overhead = 0;    // multiply-adds of a query's head for each key, beside those of its values
  bool keeps_scores = false;  // writes and reads the score matrix (no flash attention)
  bool whole_cache = false;   // multiplies with all cells that it reads, also those that the mask hides
};

enum class BufferRule { llama_cpp, paged, none };

// What the stack allocates beside weights and cache.
struct AllocationRules {
  BufferRule rule = BufferRule::llama_cpp;
  std::int64_t cache_padding = 1;    // tokens; the cache is a multiple of it
  std::int64_t unfused_padding = 1;  // of the cells that attention reads without flash attention
  bool windowed_cache = true;        // sliding-window layers keep only their window
  bool host_embedding = false;       // the input embedding stays in host memory (discrete GPUs)
  bool mapped_file = false;          // CPU: weights are the page cache of the file
  Bytes context_overhead;            // driver context, libraries, pools on the device
  double usable_share = 1;           // of the capacity (vLLM's gpu_memory_utilization)
  Bytes activation_bytes_fixed;      // paged: measured peak of a profiling run
};

struct Overheads {
  Seconds kernel;          // of each dependent kernel: launch, ramp-up, tail
  Seconds core;            // more for each further core of a CPU: they meet at a barrier, one after the other
  Seconds scattered_read;  // of a GPU of several dies: of each expert that a product gathers
  Seconds shared_product;  // of each product that devices share by rows, for each of them: the host starts them in turn
  Seconds step;            // of each step on the host, not hidden behind the device
  Seconds sequence;        // of each sequence that a step gives a token: sampling, detokenization, the answer's stream
  Seconds request;         // before the first step of a request
};

// How a stack runs what does not fit the device. Absent: it does not.
struct OffloadRules {
  std::string host_stack;         // that runs the layers on the CPU
  double stream_batch = 0;        // tokens from which their weights are copied to the device and multiplied there
  bool experts_by_share = false;  // of routed experts so many for each that a token uses on average
  bool whole_experts = false;     // copies all experts of a layer, whether a token chose them or not
  double pinned_share = 1;        // of PCIe that copies from page-locked memory reach
  double pageable_share = 1;      // likewise from the page cache of the mapped file
  Seconds hand_over;              // of one split of the graph: copy of activations and synchronization
};

struct Stack {
  std::string id;
  std::string name;
  std::string family;      // shared by the generations of a stack: the name of their file
  std::string release;     // year-month
  std::string generation;  // whose corrections it shares: of another variant, or its own id
  std::string since;       // year-month from which its kernels are in releases; the release where it is not stated
  bool on_cpu = false;
  double recurrent_share = 1;  // of the vector peak that a recurrence over the tokens reaches
  double numa_share = 1;       // of the memory bandwidth of several sockets together that unpinned threads reach
  std::map<std::string, double, std::less<>>
      unpack_by_set;                 // instructions with an instruction set, as a share of `unpack`
  std::vector<std::string> vendors;  // of the devices it runs on; empty: any
  std::vector<QuantFormat> formats;
  std::map<std::string, UnpackCost, std::less<>> unpack;
  UnpackCost default_unpack;  // of types that the table does not list
  std::vector<std::string> unsupported_types;
  std::vector<MatmulKernel> matmul;
  std::vector<AttentionKernel> attention;  // fused
  std::vector<AttentionKernel> unfused_attention;
  bool fused_attention_default = true;
  std::array<double, op_kind_count> launches{};  // kernels of each vector operation
  Overheads overheads;
  std::map<std::string, Seconds, std::less<>> kernel_overhead_by_architecture;
  double activation_bytes = 4;  // of an activation value between operations
  std::int64_t ubatch = 512;
  std::int64_t prompt_batch = 0;         // tokens of a prompt that have logits once; 0: each micro-batch has
  Stage wanted_rows_from = Stage::head;  // from where on only tokens whose logits are wanted are computed
  AllocationRules allocation;
  std::optional<OffloadRules> offload;
  std::optional<Seconds> build;  // before the first request: compilation, graph capture, warm-up; absent: not known
  // Of an empty run before the first request, which reads all weights, those of all experts included; 0: there is none.
  std::int64_t warm_up_tokens = 0;
  bool tensor_split = false;  // can divide every layer over several devices
  bool layer_split = true;    // can give each device layers of its own; else its matrices are divided by rows
  bool whole_heads = false;   // each with as many heads as the others

  [[nodiscard]] Seconds kernel_overhead(const Processor& processor) const;
  [[nodiscard]] bool refuses(std::string_view type) const;
  // Whether it runs every type that a rule of the scheme may choose.
  [[nodiscard]] bool runs_types_of(const QuantScheme& scheme, const TypeTable& types) const;
};

// Throws InputError with place, key and rule. Type names are checked against the table.
Stack read_stack(const Entry& entry, const TypeTable& types);

}  // namespace silicast
