// SPDX-License-Identifier: Apache-2.0
// Many activation rows by quantized weights with AMX's tiles (Intel SDM, volume 1, chapter 18), for CPUs that have
// AMX-INT8 and AMX-BF16. Panels of weights are those of product.h with the bias taken off; a tile of sums holds 16
// activation rows by 16 rows of weights.
//
// Two loops, by how often the scales change:
//
//   blocks of 32   a tile product over 32 weights, then its sums become floats and meet both scales. The floats of one
//                  tile stay in registers over the whole panel.
//   super-blocks   scale times q is an integer of at most 13 bits: two digits of 6 bits and more, each a matrix of
//                  bytes (Q2_K and Q3_K need one). So a tile product runs over 256 weights, and the floats come once
//                  for all of them. The mins meet the activations' sums of 16 in bfloat16: integers below 2^8 in each
//                  factor (the sums in two digits), below 2^24 in the sum, hence exact.
#pragma once

#include "engine/unpack_avx512.h"

namespace silicast::engine {

namespace {

constexpr int tile_side = 16;                         // rows of activations, rows of weights
constexpr std::int64_t amx_panel_bytes = 880 * 1024;  // of the scratch; the rest is for copies of activations

struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t column_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

// Tiles 0-3 sums, 4-5 activations of `depth` bytes a row, 6-7 weights of depth / 4 rows.
SILICAST_INLINE void configure_tiles(int depth) {
  TileConfiguration shape;
  for (int i = 0; i < 8; ++i) {
    shape.column_bytes[i] = static_cast<std::uint16_t>(i == 4 || i == 5 ? depth : 64);
    shape.rows[i] = static_cast<std::uint8_t>(i < 6 ? tile_side : depth / 4);
  }
  _tile_loadconfig(&shape);
}

// ---------------------------------------------------------------- activations

// Sixteen or thirty-two rows of activations; rows that lie at no common distance, or are fewer, have been copied.
struct ActivationRows {
  const std::byte* data;
  std::int64_t stride;

  [[nodiscard]] SILICAST_INLINE const ActivationChunk& at(std::int64_t row, std::int64_t chunk) const {
    return reinterpret_cast<const ActivationChunk*>(data + row * stride)[chunk];
  }
};

SILICAST_INLINE ActivationRows rows_of(const ProductTask& task, std::int64_t first, std::int64_t rows,
                                       std::int64_t first_chunk, std::int64_t chunks, std::byte* copies) {
  const std::int64_t offset = first_chunk * static_cast<std::int64_t>(sizeof(ActivationChunk));
  if (task.selected == nullptr && first + rows <= task.count)
    return {.data = task.x + first * task.x_stride + offset, .stride = task.x_stride};
  const std::int64_t bytes = chunks * static_cast<std::int64_t>(sizeof(ActivationChunk));
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::byte* from = task.activation(first + i < task.count ? first + i : task.count - 1) + offset;
    for (std::int64_t k = 0; k < bytes; k += 64)
      _mm512_storeu_si512(copies + i * bytes + k, _mm512_loadu_si512(from + k));
  }
  asm volatile("" ::: "memory");  // before the tiles read them
  return {.data = copies, .stride = bytes};
}

// total[i] of 16 floats for row i; rows beyond the task's are dropped.
SILICAST_INLINE void put_tile(const ProductTask& task, const __m512* total, std::int64_t stride, std::int64_t first,
                              std::int64_t row, bool first_chunk) {
  const std::int64_t rows = task.end - row < tile_side ? task.end - row : tile_side;
  if (rows <= 0) return;
  const auto mask = static_cast<__mmask16>((1U << rows) - 1);
  for (std::int64_t i = 0; i < tile_side && first + i < task.count; ++i) {
    float* out = task.out + (first + i) * task.out_stride + row;
    const __m512 old = first_chunk ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, out);
    _mm512_mask_storeu_ps(out, mask, _mm512_add_ps(old, total[i * stride]));
  }
}

// ---------------------------------------------------------------- blocks of 32

using BlockPanel = PanelChunk<V, 8>;
constexpr std::int64_t block_panel_chunks = 8;  // 16 activation rows of 2048 stay in the first-level cache

template <BlockType type>
void unpack_block_panel(const ProductTask& task, std::int64_t row, std::int64_t chunk, BlockPanel& panel) {
  unpack_panel<V, type>(task, row, chunk, panel);
  if constexpr (Format<type>::bias != 0) {
    const __m512i bias = _mm512_set1_epi8(static_cast<char>(Format<type>::bias));
    for (auto& k : panel.q) _mm512_store_si512(&k, _mm512_sub_epi8(_mm512_load_si512(&k), bias));
  }
}

template <bool has_min>
SILICAST_INLINE void add_group(__m512 (&sum)[tile_side], const std::int32_t (&dots)[tile_side][16],
                               const BlockPanel& panel, const ActivationRows& x, std::int64_t chunk, int g) {
  const __m512 scale = _mm512_load_ps(panel.scale[g]);
  const __m512 min = has_min ? _mm512_load_ps(panel.min[g]) : _mm512_setzero_ps();
#pragma GCC unroll 16
  for (int i = 0; i < tile_side; ++i) {
    const ActivationChunk& a = x.at(i, chunk);
    const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(a.scale[g]));
    sum[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(dots[i])), both, sum[i]);
    if constexpr (has_min) sum[i] = _mm512_fnmadd_ps(min, _mm512_set1_ps(a.sum[g]), sum[i]);
  }
}

// The products of group g by tile n, a literal, into sums that nobody reads before the next but three: a tile's stores
// reach later loads through the cache only.
#define SILICAST_BLOCK_PRODUCT(n, chunk, g, dots)                          \
  _tile_zero(n);                                                           \
  _tile_loadd(4, x.at(0, chunk).q + 32 * (g), static_cast<int>(x.stride)); \
  _tile_loadd(6, panels[chunk].q[8 * (g)], 64);                            \
  _tile_dpbssd(n, 4, 6);                                                   \
  _tile_stored(n, dots, 64)

// Four groups ahead of the floats, so that these fill the time of the tiles.
template <bool has_min>
__attribute__((noinline)) void block_tile(const BlockPanel* panels, std::int64_t chunks, const ActivationRows& x,
                                          __m512 (&total)[tile_side]) {
  alignas(64) std::int32_t dots[2][4][tile_side][16];
  __m512 sum[tile_side];
#pragma GCC unroll 16
  for (int i = 0; i < tile_side; ++i) sum[i] = _mm512_setzero_ps();
  SILICAST_BLOCK_PRODUCT(0, 0, 0, dots[0][0]);
  SILICAST_BLOCK_PRODUCT(1, 0, 1, dots[0][1]);
  SILICAST_BLOCK_PRODUCT(2, 0, 2, dots[0][2]);
  SILICAST_BLOCK_PRODUCT(3, 0, 3, dots[0][3]);
#pragma GCC unroll 1
  for (std::int64_t at = 4; at <= 8 * chunks; at += 4) {
    const std::int64_t next = at < 8 * chunks ? at : at - 4;  // once too often at the end, into sums not read
    const auto& now = dots[(at / 4 + 1) % 2];
    auto& later = dots[at / 4 % 2];
    const std::int64_t c = (at - 4) / 8;
    const int g = static_cast<int>((at - 4) % 8);
    const int h = static_cast<int>(next % 8);
    SILICAST_BLOCK_PRODUCT(0, next / 8, h, later[0]);
    add_group<has_min>(sum, now[0], panels[c], x, c, g);
    SILICAST_BLOCK_PRODUCT(1, next / 8, h + 1, later[1]);
    add_group<has_min>(sum, now[1], panels[c], x, c, g + 1);
    SILICAST_BLOCK_PRODUCT(2, next / 8, h + 2, later[2]);
    add_group<has_min>(sum, now[2], panels[c], x, c, g + 2);
    SILICAST_BLOCK_PRODUCT(3, next / 8, h + 3, later[3]);
    add_group<has_min>(sum, now[3], panels[c], x, c, g + 3);
  }
#pragma GCC unroll 16
  for (int i = 0; i < tile_side; ++i) total[i] = sum[i];
}

#undef SILICAST_BLOCK_PRODUCT

template <BlockType type>
void amx_block_gemm(const ProductTask& task) {
  configure_tiles(32);
  auto* panels = reinterpret_cast<BlockPanel*>(task.scratch);
  std::byte* copies = task.scratch + amx_panel_bytes;
  const std::int64_t all = chunks_of(task.columns);
  const std::int64_t step = all < block_panel_chunks ? all : block_panel_chunks;
  const std::int64_t at_once = amx_panel_bytes / (step * static_cast<std::int64_t>(sizeof(BlockPanel)));
  for (std::int64_t row = task.begin; row < task.end; row += at_once * tile_side) {
    const std::int64_t left = (task.end - row + tile_side - 1) / tile_side;
    const std::int64_t count = left < at_once ? left : at_once;
    for (std::int64_t first = 0; first < all; first += step) {
      const std::int64_t chunks = all - first < step ? all - first : step;
      for (std::int64_t p = 0; p < count; ++p)
        for (std::int64_t c = 0; c < chunks; ++c)
          unpack_block_panel<type>(task, row + p * tile_side, first + c, panels[p * chunks + c]);
      asm volatile("" ::: "memory");  // before the tiles read them
      for (std::int64_t i = 0; i < task.count; i += tile_side) {
        const ActivationRows x = rows_of(task, i, tile_side, first, chunks, copies);
        for (std::int64_t p = 0; p < count; ++p) {
          __m512 total[tile_side];
          block_tile<Format<type>::has_min>(panels + p * chunks, chunks, x, total);
          put_tile(task, total, 1, i, row + p * tile_side, first == 0);
        }
      }
    }
  }
  _tile_release();
}

// ---------------------------------------------------------------- super-blocks

// 16 rows of one super-block each: value = factor * (digit 0 + 64 digit 1) - min_factor * min.
template <int Digits>
struct alignas(64) DigitPanel {
  std::int8_t q[Digits][4][16][tile_side][4];  // [digit][64 weights][4 weights][row][weight]
  std::uint16_t min[16][tile_side][2];         // bfloat16: mins of groups of 16, then once more
  float factor[tile_side];
  float min_factor[tile_side];
};

template <BlockType type>
constexpr int digits_of = type == BlockType::q2_k || type == BlockType::q3_k ? 1 : 2;

// What the groups' integer scales, and mins, are multiplied by. Q3_K's is negative: its scale times q may be 128, less
// that fits into a byte.
template <BlockType type>
SILICAST_INLINE float factor_of(const typename Format<type>::Block& b) {
  if constexpr (type == BlockType::iq1_m)
    return 0.125F * V::half(iq1_m_d(b));
  else {
    const float d = V::half(b.d);
    if constexpr (type == BlockType::q3_k) return -d;
    if constexpr (type == BlockType::iq3_xxs) return 0.25F * d;
    if constexpr (type == BlockType::iq2_xxs || type == BlockType::iq2_xs || type == BlockType::iq2_s ||
                  type == BlockType::iq1_s)
      return 0.125F * d;
    return d;
  }
}

// The integers behind 16 floats that are products with the factors.
SILICAST_INLINE __m512i integers(__m512 products, __m512 factors) {
  const __mmask16 some = _mm512_cmp_ps_mask(factors, _mm512_setzero_ps(), _CMP_NEQ_UQ);
  return _mm512_maskz_cvtps_epi32(some, _mm512_maskz_div_ps(some, products, factors));
}

// 16 int32 as int16, each four times: of rows 0-7 and of rows 8-15.
SILICAST_INLINE void four_times(__m512i scales, __m512i& low, __m512i& high) {
  const __m512i words = _mm512_castsi256_si512(_mm512_cvtepi32_epi16(scales));
  const __m512i first =
      _mm512_set_epi16(7, 7, 7, 7, 6, 6, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
  low = _mm512_permutexvar_epi16(first, words);
  high = _mm512_permutexvar_epi16(_mm512_add_epi16(first, _mm512_set1_epi16(8)), words);
}

template <BlockType type>
void unpack_digit_panel(const ProductTask& task, std::int64_t row, std::int64_t chunk,
                        DigitPanel<digits_of<type>>& out) {
  using F = Format<type>;
  constexpr int groups = super_block / F::group;
  PanelChunk<V, groups> panel;
  unpack_panel<V, type>(task, row, chunk, panel);
  for (int i = 0; i < tile_side; ++i) {
    const bool exists = row + i < task.end;
    const auto* block = reinterpret_cast<const typename F::Block*>(task.weights + (row + i) * task.row_bytes) + chunk;
    out.factor[i] = exists ? factor_of<type>(*block) : 0;
    out.min_factor[i] = 0;
    if constexpr (F::has_min) out.min_factor[i] = exists ? V::half(block->dmin) : 0;
  }
  const __m512 factors = _mm512_load_ps(out.factor);
  const __m512i bias = _mm512_set1_epi16(F::bias);
  for (int g = 0; g < groups; ++g) {
    __m512i low;
    __m512i high;
    four_times(integers(_mm512_load_ps(panel.scale[g]), factors), low, high);
    for (int k = g * F::group / 4; k < (g + 1) * F::group / 4; ++k) {
      const __m512i q = _mm512_load_si512(panel.q[k]);
      const auto product = [&](__m256i bytes, __m512i scale) {
        return _mm512_mullo_epi16(_mm512_sub_epi16(_mm512_cvtepu8_epi16(bytes), bias), scale);
      };
      const __m512i a = product(_mm512_castsi512_si256(q), low);
      const __m512i b = product(_mm512_extracti64x4_epi64(q, 1), high);
      const auto put = [](std::int8_t(&to)[tile_side][4], __m512i x, __m512i y) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(to[0]), _mm512_cvtepi16_epi8(x));
        _mm256_store_si256(reinterpret_cast<__m256i*>(to[8]), _mm512_cvtepi16_epi8(y));
      };
      if constexpr (digits_of<type> == 1) {
        put(out.q[0][k / 16][k % 16], a, b);
      } else {
        const __m512i six = _mm512_set1_epi16(63);
        put(out.q[0][k / 16][k % 16], _mm512_and_si512(a, six), _mm512_and_si512(b, six));
        put(out.q[1][k / 16][k % 16], _mm512_srai_epi16(a, 6), _mm512_srai_epi16(b, 6));
      }
    }
  }
  if constexpr (F::has_min) {
    const __m512 min_factors = _mm512_load_ps(out.min_factor);
    for (int pair = 0; pair < 8; ++pair) {  // mins of groups 2 pair and 2 pair + 1 of 16 weights
      const auto bits = [&](int g) {
        const __m512 min = _mm512_cvtepi32_ps(integers(_mm512_load_ps(panel.min[g * groups / 16]), min_factors));
        return _mm512_srli_epi32(_mm512_castps_si512(min), 16);
      };
      const __m512i both = _mm512_or_si512(bits(2 * pair), _mm512_slli_epi32(bits(2 * pair + 1), 16));
      _mm512_store_si512(out.min[pair], both);
      _mm512_store_si512(out.min[8 + pair], both);
    }
  }
}

// The sums of 16 activations as bfloat16: sixteen times the sum modulo 64, then sixteen times the rest.
SILICAST_INLINE void sum_digits(const ActivationChunk& a, std::uint16_t* out) {
  const __m512i sums = _mm512_cvtepi16_epi32(V::load32(a.sum16));
  const __m512i low = _mm512_and_si512(sums, _mm512_set1_epi32(63));
  const auto put = [](std::uint16_t* to, __m512i x) {
    const __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(_mm512_cvtepi32_ps(x)), 16);
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(bits));
  };
  put(out, low);
  put(out + 16, _mm512_sub_epi32(sums, low));
}

struct DigitSums {
  alignas(64) std::int32_t digit[2][4][tile_side][16];  // [digit][half of the activations, half of the weights]
  alignas(64) float min[4][tile_side][16];
  alignas(64) std::uint16_t sums[2 * tile_side][32];
};

SILICAST_INLINE void store_tiles(void* to) {
  auto* bytes = static_cast<std::byte*>(to);
  _tile_stored(0, bytes, 64);
  _tile_stored(1, bytes + 1024, 64);
  _tile_stored(2, bytes + 2048, 64);
  _tile_stored(3, bytes + 3072, 64);
}
SILICAST_INLINE void zero_tiles() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// 32 activation rows by 32 rows of weights over one super-block. Between the tiles `meanwhile(i)` does the i-th eighth
// of something else.
template <int Digits, bool has_min, class Meanwhile>
SILICAST_INLINE void digit_products(const DigitPanel<Digits>* panels, const ActivationRows& x, std::int64_t chunk,
                                    DigitSums& sums, const Meanwhile& meanwhile) {
  const std::int8_t* upper = x.at(0, chunk).q;
  const std::int8_t* lower = x.at(tile_side, chunk).q;
  const auto stride = static_cast<int>(x.stride);
  if constexpr (has_min) {
    for (int i = 0; i < 2 * tile_side; ++i) sum_digits(x.at(i, chunk), sums.sums[i]);
    asm volatile("" ::: "memory");  // before the tiles read them
  }
#pragma GCC unroll 2
  for (int digit = 0; digit < Digits; ++digit) {
    zero_tiles();
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      _tile_loadd(4, upper + 64 * k, stride);
      _tile_loadd(6, panels[0].q[digit][k], 64);
      _tile_dpbssd(0, 4, 6);
      _tile_loadd(7, panels[1].q[digit][k], 64);
      _tile_dpbssd(1, 4, 7);
      _tile_loadd(5, lower + 64 * k, stride);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
      meanwhile(Digits == 2 ? 4 * digit + k : 2 * k);
      if constexpr (Digits == 1) meanwhile(2 * k + 1);
    }
    store_tiles(sums.digit[digit]);
  }
  if constexpr (has_min) {
    zero_tiles();
    _tile_loadd(4, sums.sums[0], 64);
    _tile_loadd(6, panels[0].min, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, panels[1].min, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, sums.sums[tile_side], 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    store_tiles(sums.min);
  }
}

// One eighth of the sums of a super-block become floats: rows 4 part ... 4 part + 3 of the activations.
// total[i][n]: activation row i, weight rows 16 n ... 16 n + 15.
template <int Digits, bool has_min>
SILICAST_INLINE void add_digits(const DigitPanel<Digits>* pair, const DigitSums& sums, const ActivationRows& x,
                                std::int64_t chunk, int part, __m512 (&total)[2 * tile_side][2]) {
#pragma GCC unroll 2
  for (int n = 0; n < 2; ++n) {
    const __m512 factor = _mm512_load_ps(pair[n].factor);
    const __m512 min_factor = _mm512_load_ps(pair[n].min_factor);
    const int tile = part / 4 * 2 + n;
#pragma GCC unroll 4
    for (int i = 4 * part; i < 4 * part + 4; ++i) {
      __m512i dot = _mm512_load_si512(sums.digit[0][tile][i % tile_side]);
      if constexpr (Digits == 2)
        dot = _mm512_add_epi32(dot, _mm512_slli_epi32(_mm512_load_si512(sums.digit[1][tile][i % tile_side]), 6));
      __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(dot), factor);
      if constexpr (has_min) value = _mm512_fnmadd_ps(_mm512_load_ps(sums.min[tile][i % tile_side]), min_factor, value);
      total[i][n] = _mm512_fmadd_ps(value, _mm512_set1_ps(x.at(i, chunk).scale[0]), total[i][n]);
    }
  }
}

// The floats of a super-block are made while the tiles of the next one are multiplied.
template <int Digits, bool has_min>
__attribute__((noinline)) void digit_tile(const DigitPanel<Digits>* panels, std::int64_t chunks,
                                          const ActivationRows& x, __m512 (&total)[2 * tile_side][2]) {
  DigitSums sums[2];
  for (auto& row : total) row[0] = row[1] = _mm512_setzero_ps();
  digit_products<Digits, has_min>(panels, x, 0, sums[0], [](int) {});
  for (std::int64_t c = 1; c < chunks; ++c)
    digit_products<Digits, has_min>(
        panels + 2 * c, x, c, sums[c % 2], [&](int part) __attribute__((always_inline)) {
          add_digits<Digits, has_min>(panels + 2 * (c - 1), sums[(c - 1) % 2], x, c - 1, part, total);
        });
  for (int part = 0; part < 8; ++part)
    add_digits<Digits, has_min>(panels + 2 * (chunks - 1), sums[(chunks - 1) % 2], x, chunks - 1, part, total);
}

template <BlockType type>
void amx_super_gemm(const ProductTask& task) {
  constexpr int digits = digits_of<type>;
  using Panel = DigitPanel<digits>;
  constexpr std::int64_t rows = 2 * tile_side;
  constexpr std::int64_t longest = 8;  // chunks
  static_assert(2 * longest * static_cast<std::int64_t>(sizeof(Panel)) <= amx_panel_bytes);
  static_assert(amx_panel_bytes + rows * longest * static_cast<std::int64_t>(sizeof(ActivationChunk)) <=
                static_cast<std::int64_t>(scratch_bytes));
  configure_tiles(64);
  auto* panels = reinterpret_cast<Panel*>(task.scratch);
  std::byte* copies = task.scratch + amx_panel_bytes;
  const std::int64_t all = chunks_of(task.columns);
  const std::int64_t step = all < longest ? all : longest;
  const std::int64_t at_once = amx_panel_bytes / (2 * step * static_cast<std::int64_t>(sizeof(Panel)));
  for (std::int64_t row = task.begin; row < task.end; row += at_once * rows) {
    const std::int64_t left = (task.end - row + rows - 1) / rows;
    const std::int64_t count = left < at_once ? left : at_once;
    for (std::int64_t first = 0; first < all; first += step) {
      const std::int64_t chunks = all - first < step ? all - first : step;
      for (std::int64_t p = 0; p < count; ++p)
        for (std::int64_t c = 0; c < chunks; ++c)
          for (int n = 0; n < 2; ++n)
            unpack_digit_panel<type>(task, row + p * rows + n * tile_side, first + c, panels[(p * chunks + c) * 2 + n]);
      asm volatile("" ::: "memory");  // before the tiles read them
      for (std::int64_t i = 0; i < task.count; i += rows) {
        const ActivationRows x = rows_of(task, i, rows, first, chunks, copies);
        for (std::int64_t p = 0; p < count; ++p) {
          __m512 total[2 * tile_side][2];
          digit_tile<digits, Format<type>::has_min>(panels + p * chunks * 2, chunks, x, total);
          for (int n = 0; n < 2; ++n)
            for (int half = 0; half < 2; ++half)
              put_tile(task, &total[half * tile_side][n], 2, i + half * tile_side, row + p * rows + n * tile_side,
                       first == 0);
        }
      }
    }
  }
  _tile_release();
}

}  // namespace

}  // namespace silicast::engine
