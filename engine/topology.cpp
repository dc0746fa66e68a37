// SPDX-License-Identifier: Apache-2.0
#include "engine/topology.h"

#if !defined(SILICAST_WITHOUT_HWLOC)  // cross-compiled kernel tests
#include <hwloc.h>
#endif

#include <algorithm>
#include <map>
#include <memory>
#include <thread>
#include <utility>

namespace silicast::engine {

namespace {

#if !defined(SILICAST_WITHOUT_HWLOC)

struct Destroy {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};
using Handle = std::unique_ptr<hwloc_topology, Destroy>;

std::string info_of(hwloc_obj* object, const char* name) {
  const char* value = object == nullptr ? nullptr : hwloc_obj_get_info_by_name(object, name);
  return value == nullptr ? "" : value;
}

// (rank within its core, rank of the core within its NUMA node, node): sorted, this is the order of `processors`.
std::vector<int> in_order(hwloc_topology* handle) {
  struct Place {
    int sibling, rank, node, processor;
    auto operator<=>(const Place&) const = default;
  };
  std::vector<Place> places;
  std::map<unsigned, int> siblings;                    // of a core
  std::map<int, int> cores_of_node;                    // counted so far
  std::map<unsigned, std::pair<int, int>> core_place;  // node, rank
  hwloc_obj* unit = nullptr;
  while ((unit = hwloc_get_next_obj_by_type(handle, HWLOC_OBJ_PU, unit)) != nullptr) {
    const hwloc_obj* core = hwloc_get_ancestor_obj_by_type(handle, HWLOC_OBJ_CORE, unit);
    const unsigned id = core == nullptr ? unit->logical_index : core->logical_index;
    if (!core_place.contains(id)) {
      const int node = unit->nodeset == nullptr ? 0 : std::max(0, hwloc_bitmap_first(unit->nodeset));
      core_place[id] = {node, cores_of_node[node]++};
    }
    const auto [node, rank] = core_place[id];
    places.push_back({siblings[id]++, rank, node, static_cast<int>(unit->os_index)});
  }
  std::sort(places.begin(), places.end());
  std::vector<int> result;
  for (const Place& place : places) result.push_back(place.processor);
  return result;
}

std::vector<CacheLevel> caches_of(hwloc_topology* handle) {
  std::vector<CacheLevel> result;
  hwloc_obj* object = hwloc_get_obj_by_type(handle, HWLOC_OBJ_PU, 0);
  for (; object != nullptr; object = object->parent)
    if (hwloc_obj_type_is_dcache(object->type) != 0)
      result.push_back({.level = static_cast<int>(object->attr->cache.depth),
                        .bytes = static_cast<std::int64_t>(object->attr->cache.size),
                        .shared_by = std::max(1, hwloc_bitmap_weight(object->cpuset))});
  return result;
}

int count_of(hwloc_topology* handle, hwloc_obj_type_t type) {
  return std::max(1, hwloc_get_nbobjs_by_type(handle, type));
}

void read_from_system(Topology& result) {
  hwloc_topology* raw = nullptr;
  if (hwloc_topology_init(&raw) == 0) {
    const Handle handle(raw);
    // The default set is that of this process's affinity and control group.
    if (hwloc_topology_load(raw) == 0) {
      result.processors = in_order(raw);
      result.cores = count_of(raw, HWLOC_OBJ_CORE);
      result.packages = count_of(raw, HWLOC_OBJ_PACKAGE);
      result.numa_nodes = count_of(raw, HWLOC_OBJ_NUMANODE);
      result.caches = caches_of(raw);
      hwloc_obj* root = hwloc_get_root_obj(raw);
      result.memory_bytes = static_cast<std::int64_t>(root->total_memory);
      result.processor_name = info_of(hwloc_get_obj_by_type(raw, HWLOC_OBJ_PACKAGE, 0), "CPUModel");
      if (result.processor_name.empty()) result.processor_name = info_of(root, "CPUModel");
      result.machine_name = info_of(root, "DMIProductName");
    }
  }
}

#else

void read_from_system(Topology& /*result*/) {}

#endif

Topology read() {
  Topology result;
  read_from_system(result);
  if (result.processors.empty()) {
    const int count = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    for (int i = 0; i < count; ++i) result.processors.push_back(i);
    result.cores = count;
    result.packages = result.numa_nodes = 1;
  }
  return result;
}

}  // namespace

const Topology& topology() {
  static const Topology instance = read();
  return instance;
}

}  // namespace silicast::engine
