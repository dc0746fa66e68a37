// SPDX-License-Identifier: Apache-2.0
// The time of one step on one processor: a roofline per operation (design: docs/model.md).
//
// An operation costs its launches plus the smooth maximum of its resource times, (sum t^4)^(1/4): equal to the largest
// where one dominates, 19 % above where two are equal and compete for issue slots. Constants come from the device and
// the stack; what was fitted comes in as factors (model/corrections.h).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/quantity.h"
#include "hardware/device.h"
#include "model/corrections.h"
#include "model/stack.h"
#include "workloads/step.h"
#include "workloads/workload.h"

namespace silicast {

enum class Resource : std::uint8_t {
  dram,     // memory bandwidth
  matrix,   // matrix units (or the vector units where matrix work runs on them)
  dequant,  // unpacking quantized weights on the integer and vector units
  alu,      // other vector arithmetic
  cache,    // L2 or last-level cache bandwidth
  link,     // PCIe, NVLink
  launch,   // kernel launches, ramp-up, synchronization
};
constexpr std::size_t resource_count = 7;
std::string_view name_of(Resource resource);

struct StepShape {
  double batch = 1;       // sequences
  double new_tokens = 1;  // of each sequence
  double depth = 0;       // tokens of each already in the cache
  double outputs = 1;     // rows of each whose logits are wanted; below one: in some of a step's repetitions

  [[nodiscard]] double tokens() const { return batch * new_tokens; }
};

// What one step processes: groups of sequences, those of a group alike. Sequences at different depths, or prompts
// beside sequences that generate, are groups of their own: everything but attention sees their tokens together,
// attention each group's own cache. The result is that of the sequences taken one by one.
using Batch = std::span<const StepShape>;

// Of all groups: sequences, their new tokens, the rows whose logits are wanted.
struct BatchTotals {
  double sequences = 0, tokens = 0, outputs = 0;
};
BatchTotals totals_of(Batch batch) noexcept;

using ResourceTimes = std::array<double, resource_count>;  // seconds

struct StepCost {
  Seconds seconds;
  ResourceTimes busy{};   // how long each resource works
  ResourceTimes bound{};  // the step's time, divided by what bounds each operation
  Bytes dram_bytes;
  Bytes cache_bytes;  // activations, or weights, that stay in a cache between two uses
  Bytes link_bytes;
  Flops operations;         // multiplications and additions, padding of tiles not counted
  Flops matrix_operations;  // those of them that matrix units execute
  Flops instructions;       // of unpacking
  // What of it the CPU of a discrete machine's host does in its own memory: it draws its own power.
  struct HostWork {
    Seconds seconds;
    Bytes dram_bytes;
    Flops operations, matrix_operations, instructions;
  } host;

  [[nodiscard]] Resource bottleneck() const;
  // Share of the step that the resource works.
  [[nodiscard]] double utilization(Resource resource) const;
  StepCost& operator+=(const StepCost& other);
  StepCost& operator*=(double factor);
};

// What runs a step: a processor, the memory bandwidth it reaches, a stack and its settings.
struct Executor {
  Processor processor;
  BytesPerSecond dram_bandwidth;  // achievable
  double matrix_clock = 1;        // share of the clock that the power limit leaves for matrix work
  const Stack* stack = nullptr;
  TypeId key_type{};
  TypeId value_type{};
  bool fused_attention = true;
  std::int64_t ubatch = 512;
  double weight_scale = 1;  // bytes of the weights over those of their types
  bool begins_step = true;  // pays what the stack does once a step; not where it runs another part of the same one
  std::shared_ptr<const Corrections> corrections;  // null: none
};

// The work of one operation: how long each resource takes for it by itself.
struct OpWork {
  double layers = 1;                                                         // occurrences
  double dram = 0, matrix = 0, dequant = 0, alu = 0, cache = 0, launch = 0;  // seconds
  double dram_bytes = 0, cache_bytes = 0, operations = 0, instructions = 0;
  bool shares_vector_units = false;  // matrix work runs where vector work does: the times add up
  bool on_matrix_units = false;
  bool corrected_by_kernel = false;  // `kernel` is one that the stack describes
  bool overlaps_loads = true;        // memory traffic and arithmetic run side by side; else their times add up
  bool unpacked_before = false;      // the weights, to memory: the product does not depend on their type
  std::string_view kernel;
  std::string_view type;  // of its weights; empty: none

  [[nodiscard]] double seconds() const noexcept;  // of one occurrence
  void apply(const OpFactors& factors) noexcept;
};

// A graph compiled for an executor: each distinct operation once, with everything but the shape worked out.
class StepEvaluator {
 public:
  // What `like` has compiled for the same executor and workload is taken over.
  StepEvaluator(const StepGraph& graph, const Workload& workload, const Executor& executor,
                const StepEvaluator* like = nullptr);

  [[nodiscard]] StepCost operator()(Batch batch) const noexcept;
  [[nodiscard]] StepCost operator()(const StepShape& shape) const noexcept { return (*this)(Batch(&shape, 1)); }
  [[nodiscard]] Seconds seconds(Batch batch) const noexcept;
  [[nodiscard]] Seconds seconds(const StepShape& shape) const noexcept { return seconds(Batch(&shape, 1)); }
  // The step in two parts: attention over what is cached, which alone depends on the depth, and all else.
  enum class Part : std::uint8_t { all, attention, rest };
  [[nodiscard]] StepCost without_attention(const StepShape& shape) const noexcept;
  void add_attention(StepCost& sum, const StepShape& shape) const noexcept;

  struct OpCost {
    const Op* op = nullptr;  // of the distinct operations
    StepCost cost;           // of these layers
    std::string_view kernel;
    const Executor* executor = nullptr;  // where it runs
    double layers = 0;                   // whose cost it is: not all of op's where the last one goes by another kernel
  };
  // An operation is listed once for each kernel that runs it: attention of a mixed batch, the last layer of a prompt.
  [[nodiscard]] std::vector<OpCost> per_op(Batch batch) const;
  [[nodiscard]] std::vector<OpCost> per_op(const StepShape& shape) const { return per_op(Batch(&shape, 1)); }
  // What the step consists of, for a fit; and what it takes beside its operations: by itself, and for each sequence.
  [[nodiscard]] std::vector<OpWork> work(Batch batch, Part part = Part::all) const;
  [[nodiscard]] std::vector<OpWork> work(const StepShape& shape) const { return work(Batch(&shape, 1)); }
  [[nodiscard]] Seconds step_overhead() const { return Seconds(step_seconds_); }
  [[nodiscard]] Seconds sequence_overhead() const { return Seconds(sequence_seconds_); }
  // `layers` times the work, with what bounds it.
  static void add(StepCost& sum, const OpWork& work) noexcept;

 private:
  struct Matmul {
    double columns = 0;         // limit of this kernel
    double expert_columns = 0;  // likewise, of the columns of an expert
    std::string_view kernel;
    double weight_bytes = 0;
    double weight_seconds = 0;   // streaming all of the weights
    double scratch_bytes = 0;    // of all weights as F16, where a kernel of its own writes them first; else 0
    double scratch_seconds = 0;  // streaming them once
    double activation_bytes_per_column = 0;
    double unit_seconds_per_column = 0;
    double unpack_seconds = 0;  // one pass over all weights
    double pass_seconds = 0;    // likewise, whatever their type
    double unpack_instructions = 0;
    bool overlaps_loads = true;
    double unpack_every = 1;
    double further_pass = 1;  // of the time of the first
    double tile_columns = 1;
    double row_tiles_per_core = 0;  // 0: no wave quantization
    double resident_tiles = 1;
    bool shares_vector_units = false;
    bool on_matrix_units = false;
    double launch_seconds = 0;
    double expert_launch_seconds = 0;  // of each expert that is touched
    double scan_seconds = 0;           // of a column of tiles of all experts, for each choice of an expert
    OpFactors factors;
    OpFactors dequantize_factors;
  };
  struct Compiled {
    Op op;
    std::vector<Matmul> kernels;  // ascending limits
    std::string_view type;        // of the weights
    double launch_seconds = 0;    // vector operations
  };

  void compile_matmul(Compiled& compiled, const Workload& workload) const;
  // An operation with the same product; null: none was compiled.
  [[nodiscard]] const Compiled* with_product_of(const Op& op) const;
  [[nodiscard]] Matmul compile_kernel(const MatmulKernel& kernel, const Op& op, const Workload& workload) const;
  [[nodiscard]] const UnpackCost& unpack_cost(const TensorType& type) const;
  [[nodiscard]] double unpack_seconds_per_weight(const TensorType& type, double share) const;

  [[nodiscard]] const std::vector<AttentionKernel>& attention_kernels() const noexcept;
  // What operations other than attention see of a batch.
  // Calls use(work) for each kernel that the operation runs.
  template <class Use>
  void each_work(const Compiled& compiled, Batch batch, const BatchTotals& totals, Use use) const;
  template <class Use>
  void each_work(const Compiled& compiled, double layers, Batch batch, const BatchTotals& totals, Use use) const;
  [[nodiscard]] const AttentionKernel& attention_kernel_of(const AttentionShape& attention,
                                                           const StepShape& group) const noexcept;
  // What a product is of: its kernel, the share of the weights that is touched, the columns that each touched matrix
  // multiplies, and all columns.
  struct Product {
    const Matmul* matmul = nullptr;
    double share = 1, per_matrix = 0, routed = 0;
    double tokens = 0;  // that choose among experts; 0: there are none
  };
  // Tiles of so many columns that the columns of one matrix fill: of an expert, on average.
  static double tiles_of(const Product& product, const MatmulShape& shape, double columns) noexcept;
  [[nodiscard]] Product product_of(const Compiled& compiled, const BatchTotals& totals) const noexcept;
  [[nodiscard]] OpWork matmul_cost(const Compiled& compiled, const Product& product,
                                   const BatchTotals& totals) const noexcept;
  // Of the kernel that writes the weights as F16 before a product that reads them so.
  [[nodiscard]] OpWork dequantize_cost(const Compiled& compiled, const Product& product) const noexcept;
  // Of the groups that this kernel runs; without layers where there is none.
  [[nodiscard]] OpWork attention_cost(const Compiled& compiled, const AttentionKernel& kernel,
                                      Batch batch) const noexcept;
  [[nodiscard]] OpWork state_cost(const Compiled& compiled, const BatchTotals& totals) const noexcept;
  [[nodiscard]] OpWork vector_work(const Compiled& compiled, const BatchTotals& totals) const noexcept;
  [[nodiscard]] OpWork vector_cost(const Compiled& compiled, const BatchTotals& totals) const noexcept;
  void charge_activations(OpWork& cost, double bytes) const noexcept;
  [[nodiscard]] double cached_cells(double cells, double window) const noexcept;
  // Whether sliding windows limit what attention reads and computes. The loop over the keys of a CPU's fused kernel
  // leaves out those that are masked (ggml-cpu/ops.cpp, ggml_compute_forward_flash_attn_ext).
  [[nodiscard]] bool keeps_to_window() const noexcept {
    return executor_.stack->allocation.windowed_cache || (executor_.stack->on_cpu && executor_.fused_attention);
  }
  void add_step_overhead(StepCost& sum, const BatchTotals& totals) const noexcept;

  std::vector<Compiled> ops_;
  Executor executor_;
  double seconds_per_byte_ = 0;        // DRAM
  double cache_seconds_per_byte_ = 0;  // 0: unknown, not counted
  double cache_capacity_ = 0;
  double vector_seconds_per_flop_ = 0;
  bool quantized_cache_ = false;
  double key_bytes_ = 2;
  double value_bytes_ = 2;
  double kernel_seconds_ = 0;
  double step_seconds_ = 0;
  double sequence_seconds_ = 0;
  std::vector<OpFactors> attention_factors_;  // of each kernel that may run
  OpFactors vector_factors_;
  bool weights_stay_cached_ = false;
};

// Tokens of cache cells that a stack allocates or reads: `tokens` rounded up to its padding.
double padded(double tokens, double padding);

}  // namespace silicast
