// SPDX-License-Identifier: Apache-2.0
#include "model/placement.h"

#include <algorithm>
#include <limits>
#include <variant>

#include "base/error.h"

namespace silicast {

namespace {

// The device that runs each layer of a layer split, by layer; those of the host count as the first's.
std::vector<int> devices_of(const Placement& placement, std::size_t layers) {
  std::vector<int> devices(layers, static_cast<int>(placement.device_layers.size()) - 1);
  int first = placement.host_layers;
  int begin = 0;
  for (std::size_t device = 0; device < placement.device_layers.size(); ++device) {
    first += placement.device_layers[device];
    for (; begin < first && begin < static_cast<int>(layers); ++begin)
      devices[static_cast<std::size_t>(begin)] = static_cast<int>(device);
  }
  return devices;
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

// A product whose weights llama.cpp keeps in a split buffer; experts' products cannot be divided so (ggml-cuda.cu,
// ggml_backend_cuda_device_supports_op).
bool divides_rows(const Op& op) { return op.kind == OpKind::matmul; }

// Layers with routed experts on the host: those whose other parts run on a device, and those that lie there whole.
struct ExpertLayers {
  double alone = 0;
  double enclosed = 0;
};

ExpertLayers expert_layers(const Architecture& architecture, const Placement& placement) {
  ExpertLayers count;
  const int last = std::max(placement.host_layers, placement.host_expert_layers);
  for (int layer = 0; layer < last; ++layer)
    if (std::holds_alternative<ExpertFeedForward>(architecture.layer(static_cast<std::size_t>(layer)).feed_forward))
      (layer < placement.host_layers ? count.enclosed : count.alone) += 1;
  return count;
}

constexpr double activation_bytes = 4;  // F32 at the boundary

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
  const double each = placement.split == Split::layer ? activation_bytes : machine.device.stack->activation_bytes;
  hidden_bytes_ = static_cast<double>(workload.architecture.hidden) * each;
  layers_ = static_cast<double>(workload.architecture.layers.size());
  if (machine.device.corrections) link_factor_ = machine.device.corrections->link;
  if (placement.split == Split::layer) stages_ = static_cast<int>(placement.device_layers.size());
  if (placement.split == Split::layer && stages_ == 1 && !placement.uses_host()) {
    add_device(graph, workload, machine.device);
  } else if (placement.split == Split::layer) {
    const std::vector<int> device_of = devices_of(placement, workload.architecture.layers.size());
    const auto stage_of = [&](const Op& op, int layer) {
      if (on_host(placement, op, layer)) return -1;
      if (layer < 0) return op.kind == OpKind::embedding ? 0 : stages_ - 1;
      return device_of[static_cast<std::size_t>(layer)];
    };
    const std::vector<StepGraph> parts = parts_of(graph, stages_, stage_of);
    for (auto part = parts.begin(); part != parts.end(); ++part) {
      const auto alike = [part](const StepGraph& other) { return other.ops == part->ops; };
      if (std::any_of(parts.begin(), part, alike)) continue;
      add_device(*part, workload, machine.device).stages = static_cast<int>(std::count_if(part, parts.end(), alike));
    }
  } else {
    const StepGraph part = part_of(graph, [&](const Op& op, int layer) { return !on_host(placement, op, layer); });
    if (split_ == Split::row)
      place_by_rows(part, workload);
    else
      add_device(divided(part, machine.devices), workload, machine.device);
  }
  if (paged_bytes_ > 0) paged_from_ = weights_of(graph, *workload.type_table);
  if (!placement.uses_host()) return;
  place_on_host(graph, workload, placement);
}

PlacedStep::DevicePart& PlacedStep::add_device(const StepGraph& graph, const Workload& workload,
                                               const Executor& executor) {
  const StepEvaluator* first = devices_.empty() ? nullptr : &devices_.front().step;
  return devices_.emplace_back(DevicePart{StepEvaluator(graph, workload, executor, first)});
}

// A product's input goes to the other devices as 8-bit blocks where its kernel reads it so (36 bytes of 32 values),
// else as F32; the output comes back as F32. All of it passes the link of the device that the layer belongs to.
void PlacedStep::place_by_rows(const StepGraph& graph, const Workload& workload) {
  constexpr double quantized_value = 36.0 / 32;
  constexpr double value = 4;
  const double g = machine_.devices;
  const Stage rows_from = machine_.device.stack->wanted_rows_from;
  StepGraph products = part_of(graph, [](const Op& op, int /*layer*/) { return divides_rows(op); });
  for (const Op& op : products.ops) {
    const MatmulShape& shape = op.matmul;
    const bool quantized = (*workload.type_table)[shape.type].block > 1;
    const double bytes = (g - 1) * static_cast<double>(shape.in) * (quantized ? quantized_value : value) +
                         (g - 1) / g * static_cast<double>(shape.out) * value;
    const bool of_outputs = op.stage != Stage::layers && op.stage >= rows_from;
    // Of the operations of a kind of layer only the model's last layer is without the other tokens.
    const double last = !of_outputs ? 0 : op.stage == Stage::last_feed_forward ? 1 : op.layers;
    rows_.products += op.layers;
    rows_.per_output += last * bytes;
    rows_.per_token += (op.layers - last) * bytes;
  }
  add_device(divided(std::move(products), machine_.devices), workload, machine_.device);
  Executor rest = machine_.device;
  rest.begins_step = false;
  add_device(part_of(graph, [](const Op& op, int /*layer*/) { return !divides_rows(op); }), workload, rest);
}

void PlacedStep::place_on_host(const StepGraph& graph, const Workload& workload, const Placement& placement) {
  ensure(machine_.host.has_value(), "a placement on a host needs one");
  Executor host = *machine_.host;
  const std::vector<StepGraph> parts = parts_of(graph, 2, [&](const Op& op, int layer) {
    return !on_host(placement, op, layer) ? -1 : belongs_to_experts(op) ? 1 : 0;
  });
  for (const bool experts : {false, true}) {
    const StepGraph& part = parts[experts ? 1 : 0];
    if (part.ops.empty()) continue;
    const Weights weights = weights_of(part, *workload.type_table);
    HostPart added{StepEvaluator(part, workload, host, host_.empty() ? nullptr : &host_.front().on_host),
                   StepEvaluator(part, workload, machine_.device, devices_.empty() ? nullptr : &devices_.front().step),
                   weights};
    added.stream_from = machine_.stream_batch > 0 ? machine_.stream_batch : std::numeric_limits<double>::infinity();
    if (experts) {
      const ExpertLayers layers = expert_layers(workload.architecture, placement);
      added.hand_overs = 2 * (layers.alone + layers.enclosed);  // there and back
      added.enclosed = 2 * layers.enclosed;
      if (machine_.experts_by_share && weights.used > 0) added.stream_from *= weights.count / weights.used;
    } else {
      added.hand_overs = placement.host_layers > 0 && !placement.host_output ? 1 : 0;
    }
    host_.push_back(std::move(added));
    host.begins_step = false;
  }
  if (paged_bytes_ == 0) return;
  paged_from_ = {};
  for (const HostPart& part : host_) {
    paged_from_.dense += part.weights.dense;
    if (part.weights.count == 0) continue;
    paged_from_.experts = part.weights.experts;
    paged_from_.count = part.weights.count;
    paged_from_.used = part.weights.used;
  }
}

bool PlacedStep::streams(const HostPart& part, double tokens) const noexcept {
  return machine_.stream_everything || tokens >= part.stream_from;
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
  bool all_on_host = true;
  for (const HostPart& part : host_) {
    const bool streaming = streams(part, tokens);
    cost += streaming ? streamed(part, batch, tokens) : computed(part, batch);
    if (!streaming) {
      const double hand_overs = part.hand_overs - (all_on_host ? part.enclosed : 0);
      const double bytes = machine_.host_shares_memory ? 0 : hand_overs * hidden_bytes_ * tokens;
      const double copying = bytes > 0 ? bytes / machine_.links.host.value() : 0;
      add_link(cost, hand_overs * machine_.links.host_latency.value() + copying, bytes);
    }
    all_on_host = all_on_host && !streaming;
  }
  return cost;
}

StepCost PlacedStep::computed(const HostPart& part, Batch batch) const noexcept {
  StepCost cost = part.on_host(batch);
  if (!machine_.host_shares_memory)
    cost.host = {cost.seconds, cost.dram_bytes, cost.operations, cost.matrix_operations, cost.instructions};
  return cost;
}

// The device does the work of the host's part after its weights have crossed the link.
StepCost PlacedStep::streamed(const HostPart& part, Batch batch, double tokens) const noexcept {
  StepCost cost = part.on_device(batch);
  if (machine_.host_shares_memory) return cost;
  const bool whole = machine_.stream_everything || machine_.whole_experts;
  const double bytes = whole ? part.weights.total() : part.weights.touched(tokens);
  add_link(cost, bytes / machine_.links.host.value(), bytes);
  return cost;
}

StepCost PlacedStep::operator()(Batch batch) const noexcept {
  const double tokens = totals_of(batch).tokens;
  StepCost cost = host_cost(batch, tokens);
  if (split_ == Split::row) {
    StepCost products = devices_.front().step(batch);
    // Each device did its share at the same time.
    const double g = machine_.devices;
    products.dram_bytes *= g, products.cache_bytes *= g;
    products.operations *= g, products.matrix_operations *= g, products.instructions *= g;
    cost += products;
    cost += devices_.back().step(batch);
    const BatchTotals totals = totals_of(batch);
    add_link(cost, gather_seconds(totals).value(), rows_.bytes(totals));
    return cost;
  }
  for (const DevicePart& device : devices_) {
    StepCost each = device.step(batch);
    each *= device.stages;
    cost += each;
  }
  const double boundary = hidden_bytes_ * tokens;
  const Links& links = machine_.links;
  if (split_ == Split::layer) {
    const double boundaries = stages_ - 1;
    if (boundaries > 0)
      add_link(cost, boundaries * (boundary / links.peer.value() + links.peer_latency.value()), boundaries * boundary);
  } else {
    const double g = machine_.devices;
    // Each did its share at the same time.
    cost.dram_bytes *= g, cost.cache_bytes *= g;
    cost.operations *= g, cost.matrix_operations *= g, cost.instructions *= g;
    add_link(cost, reduce_seconds(tokens).value(), 2 * layers_ * 2 * (g - 1) / g * boundary);
  }
  return cost;
}

// Two all-reduces a layer: in a ring each device sends 2 (G-1)/G of the data in 2 (G-1) messages; where that is little,
// each reads all of the others' at once.
Seconds PlacedStep::reduce_seconds(double tokens) const noexcept {
  if (split_ != Split::tensor) return Seconds(0);
  const double others = machine_.devices - 1;
  const double bytes = hidden_bytes_ * tokens;
  const double latency = machine_.links.peer_latency.value();
  const double bandwidth = machine_.links.peer.value();
  const double ring = 2 * others * (latency + bytes / machine_.devices / bandwidth);
  const double direct = latency + others * bytes / bandwidth;
  return Seconds(2 * layers_ * std::min(ring, direct) * link_factor_);
}

// Copies to and from several devices wait for each other's bytes on one link, but not for each other's latency.
Seconds PlacedStep::gather_seconds(const BatchTotals& totals) const noexcept {
  if (split_ != Split::row) return Seconds(0);
  const Seconds started = machine_.devices * machine_.device.stack->overheads.shared_product;
  return rows_.products * (2 * machine_.links.peer_latency + started) +
         Bytes(rows_.bytes(totals)) / machine_.links.peer;
}

const StepEvaluator* PlacedStep::each() const noexcept {
  const bool divided = split_ == Split::tensor && host_.empty() && paged_bytes_ == 0 && !devices_.empty();
  return divided ? &devices_.front().step : single();
}

const StepEvaluator* PlacedStep::single() const noexcept {
  const bool alone = host_.empty() && paged_bytes_ == 0 && split_ == Split::layer && stages_ == 1 && !devices_.empty();
  return alone ? &devices_.front().step : nullptr;
}

Seconds PlacedStep::seconds(Batch batch) const noexcept {
  return single() != nullptr ? single()->seconds(batch) : (*this)(batch).seconds;
}

StepCost PlacedStep::slowest_stage(Batch batch) const noexcept {
  if (split_ == Split::row) return (*this)(batch);
  StepCost slowest = host_cost(batch, totals_of(batch).tokens);
  for (const DevicePart& device : devices_)
    if (StepCost cost = device.step(batch); cost.seconds > slowest.seconds) slowest = cost;
  return slowest;
}

std::vector<StepEvaluator::OpCost> PlacedStep::per_op(Batch batch) const {
  std::vector<StepEvaluator::OpCost> ops;
  const auto append = [&](const StepEvaluator& part) {
    for (const auto& op : part.per_op(batch)) ops.push_back(op);
  };
  for (const HostPart& part : host_) append(streams(part, totals_of(batch).tokens) ? part.on_device : part.on_host);
  for (const DevicePart& device : devices_)
    for (int stage = 0; stage < device.stages; ++stage) append(device.step);
  return ops;
}

}  // namespace silicast
