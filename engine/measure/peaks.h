// SPDX-License-Identifier: Apache-2.0
// Loops that do nothing but one arithmetic instruction, or one kind of memory access: what the limits are measured
// with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace silicast::engine {

// Independent chains of one instruction, more than its latency times the ports that take it.
struct Peak {
  std::string_view name;         // "fma.f32": by what is multiplied
  std::string_view instruction;  // "vfmadd231ps zmm"
  double operations = 0;         // of one round: multiplications and additions
  void (*run)(std::int64_t rounds) = nullptr;
};
// Those that this machine has, the fastest instruction of each name.
std::vector<Peak> peaks();

// Reads, writes and copies with the widest vectors of the machine; bytes a multiple of 4096.
void read_stream(const std::byte* data, std::int64_t bytes);
void write_stream(std::byte* data, std::int64_t bytes);  // past the caches where the machine can
void copy_stream(const std::byte* from, std::byte* to, std::int64_t bytes);

}  // namespace silicast::engine
