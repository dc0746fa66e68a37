// SPDX-License-Identifier: Apache-2.0
// The machine as the operating system describes it: processors, caches, memory. By hwloc
// (https://www.open-mpi.org/projects/hwloc/).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace silicast::engine {

struct CacheLevel {
  int level = 0;  // 1 is nearest; data or unified
  std::int64_t bytes = 0;
  int shared_by = 1;  // usable processors that share one
};

struct Topology {
  // What this process may run on: one processor of each core first, the cores taken in turn from the NUMA nodes, then
  // the cores' further processors in the same order.
  std::vector<int> processors;
  int cores = 0;  // usable
  int packages = 0;
  int numa_nodes = 0;
  std::vector<CacheLevel> caches;  // nearest first
  std::int64_t memory_bytes = 0;   // of the machine; 0: unknown
  std::string processor_name;      // "Intel(R) Xeon(R) Processor"; empty: unknown
  std::string machine_name;        // of the vendor, from DMI; empty: not readable

  // Of the last level, 0 where the machine does not tell.
  [[nodiscard]] std::int64_t last_level_cache() const { return caches.empty() ? 0 : caches.back().bytes; }
};

// Read once, at the first call.
const Topology& topology();

}  // namespace silicast::engine
