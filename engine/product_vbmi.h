// SPDX-License-Identifier: Apache-2.0
// Few activation rows by the codebook types (IQ1, IQ2, IQ3), for AVX-512 with VNNI, VBMI and GFNI: how product_few.h
// unpacks them.
//
//   entries   are looked up as digits: two or three bits for each weight, so that an entry of eight weights has two
//             bytes. Up to 512 entries stand in vectors, which byte permutations look up 64 at a time; of more entries,
//             words are gathered.
//   weights   come from the digits, still packed, by one permutation each: its index is six bits, of which two or three
//             are the digit and one is the sign, which GFNI has put beside it (the sign indices' parity with it).
//
// The bound: pairs of IQ2_XS, 2 * 107 * 127, stay within 16 bits.
#pragma once

#include "engine/codebook_figures.h"
#include "engine/product_few.h"

namespace silicast::engine {

namespace {

// ---------------------------------------------------------------- tables

template <std::size_t Size>
struct alignas(64) Bytes {
  std::uint8_t at[Size] = {};
};

// One byte of each entry's digits. `shift` is that of the byte's first digit, `mask` leaves what belongs to it.
template <std::size_t Count>
constexpr Bytes<Count> bytes_of(const std::uint16_t (&entries)[Count], int shift, unsigned mask) {
  Bytes<Count> table;
  for (std::size_t i = 0; i < Count; ++i) table.at[i] = static_cast<std::uint8_t>((entries[i] >> shift) & mask);
  return table;
}
template <std::size_t Count>
struct DigitTable {
  Bytes<Count> low;
  Bytes<Count> high;
};
constexpr DigitTable<256> iq2_xxs_digits{bytes_of(packed::iq2_xxs, 0, 255), bytes_of(packed::iq2_xxs, 8, 255)};
constexpr DigitTable<512> iq2_xs_digits{bytes_of(packed::iq2_xs, 0, 255), bytes_of(packed::iq2_xs, 8, 255)};
constexpr DigitTable<256> iq3_xxs_digits{bytes_of(packed::iq3_xxs, 0, 63), bytes_of(packed::iq3_xxs, 6, 63)};
constexpr DigitTable<512> iq3_s_digits{bytes_of(packed::iq3_s, 0, 63), bytes_of(packed::iq3_s, 6, 63)};

// Words to gather: an entry's two bytes in the lower or in the upper half.
template <std::size_t Count>
struct alignas(64) GatherTable {
  std::uint32_t low[Count];
  std::uint32_t high[Count];
};
template <std::size_t Count>
constexpr GatherTable<Count> gather_table(const std::uint16_t (&entries)[Count]) {
  GatherTable<Count> table{};
  for (std::size_t i = 0; i < Count; ++i) {
    table.low[i] = entries[i];
    table.high[i] = static_cast<std::uint32_t>(entries[i]) << 16;
  }
  return table;
}
constexpr GatherTable<1024> iq2_s_digits = gather_table(packed::iq2_s);
constexpr GatherTable<2048> iq1_digits = gather_table(packed::iq1);

// What a permutation by six bits makes of a digit at `first` and a sign at bit `sign` (none: -1): bias +- level.
template <std::size_t Levels>
constexpr Bytes<64> weights_of(const int (&levels)[Levels], int bits, int first, int sign, int bias) {
  Bytes<64> table;
  for (int i = 0; i < 64; ++i) {
    const int digit = (i >> first) & ((1 << bits) - 1);
    const int level = digit < static_cast<int>(Levels) ? levels[digit] : 0;
    const bool negative = sign >= 0 && ((i >> sign) & 1) != 0;
    table.at[i] = static_cast<std::uint8_t>(negative ? bias - level : bias + level);
  }
  return table;
}
// Digits of two bits at 0, 2, 4 and, shifted by 2, at 4 again; their signs at 4, 5, 2 and 3, shifted 1.
constexpr int iq2_levels[3] = {8, 25, 43};
constexpr int iq2_bias = Format<BlockType::iq2_xs>::bias;
constexpr Bytes<64> iq2_weights[4] = {
    weights_of(iq2_levels, 2, 0, 4, iq2_bias), weights_of(iq2_levels, 2, 2, 5, iq2_bias),
    weights_of(iq2_levels, 2, 4, 2, iq2_bias), weights_of(iq2_levels, 2, 4, 1, iq2_bias)};
// Eight times -1, 0, 1, with a bias of 8: no signs.
constexpr int iq1_levels[3] = {-8, 0, 8};
constexpr Bytes<64> iq1_weights[3] = {weights_of(iq1_levels, 2, 0, -1, 8), weights_of(iq1_levels, 2, 2, -1, 8),
                                      weights_of(iq1_levels, 2, 4, -1, 8)};
// Digits of three bits at 0 and 3 of either byte; their signs at 3 and 0 of L, 4 and 1 of H.
struct ThreeBitWeights {
  Bytes<64> of[4];
};
constexpr ThreeBitWeights three_bit_weights(const int (&levels)[8], int bias) {
  return {{weights_of(levels, 3, 0, 3, bias), weights_of(levels, 3, 3, 0, bias), weights_of(levels, 3, 0, 4, bias),
           weights_of(levels, 3, 3, 1, bias)}};
}
constexpr int iq3_xxs_levels[8] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr int iq3_s_levels[8] = {1, 3, 5, 7, 9, 11, 13, 15};
constexpr ThreeBitWeights iq3_xxs_weights = three_bit_weights(iq3_xxs_levels, Format<BlockType::iq3_xxs>::bias);
constexpr ThreeBitWeights iq3_s_weights = three_bit_weights(iq3_s_levels, Format<BlockType::iq3_s>::bias);

SILICAST_INLINE __m512i pick(__m512i index, const Bytes<64>& table) {
  return _mm512_permutexvar_epi8(index, _mm512_load_si512(table.at));
}

struct IndexBits {
  __mmask64 six;
  __mmask64 seven;
};
SILICAST_INLINE IndexBits index_bits(__m512i index) {
  return {_mm512_test_epi8_mask(index, _mm512_set1_epi8(64)), _mm512_movepi8_mask(index)};
}
SILICAST_INLINE __m512i look_up_256(__m512i index, IndexBits bits, const std::uint8_t* table) {
  const auto part = [&](int i) { return _mm512_load_si512(table + 64 * i); };
  __m512i lower = _mm512_permutexvar_epi8(index, part(0));
  lower = _mm512_mask_permutexvar_epi8(lower, bits.six, index, part(1));
  __m512i upper = _mm512_permutexvar_epi8(index, part(2));
  upper = _mm512_mask_permutexvar_epi8(upper, bits.six, index, part(3));
  return _mm512_mask_blend_epi8(bits.seven, lower, upper);
}
SILICAST_INLINE __m512i look_up_512(__m512i index, IndexBits bits, __mmask64 eight, const std::uint8_t* table) {
  return _mm512_mask_blend_epi8(eight, look_up_256(index, bits, table), look_up_256(index, bits, table + 256));
}

// ---------------------------------------------------------------- signs

// The matrix that puts row masks' parities of a byte to the bits named: bit 2, 3, 4, 5 for the digits 2, 3, 0, 1.
constexpr long long sign_matrix(unsigned s0, unsigned s1, unsigned s2, unsigned s3, int b0, int b1, int b2, int b3) {
  const auto row = [](unsigned mask, int bit) { return static_cast<unsigned long long>(mask) << (8 * (7 - bit)); };
  return static_cast<long long>(row(s0, b0) | row(s1, b1) | row(s2, b2) | row(s3, b3));
}
constexpr unsigned parity_of_seven = 0x7f;
constexpr long long iq2_low_signs = sign_matrix(1, 2, 4, 8, 4, 5, 2, 3);
constexpr long long iq2_high_signs = sign_matrix(16, 32, 64, 128, 4, 5, 2, 3);
constexpr long long iq2_high_signs_of_seven = sign_matrix(16, 32, 64, parity_of_seven, 4, 5, 2, 3);
constexpr long long iq3_low_signs = sign_matrix(1, 2, 4, 8, 3, 0, 4, 1);
constexpr long long iq3_high_signs = sign_matrix(16, 32, 64, 128, 3, 0, 4, 1);
constexpr long long iq3_high_signs_of_seven = sign_matrix(16, 32, 64, parity_of_seven, 3, 0, 4, 1);

SILICAST_INLINE __m512i spread_signs(__m512i signs, long long matrix) {
  return _mm512_gf2p8affine_epi64_epi8(signs, _mm512_set1_epi64(matrix), 0);
}
// One matrix for the even bytes, another for the odd ones.
SILICAST_INLINE __m512i spread_signs(__m512i signs, long long even, long long odd) {
  return _mm512_mask_gf2p8affine_epi64_epi8(spread_signs(signs, even), 0xaaaaaaaaaaaaaaaaULL, signs,
                                            _mm512_set1_epi64(odd), 0);
}
// Bits of `signs` where the mask is set, of `digits` elsewhere.
SILICAST_INLINE __m512i merge(__m512i digits, __m512i signs, int mask) {
  return _mm512_ternarylogic_epi32(_mm512_set1_epi8(static_cast<char>(mask)), signs, digits, 0xca);
}

// The weights of four digits of two bits.
SILICAST_INLINE void put_iq2(__m512i digits, __m512i signs, __m512i* q) {
  const __m512i first = merge(digits, signs, 0x30);
  const __m512i last = merge(digits, signs, 0x0c);
  q[0] = pick(first, iq2_weights[0]);
  q[1] = pick(first, iq2_weights[1]);
  q[2] = pick(last, iq2_weights[2]);
  q[3] = pick(_mm512_srli_epi16(last, 2), iq2_weights[3]);
}
SILICAST_INLINE void put_iq1(__m512i digits, __m512i* q) {
  q[0] = pick(digits, iq1_weights[0]);
  q[1] = pick(digits, iq1_weights[1]);
  q[2] = pick(digits, iq1_weights[2]);
  q[3] = pick(_mm512_srli_epi16(digits, 2), iq1_weights[2]);
}
SILICAST_INLINE void put_iq3(__m512i low, __m512i high, __m512i signs, const ThreeBitWeights& weights, __m512i* q) {
  q[0] = pick(merge(low, signs, 0x08), weights.of[0]);
  q[1] = pick(merge(low, signs, 0x01), weights.of[1]);
  q[2] = pick(merge(high, signs, 0x10), weights.of[2]);
  q[3] = pick(merge(high, signs, 0x02), weights.of[3]);
}

// ---------------------------------------------------------------- units

// factor * d of two super-blocks in the lanes of each: the lower and the upper eight, or by fours alternately.
template <bool packed = false>
SILICAST_INLINE __m512 factors(Half a, Half b, float factor) {
  const __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128(a.bits | b.bits << 16));
  const __m512i lanes = packed ? _mm512_setr_epi32(0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1)
                               : _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  return _mm512_mul_ps(_mm512_permutexvar_ps(lanes, _mm512_castps128_ps512(both)), _mm512_set1_ps(factor));
}
SILICAST_INLINE __m512 odd_times(__m512i scales, __m512 factor) { return _mm512_mul_ps(odd_scales(scales), factor); }
SILICAST_INLINE __m512i two(__m256i a, __m256i b) { return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1); }
SILICAST_INLINE __m128i two(__m128i a, __m128i b) { return _mm_unpacklo_epi64(a, b); }

template <>
struct Few<BlockType::iq2_xxs> : FewOfOne {
  static constexpr Order order = Order::same_digit;
  static SILICAST_INLINE void run(const BlockIQ2_XXS* a, const BlockIQ2_XXS* b, Unit& out) {
    // Of each 64 bits: four indices, four times 7 sign bits, a scale.
    const __m512i first = load(a->qs);
    const __m512i second = load(b->qs);
    const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i index = _mm512_permutex2var_epi32(first, evens, second);
    const __m512i words = _mm512_permutex2var_epi32(first, _mm512_or_si512(evens, _mm512_set1_epi32(1)), second);
    const __m512i sevens = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x352e2720150e0700), words);
    const IndexBits bits = index_bits(index);
    put_iq2(look_up_256(index, bits, iq2_xxs_digits.low.at), spread_signs(sevens, iq2_low_signs), out.q);
    put_iq2(look_up_256(index, bits, iq2_xxs_digits.high.at), spread_signs(sevens, iq2_high_signs_of_seven), out.q + 4);
    out.scale[0] = odd_times(_mm512_srli_epi32(words, 28), factors(a->d, b->d, 0.125F));
  }
};

template <>
struct Few<BlockType::iq2_xs> : FewOfOne {
  static constexpr Order order = Order::same_digit_packed;
  static constexpr Sums sums = Sums::by_pairs;
  static SILICAST_INLINE void run(const BlockIQ2_XS* a, const BlockIQ2_XS* b, Unit& out) {
    const __m512i first = load(a->qs);
    const __m512i second = load(b->qs);
    const __m512i byte = _mm512_set1_epi16(255);
    const __m512i index = _mm512_packus_epi16(_mm512_and_si512(first, byte), _mm512_and_si512(second, byte));
    const __m512i upper = _mm512_packus_epi16(_mm512_srli_epi16(first, 8), _mm512_srli_epi16(second, 8));
    const __mmask64 eight = _mm512_test_epi8_mask(upper, _mm512_set1_epi8(1));
    const IndexBits bits = index_bits(index);
    // Seven sign bits above the index's ninth.
    constexpr long long low = sign_matrix(2, 4, 8, 16, 4, 5, 2, 3);
    constexpr long long high = sign_matrix(32, 64, 128, 0xfe, 4, 5, 2, 3);
    put_iq2(look_up_512(index, bits, eight, iq2_xs_digits.low.at), spread_signs(upper, low), out.q);
    put_iq2(look_up_512(index, bits, eight, iq2_xs_digits.high.at), spread_signs(upper, high), out.q + 4);
    const __m128i bytes = two(V::load8(a->scales), V::load8(b->scales));
    const __m128i nibble = _mm_set1_epi8(15);
    const __m128i even = _mm_and_si128(bytes, nibble);
    const __m128i odd = _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble);
    // Bytes of scales of a and b, two for each lane of 32 bits.
    const __m256i lanes = _mm256_setr_epi8(0, 16, 1, 17, 8, 24, 9, 25, 2, 18, 3, 19, 10, 26, 11, 27, 4, 20, 5, 21, 12,
                                           28, 13, 29, 6, 22, 7, 23, 14, 30, 15, 31);
    const __m256i scales = _mm256_permutexvar_epi8(lanes, _mm256_set_m128i(odd, even));
    const __m512i wide = _mm512_cvtepu8_epi16(scales);
    out.words[0] = _mm512_add_epi16(_mm512_add_epi16(wide, wide), _mm512_set1_epi16(1));
    out.scale[0] = factors<true>(a->d, b->d, 0.125F);
  }
};

// Entry i of each lane's four: eight bits of `low`, and `high`, which has been shifted and masked.
template <std::size_t Count>
SILICAST_INLINE __m512i gather_entries(__m512i low, const __m512i (&high)[4], int i, const GatherTable<Count>& table) {
  const auto index = [&](int k) {
    return _mm512_or_si512(
        _mm512_and_si512(_mm512_srli_epi32(low, static_cast<unsigned>(8 * k)), _mm512_set1_epi32(255)), high[k]);
  };
  return _mm512_or_si512(_mm512_i32gather_epi32(index(i), table.low, 4),
                         _mm512_i32gather_epi32(index(i + 1), table.high, 4));
}

template <>
struct Few<BlockType::iq2_s> : FewOfOne {
  static constexpr Order order = Order::two_entries;
  static constexpr Sums sums = Sums::two;
  static SILICAST_INLINE void run(const BlockIQ2_S* a, const BlockIQ2_S* b, Unit& out) {
    const __m512i low = two(V::load32(a->qs), V::load32(b->qs));
    const __m512i upper = _mm512_cvtepu8_epi32(two(V::load8(a->qh), V::load8(b->qh)));
    const __m512i mask = _mm512_set1_epi32(0x300);
    const __m512i high[4] = {
        _mm512_and_si512(_mm512_slli_epi32(upper, 8), mask), _mm512_and_si512(_mm512_slli_epi32(upper, 6), mask),
        _mm512_and_si512(_mm512_slli_epi32(upper, 4), mask), _mm512_and_si512(_mm512_slli_epi32(upper, 2), mask)};
    const __m512i signs = two(V::load32(a->signs), V::load32(b->signs));
    const __m512i each_twice = _mm512_set4_epi32(0x0d0d0c0c, 0x09090808, 0x05050404, 0x01010000);
    const __m512i first = _mm512_shuffle_epi8(signs, each_twice);
    const __m512i second = _mm512_shuffle_epi8(signs, _mm512_or_si512(each_twice, _mm512_set1_epi8(2)));
    put_iq2(gather_entries(low, high, 0, iq2_s_digits), spread_signs(first, iq2_low_signs, iq2_high_signs), out.q);
    put_iq2(gather_entries(low, high, 2, iq2_s_digits), spread_signs(second, iq2_low_signs, iq2_high_signs), out.q + 4);
    const __m512i scales = _mm512_cvtepu8_epi32(two(V::load8(a->scales), V::load8(b->scales)));
    const __m512 factor = factors(a->d, b->d, 0.125F);
    out.scale[0] = odd_times(_mm512_and_si512(scales, _mm512_set1_epi32(15)), factor);
    out.scale[1] = odd_times(_mm512_srli_epi32(scales, 4), factor);
  }
};

template <>
struct Few<BlockType::iq3_xxs> : FewOfOne {
  static constexpr Order order = Order::four_weights;
  static SILICAST_INLINE void run(const BlockIQ3_XXS* a, const BlockIQ3_XXS*, Unit& out) {
    const __m512i index = load(a->qs);
    const __m256i words = V::load32(a->qs + 64);
    const __m512i sevens =
        _mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x15150e0e07070000), _mm512_cvtepu32_epi64(words));
    const __m512i signs = spread_signs(sevens, iq3_low_signs, iq3_high_signs_of_seven);
    const IndexBits bits = index_bits(index);
    put_iq3(look_up_256(index, bits, iq3_xxs_digits.low.at), look_up_256(index, bits, iq3_xxs_digits.high.at), signs,
            iq3_xxs_weights, out.q);
    const __m512i scales = _mm512_castsi256_si512(_mm256_srli_epi32(words, 28));
    const __m512i twice =
        _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), scales);
    out.scale[0] = odd_times(twice, _mm512_set1_ps(0.25F * V::half(a->d)));
  }
};

template <>
struct Few<BlockType::iq3_s> : FewOfOne {
  static constexpr Order order = Order::four_weights;
  static SILICAST_INLINE void run(const BlockIQ3_S* a, const BlockIQ3_S*, Unit& out) {
    const __m512i index = load(a->qs);
    const __mmask64 eight = word64(a->qh);
    // Each byte of signs twice: in 16 bits by a shift of its copy.
    const __m512i words = _mm512_cvtepu8_epi16(V::load32(a->signs));
    const __m512i both = _mm512_or_si512(words, _mm512_slli_epi16(words, 8));
    const __m512i signs = spread_signs(both, iq3_low_signs, iq3_high_signs);
    const IndexBits bits = index_bits(index);
    put_iq3(look_up_512(index, bits, eight, iq3_s_digits.low.at), look_up_512(index, bits, eight, iq3_s_digits.high.at),
            signs, iq3_s_weights, out.q);
    const __m512i nibbles =
        _mm512_srlv_epi32(_mm512_set1_epi32(static_cast<int>(word32(a->scales))),
                          _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28));
    out.scale[0] = odd_times(_mm512_and_si512(nibbles, _mm512_set1_epi32(15)), _mm512_set1_ps(V::half(a->d)));
  }
};

// IQ1: with u = 8 + 8 g the weights are u - 8 + s, s = +-1: -8 + s meets the activations' sums.
template <>
struct Few<BlockType::iq1_s> : FewOfOne {
  static constexpr Order order = Order::two_entries;
  static constexpr bool own_bias = true;
  static SILICAST_INLINE void run(const BlockIQ1_S* a, const BlockIQ1_S* b, Unit& out) {
    const __m512i low = two(V::load32(a->qs), V::load32(b->qs));
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_set_m128i(V::load16(b->qh), V::load16(a->qh)));
    const __m512i mask = _mm512_set1_epi32(0x700);
    const __m512i high[4] = {
        _mm512_and_si512(_mm512_slli_epi32(words, 8), mask), _mm512_and_si512(_mm512_slli_epi32(words, 5), mask),
        _mm512_and_si512(_mm512_slli_epi32(words, 2), mask), _mm512_and_si512(_mm512_srli_epi32(words, 1), mask)};
    put_iq1(gather_entries(low, high, 0, iq1_digits), out.q);
    put_iq1(gather_entries(low, high, 2, iq1_digits), out.q + 4);
    const __mmask16 minus = _mm512_test_epi32_mask(words, _mm512_set1_epi32(0x8000));
    out.words[0] = out.words[1] = _mm512_mask_mov_epi32(_mm512_set1_epi16(-7), minus, _mm512_set1_epi16(-9));
    out.scale[0] =
        odd_times(_mm512_and_si512(_mm512_srli_epi32(words, 12), _mm512_set1_epi32(7)), factors(a->d, b->d, 0.125F));
  }
};

template <>
struct Few<BlockType::iq1_m> : FewOfOne {
  static constexpr Order order = Order::two_entries;
  static constexpr Sums sums = Sums::two;
  static constexpr bool own_bias = true;
  static SILICAST_INLINE void run(const BlockIQ1_M* a, const BlockIQ1_M* b, Unit& out) {
    const __m512i low = two(V::load32(a->qs), V::load32(b->qs));
    // A nibble for each entry: three upper bits, the shift's sign.
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_set_m128i(V::load16(b->qh), V::load16(a->qh)));
    const __m512i mask = _mm512_set1_epi32(0x700);
    const __m512i high[4] = {_mm512_and_si512(_mm512_slli_epi32(words, 8), mask),
                             _mm512_and_si512(_mm512_slli_epi32(words, 4), mask), _mm512_and_si512(words, mask),
                             _mm512_and_si512(_mm512_srli_epi32(words, 4), mask)};
    put_iq1(gather_entries(low, high, 0, iq1_digits), out.q);
    put_iq1(gather_entries(low, high, 2, iq1_digits), out.q + 4);
    // Signs at bits 3, 7, 11, 15 become -7 or -9 in 16 bits for each entry.
    const auto shifts = [&](__m512i signs) {  // bit 3 of each half
      const __m512i bit = _mm512_and_si512(signs, _mm512_set1_epi16(8));
      return _mm512_sub_epi16(_mm512_set1_epi16(-7), _mm512_srli_epi16(bit, 2));
    };
    out.words[0] = shifts(_mm512_or_si512(words, _mm512_slli_epi32(words, 12)));
    out.words[1] = shifts(_mm512_or_si512(_mm512_srli_epi32(words, 8), _mm512_slli_epi32(words, 4)));
    // Four scales of three bits in each 16 bits: lanes 2 i and 2 i + 1 take two each.
    const __m512i packed = _mm512_cvtepu16_epi32(
        _mm256_permutexvar_epi16(_mm256_setr_epi16(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7),
                                 _mm256_castsi128_si256(two(V::load8(a->scales), V::load8(b->scales)))));
    const __m512i pair = _mm512_srlv_epi32(packed, _mm512_set1_epi64(0x0000000600000000));
    const __m512i seven = _mm512_set1_epi32(7);
    const __m512 factor = factors(iq1_m_d(*a), iq1_m_d(*b), 0.125F);
    out.scale[0] = odd_times(_mm512_and_si512(pair, seven), factor);
    out.scale[1] = odd_times(_mm512_and_si512(_mm512_srli_epi32(pair, 3), seven), factor);
  }
};

}  // namespace

}  // namespace silicast::engine
