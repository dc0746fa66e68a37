// SPDX-License-Identifier: Apache-2.0
#include "engine/measure/peaks.h"

#include "engine/cpu_features.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

namespace silicast::engine {

namespace {

// Twelve chains: more than two ports times the five cycles of the slowest of these instructions.
#define SILICAST_CHAINS(NAME, TARGET, VECTOR, ASSEMBLY, CONSTRAINT)                                                    \
  [[gnu::target(TARGET)]] void NAME(std::int64_t rounds) {                                                             \
    VECTOR sum[12] = {};                                                                                               \
    VECTOR factor = {};                                                                                                \
    for (std::int64_t i = 0; i < rounds; ++i) {                                                                        \
      _Pragma("GCC unroll 12") for (VECTOR & s : sum) asm volatile(ASSEMBLY : "+" CONSTRAINT(s) : CONSTRAINT(factor)); \
    }                                                                                                                  \
  }

#if defined(__x86_64__)

SILICAST_CHAINS(fma_f32_avx2, "avx2,fma", __m256, "vfmadd231ps %1, %1, %0", "x")
SILICAST_CHAINS(fma_f32_avx512, "avx512f", __m512, "vfmadd231ps %1, %1, %0", "v")
SILICAST_CHAINS(fma_f16_avx512, "avx512f", __m512i, "vfmadd231ph %1, %1, %0", "v")
SILICAST_CHAINS(dot_bf16_avx512, "avx512f", __m512i, "vdpbf16ps %1, %1, %0", "v")
SILICAST_CHAINS(dot_int8_avx512, "avx512f", __m512i, "vpdpbusd %1, %1, %0", "v")

// What AVX2 alone takes for a dot product of bytes: three instructions.
[[gnu::target("avx2")]] void dot_int8_avx2(std::int64_t rounds) {
  __m256i sum[6] = {};
  __m256i pairs[6] = {};
  __m256i factor = {};
  for (std::int64_t i = 0; i < 2 * rounds; ++i) {
#pragma GCC unroll 6
    for (int k = 0; k < 6; ++k)
      asm volatile("vpmaddubsw %2, %2, %1\n\tvpmaddwd %2, %1, %1\n\tvpaddd %1, %0, %0"
                   : "+x"(sum[k]), "+x"(pairs[k])
                   : "x"(factor));
  }
}

// Four tiles of sums, so that none waits for itself.
struct alignas(64) TileShape {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t column_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
#define SILICAST_TILES(NAME, INSTRUCTION)                                                                    \
  [[gnu::target("avx512f")]] void NAME(std::int64_t rounds) {                                                \
    const TileShape shape;                                                                                   \
    asm volatile("ldtilecfg %0" ::"m"(shape));                                                               \
    asm volatile(                                                                                            \
        "tilezero %tmm0\n\ttilezero %tmm1\n\ttilezero %tmm2\n\ttilezero %tmm3\n\ttilezero %tmm4\n\t"         \
        "tilezero %tmm5\n\ttilezero %tmm6\n\ttilezero %tmm7");                                               \
    for (std::int64_t i = 0; i < rounds; ++i)                                                                \
      asm volatile(INSTRUCTION " %tmm6, %tmm4, %tmm0\n\t" INSTRUCTION " %tmm7, %tmm4, %tmm1\n\t" INSTRUCTION \
                               " %tmm6, %tmm5, %tmm2\n\t" INSTRUCTION " %tmm7, %tmm5, %tmm3");               \
    asm volatile("tilerelease");                                                                             \
  }
SILICAST_TILES(tiles_int8, "tdpbusd")
SILICAST_TILES(tiles_bf16, "tdpbf16ps")

std::vector<Peak> all_peaks() {
  std::vector<Peak> result;
  if (is_supported(Isa::avx512))
    result.push_back({"fma.f32", "vfmadd231ps zmm", 12 * 16 * 2, fma_f32_avx512});
  else if (is_supported(Isa::avx2))
    result.push_back({"fma.f32", "vfmadd231ps ymm", 12 * 8 * 2, fma_f32_avx2});
  if (has_feature(CpuFeature::avx512_fp16))
    result.push_back({"fma.f16", "vfmadd231ph zmm", 12 * 32 * 2, fma_f16_avx512});
  if (has_feature(CpuFeature::avx512_bf16))
    result.push_back({"dot.bf16", "vdpbf16ps zmm", 12 * 32 * 2, dot_bf16_avx512});
  if (is_supported(Isa::avx512_vnni))
    result.push_back({"dot.int8", "vpdpbusd zmm", 12 * 64 * 2, dot_int8_avx512});
  else if (is_supported(Isa::avx2))
    result.push_back({"dot.int8", "vpmaddubsw, vpmaddwd, vpaddd ymm", 12 * 32 * 2, dot_int8_avx2});
  if (has_feature(CpuFeature::amx_int8)) result.push_back({"tile.int8", "tdpbusd", 4 * 16 * 16 * 64 * 2, tiles_int8});
  if (has_feature(CpuFeature::amx_bf16)) result.push_back({"tile.bf16", "tdpbf16ps", 4 * 16 * 16 * 32 * 2, tiles_bf16});
  return result;
}

[[gnu::target("avx512f")]] void read_avx512(const std::byte* data, std::int64_t bytes) {
  for (std::int64_t i = 0; i < bytes; i += 512) {
    __builtin_prefetch(data + i + 4096);
    __builtin_prefetch(data + i + 4096 + 256);
#pragma GCC unroll 8
    for (std::int64_t k = 0; k < 512; k += 64) {
      __m512i value;
      asm volatile("vmovdqa64 %1, %0" : "=v"(value) : "m"(*reinterpret_cast<const __m512i*>(data + i + k)));
    }
  }
}
[[gnu::target("avx2")]] void read_avx2(const std::byte* data, std::int64_t bytes) {
  for (std::int64_t i = 0; i < bytes; i += 512) {
    __builtin_prefetch(data + i + 4096);
    __builtin_prefetch(data + i + 4096 + 256);
#pragma GCC unroll 16
    for (std::int64_t k = 0; k < 512; k += 32) {
      __m256i value;
      asm volatile("vmovdqa %1, %0" : "=x"(value) : "m"(*reinterpret_cast<const __m256i*>(data + i + k)));
    }
  }
}
[[gnu::target("avx512f")]] void write_avx512(std::byte* data, std::int64_t bytes) {
  const __m512i value = _mm512_setzero_si512();
  for (std::int64_t i = 0; i < bytes; i += 64) _mm512_stream_si512(reinterpret_cast<__m512i*>(data + i), value);
  _mm_sfence();
}
[[gnu::target("avx2")]] void write_avx2(std::byte* data, std::int64_t bytes) {
  const __m256i value = _mm256_setzero_si256();
  for (std::int64_t i = 0; i < bytes; i += 32) _mm256_stream_si256(reinterpret_cast<__m256i*>(data + i), value);
  _mm_sfence();
}
[[gnu::target("avx512f")]] void copy_avx512(const std::byte* from, std::byte* to, std::int64_t bytes) {
  for (std::int64_t i = 0; i < bytes; i += 64) {
    __builtin_prefetch(from + i + 4096);
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_load_si512(from + i));
  }
  _mm_sfence();
}
[[gnu::target("avx2")]] void copy_avx2(const std::byte* from, std::byte* to, std::int64_t bytes) {
  for (std::int64_t i = 0; i < bytes; i += 32) {
    __builtin_prefetch(from + i + 4096);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i)));
  }
  _mm_sfence();
}

#elif defined(__aarch64__)

#define SILICAST_NEON_CHAINS(NAME, EXTENSION, ASSEMBLY)                                                               \
  void NAME(std::int64_t rounds) {                                                                                    \
    uint8x16_t sum[12] = {};                                                                                          \
    uint8x16_t factor = {};                                                                                           \
    for (std::int64_t i = 0; i < rounds; ++i) {                                                                       \
      _Pragma("GCC unroll 12") for (uint8x16_t & s : sum) asm volatile(".arch_extension " EXTENSION "\n\t" ASSEMBLY : \
                                                                       "+w"(s) : "w"(factor));                        \
    }                                                                                                                 \
  }
SILICAST_NEON_CHAINS(fma_f32_neon, "simd", "fmla %0.4s, %1.4s, %1.4s")
SILICAST_NEON_CHAINS(fma_f16_neon, "fp16", "fmla %0.8h, %1.8h, %1.8h")
SILICAST_NEON_CHAINS(dot_int8_neon, "dotprod", "sdot %0.4s, %1.16b, %1.16b")
SILICAST_NEON_CHAINS(mmla_int8_neon, "i8mm", "smmla %0.4s, %1.16b, %1.16b")
SILICAST_NEON_CHAINS(mmla_bf16_neon, "bf16", "bfmmla %0.4s, %1.8h, %1.8h")

std::vector<Peak> all_peaks() {
  std::vector<Peak> result{{"fma.f32", "fmla 4s", 12 * 4 * 2, fma_f32_neon}};
  if (has_feature(CpuFeature::neon_fp16)) result.push_back({"fma.f16", "fmla 8h", 12 * 8 * 2, fma_f16_neon});
  if (is_supported(Isa::neon_dotprod)) result.push_back({"dot.int8", "sdot", 12 * 16 * 2, dot_int8_neon});
  if (has_feature(CpuFeature::neon_i8mm)) result.push_back({"tile.int8", "smmla", 12 * 32 * 2, mmla_int8_neon});
  if (has_feature(CpuFeature::neon_bf16)) result.push_back({"tile.bf16", "bfmmla", 12 * 16 * 2, mmla_bf16_neon});
  return result;
}

#else

void fma_f32_plain(std::int64_t rounds) {
  float sum[12] = {};
  float factor = 0;
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (float& s : sum) s += factor * factor;
    asm volatile("" : "+m"(sum), "+m"(factor));
  }
}
std::vector<Peak> all_peaks() { return {{"fma.f32", "plain C++", 12 * 2, fma_f32_plain}}; }

#endif

void read_plain(const std::byte* data, std::int64_t bytes) {
  std::uint64_t sum[8] = {};
  const auto* words = reinterpret_cast<const std::uint64_t*>(data);
  for (std::int64_t i = 0; i < bytes / 8; i += 8) {
    __builtin_prefetch(words + i + 512);
    for (int k = 0; k < 8; ++k) sum[k] += words[i + k];
  }
  asm volatile("" ::"m"(sum));
}

}  // namespace

std::vector<Peak> peaks() { return all_peaks(); }

void read_stream(const std::byte* data, std::int64_t bytes) {
#if defined(__x86_64__)
  if (is_supported(Isa::avx512)) return read_avx512(data, bytes);
  if (is_supported(Isa::avx2)) return read_avx2(data, bytes);
#endif
  read_plain(data, bytes);
}

void write_stream(std::byte* data, std::int64_t bytes) {
#if defined(__x86_64__)
  if (is_supported(Isa::avx512)) return write_avx512(data, bytes);
  if (is_supported(Isa::avx2)) return write_avx2(data, bytes);
#endif
  __builtin_memset(data, 0, static_cast<std::size_t>(bytes));
}

void copy_stream(const std::byte* from, std::byte* to, std::int64_t bytes) {
#if defined(__x86_64__)
  if (is_supported(Isa::avx512)) return copy_avx512(from, to, bytes);
  if (is_supported(Isa::avx2)) return copy_avx2(from, to, bytes);
#endif
  __builtin_memcpy(to, from, static_cast<std::size_t>(bytes));
}

}  // namespace silicast::engine
