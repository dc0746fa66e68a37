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
    op.state = share(op.state);
    if (op.state > 0) op.flops /= devices;
    if (op.kind == OpKind::activation || op.kind == OpKind::rope || op.kind == OpKind::kv_append)
      op.read = share(op.read), op.written = share(op.written), op.flops /= devices;
  }
  return graph;
}

// Hand-overs of a step: to the device after the host's layers, and twice for every layer whose experts are elsewhere.
double hand_overs(const Placement& placement) {
  const int expert_layers = std::max(0, placement.host_expert_layers - placement.host_layers);
  return (placement.host_layers > 0 && !placement.host_output ? 1 : 0) + 2.0 * expert_layers;
}

constexpr double activation_bytes = 4;  // F32 at the boundary

double tokens_of(Batch batch) noexcept {
  double tokens = 0;
  for (const StepShape& group : batch) tokens += group.tokens();
  return tokens;
}

}  // namespace

double PlacedStep::Weights::touched(double tokens) const noexcept {
  return count > 0 ? dense + experts * expected_distinct_experts(count, used, tokens) / count : dense;
}

PlacedStep::Weights PlacedStep::weights_of(const StepGraph& graph, const TypeTable& types) {
  Weights weights;
  for (const Op& op : graph.ops) {
    if (op.kind != OpKind::matmul && op.kind != OpKind::expert_matmul) continue;
    const double matrix =
        types.row_bytes(op.matmul.in, op.matmul.type).value() * static_cast<double>(op.matmul.out) * op.layers;
    if (op.kind == OpKind::matmul) {
      weights.dense += matrix;
    } else {
      weights.count = static_cast<double>(op.matmul.experts);
      weights.used = static_cast<double>(op.matmul.used);
      weights.experts += matrix * weights.count;
    }
  }
  return weights;
}

PlacedStep::PlacedStep(const StepGraph& graph, const Workload& workload, const MachineExecutors& machine,
                       const Placement& placement)
    : machine_(machine), split_(placement.split), paged_bytes_(placement.paged.value()) {
  hidden_bytes_ = static_cast<double>(workload.architecture.hidden) * activation_bytes;
  layers_ = static_cast<double>(workload.architecture.layers.size());
  const int stages = static_cast<int>(placement.device_layers.size());
  if (placement.split == Split::layer && stages == 1 && !placement.uses_host()) {
    devices_.emplace_back(graph, workload, machine.device);
  } else if (placement.split == Split::layer) {
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
  if (paged_bytes_ > 0) paged_from_ = weights_of(graph, *workload.type_table);
  if (!placement.uses_host()) return;
  ensure(machine.host.has_value(), "a placement on a host needs one");
  const StepGraph part = part_of(graph, [&](const Op& op, int layer) { return on_host(placement, op, layer); });
  const Weights weights = weights_of(part, *workload.type_table);
  paged_from_ = weights;
  host_ = HostPart{StepEvaluator(part, workload, *machine.host), StepEvaluator(part, workload, machine.device), weights,
                   hand_overs(placement)};
}

bool PlacedStep::streams(double tokens) const noexcept {
  return machine_.stream_everything || (machine_.stream_batch > 0 && tokens >= machine_.stream_batch);
}

void PlacedStep::add_link(StepCost& cost, double seconds, double bytes) noexcept {
  cost.seconds += Seconds(seconds);
  cost.link_bytes += Bytes(bytes);
  cost.busy[static_cast<std::size_t>(Resource::link)] += seconds;
  cost.bound[static_cast<std::size_t>(Resource::link)] += seconds;
}

StepCost PlacedStep::host_cost(Batch batch, double tokens) const noexcept {
  StepCost cost;
  if (paged_bytes_ > 0) {
    const double paged = std::min(1.0, paged_bytes_ / paged_from_.total()) * paged_from_.touched(tokens);
    add_link(cost, paged / machine_.links.storage.value(), paged);
  }
  if (!host_) return cost;
  const bool streaming = streams(tokens);
  StepCost part = (streaming ? host_->on_device : host_->on_host)(batch);
  if (!streaming && !machine_.host_shares_memory)
    part.host = {part.seconds, part.dram_bytes, part.operations, part.matrix_operations, part.instructions};
  cost += part;
  const double latency = streaming ? 0 : host_->hand_overs * machine_.links.host_latency.value();
  if (machine_.host_shares_memory) {
    add_link(cost, latency, 0);
    return cost;
  }
  const double moved = machine_.stream_everything ? host_->weights.total() : host_->weights.touched(tokens);
  const double bytes = streaming ? moved : host_->hand_overs * hidden_bytes_ * tokens;
  add_link(cost, latency + bytes / machine_.links.host.value(), bytes);
  return cost;
}

StepCost PlacedStep::operator()(Batch batch) const noexcept {
  const double tokens = tokens_of(batch);
  StepCost cost = host_cost(batch, tokens);
  for (const StepEvaluator& device : devices_) cost += device(batch);
  const double boundary = hidden_bytes_ * tokens;
  const Links& links = machine_.links;
  if (split_ == Split::layer) {
    const double boundaries = static_cast<double>(devices_.size()) - 1;
    if (boundaries > 0)
      add_link(cost, boundaries * (boundary / links.peer.value() + links.peer_latency.value()), boundaries * boundary);
  } else {
    // Two all-reduces a layer, in a ring: each device sends 2 (G-1)/G of the data in 2 (G-1) messages.
    const double g = machine_.devices;
    const double bytes = 2 * layers_ * 2 * (g - 1) / g * boundary;
    add_link(cost, bytes / links.peer.value() + 2 * layers_ * 2 * (g - 1) * links.peer_latency.value(), bytes);
  }
  return cost;
}

const StepEvaluator* PlacedStep::single() const noexcept {
  return !host_ && paged_bytes_ == 0 && devices_.size() == 1 && split_ == Split::layer ? &devices_.front() : nullptr;
}

Seconds PlacedStep::seconds(Batch batch) const noexcept {
  return single() != nullptr ? single()->seconds(batch) : (*this)(batch).seconds;
}

StepCost PlacedStep::slowest_stage(Batch batch) const noexcept {
  StepCost slowest = host_cost(batch, tokens_of(batch));
  for (const StepEvaluator& device : devices_)
    if (StepCost cost = device(batch); cost.seconds > slowest.seconds) slowest = cost;
  return slowest;
}

std::vector<StepEvaluator::OpCost> PlacedStep::per_op(Batch batch) const {
  std::vector<StepEvaluator::OpCost> ops;
  const auto append = [&](const StepEvaluator& part) {
    for (const auto& op : part.per_op(batch)) ops.push_back(op);
  };
  if (host_) append(streams(tokens_of(batch)) ? host_->on_device : host_->on_host);
  for (const StepEvaluator& device : devices_) append(device);
  return ops;
}

}  // namespace silicast
