// SPDX-License-Identifier: Apache-2.0
// Which layers live where, and the step of a model that is spread over devices and host.
//
// llama.cpp's conventions: of n layers, the output counts as layer n; with `--gpu-layers N` the first n + 1 - N layers
// stay on the host (N = n + 1 or "all": none, N = 1: only the output is on the GPU). KV cache and states follow their
// layer.
// `--n-cpu-moe M` keeps the routed experts of the first M layers on the host.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/quantity.h"
#include "hardware/device.h"
#include "model/stack.h"
#include "model/step_cost.h"
#include "workloads/step.h"
#include "workloads/workload.h"

namespace silicast {

// How devices share a model. By layers: each runs some of them. By tensors: all run their part of every operation, and
// all-reduces join the parts. By rows, as llama.cpp does it: a device that a layer belongs to runs it but for products
// with dense weight matrices, of whose rows each device has its part; it sends them the input and gathers their output
// (ggml-cuda.cu, ggml_cuda_op_mul_mat). Other software that is asked for rows divides tensors.
enum class Split { layer, row, tensor };

struct Placement {
  int host_layers = 0;         // the first so many layers, with their cache
  int host_expert_layers = 0;  // the routed experts of the first so many layers
  bool host_output = false;
  Bytes paged;                     // of the host's weights that do not fit its memory
  std::vector<int> device_layers;  // layers of each device, in order; where each is divided, all of them
  Split split = Split::layer;

  [[nodiscard]] std::size_t devices() const { return device_layers.size(); }
  [[nodiscard]] bool uses_host() const { return host_layers > 0 || host_expert_layers > 0 || host_output; }
  // As --gpu-layers counts them.
  [[nodiscard]] int gpu_layers(int layers) const { return layers - host_layers + (host_output ? 0 : 1); }
};

// What connects the executors.
struct Links {
  BytesPerSecond host;   // device and host memory, one direction, as streaming weights reach it
  Seconds host_latency;  // of a hand-over between host and device: copy, synchronization
  BytesPerSecond peer;   // between two devices, one direction
  Seconds peer_latency;
  BytesPerSecond storage;  // of weights beyond the host's memory, read at every step
};

struct MachineExecutors {
  Executor device;  // each device alike
  int devices = 1;
  std::optional<Executor> host;  // absent: nothing can be placed there
  Links links;
  bool host_shares_memory = false;  // unified: weights are where both reach them, nothing is copied
  // Tokens from which host weights are copied to the device and multiplied there instead of on the host; 0: never.
  double stream_batch = 0;
  bool experts_by_share = false;   // of routed experts as many times more as there are experts to each that is used
  bool whole_experts = false;      // copies hold all experts of a layer, chosen or not
  bool stream_everything = false;  // all of the host's weights at every step, experts that no token chose as well
};

// The step of a placed model: each part evaluated where it runs, hand-overs and streamed weights on the links.
class PlacedStep {
 public:
  PlacedStep() = default;  // nothing to do: takes no time
  PlacedStep(const StepGraph& graph, const Workload& workload, const MachineExecutors& machine,
             const Placement& placement);

  [[nodiscard]] StepCost operator()(Batch batch) const noexcept;
  [[nodiscard]] StepCost operator()(const StepShape& shape) const noexcept { return (*this)(Batch(&shape, 1)); }
  [[nodiscard]] Seconds seconds(Batch batch) const noexcept;
  [[nodiscard]] Seconds seconds(const StepShape& shape) const noexcept { return seconds(Batch(&shape, 1)); }
  // The longest stage of a pipeline over several devices, which bounds prefill in many micro-batches.
  [[nodiscard]] StepCost slowest_stage(Batch batch) const noexcept;
  // Whether the stages work on different micro-batches of a prompt at once: layers on a host stand in the way
  // (llama.cpp: "pipeline parallelism enabled" only with all layers on devices).
  [[nodiscard]] bool pipelines() const { return stages_ > 1 && host_.empty() && split_ == Split::layer; }
  [[nodiscard]] std::size_t stages() const { return pipelines() ? static_cast<std::size_t>(stages_) : 1; }
  // Where all is on one device: its evaluator; else null.
  [[nodiscard]] const StepEvaluator* single() const noexcept;
  // Where all devices do the same at once (one device, or a tensor split without a host): what each does; else null.
  [[nodiscard]] const StepEvaluator* each() const noexcept;
  // The all-reduces of a tensor split.
  [[nodiscard]] Seconds reduce_seconds(double tokens) const noexcept;
  // The inputs that a row split sends out and the outputs that it gathers; nothing of other splits.
  [[nodiscard]] Seconds gather_seconds(const BatchTotals& totals) const noexcept;
  [[nodiscard]] std::vector<StepEvaluator::OpCost> per_op(Batch batch) const;
  [[nodiscard]] std::vector<StepEvaluator::OpCost> per_op(const StepShape& shape) const {
    return per_op(Batch(&shape, 1));
  }

 private:
  // Weights that a step reads: all dense ones, of the experts those that its tokens choose.
  struct Weights {
    double dense = 0, experts = 0;  // bytes
    double count = 0, used = 0;     // of experts

    [[nodiscard]] double total() const { return dense + experts; }
    [[nodiscard]] double touched(double tokens) const noexcept;
  };
  static Weights weights_of(const StepGraph& graph, const TypeTable& types);
  struct DevicePart {
    StepEvaluator step;
    int stages = 1;  // of a layer split: so many run the same operations
  };
  struct HostPart {
    StepEvaluator on_host;
    StepEvaluator on_device;  // the same operations, weights streamed
    Weights weights;
    double stream_from = 0;  // tokens; infinity: never
    double hand_overs = 0;   // of a step that computes it on the host, to and from the device
    double enclosed = 0;     // likewise those that it saves while the rest of its layers runs on the host as well
  };
  // What a row split moves, there and back, for all its products: bytes of each token, or of each row whose logits are
  // wanted where a product is of those alone.
  struct RowTraffic {
    double products = 0;
    double per_token = 0;
    double per_output = 0;

    [[nodiscard]] double bytes(const BatchTotals& totals) const noexcept {
      return per_token * totals.tokens + per_output * totals.outputs;
    }
  };
  DevicePart& add_device(const StepGraph& graph, const Workload& workload, const Executor& executor);
  void place_by_rows(const StepGraph& graph, const Workload& workload);
  void place_on_host(const StepGraph& graph, const Workload& workload, const Placement& placement);
  [[nodiscard]] bool streams(const HostPart& part, double tokens) const noexcept;
  [[nodiscard]] StepCost computed(const HostPart& part, Batch batch) const noexcept;
  [[nodiscard]] StepCost streamed(const HostPart& part, Batch batch, double tokens) const noexcept;
  [[nodiscard]] StepCost host_cost(Batch batch, double tokens) const noexcept;
  static void add_link(StepCost& cost, double seconds, double bytes) noexcept;

  std::vector<DevicePart> devices_;  // unlike stages; in a row split the divided products, and all else
  int stages_ = 1;
  std::vector<HostPart> host_;  // routed experts, and all else: each may be streamed or computed by itself
  MachineExecutors machine_;
  Split split_ = Split::layer;
  double paged_bytes_ = 0;
  Weights paged_from_;       // the weights of which some are paged
  double hidden_bytes_ = 0;  // of one token's activation at a boundary
  double layers_ = 0;
  double link_factor_ = 1;  // correction of all-reduces
  RowTraffic rows_;
};

}  // namespace silicast
