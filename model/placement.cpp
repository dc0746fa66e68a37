// SPDX-License-Identifier: Apache-2.0
#include "model/placement.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace silicast {

namespace {

// The device that runs a layer of a layer split; the output goes with the last.
int device_of(const Placement& placement, int layer) {
  int first = placement.host_layers;
  for (std::size_t device = 0; device < placement.device_layers.size(); ++device) {
    first += placement.device_layers[device];
    if (layer < first) return static_cast<int>(device);
  }
  return static_cast<int>(placement.device_layers.size()) - 1;
}

bool on_host(const Placement& placement, const Op& op, int layer) {
  // The embedding is a look-up of rows in host memory, charged where the first layer runs.
  if (layer < 0) return op.kind == OpKind::embedding ? placement.host_layers > 0 : placement.host_output;
  return layer < placement.host_layers || (layer < placement.host_expert_layers && belongs_to_experts(op));
}

// A device's share of every operation: matrices by rows or columns, attention by heads.
StepGraph divided(StepGraph graph, int devices) {
  const auto share = [devices](std::int64_t n) { return (n + devices - 1) / devices; };
  for (Op& op : graph.ops) {
    op.matmul.out = share(op.matmul.out);
    AttentionShape& a = op.attention;
    a.heads = share(a.heads);
    if (a.kv_heads > 1) {
      a.kv_heads = share(a.kv_heads);
      a.cached_keys = share(a.cached_keys);
      a.cached_values = share(a.cached_values);
    }
    op.linear.key_heads = share(op.linear.key_heads);
    op.linear.value_heads = share(op.linear.value_heads);
    if (op.kind == OpKind::activation || op.kind == OpKind::rope || op.kind == OpKind::kv_append)
      op.read = share(op.read), op.written = share(op.written), op.flops /= devices;
  }
  return graph;
}

struct WeightBytes {
  double dense = 0;
  double experts = 0;
  double count = 0, used = 0;
};

WeightBytes weights_of(const StepGraph& graph, const TypeTable& types) {
  WeightBytes bytes;
  for (const Op& op : graph.ops) {
    if (op.kind != OpKind::matmul && op.kind != OpKind::expert_matmul) continue;
    const double matrix = types.row_bytes(op.matmul.in, op.matmul.type).value() * static_cast<double>(op.matmul.out) * op.layers;
    if (op.kind == OpKind::matmul) {
      bytes.dense += matrix;
    } else {
      bytes.experts += matrix * static_cast<double>(op.matmul.experts);
      bytes.count = static_cast<double>(op.matmul.experts);
      bytes.used = static_cast<double>(op.matmul.used);
    }
  }
  return bytes;
}

// Hand-overs of a step: to the device after the host's layers, and twice for every layer whose experts are elsewhere.
double hand_overs(const Placement& placement) {
  const int expert_layers = std::max(0, placement.host_expert_layers - placement.host_layers);
  return (placement.host_layers > 0 && !placement.host_output ? 1 : 0) + 2.0 * expert_layers;
}

constexpr double activation_bytes = 4;  // F32 at the boundary

}  // namespace

PlacedStep::PlacedStep(const StepGraph& graph, const Workload& workload, const MachineExecutors& machine, const Placement& placement)
    : machine_(machine), split_(placement.split) {
  hidden_bytes_ = static_cast<double>(workload.architecture.hidden) * activation_bytes;
  layers_ = static_cast<double>(workload.architecture.layers.size());
  if (placement.split == Split::layer) {
    const int stages = static_cast<int>(placement.device_layers.size());
    for (int stage = 0; stage < stages; ++stage) {
      const StepGraph part = part_of(graph, [&](const Op& op, int layer) {
        if (on_host(placement, op, layer)) return false;
        if (layer < 0) return stage == (op.kind == OpKind::embedding ? 0 : stages - 1);
        return device_of(placement, layer) == stage;
      });
      devices_.emplace_back(part, workload, machine.device);
    }
  } else {
    const StepGraph part = part_of(graph, [&](const Op& op, int layer) { return !on_host(placement, op, layer); });
    devices_.emplace_back(divided(part, machine.devices), workload, machine.device);
  }
  if (!placement.uses_host()) return;
  ensure(machine.host.has_value(), "a placement on a host needs one");
  const StepGraph part = part_of(graph, [&](const Op& op, int layer) { return on_host(placement, op, layer); });
  const WeightBytes bytes = weights_of(part, *workload.type_table);
  host_ = HostPart{StepEvaluator(part, workload, *machine.host), StepEvaluator(part, workload, machine.device), bytes.dense,
                   bytes.experts, bytes.count, bytes.used, hand_overs(placement)};
}

double PlacedStep::hand_over_seconds(const StepShape& shape) const noexcept {
  return hidden_bytes_ * shape.tokens() / machine_.links.host.value() + machine_.links.host_latency.value();
}

void PlacedStep::add_link(StepCost& cost, double seconds) const noexcept {
  cost.seconds += Seconds(seconds);
  cost.busy[static_cast<std::size_t>(Resource::link)] += seconds;
  cost.bound[static_cast<std::size_t>(Resource::link)] += seconds;
}

StepCost PlacedStep::host_cost(const StepShape& shape) const noexcept {
  if (!host_) return {};
  const bool streams = machine_.stream_batch > 0 && shape.tokens() >= machine_.stream_batch;
  StepCost cost = (streams ? host_->on_device : host_->on_host)(shape);
  if (!streams) {
    add_link(cost, host_->hand_overs * hand_over_seconds(shape));
    return cost;
  }
  // Only the experts that the micro-batch touches are copied.
  const double touched = host_->experts > 0 ? expected_distinct_experts(host_->experts, host_->used, shape.tokens()) / host_->experts : 0;
  add_link(cost, (host_->dense_bytes + host_->expert_bytes * touched) / machine_.links.host.value());
  return cost;
}

StepCost PlacedStep::operator()(const StepShape& shape) const noexcept {
  StepCost cost = host_cost(shape);
  for (const StepEvaluator& device : devices_) cost += device(shape);
  const double boundary = hidden_bytes_ * shape.tokens();
  if (split_ == Split::layer) {
    const double boundaries = static_cast<double>(devices_.size()) - 1;
    if (boundaries > 0) add_link(cost, boundaries * (boundary / machine_.links.peer.value() + machine_.links.peer_latency.value()));
  } else {
    // Two all-reduces a layer, in a ring: each device sends 2 (G-1)/G of the data in 2 (G-1) steps.
    const double g = machine_.devices;
    const double ring_bytes = 2 * (g - 1) / g * boundary / machine_.links.peer.value();
    add_link(cost, 2 * layers_ * (ring_bytes + 2 * (g - 1) * machine_.links.peer_latency.value()));
  }
  return cost;
}

Seconds PlacedStep::seconds(const StepShape& shape) const noexcept {
  return !host_ && devices_.size() == 1 && split_ == Split::layer ? devices_.front().seconds(shape) : (*this)(shape).seconds;
}

StepCost PlacedStep::slowest_stage(const StepShape& shape) const noexcept {
  StepCost slowest = host_cost(shape);
  for (const StepEvaluator& device : devices_)
    if (StepCost cost = device(shape); cost.seconds > slowest.seconds) slowest = cost;
  return slowest;
}

std::vector<StepEvaluator::OpCost> PlacedStep::per_op(const StepShape& shape) const {
  std::vector<StepEvaluator::OpCost> ops;
  const auto append = [&](const StepEvaluator& part) {
    for (const auto& op : part.per_op(shape)) ops.push_back(op);
  };
  if (host_) {
    const bool streams = machine_.stream_batch > 0 && shape.tokens() >= machine_.stream_batch;
    append(streams ? host_->on_device : host_->on_host);
  }
  for (const StepEvaluator& device : devices_) append(device);
  return ops;
}

}  // namespace silicast
