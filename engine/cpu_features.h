// SPDX-License-Identifier: Apache-2.0
// Which instruction sets this machine runs, and the names by which one is forced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace silicast::engine {

// A set of kernels is compiled for each of these; a later one of the same family includes the earlier ones.
enum class Isa : std::uint8_t {
  portable,     // plain C++
  avx2,         // with FMA and F16C
  avx512,       // F, BW, DQ, VL
  avx512_vnni,  // and VNNI
  avx512_vbmi,  // and VBMI, GFNI
  amx,          // and AMX-INT8 and -BF16, for products with many activation rows
  neon,         // AArch64
  neon_dotprod,
  neon_i8mm,  // and the matrix product of bytes
};

constexpr std::size_t isa_count = 9;

std::string_view name_of(Isa isa);  // "avx512_vnni"
std::optional<Isa> find_isa(std::string_view name);
std::span<const Isa> all_isas();
// Compiled in, and understood by processor and operating system.
bool is_supported(Isa isa);
Isa best_isa();

// Further instructions that kernels and measurements ask for one by one.
enum class CpuFeature : std::uint8_t {
  avx512_vbmi,
  avx512_fp16,
  avx512_bf16,
  amx_int8,
  amx_bf16,
  neon_fp16,
  neon_i8mm,
  neon_bf16,
};
// Understood by processor and operating system; for AMX the system is asked for the tiles' state, once.
bool has_feature(CpuFeature feature);
std::string_view name_of(CpuFeature feature);  // "avx512_vbmi"
std::span<const CpuFeature> all_features();

}  // namespace silicast::engine
