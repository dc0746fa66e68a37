// SPDX-License-Identifier: Apache-2.0
// What a machine is, as its datasheet says: processors, memory, links, power. A Device is read from a catalogue entry
// (docs/data-format.md); figures that a datasheet leaves open are absent, never guessed here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.h"
#include "hardware/power.h"

namespace silicast {

class Section;
struct Entry;

// What a core can do each clock. Counts are dense peak operations; a fused multiply-add counts two.
enum class Unit : std::uint8_t {
  fp32,
  fp16,         // vector half precision
  int32,        // full-rate integer instructions; on a CPU, SIMD instructions of 256 bit
  int32_slow,   // shifts, conversions, multiplies where they run at a lower rate
  lookup,       // table look-ups in on-chip memory
  dp4a,         // 8-bit dot products on the vector or integer units
  fp16_matrix,  // matrix units, FP32 accumulate
  fp16_matrix_fp16_accumulate,
  bf16_matrix,
  int8_matrix,
  fp8_matrix,
  fp4_matrix,
};
constexpr std::size_t unit_count = 12;
std::string_view name_of(Unit unit);
std::optional<Unit> unit_of_name(std::string_view name);
constexpr bool is_matrix(Unit unit) { return unit >= Unit::fp16_matrix; }

struct Cache {
  Bytes capacity;
  std::optional<BytesPerSecond> bandwidth;
};

// A GPU, or the cores of a CPU: what executes operations out of one memory pool.
struct Processor {
  std::string architecture;  // the name by which stacks choose kernels: "ada", "apple8", "zen4"
  int cores = 0;             // SMs, Apple GPU cores, compute units, CPU cores
  int dies = 1;              // chips that share the memory by a link between them
  Hertz clock;
  std::array<double, unit_count> per_core_per_clock{};  // 0: has none, or is not documented
  bool matrix_on_vector_units = false;                  // matrix work competes with vector work
  std::optional<Cache> l2;
  std::optional<Cache> last_level_cache;      // SLC, Infinity Cache, MALL; a CPU's L3
  std::vector<std::string> instruction_sets;  // of a CPU
  // Of a CPU with cores of two kinds: how many are of the fast kind, and the rate of a slow one over theirs. Rates are
  // those of the mean core.
  int fast_cores = 0;
  double slow_core = 1;

  [[nodiscard]] FlopsPerSecond peak(Unit unit) const;
  // The CPU as so many threads use it, a core each, the fast ones first. Without a number: the fast cores, as
  // llama.cpp counts them where nothing is said.
  [[nodiscard]] Processor with_threads(std::optional<std::int64_t> threads) const;
  [[nodiscard]] bool has(Unit unit) const { return per_core_per_clock[static_cast<std::size_t>(unit)] > 0; }
};

// The share of a unified memory that the GPU may keep resident.
struct GpuLimit {
  Bytes from;                  // memory sizes from here...
  std::optional<Bytes> up_to;  // ...to here, inclusive
  std::string os;              // only under this release; empty: any
  double share = 1;
};

struct Memory {
  std::string type;
  BytesPerSecond bandwidth;             // peak
  BytesPerSecond achievable_bandwidth;  // the best a streaming kernel reaches: measured, or the family's share of peak
  std::optional<BytesPerSecond> core_bandwidth;  // the most that one core of a CPU draws; absent: all of it
  std::optional<BytesPerSecond> cpu_bandwidth;   // what the CPU cores of a unified machine can draw
  std::vector<Bytes> capacities;                 // the options, ascending
  std::vector<GpuLimit> gpu_limits;
};

struct Pcie {
  int generation = 0;
  int lanes = 0;
  // One direction, after 128b/130b (from generation 3) or 8b/10b encoding.
  [[nodiscard]] BytesPerSecond bandwidth() const;
};

enum class DeviceClass { discrete, unified, cpu };
std::string_view name_of(DeviceClass c);

struct Price {
  double usd = 0;
  std::string date;
};

struct Device {
  std::string id;
  std::string name;
  std::string vendor;
  std::string released;  // year-month
  DeviceClass device_class = DeviceClass::discrete;
  std::string default_stack;
  std::optional<Processor> gpu;
  std::optional<Processor> cpu;
  int cpu_sockets = 1;
  Memory memory;
  std::optional<Pcie> pcie;
  std::optional<BytesPerSecond> nvlink_bandwidth;  // both directions together
  std::optional<int> nvlink_peers;                 // that a bridge joins; absent: a switch joins all
  std::vector<std::string> ports;                  // links of a whole machine to others of its kind, the fastest last
  Power power;
  std::optional<BytesPerSecond> storage_bandwidth;  // of what its models are loaded from
  std::optional<Price> launch_price;

  // Capacity of the largest option, or the option that `wanted` names, GB and GiB taken for each other; nullopt when
  // there is none.
  [[nodiscard]] std::optional<Bytes> capacity(std::optional<Bytes> wanted) const;
};

// Throws InputError with place, key and rule; every key must be known, every figure positive.
Device read_device(const Entry& entry);

// Findings of the lint that a reader does not stop at: bandwidth against transfer rate x bus width, stated peaks
// against cores x rate x clock (naming sparse figures), figures without source.
std::vector<std::string> lint_device(const Entry& entry);

}  // namespace silicast
