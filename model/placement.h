// SPDX-License-Identifier: Apache-2.0
// Which layers live where, and the step of a model that is spread over devices and host.
//
// llama.cpp's conventions: of n layers, the output counts as layer n; with `--gpu-layers N` the first n + 1 - N layers stay
// on the host (N = n + 1 or "all": none, N = 1: only the output is on the GPU). KV cache and states follow their layer.
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

enum class Split { layer, row, tensor };

struct Placement {
  int host_layers = 0;         // the first so many layers, with their cache
  int host_expert_layers = 0;  // the routed experts of the first so many layers
  bool host_output = false;
  std::vector<int> device_layers;  // layer split: layers of each device, in order; one entry for one device
  Split split = Split::layer;

  [[nodiscard]] bool uses_host() const { return host_layers > 0 || host_expert_layers > 0 || host_output; }
  // As --gpu-layers counts them.
  [[nodiscard]] int gpu_layers(int layers) const { return layers - host_layers + (host_output ? 0 : 1); }
};

// What connects the executors.
struct Links {
  BytesPerSecond host;      // device and host memory, one direction, as streaming weights reach it
  Seconds host_latency;     // of a hand-over between host and device: copy, synchronization
  BytesPerSecond peer;      // between two devices, one direction
  Seconds peer_latency;
};

struct MachineExecutors {
  Executor device;               // each device alike
  int devices = 1;
  std::optional<Executor> host;  // absent: nothing can be placed there
  Links links;
  double stream_batch = 0;       // tokens from which host weights are copied to the device instead of computed there; 0: never
};

// The step of a placed model: each part evaluated where it runs, hand-overs and streamed weights on the links.
class PlacedStep {
 public:
  PlacedStep(const StepGraph& graph, const Workload& workload, const MachineExecutors& machine, const Placement& placement);

  [[nodiscard]] StepCost operator()(const StepShape& shape) const noexcept;
  [[nodiscard]] Seconds seconds(const StepShape& shape) const noexcept;
  // The longest stage of a pipeline over several devices, which bounds prefill in many micro-batches.
  [[nodiscard]] StepCost slowest_stage(const StepShape& shape) const noexcept;
  [[nodiscard]] std::size_t stages() const { return devices_.size(); }
  [[nodiscard]] std::vector<StepEvaluator::OpCost> per_op(const StepShape& shape) const;

 private:
  struct HostPart {
    StepEvaluator on_host;
    StepEvaluator on_device;         // the same operations, weights streamed
    double dense_bytes = 0;          // of weights that every step touches
    double expert_bytes = 0;         // of all experts
    double experts = 0, used = 0;
    double hand_overs = 0;           // per step
  };
  [[nodiscard]] double hand_over_seconds(const StepShape& shape) const noexcept;
  [[nodiscard]] StepCost host_cost(const StepShape& shape) const noexcept;
  void add_link(StepCost& cost, double seconds) const noexcept;

  std::vector<StepEvaluator> devices_;  // a stage each
  std::optional<HostPart> host_;
  MachineExecutors machine_;
  Split split_ = Split::layer;
  double hidden_bytes_ = 0;        // of one token's activation at a boundary
  double layers_ = 0;
};

}  // namespace silicast
