// SPDX-License-Identifier: Apache-2.0
// Each type's chunk of 256 weights as eight vectors of unsigned lanes, in order, with the groups' scales: AVX2. The
// layouts are described in blocks.h.
#pragma once

#include "engine/codebooks.h"
#include "engine/simd_avx2.h"

namespace silicast::engine {

namespace {

using V = Avx2;

SILICAST_INLINE __m256i low_nibbles(__m256i x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
SILICAST_INLINE __m256i high_nibbles(__m256i x) { return low_nibbles(_mm256_srli_epi16(x, 4)); }
// [low nibbles, high nibbles] of 16 bytes.
SILICAST_INLINE __m256i nibbles_of_16(const void* p) {
  const __m128i x = V::load16(p);
  return low_nibbles(_mm256_inserti128_si256(_mm256_castsi128_si256(x), _mm_srli_epi16(x, 4), 1));
}

SILICAST_INLINE __m256i look_up(__m256i nibbles, const std::array<std::int8_t, 16>& values, int bias) {
  const __m128i table = _mm_add_epi8(V::load16(values.data()), _mm_set1_epi8(static_cast<char>(bias)));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles);
}

template <class Block>
SILICAST_INLINE __m256 eight_halves(const Block* blocks, Half Block::*member) {
  const auto bits = [&](int i) { return static_cast<short>((blocks[i].*member).bits); };
  return _mm256_cvtph_ps(_mm_setr_epi16(bits(0), bits(1), bits(2), bits(3), bits(4), bits(5), bits(6), bits(7)));
}

SILICAST_INLINE std::uint32_t word32(const void* p) {
  std::uint32_t word;
  __builtin_memcpy(&word, p, 4);
  return word;
}

// A byte of ones where the bit is set.
SILICAST_INLINE __m256i bytes_of_bits(std::uint32_t bits) {
  const __m256i spread =
      _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)),
                          _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
  const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ULL));
  return _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
}

// q + value where bit `i` of the byte is set.
SILICAST_INLINE __m256i add_bit(__m256i q, __m256i bytes, int i, int value) {
  const __m256i bit = _mm256_set1_epi8(static_cast<char>(1U << i));
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
  return _mm256_add_epi8(q, _mm256_and_si256(set, _mm256_set1_epi8(static_cast<char>(value))));
}

// ---------------------------------------------------------------- 32 weights

template <>
struct V::Unpack<BlockType::q4_0> {
  static SILICAST_INLINE void run(const BlockQ4_0* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out.q[j] = nibbles_of_16(b[j].qs);
    out.scale = eight(eight_halves(b, &BlockQ4_0::d));
  }
};

template <>
struct V::Unpack<BlockType::q4_1> {
  static SILICAST_INLINE void run(const BlockQ4_1* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out.q[j] = nibbles_of_16(b[j].qs);
    out.scale = eight(eight_halves(b, &BlockQ4_1::d));
    out.min = eight(mul(eight_halves(b, &BlockQ4_1::m), broadcast(-1.0F)));
  }
};

template <class Block>
SILICAST_INLINE __m256i fives(const Block& block) {
  const __m256i high = _mm256_and_si256(bytes_of_bits(word32(block.qh)), _mm256_set1_epi8(16));
  return _mm256_or_si256(nibbles_of_16(block.qs), high);
}

template <>
struct V::Unpack<BlockType::q5_0> {
  static SILICAST_INLINE void run(const BlockQ5_0* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out.q[j] = fives(b[j]);
    out.scale = eight(eight_halves(b, &BlockQ5_0::d));
  }
};

template <>
struct V::Unpack<BlockType::q5_1> {
  static SILICAST_INLINE void run(const BlockQ5_1* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out.q[j] = fives(b[j]);
    out.scale = eight(eight_halves(b, &BlockQ5_1::d));
    out.min = eight(mul(eight_halves(b, &BlockQ5_1::m), broadcast(-1.0F)));
  }
};

template <>
struct V::Unpack<BlockType::q8_0> {
  static SILICAST_INLINE void run(const BlockQ8_0* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out.q[j] = _mm256_xor_si256(load32(b[j].qs), _mm256_set1_epi8(static_cast<char>(0x80)));
    out.scale = eight(eight_halves(b, &BlockQ8_0::d));
  }
};

template <>
struct V::Unpack<BlockType::iq4_nl> {
  static SILICAST_INLINE void run(const BlockIQ4_NL* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out.q[j] = look_up(nibbles_of_16(b[j].qs), iq4_values, 128);
    out.scale = eight(eight_halves(b, &BlockIQ4_NL::d));
  }
};

template <>
struct V::Unpack<BlockType::mxfp4> {
  static SILICAST_INLINE void run(const BlockMXFP4* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out.q[j] = look_up(nibbles_of_16(b[j].qs), fp4_values, 16);
    const __m256i e = _mm256_setr_epi32(b[0].e, b[1].e, b[2].e, b[3].e, b[4].e, b[5].e, b[6].e, b[7].e);
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i denormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    const __m256i is_normal = _mm256_cmpgt_epi32(e, _mm256_set1_epi32(1));
    out.scale = eight(_mm256_castsi256_ps(_mm256_blendv_epi8(denormal, normal, is_normal)));
  }
};

// ---------------------------------------------------------------- K types

SILICAST_INLINE V::Groups bytes_to_groups(__m128i bytes, float d) {
  const __m256 f = _mm256_set1_ps(d);
  return V::pair(_mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), f),
                 _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))), f));
}

// Weights 32 j ... 32 j + 31 of Q2_K and Q3_K: two bits each.
SILICAST_INLINE __m256i crumbs(const std::uint8_t* qs, int j) {
  return _mm256_and_si256(_mm256_srli_epi16(V::load32(qs + 32 * (j / 4)), 2 * (j % 4)), _mm256_set1_epi8(3));
}

template <>
struct V::Unpack<BlockType::q2_k> {
  static SILICAST_INLINE void run(const BlockQ2_K* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out.q[j] = crumbs(b->qs, j);
    const __m128i packed = load16(b->scales);
    const __m128i nibble = _mm_set1_epi8(15);
    out.scale = bytes_to_groups(_mm_and_si128(packed, nibble), half(b->d));
    out.min = bytes_to_groups(_mm_and_si128(_mm_srli_epi16(packed, 4), nibble), half(b->dmin));
  }
};

template <>
struct V::Unpack<BlockType::q3_k> {
  static SILICAST_INLINE void run(const BlockQ3_K* b, Chunk& out) {
    const __m256i high = load32(b->hmask);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out.q[j] = add_bit(crumbs(b->qs, j), high, j, 4);
    std::uint64_t low_bits;
    __builtin_memcpy(&low_bits, b->scales, 8);
    const __m128i nibbles = _mm_and_si128(
        _mm_set_epi64x(static_cast<long long>(low_bits >> 4), static_cast<long long>(low_bits)), _mm_set1_epi8(15));
    const __m128i upper = _mm_and_si128(
        _mm_srlv_epi32(_mm_set1_epi32(static_cast<int>(word32(b->scales + 8))), _mm_setr_epi32(0, 2, 4, 6)),
        _mm_set1_epi8(3));
    const __m128i scales = _mm_sub_epi8(_mm_or_si128(nibbles, _mm_slli_epi16(upper, 4)), _mm_set1_epi8(32));
    out.scale = bytes_to_groups(scales, half(b->d));
  }
};

template <class Block>
SILICAST_INLINE void six_bit_scales(const Block* b, V::Chunk& out) {
  std::uint32_t w[3];
  __builtin_memcpy(w, b->scales, sizeof w);
  constexpr std::uint32_t six = 0x3f3f3f3f, four = 0x0f0f0f0f, two = 0x03030303;
  const std::uint64_t scales =
      (w[0] & six) | (static_cast<std::uint64_t>((w[2] & four) | (((w[0] >> 6) & two) << 4)) << 32);
  const std::uint64_t mins =
      (w[1] & six) | (static_cast<std::uint64_t>(((w[2] >> 4) & four) | (((w[1] >> 6) & two) << 4)) << 32);
  const auto floats = [](std::uint64_t bytes, float d) {
    const __m256i words = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(bytes)));
    return V::eight(_mm256_mul_ps(_mm256_cvtepi32_ps(words), _mm256_set1_ps(d)));
  };
  out.scale = floats(scales, V::half(b->d));
  out.min = floats(mins, V::half(b->dmin));
}

template <>
struct V::Unpack<BlockType::q4_k> {
  static SILICAST_INLINE void run(const BlockQ4_K* b, Chunk& out) {
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      const __m256i packed = load32(b->qs + 32 * c);
      out.q[2 * c] = low_nibbles(packed);
      out.q[2 * c + 1] = high_nibbles(packed);
    }
    six_bit_scales(b, out);
  }
};

template <>
struct V::Unpack<BlockType::q5_k> {
  static SILICAST_INLINE void run(const BlockQ5_K* b, Chunk& out) {
    const __m256i high = load32(b->qh);
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      const __m256i packed = load32(b->qs + 32 * c);
      out.q[2 * c] = add_bit(low_nibbles(packed), high, 2 * c, 16);
      out.q[2 * c + 1] = add_bit(high_nibbles(packed), high, 2 * c + 1, 16);
    }
    six_bit_scales(b, out);
  }
};

template <>
struct V::Unpack<BlockType::q6_k> {
  static SILICAST_INLINE void run(const BlockQ6_K* b, Chunk& out) {
    const __m256i upper = _mm256_set1_epi8(0x30);
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const __m256i first = load32(b->ql + 64 * h);
      const __m256i second = load32(b->ql + 64 * h + 32);
      const __m256i high = load32(b->qh + 32 * h);
      const auto with_high = [&](__m256i low, __m256i shifted) {
        return _mm256_or_si256(low, _mm256_and_si256(shifted, upper));
      };
      out.q[4 * h] = with_high(low_nibbles(first), _mm256_slli_epi16(high, 4));
      out.q[4 * h + 1] = with_high(low_nibbles(second), _mm256_slli_epi16(high, 2));
      out.q[4 * h + 2] = with_high(high_nibbles(first), high);
      out.q[4 * h + 3] = with_high(high_nibbles(second), _mm256_srli_epi16(high, 2));
    }
    out.scale = bytes_to_groups(load16(b->scales), half(b->d));
  }
};

template <>
struct V::Unpack<BlockType::iq4_xs> {
  static SILICAST_INLINE void run(const BlockIQ4_XS* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) out.q[j] = look_up(nibbles_of_16(b->qs + 16 * j), iq4_values, 128);
    const __m256i nibbles = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(word32(b->scales_l))),
                                                               _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28)),
                                             _mm256_set1_epi32(15));
    const __m256i upper = _mm256_and_si256(
        _mm256_srlv_epi32(_mm256_set1_epi32(b->scales_h), _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14)),
        _mm256_set1_epi32(3));
    const __m256i scales =
        _mm256_sub_epi32(_mm256_or_si256(nibbles, _mm256_slli_epi32(upper, 4)), _mm256_set1_epi32(32));
    out.scale = eight(mul(to_float(scales), broadcast(half(b->d))));
  }
};

// ---------------------------------------------------------------- grids

// bias + grid, or bias - grid where the sign bit is set.
SILICAST_INLINE __m256i with_signs(__m256i grid, std::uint32_t signs, int bias) {
  const __m256i negative = bytes_of_bits(signs);
  const __m256i b = _mm256_set1_epi8(static_cast<char>(bias));
  return _mm256_add_epi8(b, _mm256_sub_epi8(_mm256_xor_si256(grid, negative), negative));
}

// Four times 7 sign bits with the eighth that makes their number even.
SILICAST_INLINE std::uint32_t with_parity(std::uint32_t seven_bits) {
  const std::uint32_t signs = _pdep_u32(seven_bits, 0x7f7f7f7fU);
  std::uint32_t odd = (signs ^ (signs >> 4)) & 0x0f0f0f0fU;
  odd ^= odd >> 2;
  odd ^= odd >> 1;
  return signs | ((odd & 0x01010101U) << 7);
}

template <class Index>
SILICAST_INLINE __m256i four_of(const std::uint64_t* grid, Index index) {
  const auto entry = [&](int i) { return static_cast<long long>(grid[index(i)]); };
  return _mm256_setr_epi64x(entry(0), entry(1), entry(2), entry(3));
}
template <class Index>
SILICAST_INLINE __m256i eight_of(const std::uint32_t* grid, Index index) {
  const auto entry = [&](int i) { return static_cast<int>(grid[index(i)]); };
  return _mm256_setr_epi32(entry(0), entry(1), entry(2), entry(3), entry(4), entry(5), entry(6), entry(7));
}

SILICAST_INLINE __m256 odd_scales(__m256i s, float d) {
  const __m256i odd = _mm256_add_epi32(_mm256_add_epi32(s, s), _mm256_set1_epi32(1));
  return _mm256_mul_ps(_mm256_cvtepi32_ps(odd), _mm256_set1_ps(d));
}
SILICAST_INLINE V::Groups nibble_scales(const std::uint8_t* scales, float d) {
  const __m128i bytes = V::load8(scales);
  const __m128i nibbles = _mm_and_si128(_mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4)), _mm_set1_epi8(15));
  return V::pair(odd_scales(_mm256_cvtepu8_epi32(nibbles), d),
                 odd_scales(_mm256_cvtepu8_epi32(_mm_srli_si128(nibbles, 8)), d));
}

template <>
struct V::Unpack<BlockType::iq3_s> {
  static SILICAST_INLINE void run(const BlockIQ3_S* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const unsigned high = b->qh[j];
      const auto index = [&](int i) { return b->qs[8 * j + i] | ((high << (8 - i)) & 256U); };
      out.q[j] = with_signs(eight_of(iq3_s_grid.data(), index), word32(b->signs + 4 * j), 16);
    }
    const __m256i s = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(word32(b->scales))),
                                                         _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28)),
                                       _mm256_set1_epi32(15));
    out.scale = eight(odd_scales(s, half(b->d)));
  }
};

template <>
struct V::Unpack<BlockType::iq3_xxs> {
  static SILICAST_INLINE void run(const BlockIQ3_XXS* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const auto index = [&](int i) { return b->qs[8 * j + i]; };
      out.q[j] = with_signs(eight_of(iq3_xxs_grid.data(), index), with_parity(word32(b->qs + 64 + 4 * j)), 64);
    }
    out.scale = eight(odd_scales(_mm256_srli_epi32(load32(b->qs + 64), 28), 0.25F * half(b->d)));
  }
};

template <>
struct V::Unpack<BlockType::iq2_xxs> {
  static SILICAST_INLINE void run(const BlockIQ2_XXS* b, Chunk& out) {
    alignas(32) std::uint32_t words[8];
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const std::uint32_t indices = word32(b->qs + 4 * j);
      words[j] = word32(b->qs + 4 * j + 2);
      const auto index = [&](int i) { return (indices >> (8 * i)) & 255U; };
      out.q[j] = with_signs(four_of(iq2_xxs_grid.data(), index), with_parity(words[j]), 64);
    }
    out.scale = eight(odd_scales(_mm256_srli_epi32(load32(words), 28), 0.125F * half(b->d)));
  }
};

template <>
struct V::Unpack<BlockType::iq2_xs> {
  static SILICAST_INLINE void run(const BlockIQ2_XS* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const std::uint16_t* qs = b->qs + 4 * j;
      std::uint32_t signs = 0;
      for (int i = 0; i < 4; ++i) signs |= static_cast<std::uint32_t>(sign_table.data()[qs[i] >> 9]) << (8 * i);
      const auto index = [&](int i) { return qs[i] & 511U; };
      out.q[j] = with_signs(four_of(iq2_xs_grid.data(), index), signs, 64);
    }
    out.scale = nibble_scales(b->scales, 0.125F * half(b->d));
  }
};

template <>
struct V::Unpack<BlockType::iq2_s> {
  static SILICAST_INLINE void run(const BlockIQ2_S* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const unsigned high = b->qh[j];
      const auto index = [&](int i) { return b->qs[4 * j + i] | ((high << (8 - 2 * i)) & 0x300U); };
      out.q[j] = with_signs(four_of(iq2_s_grid.data(), index), word32(b->signs + 4 * j), 64);
    }
    out.scale = nibble_scales(b->scales, 0.125F * half(b->d));
  }
};

template <>
struct V::Unpack<BlockType::iq1_s> {
  static SILICAST_INLINE void run(const BlockIQ1_S* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const unsigned word = b->qh[j];
      const auto index = [&](int i) { return b->qs[4 * j + i] | (((word >> (3 * i)) & 7U) << 8); };
      const __m256i shift = _mm256_set1_epi8(static_cast<char>((word & 0x8000U) != 0 ? -1 : 1));
      out.q[j] = _mm256_add_epi8(four_of(iq1_grid.data(), index), shift);
    }
    const __m256i s =
        _mm256_and_si256(_mm256_srli_epi32(_mm256_cvtepu16_epi32(load16(b->qh)), 12), _mm256_set1_epi32(7));
    out.scale = eight(odd_scales(s, 0.125F * half(b->d)));
  }
};

template <>
struct V::Unpack<BlockType::iq1_m> {
  static SILICAST_INLINE void run(const BlockIQ1_M* b, Chunk& out) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const auto nibble = [&](int i) { return static_cast<unsigned>(b->qh[2 * j + i / 2]) >> (4 * (i % 2)); };
      const auto index = [&](int i) { return b->qs[4 * j + i] | ((nibble(i) & 7U) << 8); };
      const __m256i nibbles = _mm256_setr_epi64x(nibble(0), nibble(1), nibble(2), nibble(3));
      const __m256i bit = _mm256_set1_epi64x(8);
      const __m256i negative = _mm256_cmpeq_epi64(_mm256_and_si256(nibbles, bit), bit);
      const __m256i shift = _mm256_or_si256(negative, _mm256_set1_epi8(1));  // -1 or 1
      out.q[j] = _mm256_add_epi8(four_of(iq1_grid.data(), index), shift);
    }
    const auto scales_of = [&](const std::uint8_t* p) {
      const int first = p[0] | (p[1] << 8);
      const int second = p[2] | (p[3] << 8);
      const __m256i words = _mm256_inserti128_si256(_mm256_set1_epi32(first), _mm_set1_epi32(second), 1);
      return _mm256_and_si256(_mm256_srlv_epi32(words, _mm256_setr_epi32(0, 3, 6, 9, 0, 3, 6, 9)),
                              _mm256_set1_epi32(7));
    };
    const float d = 0.125F * half(iq1_m_d(*b));
    out.scale = pair(odd_scales(scales_of(b->scales), d), odd_scales(scales_of(b->scales + 4), d));
  }
};

}  // namespace

}  // namespace silicast::engine
