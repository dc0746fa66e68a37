// SPDX-License-Identifier: Apache-2.0
#include "model/footprint.h"

#include <algorithm>

#include "model/machine.h"

namespace silicast {

Footprint::Footprint(const Compiled& c) : compiled_(&c), request_(memory_request(c)) {
  const Architecture& a = c.workload->architecture;
  const auto pools_with = [&](const LayerMemory& layers) {
    return memory_pools(layers, a, *c.device, *c.stack, request_);
  };
  LayerMemory layers = c.layers;
  std::fill(layers.cache.begin(), layers.cache.end(), Bytes(0));
  for (MemoryPool& pool : pools_with(layers)) {
    pool.compute = Bytes(0);
    pools_.push_back({.fixed = std::move(pool), .caches = std::vector<double>(a.kinds.size())});
  }
  // One byte of cache in the layers of a kind tells how many of them, or which share, each pool holds.
  for (std::size_t kind = 0; kind < a.kinds.size(); ++kind) {
    for (std::size_t i = 0; i < a.layers.size(); ++i)
      layers.cache[i] = Bytes(static_cast<std::size_t>(a.layers[i]) == kind ? 1 : 0);
    const auto pools = pools_with(layers);
    for (std::size_t i = 0; i < pools.size(); ++i) pools_[i].caches[kind] = pools[i].kv_cache.value();
  }
  const std::size_t devices = std::max<std::size_t>(c.placement.devices(), 1);
  for (std::size_t i = 0; i < devices; ++i) pools_[i].device_buffers = 1;
  const bool apart = pools_.size() > devices;  // a host with memory of its own
  (apart ? pools_.back() : pools_.front()).host_buffers = 1;
  may_page_ =
      c.query.mapped && (c.stack->on_cpu ? c.stack->allocation.mapped_file : pools_.back().fixed.name == "host");
  kind_bytes_.resize(a.kinds.size());
}

Footprint::Use Footprint::operator()(double context, double sequences) {
  const Compiled& c = *compiled_;
  const Architecture& a = c.workload->architecture;
  request_.cache.context = context;
  request_.cache.sequences = sequences;
  for (std::size_t kind = 0; kind < kind_bytes_.size(); ++kind)
    kind_bytes_[kind] =
        layer_cache_bytes(a.kinds[kind], a.hidden, request_.cache, c.stack->allocation, *c.workload->type_table)
            .value();
  const ComputeBuffers buffers =
      compute_buffers(a, *c.stack, request_, static_cast<int>(std::max<std::size_t>(c.placement.devices(), 1)));
  Use use;
  for (const Pool& pool : pools_) {
    double bytes = pool.fixed.used().value() + pool.device_buffers * buffers.device.value() +
                   pool.host_buffers * buffers.host.value();
    for (std::size_t kind = 0; kind < kind_bytes_.size(); ++kind) bytes += pool.caches[kind] * kind_bytes_[kind];
    use.total += Bytes(bytes);
    if (pool.fixed.capacity.value() == 0 || Bytes(bytes) <= pool.fixed.usable) continue;
    const bool pages = &pool == &pools_.back() && may_page_;
    use.pages = use.pages || pages;
    // What pages from storage need not fit.
    const Bytes paged = &pool == &pools_.back() ? std::min(c.placement.paged, pool.fixed.weights) : Bytes(0);
    if (use.lacks != nullptr || Bytes(bytes) - paged <= pool.fixed.usable) continue;
    use.lacks = &pool.fixed.name;
    use.needs = Bytes(bytes);
    use.has = pool.fixed.usable;
  }
  return use;
}

}  // namespace silicast
