// SPDX-License-Identifier: Apache-2.0
// Each type's chunk of 256 weights as four vectors of unsigned lanes, in order, with the groups' scales: AVX-512.
// The layouts are described in blocks.h.
#pragma once

#include "engine/codebooks.h"
#include "engine/simd_avx512.h"

namespace silicast::engine {

namespace {

using V = Avx512;

// Two copies of 32 bytes; two copies each of two times 16 bytes.
SILICAST_INLINE __m512i twice(__m256i x) { return _mm512_broadcast_i64x4(x); }
SILICAST_INLINE __m512i twice_each(__m256i x) {
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 1, 0, 1, 2, 3, 2, 3), _mm512_castsi256_si512(x));
}
SILICAST_INLINE __m512i twice_each(__m128i a, __m128i b) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_broadcastsi128_si256(a)), _mm256_broadcastsi128_si256(b), 1);
}

// Shifts the lower and the upper half (or the even and the odd 16 bytes) by their own number of bits.
SILICAST_INLINE __m512i shift_halves(__m512i x, int lower, int upper) {
  return _mm512_srlv_epi64(x, _mm512_setr_epi64(lower, lower, lower, lower, upper, upper, upper, upper));
}
SILICAST_INLINE __m512i low_nibbles(__m512i x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
// [low nibbles, high nibbles] of 32 bytes, or of two times 16.
SILICAST_INLINE __m512i nibbles_of_32(const void* p) { return low_nibbles(shift_halves(twice(V::load32(p)), 0, 4)); }
SILICAST_INLINE __m512i nibbles_of_16s(__m512i x) {
  return low_nibbles(_mm512_srlv_epi64(x, _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4)));
}

SILICAST_INLINE __m512i look_up(__m512i nibbles, const std::array<std::int8_t, 16>& values, int bias) {
  const __m128i table = _mm_add_epi8(V::load16(values.data()), _mm_set1_epi8(static_cast<char>(bias)));
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), nibbles);
}

// d of eight blocks.
template <class Block>
SILICAST_INLINE __m256 eight_halves(const Block* blocks, Half Block::*member) {
  const auto bits = [&](int i) { return static_cast<short>((blocks[i].*member).bits); };
  return _mm256_cvtph_ps(_mm_setr_epi16(bits(0), bits(1), bits(2), bits(3), bits(4), bits(5), bits(6), bits(7)));
}

template <class Block>
SILICAST_INLINE __m512i nibbles_of_two(const Block* blocks, int j) {
  return nibbles_of_16s(twice_each(V::load16(blocks[2 * j].qs), V::load16(blocks[2 * j + 1].qs)));
}

template <class Block>
SILICAST_INLINE __mmask64 fifth_bits_of_two(const Block* blocks, int j) {
  std::uint32_t low;
  std::uint32_t high;
  __builtin_memcpy(&low, blocks[2 * j].qh, 4);
  __builtin_memcpy(&high, blocks[2 * j + 1].qh, 4);
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

SILICAST_INLINE __m512i add_where(__m512i q, __mmask64 mask, int value) {
  return _mm512_mask_add_epi8(q, mask, q, _mm512_set1_epi8(static_cast<char>(value)));
}

// ---------------------------------------------------------------- 32 weights

template <>
struct V::Unpack<BlockType::q4_0> {
  static SILICAST_INLINE void run(const BlockQ4_0* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out.q[j] = nibbles_of_two(b, j);
    out.scale = low(eight_halves(b, &BlockQ4_0::d));
  }
};

template <>
struct V::Unpack<BlockType::q4_1> {
  static SILICAST_INLINE void run(const BlockQ4_1* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out.q[j] = nibbles_of_two(b, j);
    out.scale = low(eight_halves(b, &BlockQ4_1::d));
    out.min = times(low(eight_halves(b, &BlockQ4_1::m)), -1.0F);
  }
};

template <>
struct V::Unpack<BlockType::q5_0> {
  static SILICAST_INLINE void run(const BlockQ5_0* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out.q[j] = add_where(nibbles_of_two(b, j), fifth_bits_of_two(b, j), 16);
    out.scale = low(eight_halves(b, &BlockQ5_0::d));
  }
};

template <>
struct V::Unpack<BlockType::q5_1> {
  static SILICAST_INLINE void run(const BlockQ5_1* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out.q[j] = add_where(nibbles_of_two(b, j), fifth_bits_of_two(b, j), 16);
    out.scale = low(eight_halves(b, &BlockQ5_1::d));
    out.min = times(low(eight_halves(b, &BlockQ5_1::m)), -1.0F);
  }
};

template <>
struct V::Unpack<BlockType::q8_0> {
  static SILICAST_INLINE void run(const BlockQ8_0* b, Chunk& out) {
    const __m512i bias = _mm512_set1_epi8(static_cast<char>(0x80));
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m512i q = _mm512_inserti64x4(_mm512_castsi256_si512(load32(b[2 * j].qs)), load32(b[2 * j + 1].qs), 1);
      out.q[j] = _mm512_xor_si512(q, bias);
    }
    out.scale = low(eight_halves(b, &BlockQ8_0::d));
  }
};

template <>
struct V::Unpack<BlockType::iq4_nl> {
  static SILICAST_INLINE void run(const BlockIQ4_NL* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out.q[j] = look_up(nibbles_of_two(b, j), iq4_values, 128);
    out.scale = low(eight_halves(b, &BlockIQ4_NL::d));
  }
};

// 2^(e - 128) of eight exponents.
SILICAST_INLINE __m256 half_of_exponents(__m256i e) {
  const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
  const __m256i denormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
  const __mmask8 small = _mm256_cmplt_epi32_mask(e, _mm256_set1_epi32(2));
  return _mm256_castsi256_ps(_mm256_mask_mov_epi32(normal, small, denormal));
}

template <>
struct V::Unpack<BlockType::mxfp4> {
  static SILICAST_INLINE void run(const BlockMXFP4* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out.q[j] = look_up(nibbles_of_two(b, j), fp4_values, 16);
    out.scale =
        low(half_of_exponents(_mm256_setr_epi32(b[0].e, b[1].e, b[2].e, b[3].e, b[4].e, b[5].e, b[6].e, b[7].e)));
  }
};

// ---------------------------------------------------------------- K types

SILICAST_INLINE __m512 bytes_to_floats(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)); }

// Weights 64 j ... 64 j + 63 of Q2_K and Q3_K: two bits each.
SILICAST_INLINE __m512i crumbs(const std::uint8_t* qs, int j) {
  const __m512i q = shift_halves(twice(V::load32(qs + 32 * (j / 2))), 4 * (j % 2), 4 * (j % 2) + 2);
  return _mm512_and_si512(q, _mm512_set1_epi8(3));
}

// Bit 2 j of each of 32 bytes for the lower half, bit 2 j + 1 for the upper.
SILICAST_INLINE __mmask64 bit_masks(__m512i bytes_twice, int j) {
  const auto low = static_cast<char>(1U << (2 * j));
  const auto high = static_cast<char>(2U << (2 * j));
  const __m512i bits = _mm512_inserti64x4(_mm512_set1_epi8(low), _mm256_set1_epi8(high), 1);
  return _mm512_test_epi8_mask(bytes_twice, bits);
}

template <>
struct V::Unpack<BlockType::q2_k> {
  static SILICAST_INLINE void run(const BlockQ2_K* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out.q[j] = crumbs(b->qs, j);
    const __m128i packed = load16(b->scales);
    const __m128i nibble = _mm_set1_epi8(15);
    out.scale = times(bytes_to_floats(_mm_and_si128(packed, nibble)), half(b->d));
    out.min = times(bytes_to_floats(_mm_and_si128(_mm_srli_epi16(packed, 4), nibble)), half(b->dmin));
  }
};

SILICAST_INLINE __m128i q3_k_scales(const BlockQ3_K* b) {
  std::uint64_t low_bits;
  std::uint32_t high_bits;
  __builtin_memcpy(&low_bits, b->scales, 8);
  __builtin_memcpy(&high_bits, b->scales + 8, 4);
  const __m128i nibbles = _mm_and_si128(
      _mm_set_epi64x(static_cast<long long>(low_bits >> 4), static_cast<long long>(low_bits)), _mm_set1_epi8(15));
  const __m128i upper = _mm_and_si128(
      _mm_srlv_epi32(_mm_set1_epi32(static_cast<int>(high_bits)), _mm_setr_epi32(0, 2, 4, 6)), _mm_set1_epi8(3));
  return _mm_sub_epi8(_mm_or_si128(nibbles, _mm_slli_epi16(upper, 4)), _mm_set1_epi8(32));
}

template <>
struct V::Unpack<BlockType::q3_k> {
  static SILICAST_INLINE void run(const BlockQ3_K* b, Chunk& out) {
    const __m512i high = twice(load32(b->hmask));
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out.q[j] = add_where(crumbs(b->qs, j), bit_masks(high, j), 4);
    out.scale = times(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q3_k_scales(b))), half(b->d));
  }
};

// The eight scales and mins of 6 bits as bytes.
struct SixBitScales {
  std::uint64_t scales;
  std::uint64_t mins;
};
template <class Block>
SILICAST_INLINE SixBitScales six_bit_scales(const Block* b) {
  std::uint32_t w[3];
  __builtin_memcpy(w, b->scales, sizeof w);
  constexpr std::uint32_t six = 0x3f3f3f3f, four = 0x0f0f0f0f, two = 0x03030303;
  return {(w[0] & six) | (static_cast<std::uint64_t>((w[2] & four) | (((w[0] >> 6) & two) << 4)) << 32),
          (w[1] & six) | (static_cast<std::uint64_t>(((w[2] >> 4) & four) | (((w[1] >> 6) & two) << 4)) << 32)};
}
// Eight bytes, of groups 0 ... 7, as floats.
SILICAST_INLINE __m256 floats_of_bytes(std::uint64_t bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(bytes))));
}
template <class Block>
SILICAST_INLINE void put_six_bit_scales(const Block* b, V::Chunk& out) {
  const SixBitScales s = six_bit_scales(b);
  out.scale = V::times(V::low(floats_of_bytes(s.scales)), V::half(b->d));
  out.min = V::times(V::low(floats_of_bytes(s.mins)), V::half(b->dmin));
}

template <>
struct V::Unpack<BlockType::q4_k> {
  static SILICAST_INLINE void run(const BlockQ4_K* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out.q[j] = nibbles_of_32(b->qs + 32 * j);
    put_six_bit_scales(b, out);
  }
};

template <>
struct V::Unpack<BlockType::q5_k> {
  static SILICAST_INLINE void run(const BlockQ5_K* b, Chunk& out) {
    const __m512i high = twice(load32(b->qh));
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out.q[j] = add_where(nibbles_of_32(b->qs + 32 * j), bit_masks(high, j), 16);
    put_six_bit_scales(b, out);
  }
};

template <>
struct V::Unpack<BlockType::q6_k> {
  static SILICAST_INLINE void run(const BlockQ6_K* b, Chunk& out) {
    const __m512i upper = _mm512_set1_epi8(0x30);
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const __m512i packed = _mm512_loadu_si512(b->ql + 64 * h);
      const __m512i high = twice(load32(b->qh + 32 * h));
      // Bits 0-1 and 2-3 go up to 4-5, then bits 4-5 and 6-7 come down.
      const __m512i first = _mm512_rolv_epi64(high, _mm512_setr_epi64(4, 4, 4, 4, 2, 2, 2, 2));
      const __m512i second = _mm512_rorv_epi64(high, _mm512_setr_epi64(0, 0, 0, 0, 2, 2, 2, 2));
      out.q[2 * h] = _mm512_or_si512(low_nibbles(packed), _mm512_and_si512(first, upper));
      out.q[2 * h + 1] = _mm512_or_si512(low_nibbles(_mm512_srli_epi16(packed, 4)), _mm512_and_si512(second, upper));
    }
    out.scale = times(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load16(b->scales))), half(b->d));
  }
};

SILICAST_INLINE __m256i iq4_xs_scales(const BlockIQ4_XS* b) {
  int low_bits;
  __builtin_memcpy(&low_bits, b->scales_l, 4);
  const __m256i nibbles =
      _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(low_bits), _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28)),
                       _mm256_set1_epi32(15));
  const __m256i upper =
      _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(b->scales_h), _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14)),
                       _mm256_set1_epi32(3));
  return _mm256_sub_epi32(_mm256_or_si256(nibbles, _mm256_slli_epi32(upper, 4)), _mm256_set1_epi32(32));
}

template <>
struct V::Unpack<BlockType::iq4_xs> {
  static SILICAST_INLINE void run(const BlockIQ4_XS* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) out.q[j] = look_up(nibbles_of_16s(twice_each(load32(b->qs + 32 * j))), iq4_values, 128);
    out.scale = times(low(_mm256_cvtepi32_ps(iq4_xs_scales(b))), half(b->d));
  }
};

// ---------------------------------------------------------------- grids

// bias + grid, or bias - grid where the sign bit is set.
SILICAST_INLINE __m512i with_signs(__m512i grid, __mmask64 signs, int bias) {
  const __m512i b = _mm512_set1_epi8(static_cast<char>(bias));
  return _mm512_mask_sub_epi8(_mm512_add_epi8(b, grid), signs, b, grid);
}

SILICAST_INLINE __m512i grid_of_8(__m256i indices, const std::uint64_t* grid) {
  return _mm512_i32gather_epi64(indices, grid, 8);
}
SILICAST_INLINE __m512i grid_of_4(__m512i indices, const std::uint32_t* grid) {
  return _mm512_i32gather_epi32(indices, grid, 4);
}

// Eight sign indices of 7 bits, one per byte, with the eighth bit that makes their number even.
SILICAST_INLINE std::uint64_t with_parity(std::uint64_t signs) {
  std::uint64_t odd = (signs ^ (signs >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
  odd ^= odd >> 2;
  odd ^= odd >> 1;
  return signs | ((odd & 0x0101010101010101ULL) << 7);
}
// Four times 7 bits of each of two words.
SILICAST_INLINE __mmask64 signs_of_words(std::uint32_t a, std::uint32_t b) {
  const std::uint64_t bits = (a & 0x0fffffffULL) | ((b & 0x0fffffffULL) << 28);
  return with_parity(_pdep_u64(bits, 0x7f7f7f7f7f7f7f7fULL));
}

SILICAST_INLINE std::uint64_t word64(const void* p) {
  std::uint64_t word;
  __builtin_memcpy(&word, p, 8);
  return word;
}
SILICAST_INLINE std::uint32_t word32(const void* p) {
  std::uint32_t word;
  __builtin_memcpy(&word, p, 4);
  return word;
}

// 2 s + 1 as floats.
SILICAST_INLINE __m512 odd_scales(__m512i s) {
  return _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_add_epi32(s, s), _mm512_set1_epi32(1)));
}
// 16 nibbles of 8 bytes.
SILICAST_INLINE __m512i nibble_scales(const std::uint8_t* scales) {
  const __m128i bytes = V::load8(scales);
  const __m128i nibbles = _mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4));
  return _mm512_cvtepu8_epi32(_mm_and_si128(nibbles, _mm_set1_epi8(15)));
}

template <>
struct V::Unpack<BlockType::iq3_s> {
  static SILICAST_INLINE void run(const BlockIQ3_S* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const auto ninth = static_cast<__mmask16>(b->qh[2 * j] | (b->qh[2 * j + 1] << 8));
      const __m512i eight = _mm512_cvtepu8_epi32(load16(b->qs + 16 * j));
      const __m512i indices = _mm512_mask_or_epi32(eight, ninth, eight, _mm512_set1_epi32(256));
      out.q[j] = with_signs(grid_of_4(indices, iq3_s_grid.data()), word64(b->signs + 8 * j), 16);
    }
    const __m256i s = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(word32(b->scales))),
                                                         _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28)),
                                       _mm256_set1_epi32(15));
    out.scale = times(low(_mm512_castps512_ps256(odd_scales(_mm512_castsi256_si512(s)))), half(b->d));
  }
};

template <>
struct V::Unpack<BlockType::iq3_xxs> {
  static SILICAST_INLINE void run(const BlockIQ3_XXS* b, Chunk& out) {
    const std::uint8_t* words = b->qs + 64;
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __mmask64 signs = signs_of_words(word32(words + 8 * j), word32(words + 8 * j + 4));
      const __m512i indices = _mm512_cvtepu8_epi32(load16(b->qs + 16 * j));
      out.q[j] = with_signs(grid_of_4(indices, iq3_xxs_grid.data()), signs, 64);
    }
    const __m256i s = _mm256_srli_epi32(load32(words), 28);
    out.scale = times(low(_mm512_castps512_ps256(odd_scales(_mm512_castsi256_si512(s)))), 0.25F * half(b->d));
  }
};

template <>
struct V::Unpack<BlockType::iq2_xxs> {
  static SILICAST_INLINE void run(const BlockIQ2_XXS* b, Chunk& out) {
    const auto word = [&](int i) { return word32(b->qs + 2 * i); };  // indices, signs, indices, signs, ...
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const std::uint64_t eight = word(4 * j) | (static_cast<std::uint64_t>(word(4 * j + 2)) << 32);
      const __m256i indices = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(eight)));
      const __mmask64 signs = signs_of_words(word(4 * j + 1), word(4 * j + 3));
      out.q[j] = with_signs(grid_of_8(indices, iq2_xxs_grid.data()), signs, 64);
    }
    const __m512i odd_words = _mm512_srli_epi64(_mm512_loadu_si512(b->qs), 60);
    const __m256i s = _mm512_cvtepi64_epi32(odd_words);
    out.scale = times(low(_mm512_castps512_ps256(odd_scales(_mm512_castsi256_si512(s)))), 0.125F * half(b->d));
  }
};

template <>
struct V::Unpack<BlockType::iq2_xs> {
  static SILICAST_INLINE void run(const BlockIQ2_XS* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m128i words = load16(b->qs + 8 * j);
      const __m256i indices = _mm256_cvtepu16_epi32(_mm_and_si128(words, _mm_set1_epi16(511)));
      const __m128i seven = _mm_packus_epi16(_mm_srli_epi16(words, 9), _mm_setzero_si128());
      const __mmask64 signs = with_parity(static_cast<std::uint64_t>(_mm_cvtsi128_si64(seven)));
      out.q[j] = with_signs(grid_of_8(indices, iq2_xs_grid.data()), signs, 64);
    }
    out.scale = times(odd_scales(nibble_scales(b->scales)), 0.125F * half(b->d));
  }
};

template <>
struct V::Unpack<BlockType::iq2_s> {
  static SILICAST_INLINE void run(const BlockIQ2_S* b, Chunk& out) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m256i eight = _mm256_cvtepu8_epi32(load8(b->qs + 8 * j));
      const __m256i high = _mm256_srlv_epi32(_mm256_set1_epi32(b->qh[2 * j] | (b->qh[2 * j + 1] << 8)),
                                             _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14));
      const __m256i indices =
          _mm256_or_si256(eight, _mm256_slli_epi32(_mm256_and_si256(high, _mm256_set1_epi32(3)), 8));
      out.q[j] = with_signs(grid_of_8(indices, iq2_s_grid.data()), word64(b->signs + 8 * j), 64);
    }
    out.scale = times(odd_scales(nibble_scales(b->scales)), 0.125F * half(b->d));
  }
};

template <>
struct V::Unpack<BlockType::iq1_s> {
  static SILICAST_INLINE void run(const BlockIQ1_S* b, Chunk& out) {
    const __m512i minus_two = _mm512_set1_epi8(-2);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const int first = b->qh[2 * j];
      const int second = b->qh[2 * j + 1];
      const __m256i words = _mm256_inserti128_si256(_mm256_set1_epi32(first), _mm_set1_epi32(second), 1);
      const __m256i three =
          _mm256_and_si256(_mm256_srlv_epi32(words, _mm256_setr_epi32(0, 3, 6, 9, 0, 3, 6, 9)), _mm256_set1_epi32(7));
      const __m256i indices = _mm256_or_si256(_mm256_cvtepu8_epi32(load8(b->qs + 8 * j)), _mm256_slli_epi32(three, 8));
      const auto minus = static_cast<__mmask16>((first & 0x8000 ? 0x00ff : 0) | (second & 0x8000 ? 0xff00 : 0));
      const __m512i plus_one = _mm512_add_epi8(grid_of_8(indices, iq1_grid.data()), _mm512_set1_epi8(1));
      out.q[j] = _mm512_add_epi8(plus_one, _mm512_maskz_mov_epi32(minus, minus_two));
    }
    const __m256i words = _mm256_cvtepu16_epi32(load16(b->qh));
    const __m256i s = _mm256_and_si256(_mm256_srli_epi32(words, 12), _mm256_set1_epi32(7));
    out.scale = times(low(_mm512_castps512_ps256(odd_scales(_mm512_castsi256_si512(s)))), 0.125F * half(b->d));
  }
};

template <>
struct V::Unpack<BlockType::iq1_m> {
  static SILICAST_INLINE void run(const BlockIQ1_M* b, Chunk& out) {
    const __m512i minus_two = _mm512_set1_epi8(-2);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m256i nibbles = _mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(word32(b->qh + 4 * j))),
                                                _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
      const __m256i three = _mm256_slli_epi32(_mm256_and_si256(nibbles, _mm256_set1_epi32(7)), 8);
      const __m256i indices = _mm256_or_si256(_mm256_cvtepu8_epi32(load8(b->qs + 8 * j)), three);
      const __mmask8 minus = _mm256_test_epi32_mask(nibbles, _mm256_set1_epi32(8));
      const __m512i plus_one = _mm512_add_epi8(grid_of_8(indices, iq1_grid.data()), _mm512_set1_epi8(1));
      out.q[j] = _mm512_add_epi8(plus_one, _mm512_maskz_mov_epi64(minus, minus_two));
    }
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_castsi128_si256(load8(b->scales)));
    const __m512i each =
        _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3), words);
    const __m512i s =
        _mm512_and_si512(_mm512_srlv_epi32(each, _mm512_setr_epi32(0, 3, 6, 9, 0, 3, 6, 9, 0, 3, 6, 9, 0, 3, 6, 9)),
                         _mm512_set1_epi32(7));
    out.scale = times(odd_scales(s), 0.125F * half(iq1_m_d(*b)));
  }
};

}  // namespace

}  // namespace silicast::engine
