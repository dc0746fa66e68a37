// SPDX-License-Identifier: Apache-2.0
// The vectors of product.h and vectors.h for AVX2 with FMA and F16C.
#pragma once

#include <immintrin.h>

#include "engine/decode.h"
#include "engine/kernel_table.h"
#include "engine/product.h"

namespace silicast::engine {

namespace {

struct Avx2 {
  static constexpr int lanes = 8;
  static constexpr int bytes = 32;
  static constexpr int vectors = super_block / bytes;
  static constexpr bool any_byte = false;
  // 4 sums and 4 integers, weights, activations, ones and two intermediates: 13 of 16 registers.
  static constexpr int tile_rows = 1;
  static constexpr int tile_columns = 4;

  using U8 = __m256i;
  using S8 = __m256i;
  using I32 = __m256i;
  using F32 = __m256;
  // In memory, where broadcasting one of them is a load.
  struct Groups {
    alignas(32) float v[16];
  };
  struct Chunk {
    U8 q[vectors];
    Groups scale;
    Groups min;
  };
  template <BlockType type>
  struct Unpack;

  static SILICAST_INLINE F32 zero() { return _mm256_setzero_ps(); }
  static SILICAST_INLINE I32 zero_int() { return _mm256_setzero_si256(); }
  static SILICAST_INLINE F32 broadcast(float x) { return _mm256_set1_ps(x); }
  static SILICAST_INLINE I32 broadcast_int(std::int32_t x) { return _mm256_set1_epi32(x); }
  static SILICAST_INLINE F32 load(const float* p) { return _mm256_loadu_ps(p); }
  static SILICAST_INLINE void store(float* p, F32 x) { _mm256_storeu_ps(p, x); }
  static SILICAST_INLINE __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static SILICAST_INLINE __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static SILICAST_INLINE __m128i load8(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
  static SILICAST_INLINE F32 load_half(const Half* p) { return _mm256_cvtph_ps(load16(p)); }
  static SILICAST_INLINE F32 load_bfloat(const Bfloat* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p)), 16));
  }
  static SILICAST_INLINE F32 load_signed_bytes(const std::int8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load8(p)));
  }
  static SILICAST_INLINE void store_half(Half* p, F32 x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static SILICAST_INLINE float as_half(float x) {
    const __m128 finite = _mm_min_ss(_mm_max_ss(_mm_set_ss(x), _mm_set_ss(-65504.0F)), _mm_set_ss(65504.0F));
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtps_ph(finite, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)));
  }
  static SILICAST_INLINE float half(Half h) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h.bits))); }
  static SILICAST_INLINE F32 add(F32 a, F32 b) { return _mm256_add_ps(a, b); }
  static SILICAST_INLINE F32 sub(F32 a, F32 b) { return _mm256_sub_ps(a, b); }
  static SILICAST_INLINE F32 mul(F32 a, F32 b) { return _mm256_mul_ps(a, b); }
  static SILICAST_INLINE F32 div(F32 a, F32 b) { return _mm256_div_ps(a, b); }
  static SILICAST_INLINE F32 max(F32 a, F32 b) { return _mm256_max_ps(a, b); }
  static SILICAST_INLINE F32 min(F32 a, F32 b) { return _mm256_min_ps(a, b); }
  static SILICAST_INLINE F32 abs(F32 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), a); }
  static SILICAST_INLINE F32 fma(F32 a, F32 b, F32 c) { return _mm256_fmadd_ps(a, b, c); }
  static SILICAST_INLINE F32 minus_product(F32 c, F32 a, F32 b) { return _mm256_fnmadd_ps(a, b, c); }
  static SILICAST_INLINE F32 round(F32 a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static SILICAST_INLINE F32 times_power_of_two(F32 a, F32 n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
  }
  static SILICAST_INLINE float sum(F32 a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
  static SILICAST_INLINE float max_of(F32 a) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
  }
  static SILICAST_INLINE I32 to_int(F32 a) { return _mm256_cvtps_epi32(a); }
  static SILICAST_INLINE void store_as_bytes(std::int8_t* p, I32 x) {
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
  }
  static SILICAST_INLINE std::int32_t sum_int(I32 a) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
  }
  static SILICAST_INLINE I32 add_int(I32 a, I32 b) { return _mm256_add_epi32(a, b); }
  static SILICAST_INLINE F32 to_float(I32 a) { return _mm256_cvtepi32_ps(a); }
  static SILICAST_INLINE I32 shift_left(I32 a, int bits) { return _mm256_sll_epi32(a, _mm_cvtsi32_si128(bits)); }

  static SILICAST_INLINE S8 load_bytes(const std::int8_t* p) { return load32(p); }
  static SILICAST_INLINE U8 load_ubytes(const std::uint8_t* p) { return load32(p); }
  static SILICAST_INLINE void store_bytes(std::uint8_t* p, U8 x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x);
  }
  static SILICAST_INLINE S8 broadcast_four(const std::int8_t* p) {
    int four;
    __builtin_memcpy(&four, p, 4);
    return _mm256_set1_epi32(four);
  }
  // Pairs of products saturate at 16 bits: 127 * 127 * 2 does not, 255 * 127 * 2 would. So lanes beyond 127 are taken
  // as w = u - 128 by its size, the sign given to the activations, and the 128 comes back as 128 times their sum.
  template <bool wide>
  static SILICAST_INLINE I32 dot4(I32 sum, U8 u, S8 s) {
    const __m256i ones = _mm256_set1_epi16(1);
    if constexpr (!wide) return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), ones));
    const __m256i w = _mm256_xor_si256(u, _mm256_set1_epi8(static_cast<char>(0x80)));
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(s, w));
    const __m256i bias = _mm256_maddubs_epi16(_mm256_set1_epi8(64), s);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(bias, _mm256_set1_epi16(2)));
  }

  static SILICAST_INLINE Groups pair(__m256 low, __m256 high) {
    Groups g;
    _mm256_store_ps(g.v, low);
    _mm256_store_ps(g.v + 8, high);
    return g;
  }
  static SILICAST_INLINE Groups eight(__m256 low) { return pair(low, _mm256_setzero_ps()); }
  static SILICAST_INLINE Groups load_groups(const float* p) { return eight(load(p)); }
  static SILICAST_INLINE void store_groups(float* p, const Groups& g) {
    store(p, load(g.v));
    store(p + 8, load(g.v + 8));
  }
  static SILICAST_INLINE Groups times(const Groups& a, const Groups& b) {
    return pair(mul(load(a.v), load(b.v)), mul(load(a.v + 8), load(b.v + 8)));
  }
  static SILICAST_INLINE Groups times(const Groups& a, float b) {
    return pair(mul(load(a.v), broadcast(b)), mul(load(a.v + 8), broadcast(b)));
  }
  template <int group>
  static SILICAST_INLINE Groups load_sums(const std::int32_t* p) {
    if constexpr (group == 32) return eight(to_float(load32(p)));
    return pair(to_float(load32(p)), to_float(load32(p + 8)));
  }
  template <int group>
  static SILICAST_INLINE F32 expand(const Groups& g, int j) {
    if constexpr (group == 32) return _mm256_broadcast_ss(g.v + j);
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_broadcast_ss(g.v + 2 * j)),
                                _mm_broadcast_ss(g.v + 2 * j + 1), 1);
  }
  template <int group>
  static SILICAST_INLINE F32 add_groups(F32 sum, const Groups& a, const Groups& b) {
    sum = fma(load(a.v), load(b.v), sum);
    return group == 32 ? sum : fma(load(a.v + 8), load(b.v + 8), sum);
  }

  // 8 rows of 256 bytes become columns of four bytes: per 32 bytes a transposition of 8 x 8 words of 32 bits.
  static SILICAST_INLINE void transpose(__m256i (&r)[8]) {
    __m256i t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
      t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
      r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
      r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
      r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      t[i] = _mm256_permute2x128_si256(r[i], r[4 + i], 0x20);
      t[4 + i] = _mm256_permute2x128_si256(r[i], r[4 + i], 0x31);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) r[i] = t[i];
  }
  static void interleave(const std::uint8_t (&rows)[lanes][super_block],
                         std::uint8_t (&out)[super_block / 4][lanes][4]) {
#pragma GCC unroll 1
    for (int part = 0; part < 8; ++part) {
      __m256i r[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) r[i] = load32(rows[i] + 32 * part);
      transpose(r);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) store_bytes(out[8 * part + i][0], r[i]);
    }
  }
};

}  // namespace

}  // namespace silicast::engine
