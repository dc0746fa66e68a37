// SPDX-License-Identifier: Apache-2.0
#include "model/feasibility.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "model/machine.h"

namespace silicast {

namespace {

// What pages from storage need not fit.
bool all_fit(std::vector<MemoryPool> pools, Bytes paged) {
  pools.back().weights -= std::min(paged, pools.back().weights);
  return std::all_of(pools.begin(), pools.end(), holds);
}

std::string gib(Bytes bytes) { return rounded(bytes / 1_GiB, 4) + " GiB"; }

// One change at a time to a query that does not fit, in the order of what it costs its user.
class Remedies {
 public:
  Remedies(const Compiled& compiled, const MemoryRequest& request, const Database& database)
      : compiled_(compiled), request_(request), database_(database) {}

  [[nodiscard]] std::vector<std::string> find() const {
    std::vector<std::string> found;
    for (const auto remedy : {&Remedies::wired_limit, &Remedies::cache_type, &Remedies::context, &Remedies::gpu_layers,
                              &Remedies::quantization, &Remedies::memory})
      if (const auto text = (this->*remedy)()) found.push_back(*text);
    return found;
  }

 private:
  // The cache is laid out anew: remedies change its types and lengths.
  [[nodiscard]] std::vector<MemoryPool> pools(const MemoryRequest& request) const {
    return memory_pools(layer_memory(*compiled_.workload, request.cache, compiled_.stack->allocation),
                        compiled_.workload->architecture, *compiled_.device, *compiled_.stack, request);
  }

  [[nodiscard]] bool fits(const MemoryRequest& request) const {
    return all_fit(pools(request), compiled_.placement.paged);
  }

  [[nodiscard]] std::optional<std::string> wired_limit() const {
    if (compiled_.device->memory.gpu_limits.empty() || compiled_.stack->on_cpu || request_.usable.wired_limit)
      return std::nullopt;
    const Bytes used = pools(request_).front().used();
    constexpr Bytes left_for_the_system = 6_GiB;
    if (used + left_for_the_system > request_.usable.capacity) return std::nullopt;
    return "--wired-limit " + std::to_string(static_cast<std::int64_t>(used / 1_MiB) + 1) +
           "MiB (sysctl iogpu.wired_limit_mb)";
  }

  [[nodiscard]] std::optional<std::string> cache_type() const {
    for (const char* name : {"q8_0", "q4_0"}) {
      const TypeId type = database_.types()->at(name);
      MemoryRequest changed = request_;
      changed.cache.key_type = changed.cache.value_type = type;
      if (fits(changed)) return std::string("--kv-type ") + name;
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::string> context() const {
    const auto with = [&](double tokens) {
      MemoryRequest changed = request_;
      changed.cache.context = tokens;
      changed.cache.mixed.clear();
      return fits(changed);
    };
    constexpr double least_useful = 512;
    if (!with(least_useful)) return std::nullopt;
    double low = least_useful;
    double high = request_.cache.context;
    while (high - low > 1) {
      const double middle = static_cast<double>(static_cast<std::int64_t>((low + high) / 2));
      (with(middle) ? low : high) = middle;
    }
    return "a context of " + std::to_string(static_cast<std::int64_t>(low)) + " tokens";
  }

  // Layers moved to the host; how much memory that one has is then its own question.
  [[nodiscard]] std::optional<std::string> gpu_layers() const {
    if (!compiled_.stack->offload || compiled_.stack->on_cpu || compiled_.device->device_class != DeviceClass::discrete)
      return std::nullopt;
    const int layers = static_cast<int>(compiled_.workload->architecture.layers.size());
    MemoryRequest changed = request_;
    for (int host = 1; host <= layers; ++host) {
      changed.placement = compiled_.placement;
      changed.placement.host_layers = host;
      int left = layers - host;
      for (std::size_t i = 0; i < changed.placement.device_layers.size(); ++i) {
        const int devices_left = static_cast<int>(changed.placement.device_layers.size() - i);
        changed.placement.device_layers[i] = (left + devices_left - 1) / devices_left;
        left -= changed.placement.device_layers[i];
      }
      const auto after = memory_pools(compiled_.layers, compiled_.workload->architecture, *compiled_.device,
                                      *compiled_.stack, changed);
      if (!std::all_of(after.begin(), after.end() - 1, holds)) continue;
      // A mapped file pages.
      if (compiled_.host && !compiled_.query.mapped && !holds(after.back())) continue;
      return "--gpu-layers " + std::to_string(changed.placement.gpu_layers(layers)) +
             (compiled_.host ? "" : " and a --host with " + gib(after.back().used()));
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::string> quantization() const {
    if (!compiled_.scheme || compiled_.scheme->format != QuantFormat::gguf) return std::nullopt;
    constexpr std::array<const char*, 11> by_quality{"Q8_0",    "Q6_K", "Q5_K_M", "Q4_K_M",  "IQ4_XS", "Q3_K_M",
                                                     "IQ3_XXS", "Q2_K", "IQ2_XS", "IQ2_XXS", "IQ1_S"};
    for (const char* name : by_quality) {
      const auto scheme = database_.quant(name);
      const Workload smaller = make_workload(compiled_.workload->architecture, *scheme, {}, database_.types());
      if (smaller.tensor_bytes() >= compiled_.workload->tensor_bytes()) continue;
      const LayerMemory layers = layer_memory(smaller, request_.cache, compiled_.stack->allocation);
      if (all_fit(memory_pools(layers, smaller.architecture, *compiled_.device, *compiled_.stack, request_), Bytes(0)))
        return std::string("--quant ") + name + " (" + gib(smaller.tensor_bytes()) + " of tensors)";
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::string> memory() const {
    for (const Bytes option : compiled_.device->memory.capacities) {
      MemoryRequest changed = request_;
      changed.usable.capacity = option;
      if (option > request_.usable.capacity && fits(changed)) return "--memory " + exact(option / 1_GiB) + "GiB";
    }
    return std::nullopt;
  }

  const Compiled& compiled_;
  const MemoryRequest& request_;
  const Database& database_;
};

}  // namespace

namespace {

Bytes option_of(const Device& device, std::optional<Bytes> wanted, const char* name) {
  if (const auto capacity = device.capacity(wanted)) return *capacity;
  std::vector<std::string> options;
  for (const Bytes option : device.memory.capacities) options.push_back(human(option));
  throw InputError(std::string(name) + ": " + device.name + " comes with " + join(options, ", ") + ", not with " +
                   human(*wanted));
}

}  // namespace

Bytes memory_capacity(const Device& device, const Query& query) { return option_of(device, query.memory, "--memory"); }
Bytes host_capacity(const Device& host, const Query& query) {
  return option_of(host, query.host_memory, "--host-memory");
}

namespace {

// The pools as they would be with so many sequences.
std::vector<MemoryPool> pools_of(const Compiled& c, const MemoryRequest& request, std::int64_t sequences) {
  MemoryRequest changed = request;
  const double factor = static_cast<double>(sequences) / request.cache.sequences;
  changed.cache.sequences = static_cast<double>(sequences);
  for (auto& group : changed.cache.mixed) group.sequences *= factor;
  LayerMemory layers = c.layers;
  if (request.cache.unified)
    layers = layer_memory(*c.workload, changed.cache, c.stack->allocation);
  else
    for (Bytes& cache : layers.cache) cache *= factor;
  return memory_pools(layers, c.workload->architecture, *c.device, *c.stack, changed);
}

std::string_view allocation_of(const Stack& stack, const MemoryRequest& request) {
  switch (stack.allocation.rule) {
    case BufferRule::paged: return "paged";
    case BufferRule::llama_cpp: return request.cache.unified ? "unified" : "slots";
    case BufferRule::none: break;
  }
  return "growing";
}

}  // namespace

SequencesThatFit sequences_that_fit(const Compiled& c, const std::vector<MemoryPool>& pools,
                                    const MemoryRequest& request) {
  SequencesThatFit result;
  result.allocation = allocation_of(*c.stack, request);
  result.context =
      static_cast<std::int64_t>(padded(request.cache.context, static_cast<double>(c.stack->allocation.cache_padding)));
  // Compute buffers only make fewer fit than the caches alone would.
  constexpr double sensible = 1e6;
  double bound = sensible;
  bool bounded = false;
  for (const MemoryPool& pool : pools) {
    result.each += pool.kv_cache / request.cache.sequences;
    if (pool.capacity.value() == 0 || pool.kv_cache.value() == 0) continue;
    bounded = true;
    const Bytes room = pool.usable - pool.weights - pool.overhead;
    bound = std::min(bound, std::max(0.0, room / (pool.kv_cache / request.cache.sequences)));
  }
  if (!bounded) return result;
  std::int64_t low = 0;
  auto high = static_cast<std::int64_t>(request.cache.unified ? std::min(2 * bound + 1, sensible) : bound);
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    if (all_fit(pools_of(c, request, middle), c.placement.paged))
      low = middle;
    else
      high = middle - 1;
  }
  result.most = low;
  return result;
}

std::string limiting_memory(const Compiled& compiled, const std::vector<MemoryPool>& pools,
                            const MemoryRequest& request, const Database& database) {
  if (all_fit(pools, compiled.placement.paged)) return {};
  const auto pool = std::find_if(pools.begin(), pools.end(), [](const MemoryPool& p) { return !holds(p); });
  std::string text = "memory of " + pool->name + ": needs " + gib(pool->used()) + ", has " + gib(pool->usable);
  const auto remedies = Remedies(compiled, request, database).find();
  return text + (remedies.empty() ? "; no single change of cache, context, quantization or memory option makes it fit"
                                  : "; fits with " + join(remedies, ", or with "));
}

}  // namespace silicast
