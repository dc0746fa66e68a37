// SPDX-License-Identifier: Apache-2.0
#include "model/machine.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>

#include "base/text.h"

namespace silicast {

namespace {

constexpr std::int64_t most_devices = 64;

bool bridge_joins(const Device& device, int devices) {
  return device.nvlink_bandwidth && devices <= device.nvlink_peers.value_or(devices);
}

std::string usual_interconnect(const Device& device, int devices) {
  if (device.device_class == DeviceClass::discrete) return bridge_joins(device, devices) ? "nvlink" : "pcie";
  if (device.ports.empty()) throw UsageError(device.name + " has no link to another of its kind that is known");
  return device.ports.back();
}

// The link that the query names, or the usual one. Throws where the device does not have it.
std::shared_ptr<const Link> peer_link(const Query& query, const Device& device, int devices, const Database& database) {
  auto link = database.link(query.interconnect.empty() ? usual_interconnect(device, devices) : query.interconnect);
  // Links with a bandwidth of their own are ports of whole machines; the others are a card's.
  const bool has_port = std::find(device.ports.begin(), device.ports.end(), link->id) != device.ports.end();
  const bool fits_class = link->from == Link::From::stated ? has_port : device.device_class == DeviceClass::discrete;
  if (!link->reached(device, query.pcie) || !fits_class)
    throw UsageError("--interconnect " + link->id + ": " + device.name + " has no such link" +
                     (device.ports.empty() ? "" : ", but " + join(device.ports, ", ")));
  if (link->from == Link::From::nvlink && !bridge_joins(device, devices))
    throw UsageError("--interconnect nvlink: a bridge joins " + std::to_string(*device.nvlink_peers) + " " +
                     device.name + ", not " + std::to_string(devices));
  return link;
}

// What weights page from.
BytesPerSecond storage_of(const Query& query, const Device& device, const Device* host) {
  // PCIe 4.0 x4 drives read about 7 GB/s.
  constexpr BytesPerSecond usual = 7_GBps;
  if (query.storage) return *query.storage;
  if (host != nullptr && host->storage_bandwidth) return *host->storage_bandwidth;
  return device.storage_bandwidth.value_or(usual);
}

void add_peer_link(Machine& machine, const Query& query, const Stack& stack, const Database& database) {
  if (query.split != Split::layer && !stack.tensor_split)
    throw RefusedError("the stack '" + stack.id + "' divides models by layers only; --split layer");
  const auto link = peer_link(query, *machine.device, machine.executors.devices, database);
  machine.interconnect = link->id;
  machine.executors.links.peer = *link->reached(*machine.device, query.pcie);
  machine.executors.links.peer_latency = link->latency;
}

// The slot of a discrete GPU: the lesser of both sides', unless the query says what it is.
BytesPerSecond host_link(const Query& query, const Device& device, const Device& host, const OffloadRules& rules) {
  const double share = query.mapped ? rules.pageable_share : rules.pinned_share;
  if (query.pcie) return query.pcie->bandwidth() * share;
  if (!device.pcie)
    throw UsageError("--pcie is missing: " + device.name + " is described without its slot; give one such as 4x16");
  if (!host.pcie && host.device_class == DeviceClass::unified)
    throw UsageError("--host " + host.id + ": " + host.name + " has no slot for a card; --pcie says which, if it has");
  Pcie pcie = *device.pcie;
  if (host.pcie) {
    pcie.generation = std::min(pcie.generation, host.pcie->generation);
    pcie.lanes = std::min(pcie.lanes, host.pcie->lanes);
  }
  return pcie.bandwidth() * share;
}

Executor host_executor(const Query& query, const Executor& device_executor, const Device& host, const Stack& stack,
                       const Database& database) {
  Executor executor = device_executor;
  executor.processor = host.cpu->with_threads(query.threads);
  executor.dram_bandwidth = host.memory.achievable_bandwidth;
  if (host.memory.cpu_bandwidth)
    executor.dram_bandwidth = std::min(*host.memory.cpu_bandwidth, executor.dram_bandwidth);
  if (host.cpu_sockets > 1) executor.dram_bandwidth *= stack.numa_share;
  executor.stack = &stack;
  executor.corrections = query.calibrated
                             ? database.corrections(stack.family, {host.id, host.cpu->architecture, stack.generation})
                             : nullptr;
  return executor;
}

// Layers of each device, by shares or evenly, the first ones getting what is left over.
std::vector<int> divide(int layers, int devices, const std::vector<double>& shares) {
  std::vector<int> result(static_cast<std::size_t>(devices));
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  double so_far = 0;
  int given = 0;
  for (int i = 0; i < devices; ++i) {
    so_far += shares.empty() ? 1.0 / devices : shares[static_cast<std::size_t>(i)] / total;
    const int until = i + 1 == devices ? layers : static_cast<int>(std::lround(so_far * layers));
    result[static_cast<std::size_t>(i)] = until - given;
    given = until;
  }
  return result;
}

// Layers of each device, in order, such that the fullest holds as little as possible; the last one also holds `output`.
std::vector<int> divide_evenly(const std::vector<Bytes>& loads, Bytes output, int devices) {
  std::vector<int> result(static_cast<std::size_t>(devices));
  // Whether the devices hold all layers when none holds more than `most`: each takes what it can.
  const auto fill = [&](Bytes most) {
    std::size_t layer = 0;
    for (int device = 0; device < devices; ++device) {
      Bytes held = device + 1 == devices ? output : Bytes(0);
      int taken = 0;
      for (; layer < loads.size() && held + loads[layer] <= most; ++taken, ++layer) held += loads[layer];
      result[static_cast<std::size_t>(device)] = taken;
    }
    return layer == loads.size();
  };
  Bytes low;
  Bytes high = std::accumulate(loads.begin(), loads.end(), output);
  constexpr Bytes close_enough = 1_MiB;
  while (high - low > close_enough) {
    const Bytes middle = (low + high) * 0.5;
    (fill(middle) ? high : low) = middle;
  }
  fill(high);
  return result;
}

// By rows where the software does so (Split), or knows no other way; else what is not by layers is by tensors.
Split split_of(Split asked, const Stack& stack) {
  if (!stack.layer_split) return Split::row;
  const bool by_rows = std::find(stack.formats.begin(), stack.formats.end(), QuantFormat::gguf) != stack.formats.end();
  return asked == Split::row && !by_rows ? Split::tensor : asked;
}

// What is placed where, for one choice of layers and experts on the host.
class Chooser {
 public:
  Chooser(const Query& query, const Machine& machine, const StepGraph& graph, const Workload& workload,
          const Stack& stack, const LayerMemory& layers, const MemoryRequest& request)
      : query_(query),
        machine_(machine),
        graph_(graph),
        workload_(workload),
        stack_(stack),
        layers_(layers),
        request_(request),
        count_(static_cast<int>(workload.architecture.layers.size())) {}

  [[nodiscard]] Placement placed(int host_layers, int host_experts) const {
    Placement placement;
    placement.split = machine_.executors.devices > 1 ? split_of(query_.split, stack_) : Split::layer;
    placement.host_output = host_layers > count_;
    placement.host_layers = std::min(host_layers, count_);
    placement.host_expert_layers = workload_.architecture.has_experts() ? std::min(host_experts, count_) : 0;
    placement.device_layers = divide(count_ - placement.host_layers, machine_.executors.devices, query_.device_shares);
    return placement;
  }

  [[nodiscard]] Placement asked() const {
    const auto experts = static_cast<int>(std::min<std::int64_t>(query_.offload.cpu_moe_layers, count_));
    // Layers without their experts are light: by number, the last device would hold nearly all.
    if (query_.offload.layers == Offload::Layers::all) return experts > 0 ? balanced(placed(0, experts)) : placed(0, 0);
    const auto on_gpu = static_cast<int>(std::min<std::int64_t>(query_.offload.gpu_layers, count_ + 1));
    return placed(count_ + 1 - on_gpu, experts);
  }

  [[nodiscard]] ChosenPlacement automatic() const {
    Placement by_layers = fewest([&](int n) { return balanced(placed(n, 0)); }, count_ + 1);
    if (!workload_.architecture.has_experts() || !by_layers.uses_host()) return {std::move(by_layers), {}};
    Placement by_experts = fewest([&](int n) { return balanced(placed(0, n)); }, count_);
    if (!fits(by_experts)) return {std::move(by_layers), {}};
    PlacedStep with_layers = step(by_layers);
    PlacedStep with_experts = step(by_experts);
    if (seconds(with_experts) < seconds(with_layers)) return {std::move(by_experts), std::move(with_experts)};
    return {std::move(by_layers), std::move(with_layers)};
  }

 private:
  // With the layers divided by what they hold instead of by their number, where the shares are not said.
  [[nodiscard]] Placement balanced(Placement placement) const {
    if (placement.devices() < 2 || placement.split != Split::layer || !query_.device_shares.empty()) return placement;
    std::vector<Bytes> loads;
    for (int i = placement.host_layers; i < count_; ++i) {
      const auto layer = static_cast<std::size_t>(i);
      const bool experts_here = i >= placement.host_expert_layers;
      loads.push_back(layers_.weights[layer] + layers_.cache[layer] +
                      (experts_here ? layers_.experts[layer] : Bytes(0)));
    }
    const Bytes output =
        placement.host_output ? Bytes(0) : layers_.output + (layers_.tied ? layers_.embedding : Bytes(0));
    placement.device_layers = divide_evenly(loads, output, machine_.executors.devices);
    return placement;
  }

  // The least n whose placement fits the devices; they hold less as n grows.
  template <class Make>
  [[nodiscard]] Placement fewest(Make make, int most) const {
    int low = 0;
    int high = most;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (fits(make(middle)))
        high = middle;
      else
        low = middle + 1;
    }
    return make(low);
  }

  [[nodiscard]] bool fits(const Placement& placement) const {
    MemoryRequest request = request_;
    request.placement = placement;
    const auto pools = memory_pools(layers_, workload_.architecture, *machine_.device, stack_, request);
    return std::all_of(pools.begin(), pools.begin() + static_cast<std::ptrdiff_t>(placement.devices()),
                       [](const MemoryPool& pool) { return pool.fits(); });
  }

  [[nodiscard]] PlacedStep step(const Placement& placement) const {
    return {graph_, workload_, machine_.executors, placement};
  }

  [[nodiscard]] Seconds seconds(const PlacedStep& step) const {
    const double depth = static_cast<double>(query_.depth);
    if (query_.offload.for_ttft)
      return step.seconds(
          {.new_tokens = static_cast<double>(std::max<std::int64_t>(1, query_.prompt)), .depth = depth});
    return step.seconds(
        {.batch = static_cast<double>(query_.concurrency), .depth = depth + static_cast<double>(query_.prompt)});
  }

  const Query& query_;
  const Machine& machine_;
  const StepGraph& graph_;
  const Workload& workload_;
  const Stack& stack_;
  const LayerMemory& layers_;
  const MemoryRequest& request_;
  int count_;
};

void check_shares(const Query& query, int devices, const Stack& stack) {
  if (query.device_shares.empty()) return;
  if (query.device_shares.size() != static_cast<std::size_t>(devices))
    throw UsageError("--tensor-split: " + std::to_string(query.device_shares.size()) + " shares for " +
                     std::to_string(devices) + (devices == 1 ? " device" : " devices"));
  if (split_of(query.split, stack) != Split::layer)
    throw UsageError("--tensor-split: shares are of a split by layers; by rows or tensors every device does as much");
  for (const double share : query.device_shares)
    if (!std::isfinite(share) || share < 0) throw UsageError("--tensor-split: shares are numbers from 0 on");
  if (std::accumulate(query.device_shares.begin(), query.device_shares.end(), 0.0) <= 0)
    throw UsageError("--tensor-split: the shares add up to nothing");
}

}  // namespace

namespace {

// To find that a name is none of a device reads the whole catalogue; the answer is kept.
bool is_device(const std::string& name, const Database& database) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, std::string>, bool> known;
  const std::pair key(database.folder().string(), name);
  {
    const std::lock_guard lock(mutex);
    if (const auto at = known.find(key); at != known.end()) return at->second;
  }
  const bool found = database.devices().try_find(name).has_value();  // others need not wait for it
  const std::lock_guard lock(mutex);
  return known[key] = found;
}

}  // namespace

bool holds(const MemoryPool& pool) { return pool.capacity.value() == 0 || pool.fits(); }

std::pair<std::string, int> split_device_count(const std::string& name, const Database& database) {
  const auto x = name.find_last_of("xX");
  const bool counts = x != std::string::npos && x > 0 && x + 1 < name.size() &&
                      name.find_first_not_of("0123456789", x + 1) == std::string::npos;
  if (!counts) return {name, 1};
  const auto count = parse_integer(std::string_view(name).substr(x + 1));
  if (!count || is_device(name, database)) return {name, 1};
  if (*count < 1 || *count > most_devices)
    throw UsageError("--device " + name + ": 1 to " + std::to_string(most_devices) + " devices are expected");
  return {std::string(trim(std::string_view(name).substr(0, x))), static_cast<int>(*count)};
}

Machine make_machine(const Query& query, std::shared_ptr<const Device> device, int devices, const Stack& stack,
                     const Executor& executor, const Database& database) {
  Machine machine;
  machine.device = std::move(device);
  machine.executors.device = executor;
  machine.executors.devices = devices;
  if (devices > 1) add_peer_link(machine, query, stack, database);
  if (devices == 1 && !query.interconnect.empty()) peer_link(query, *machine.device, devices, database);
  check_shares(query, devices, stack);
  const bool discrete = machine.device->device_class == DeviceClass::discrete;
  if (!discrete && query.pcie) throw UsageError("--pcie: " + machine.device->name + " is a whole machine, not a card");
  if (!query.host.empty()) machine.host = database.device(query.host, query.host_overrides);
  if (!discrete && !query.host.empty())
    throw UsageError("--host: " + machine.device->name + " is a whole machine, it has no other host");
  if (!discrete && machine.device->cpu) machine.host = machine.device;
  if (machine.host && !machine.host->cpu) throw UsageError("--host " + query.host + ": is described without a CPU");
  if (discrete && machine.host && machine.host->device_class == DeviceClass::discrete)
    throw UsageError("--host " + query.host + ": is a card, not a machine");
  machine.executors.links.storage = storage_of(query, *machine.device, machine.host.get());
  if (stack.on_cpu) {
    if (query.offload.wants_host())
      throw UsageError("--gpu-layers, --cpu-moe: the stack '" + stack.id + "' has no GPU");
    return machine;
  }
  if (query.offload.wants_host() && !machine.host)
    throw UsageError(
        "layers on the host need one: --host NAME, such as desktop-ddr5-6000 ('silicast list devices' shows CPUs)");
  if (query.offload.wants_host() && !stack.offload)
    throw RefusedError("the stack '" + stack.id + "' does not leave layers on the host");
  if (!machine.host || !stack.offload) return machine;
  machine.host_stack = database.stack(stack.offload->host_stack);
  machine.executors.host = host_executor(query, executor, *machine.host, *machine.host_stack, database);
  machine.executors.host_shares_memory = !discrete;
  if (query.offload.streams_prompts) machine.executors.stream_batch = stack.offload->stream_batch;
  machine.executors.experts_by_share = stack.offload->experts_by_share;
  machine.executors.whole_experts = stack.offload->whole_experts;
  machine.executors.stream_everything = query.offload.streams_everything;
  if (query.offload.streams_everything && !discrete)
    throw UsageError("--offload stream: " + machine.device->name + " has one memory, nothing is copied");
  machine.executors.links.host_latency = stack.offload->hand_over;
  if (discrete) machine.executors.links.host = host_link(query, *machine.device, *machine.host, *stack.offload);
  return machine;
}

ChosenPlacement choose_placement(const Query& query, const Machine& machine, const StepGraph& graph,
                                 const Workload& workload, const Stack& stack, const LayerMemory& layers,
                                 const MemoryRequest& request) {
  const Chooser chooser(query, machine, graph, workload, stack, layers, request);
  if (query.offload.layers == Offload::Layers::automatic) return chooser.automatic();
  return {chooser.asked(), {}};
}

std::string describe(const Placement& placement, int layers) {
  std::string text;
  if (placement.uses_host()) {
    text = std::to_string(layers - placement.host_layers) + " of " + std::to_string(layers) + " layers" +
           (placement.host_output ? "" : " and the output") + " on the GPU";
    if (placement.host_expert_layers > placement.host_layers)
      text += ", the experts of " + std::to_string(placement.host_expert_layers - placement.host_layers) +
              " of them on the host";
  }
  if (placement.devices() > 1) {
    if (!text.empty()) text += "; ";
    if (placement.split == Split::layer) {
      std::vector<std::string> counts;
      for (const int n : placement.device_layers) counts.push_back(std::to_string(n));
      text += "layers by device: " + join(counts, ", ");
    } else if (placement.split == Split::row) {
      text += "matrices divided by rows over " + std::to_string(placement.devices()) +
              " devices, all else of a layer on one of them";
    } else {
      text += "every layer divided over " + std::to_string(placement.devices()) + " devices";
    }
  }
  if (placement.paged.value() > 0)
    text += (text.empty() ? "" : "; ") + human(placement.paged) + " of weights page from storage";
  return text;
}

}  // namespace silicast
