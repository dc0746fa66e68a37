// SPDX-License-Identifier: Apache-2.0
// Few activation rows by the codebook types (IQ1, IQ2, IQ3), for AVX-512 with VNNI, VBMI and GFNI. What product.h does
// for any type costs these more than memory does; three things are done otherwise:
//
//   signs     meet the activations, as masks, so that the grid's bytes go into the dot product as they are. The eighth
//             bit of a sign index, its parity, comes from one multiplication of bit matrices (GFNI).
//   indices   of a whole super-block are made at once.
//   scales    are integers here: pairs of dot products, each below 2^15, are multiplied by them and added as integers
//             (vpdpwssd), and the super-block's float comes last.
//
// The bounds: 4 * 62 * 127 = 31496 for a lane's dot product, 8 * 2 * 31 * 31496 < 2^24 for a lane's sum.
#pragma once

#include "engine/codebooks.h"
#include "engine/unpack_avx512.h"

namespace silicast::engine {

namespace {

struct GridChunk {
  __m512i grid[4];
  std::uint64_t negative[4];  // a bit per weight
  __m512i scale01;            // of the pairs of dot products of vectors 0 and 1, 2 and 3, as vpackssdw orders them
  __m512i scale23;
  __m256i minus_bias;  // what 16 activations' sums are multiplied by; IQ1 only
  float factor;
};

// Sixteen scales as int16, each for 16 weights. vpackssdw puts, for each 128 bits L, four lanes of the first vector
// (weights 16 L ... of it) before four of the second.
SILICAST_INLINE void set_scales(GridChunk& out, __m256i scales) {
  const __m512i wide = _mm512_castsi256_si512(scales);
  const __m512i first =
      _mm512_set_epi16(7, 7, 7, 7, 3, 3, 3, 3, 6, 6, 6, 6, 2, 2, 2, 2, 5, 5, 5, 5, 1, 1, 1, 1, 4, 4, 4, 4, 0, 0, 0, 0);
  out.scale01 = _mm512_permutexvar_epi16(first, wide);
  out.scale23 = _mm512_permutexvar_epi16(_mm512_add_epi16(first, _mm512_set1_epi16(8)), wide);
}
// Eight of them, each for 32 weights.
SILICAST_INLINE __m256i each_twice(__m128i scales) {
  return _mm256_permutexvar_epi16(_mm256_setr_epi16(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7),
                                  _mm256_castsi128_si256(scales));
}
SILICAST_INLINE __m256i odd16(__m256i s) { return _mm256_add_epi16(_mm256_add_epi16(s, s), _mm256_set1_epi16(1)); }
// 16 nibbles of 8 bytes as int16.
SILICAST_INLINE __m256i nibbles16(const void* p) {
  const __m128i bytes = V::load8(p);
  const __m128i nibbles = _mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4));
  return _mm256_cvtepu8_epi16(_mm_and_si128(nibbles, _mm_set1_epi8(15)));
}

// Row i of the matrix (byte 7 - i) picks bit i; bit 7 is the parity of bits 0 to 6.
constexpr long long parity_matrix = 0x010204081020407f;
SILICAST_INLINE __m512i with_parity(__m512i seven) {
  return _mm512_gf2p8affine_epi64_epi8(seven, _mm512_set1_epi64(parity_matrix), 0);
}

// The four sign bytes of each of eight 64-bit words, from fields of 7 bits that begin at bit `first`.
template <int first>
SILICAST_INLINE void signs_of_words8(__m512i words, GridChunk& out) {
  constexpr long long fields = first | (first + 7) << 8 | (first + 14) << 16 | static_cast<long long>(first + 21) << 24;
  const __m512i sevens = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(fields), words);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.negative), _mm512_cvtepi64_epi32(with_parity(sevens)));
}

// 32 indices of 16 bits, eight for each vector.
SILICAST_INLINE void look_up_eights(__m512i indices, const std::uint64_t* grid, GridChunk& out) {
  alignas(64) std::uint16_t memory[32];
  _mm512_store_si512(memory, indices);
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j)
    out.grid[j] =
        grid_of_8(_mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(memory + 8 * j))), grid);
}

template <BlockType type>
struct Grid;

template <>
struct Grid<BlockType::iq2_xxs> {
  static SILICAST_INLINE void run(const BlockIQ2_XXS* b, GridChunk& out) {
    const __m512i words = _mm512_loadu_si512(b->qs);  // four indices, four times 7 sign bits, a scale
    const __m256i indices = _mm512_cvtepi64_epi32(words);
    alignas(32) std::uint8_t memory[32];
    _mm256_store_si256(reinterpret_cast<__m256i*>(memory), indices);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      out.grid[j] = grid_of_8(_mm256_cvtepu8_epi32(V::load8(memory + 8 * j)), iq2_xxs_grid.data());
    signs_of_words8<32>(words, out);
    set_scales(out, odd16(each_twice(_mm512_cvtepi64_epi16(_mm512_srli_epi64(words, 60)))));
    out.factor = 0.125F * V::half(b->d);
  }
};

template <>
struct Grid<BlockType::iq2_xs> {
  static SILICAST_INLINE void run(const BlockIQ2_XS* b, GridChunk& out) {
    const __m512i words = _mm512_loadu_si512(b->qs);
    look_up_eights(_mm512_and_si512(words, _mm512_set1_epi16(511)), iq2_xs_grid.data(), out);
    const __m256i sevens = _mm512_cvtepi16_epi8(_mm512_srli_epi16(words, 9));
    const __m256i signs = _mm256_gf2p8affine_epi64_epi8(sevens, _mm256_set1_epi64x(parity_matrix), 0);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.negative), signs);
    set_scales(out, odd16(nibbles16(b->scales)));
    out.factor = 0.125F * V::half(b->d);
  }
};

template <>
struct Grid<BlockType::iq2_s> {
  static SILICAST_INLINE void run(const BlockIQ2_S* b, GridChunk& out) {
    // Byte i of qh holds the upper bits of indices 4 i ... 4 i + 3, two each.
    const __m512i spread = _mm512_permutexvar_epi8(
        _mm512_set_epi64(0x0700070007000700, 0x0600060006000600, 0x0500050005000500, 0x0400040004000400,
                         0x0300030003000300, 0x0200020002000200, 0x0100010001000100, 0x0000000000000000),
        _mm512_castsi128_si512(V::load8(b->qh)));
    const __m512i shifted = _mm512_sllv_epi16(_mm512_srli_epi16(spread, 8), _mm512_set1_epi64(0x0002000400060008));
    const __m512i high = _mm512_and_si512(shifted, _mm512_set1_epi16(0x300));
    const __m512i low = _mm512_cvtepu8_epi16(V::load32(b->qs));
    look_up_eights(_mm512_or_si512(low, high), iq2_s_grid.data(), out);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.negative), V::load32(b->signs));
    set_scales(out, odd16(nibbles16(b->scales)));
    out.factor = 0.125F * V::half(b->d);
  }
};

template <>
struct Grid<BlockType::iq3_xxs> {
  static SILICAST_INLINE void run(const BlockIQ3_XXS* b, GridChunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      out.grid[j] = grid_of_4(_mm512_cvtepu8_epi32(V::load16(b->qs + 16 * j)), iq3_xxs_grid.data());
    const __m256i words = V::load32(b->qs + 64);
    signs_of_words8<0>(_mm512_cvtepu32_epi64(words), out);
    set_scales(out, odd16(each_twice(_mm256_cvtepi32_epi16(_mm256_srli_epi32(words, 28)))));
    out.factor = 0.25F * V::half(b->d);
  }
};

template <>
struct Grid<BlockType::iq3_s> {
  static SILICAST_INLINE void run(const BlockIQ3_S* b, GridChunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      __mmask16 ninth;
      __builtin_memcpy(&ninth, b->qh + 2 * j, 2);
      const __m512i eight = _mm512_cvtepu8_epi32(V::load16(b->qs + 16 * j));
      out.grid[j] = grid_of_4(_mm512_mask_add_epi32(eight, ninth, eight, _mm512_set1_epi32(256)), iq3_s_grid.data());
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.negative), V::load32(b->signs));
    const __m128i bytes = _mm_cvtsi32_si128(static_cast<int>(word32(b->scales)));
    const __m128i nibbles = _mm_and_si128(_mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4)), _mm_set1_epi8(15));
    set_scales(out, odd16(each_twice(_mm_cvtepu8_epi16(nibbles))));
    out.factor = V::half(b->d);
  }
};

// IQ1's grid holds q + 16 +- 1: 16 is taken off, and the shift put on, through the activations' sums.
template <>
struct Grid<BlockType::iq1_s> {
  static SILICAST_INLINE void run(const BlockIQ1_S* b, GridChunk& out) {
    const __m128i words = V::load16(b->qh);
    const __m512i each = _mm512_permutexvar_epi16(_mm512_set_epi16(7, 7, 7, 7, 6, 6, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 3, 3,
                                                                   3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0),
                                                  _mm512_castsi128_si512(words));
    const __m512i three =
        _mm512_and_si512(_mm512_srlv_epi16(each, _mm512_set1_epi64(0x0009000600030000)), _mm512_set1_epi16(7));
    const __m512i low = _mm512_cvtepu8_epi16(V::load32(b->qs));
    look_up_eights(_mm512_or_si512(low, _mm512_slli_epi16(three, 8)), iq1_grid.data(), out);
    const __m128i seven = _mm_and_si128(_mm_srli_epi16(words, 12), _mm_set1_epi16(7));
    const __m256i scales = odd16(each_twice(seven));
    set_scales(out, scales);
    // -16 + 1, or -16 - 1 where the top bit is set.
    const __m128i shift = _mm_sub_epi16(_mm_set1_epi16(-15), _mm_slli_epi16(_mm_srli_epi16(words, 15), 1));
    out.minus_bias = _mm256_mullo_epi16(scales, each_twice(shift));
    out.factor = 0.125F * V::half(b->d);
  }
};

template <>
struct Grid<BlockType::iq1_m> {
  static SILICAST_INLINE void run(const BlockIQ1_M* b, GridChunk& out) {
    // A nibble per index: three upper bits, the shift's sign.
    const __m512i each = _mm512_cvtepu8_epi32(V::load16(b->qh));
    const __m512i spread = _mm512_or_si512(_mm512_and_si512(each, _mm512_set1_epi32(15)),
                                           _mm512_slli_epi32(_mm512_srli_epi32(each, 4), 16));
    const __m512i high = _mm512_slli_epi16(_mm512_and_si512(spread, _mm512_set1_epi16(7)), 8);
    const __m512i low = _mm512_cvtepu8_epi16(V::load32(b->qs));
    look_up_eights(_mm512_or_si512(low, high), iq1_grid.data(), out);
    const __mmask32 minus = _mm512_test_epi16_mask(spread, _mm512_set1_epi16(8));
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m512i one = _mm512_set1_epi8(1);
      const auto eight = static_cast<__mmask8>(minus >> (8 * j));
      out.grid[j] =
          _mm512_sub_epi8(_mm512_add_epi8(out.grid[j], one), _mm512_maskz_mov_epi64(eight, _mm512_set1_epi8(2)));
    }
    const __m256i words = _mm256_permutexvar_epi16(_mm256_setr_epi16(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
                                                   _mm256_castsi128_si256(V::load8(b->scales)));
    const __m256i threes =
        _mm256_and_si256(_mm256_srlv_epi16(words, _mm256_set1_epi64x(0x0009000600030000)), _mm256_set1_epi16(7));
    const __m256i scales = odd16(threes);
    set_scales(out, scales);
    out.minus_bias = _mm256_mullo_epi16(scales, _mm256_set1_epi16(-16));
    out.factor = 0.125F * V::half(iq1_m_d(*b));
  }
};

template <BlockType type>
constexpr bool is_signed = type != BlockType::iq1_s&& type != BlockType::iq1_m;

SILICAST_INLINE __m512i dot_words(__m512i sum, __m512i a, __m512i b) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}

template <BlockType type>
SILICAST_INLINE __m512 grid_dot(const GridChunk& w, const ActivationChunk& a) {
  __m512i dot[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    __m512i values = _mm512_loadu_si512(a.q + 64 * j);
    if constexpr (is_signed<type>) values = _mm512_mask_sub_epi8(values, w.negative[j], _mm512_setzero_si512(), values);
    dot[j] = V::dot4<false>(_mm512_setzero_si512(), w.grid[j], values);
  }
  __m512i sum = _mm512_setzero_si512();
  if constexpr (!is_signed<type>)
    sum = dot_words(sum, _mm512_zextsi256_si512(w.minus_bias), _mm512_zextsi256_si512(V::load32(a.sum16)));
  sum = dot_words(sum, _mm512_packs_epi32(dot[0], dot[1]), w.scale01);
  sum = dot_words(sum, _mm512_packs_epi32(dot[2], dot[3]), w.scale23);
  return _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(w.factor * a.scale[0]));
}

template <BlockType type, int N>
void grid_gemv_few(const ProductTask& task, std::int64_t first) {
  using Block = typename Format<type>::Block;
  const ActivationChunk* x[N];
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n)
    x[n] =
        reinterpret_cast<const ActivationChunk*>(task.activation(first + n < task.count ? first + n : task.count - 1));
  const std::int64_t chunks = chunks_of(task.columns);
  for (std::int64_t r = task.begin; r < task.end; ++r) {
    const auto* blocks = reinterpret_cast<const Block*>(task.weights + r * task.row_bytes);
    __m512 sum[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sum[n] = _mm512_setzero_ps();
    for (std::int64_t c = 0; c < chunks; ++c) {
      __builtin_prefetch(reinterpret_cast<const char*>(blocks + c) + prefetch_bytes);
      __builtin_prefetch(reinterpret_cast<const char*>(blocks + c) + prefetch_bytes + 64);
      GridChunk w;
      Grid<type>::run(blocks + c, w);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[n] = _mm512_add_ps(sum[n], grid_dot<type>(w, x[n][c]));
    }
    for (int n = 0; n < N && first + n < task.count; ++n)
      task.out[(first + n) * task.out_stride + r] = _mm512_reduce_add_ps(sum[n]);
  }
}

template <BlockType type>
void grid_gemv(const ProductTask& task) {
  std::int64_t i = 0;
  for (; i + 2 < task.count; i += 4) grid_gemv_few<type, 4>(task, i);
  if (i + 1 < task.count) return grid_gemv_few<type, 2>(task, i);
  if (i < task.count) grid_gemv_few<type, 1>(task, i);
}

}  // namespace

}  // namespace silicast::engine
