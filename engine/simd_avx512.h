// SPDX-License-Identifier: Apache-2.0
// The vectors of product.h and vectors.h for AVX-512 (F, BW, DQ, VL), with VNNI where the file is compiled for it.
#pragma once

#include <immintrin.h>

#include "engine/decode.h"
#include "engine/kernel_table.h"
#include "engine/product.h"

namespace silicast::engine {

namespace {

struct Avx512 {
  static constexpr int lanes = 16;
  static constexpr int bytes = 64;
  static constexpr int vectors = super_block / bytes;
#if defined(__AVX512VNNI__)
  static constexpr bool any_byte = true;
#else
  static constexpr bool any_byte = false;
#endif
  // 2 x 6 sums and as many integers, two vectors of weights, one of activations: 27 of 32 registers.
  static constexpr int tile_rows = 2;
  static constexpr int tile_columns = 6;

  using U8 = __m512i;
  using S8 = __m512i;
  using I32 = __m512i;
  using F32 = __m512;
  using Groups = __m512;  // 8 groups stand in the lower half, with zeros above
  struct Chunk {
    U8 q[vectors];
    Groups scale;
    Groups min;
  };
  template <BlockType type>
  struct Unpack;

  static SILICAST_INLINE F32 zero() { return _mm512_setzero_ps(); }
  static SILICAST_INLINE I32 zero_int() { return _mm512_setzero_si512(); }
  static SILICAST_INLINE F32 broadcast(float x) { return _mm512_set1_ps(x); }
  static SILICAST_INLINE I32 broadcast_int(std::int32_t x) { return _mm512_set1_epi32(x); }
  static SILICAST_INLINE F32 load(const float* p) { return _mm512_loadu_ps(p); }
  static SILICAST_INLINE void store(float* p, F32 x) { _mm512_storeu_ps(p, x); }
  static SILICAST_INLINE __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static SILICAST_INLINE __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static SILICAST_INLINE __m128i load8(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
  static SILICAST_INLINE F32 load_half(const Half* p) { return _mm512_cvtph_ps(load32(p)); }
  static SILICAST_INLINE F32 load_bfloat(const Bfloat* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load32(p)), 16));
  }
  static SILICAST_INLINE F32 load_signed_bytes(const std::int8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load16(p)));
  }
  static SILICAST_INLINE void store_half(Half* p, F32 x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static SILICAST_INLINE float as_half(float x) {
    const __m128 finite = _mm_min_ss(_mm_max_ss(_mm_set_ss(x), _mm_set_ss(-65504.0F)), _mm_set_ss(65504.0F));
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtps_ph(finite, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)));
  }
  static SILICAST_INLINE float half(Half h) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h.bits))); }
  static SILICAST_INLINE F32 add(F32 a, F32 b) { return _mm512_add_ps(a, b); }
  static SILICAST_INLINE F32 sub(F32 a, F32 b) { return _mm512_sub_ps(a, b); }
  static SILICAST_INLINE F32 mul(F32 a, F32 b) { return _mm512_mul_ps(a, b); }
  static SILICAST_INLINE F32 div(F32 a, F32 b) { return _mm512_div_ps(a, b); }
  static SILICAST_INLINE F32 max(F32 a, F32 b) { return _mm512_max_ps(a, b); }
  static SILICAST_INLINE F32 min(F32 a, F32 b) { return _mm512_min_ps(a, b); }
  static SILICAST_INLINE F32 abs(F32 a) { return _mm512_abs_ps(a); }
  static SILICAST_INLINE F32 fma(F32 a, F32 b, F32 c) { return _mm512_fmadd_ps(a, b, c); }
  static SILICAST_INLINE F32 minus_product(F32 c, F32 a, F32 b) { return _mm512_fnmadd_ps(a, b, c); }
  static SILICAST_INLINE F32 round(F32 a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static SILICAST_INLINE F32 times_power_of_two(F32 a, F32 n) { return _mm512_scalef_ps(a, n); }
  static SILICAST_INLINE float sum(F32 a) { return _mm512_reduce_add_ps(a); }
  static SILICAST_INLINE float max_of(F32 a) { return _mm512_reduce_max_ps(a); }
  static SILICAST_INLINE I32 to_int(F32 a) { return _mm512_cvtps_epi32(a); }
  static SILICAST_INLINE void store_as_bytes(std::int8_t* p, I32 x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
  }
  static SILICAST_INLINE std::int32_t sum_int(I32 a) { return _mm512_reduce_add_epi32(a); }
  static SILICAST_INLINE I32 add_int(I32 a, I32 b) { return _mm512_add_epi32(a, b); }
  static SILICAST_INLINE F32 to_float(I32 a) { return _mm512_cvtepi32_ps(a); }
  static SILICAST_INLINE I32 shift_left(I32 a, int bits) { return _mm512_sll_epi32(a, _mm_cvtsi32_si128(bits)); }

  static SILICAST_INLINE S8 load_bytes(const std::int8_t* p) { return _mm512_loadu_si512(p); }
  static SILICAST_INLINE U8 load_ubytes(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
  static SILICAST_INLINE void store_bytes(std::uint8_t* p, U8 x) { _mm512_storeu_si512(p, x); }
  static SILICAST_INLINE S8 broadcast_four(const std::int8_t* p) {
    int four;
    __builtin_memcpy(&four, p, 4);
    return _mm512_set1_epi32(four);
  }
  template <bool wide>
  static SILICAST_INLINE I32 dot4(I32 sum, U8 u, S8 s) {
#if defined(__AVX512VNNI__)
    // Not the intrinsic: in the loops of product.h GCC 12 would copy every sum to another register and back.
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(u), "v"(s));
    return sum;
#else
    // Pairs of products saturate at 16 bits, beyond |w| <= 128 with |a| <= 127: so lanes beyond 127 are taken by their
    // size, the sign given to the activations.
    __m512i size = u;
    if constexpr (wide) {
      const __m512i w = _mm512_xor_si512(u, _mm512_set1_epi8(static_cast<char>(0x80)));
      const __mmask64 negative = _mm512_movepi8_mask(w);
      size = _mm512_abs_epi8(w);
      const __m512i pairs = _mm512_maddubs_epi16(size, _mm512_mask_sub_epi8(s, negative, _mm512_setzero_si512(), s));
      // u = w + 128: the 128 comes back as 128 times the activations' sum.
      const __m512i bias = _mm512_maddubs_epi16(_mm512_set1_epi8(64), s);
      const __m512i ones = _mm512_set1_epi16(1);
      sum = _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, ones));
      return _mm512_add_epi32(sum, _mm512_madd_epi16(bias, _mm512_set1_epi16(2)));
    }
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(size, s), _mm512_set1_epi16(1)));
#endif
  }

  static SILICAST_INLINE Groups low(__m256 x) { return _mm512_zextps256_ps512(x); }
  static SILICAST_INLINE Groups load_groups(const float* p) { return low(_mm256_loadu_ps(p)); }
  static SILICAST_INLINE void store_groups(float* p, Groups g) { _mm512_storeu_ps(p, g); }
  static SILICAST_INLINE Groups times(Groups a, Groups b) { return _mm512_mul_ps(a, b); }
  static SILICAST_INLINE Groups times(Groups a, float b) { return _mm512_mul_ps(a, _mm512_set1_ps(b)); }
  template <int group>
  static SILICAST_INLINE Groups load_sums(const std::int32_t* p) {
    return group == 16 ? _mm512_cvtepi32_ps(_mm512_loadu_si512(p)) : low(_mm256_cvtepi32_ps(load32(p)));
  }
  // Each group's scale in the lanes of vector j that hold its dot products.
  template <int group>
  static SILICAST_INLINE F32 expand(Groups g, int j) {
    const __m512i first = group == 16 ? _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3)
                                      : _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    return _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32(j * (64 / group))), g);
  }
  template <int group>
  static SILICAST_INLINE F32 add_groups(F32 sum, Groups a, Groups b) {
    return _mm512_fmadd_ps(a, b, sum);
  }

  // 16 rows of 256 bytes become columns of four bytes: per 64 bytes a transposition of 16 x 16 words of 32 bits.
  static SILICAST_INLINE void transpose(__m512i (&r)[16]) {
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
      r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
      r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
      r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {  // r[4 b + i] holds column 4 L + i of rows 4 b ... 4 b + 3 in its lane L
      const __m512i a = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
      const __m512i b = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
      const __m512i c = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
      const __m512i d = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
      t[i] = _mm512_shuffle_i32x4(a, c, 0x88);
      t[8 + i] = _mm512_shuffle_i32x4(a, c, 0xdd);
      t[4 + i] = _mm512_shuffle_i32x4(b, d, 0x88);
      t[12 + i] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) r[i] = t[i];
  }
  static void interleave(const std::uint8_t (&rows)[lanes][super_block],
                         std::uint8_t (&out)[super_block / 4][lanes][4]) {
#pragma GCC unroll 1
    for (int part = 0; part < 4; ++part) {
      __m512i r[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) r[i] = _mm512_load_si512(rows[i] + 64 * part);
      transpose(r);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) _mm512_storeu_si512(out[16 * part + i], r[i]);
    }
  }
};

}  // namespace

}  // namespace silicast::engine
