// SPDX-License-Identifier: Apache-2.0
// Few activation rows (one to eight) for AVX-512 with VNNI. What product.h does for any instruction set takes floats
// for each vector of weights; here a lane of 32 bits holds weights of one scale only, in every vector of a super-block,
// so that all of them add up as integers in the same lanes and become floats once. Weights fall into such lanes by
// permutations of their packed bytes; the activations are brought into the same order once for all rows of weights.
// Weights are unpacked once for up to eight activation rows, whose sums stay in registers.
//
// The bounds: 8 * 4 * 255 * 127 < 2^21 for a lane's sum.
#pragma once

#include <algorithm>

#include "engine/unpack_avx512.h"

namespace silicast::engine {

namespace {

// ---------------------------------------------------------------- activations in order

// Which activations stand in lane l of vector j, four bytes each.
enum class Order : std::uint8_t {
  qwords,  // eight groups of 32: lanes 4 i + 2 h and the next are eight weights, the j-th of group 4 h + i
  dwords,  // sixteen groups of 16: lane l is the j-th four weights of group l
  // Of codebooks (product_vbmi.h). A lane is 32 weights of two super-blocks, or 16 of one.
  same_digit,         // byte b is weight j of the lane's b-th eight
  same_digit_packed,  // the same, in the lanes that packing two super-blocks' words to bytes makes
  two_entries,        // j = 4 v + k: weights k and 4 + k of the lane's eights 2 v and 2 v + 1
  four_weights,       // byte b is weight j of the lane's b-th four
};
constexpr int chunks_at_once(Order order) {
  return order == Order::qwords || order == Order::dwords || order == Order::four_weights ? 1 : 2;
}
constexpr int vectors_at_once(Order order) { return 4 * chunks_at_once(order); }
constexpr bool moves_bytes(Order order) { return order != Order::qwords && order != Order::dwords; }

// The group of 32 whose scale belongs to a lane of `qwords`.
constexpr int group_of_qword(int lane) { return lane % 4 / 2 * 4 + lane / 4; }

template <Order order>
struct alignas(64) OrderedActivations {
  std::int8_t q[vectors_at_once(order)][64];
  std::int32_t start[2][16];     // less bias times the sums of the lanes: of the first and second half of the vectors
  std::int16_t pair_sum[2][32];  // sums of pairs of bytes, likewise
  float scale[16];               // lane by lane
  float min_sum[16];             // group by group: what a min is multiplied by
};

// Where the four bytes stand: among the chunks' bytes, or where moves_bytes, among those moved within each 32.
constexpr int offset_of(Order order, int vector, int lane) {
  switch (order) {
    case Order::qwords: return 32 * group_of_qword(lane) + 8 * vector + lane % 2 * 4;
    case Order::dwords:
    case Order::four_weights: return 16 * lane + 4 * vector;
    case Order::same_digit:
    case Order::two_entries: return 32 * lane + 4 * vector;
    case Order::same_digit_packed: return 32 * (lane % 4 / 2 * 8 + lane / 4 * 2 + lane % 2) + 4 * vector;
  }
  return 0;
}
constexpr int chunk_of(Order order, int lane) { return offset_of(order, 0, lane) / super_block; }
// Which byte of 32 moves to byte i of them.
constexpr int moved_byte(Order order, int i) {
  const int dword = i / 4;
  const int byte = i % 4;
  return order == Order::same_digit || order == Order::same_digit_packed ? dword + 8 * byte
                                                                         : dword / 4 * 16 + dword % 4 + 4 * byte;
}

template <Order order>
struct OrderTable {
  alignas(64) std::int32_t offset[vectors_at_once(order)][16];
  alignas(64) std::int8_t byte[64];
  constexpr OrderTable() : offset{}, byte{} {
    for (int j = 0; j < vectors_at_once(order); ++j)
      for (int lane = 0; lane < 16; ++lane) offset[j][lane] = offset_of(order, j, lane);
    for (int i = 0; i < 64; ++i) byte[i] = static_cast<std::int8_t>(i / 32 * 32 + moved_byte(order, i % 32));
  }
};
template <Order order>
constexpr OrderTable<order> order_table;

SILICAST_INLINE __m512i load(const void* p) { return _mm512_loadu_si512(p); }
SILICAST_INLINE __m512i move_bytes([[maybe_unused]] __m512i pattern, __m512i bytes) {
#if defined(__AVX512VBMI__)
  return _mm512_permutexvar_epi8(pattern, bytes);
#else
  return bytes;
#endif
}

// The next `chunks_at_once` chunks of a row of which `left` are left.
template <Order order, class F>
void put_in_order(const ActivationChunk* x, std::int64_t left, OrderedActivations<order>& out) {
  constexpr int vectors = vectors_at_once(order);
  constexpr const OrderTable<order>& table = order_table<order>;
  alignas(64) std::int8_t bytes[64 * vectors];
  for (int i = 0; i < vectors; ++i) {
    __m512i q = i / 4 < left ? load(x[i / 4].q + 64 * (i % 4)) : _mm512_setzero_si512();
    if constexpr (moves_bytes(order)) q = move_bytes(load(table.byte), q);
    _mm512_store_si512(bytes + 64 * i, q);
  }
  asm volatile("" ::: "memory");  // before they are gathered
  const __m512i ones = _mm512_set1_epi8(1);
  for (int half = 0; half < 2; ++half) {
    __m512i sum = _mm512_setzero_si512();
    __m512i pair_sum = _mm512_setzero_si512();
    for (int j = half * vectors / 2; j < (half + 1) * vectors / 2; ++j) {
      const __m512i q = _mm512_i32gather_epi32(load(table.offset[j]), bytes, 1);
      _mm512_store_si512(out.q[j], q);
      sum = V::dot4<false>(sum, ones, q);
      pair_sum = _mm512_add_epi16(pair_sum, _mm512_maddubs_epi16(ones, q));
    }
    _mm512_store_si512(out.start[half], _mm512_mullo_epi32(sum, _mm512_set1_epi32(-F::bias)));
    _mm512_store_si512(out.pair_sum[half], pair_sum);
  }
  for (int lane = 0; lane < 16; ++lane) {
    const int chunk = chunk_of(order, lane);
    const int group = order == Order::qwords ? group_of_qword(lane) : 0;
    out.scale[lane] = chunk < left ? x[chunk].scale[group] : 0;
  }
  if constexpr (F::has_min && F::group == 32)
    for (int g = 0; g < 16; ++g) out.min_sum[g] = g < 8 ? x->sum[g] * (F::weights == super_block ? x->scale[0] : 1) : 0;
  if constexpr (F::has_min && F::group == 16)
    for (int g = 0; g < 16; ++g) out.min_sum[g] = static_cast<float>(-x->minus_sum16[g]) * x->scale[0];
}

// ---------------------------------------------------------------- a unit of weights: one super-block or two

// How a unit's vectors are summed: all together; by halves, with a scale each; as pairs of bytes with scales of 16
// bits.
enum class Sums : std::uint8_t { one, two, by_pairs };

struct Unit {
  __m512i q[8];      // weights plus bias
  __m512 scale[2];   // lane by lane
  __m512 min;        // group by group
  __m512i words[2];  // scales of pairs; or, where the bias differs, what the pairs' sums are multiplied by
};

// order, sums, whether the bias differs from entry to entry, and run(a, b, unit): the unit's blocks, the second of two
// super-blocks.
template <BlockType type>
struct Few;

struct FewOfOne {
  static constexpr Sums sums = Sums::one;
  static constexpr bool own_bias = false;
};

// ---------------------------------------------------------------- groups of 32

struct FewQwords : FewOfOne {
  static constexpr Order order = Order::qwords;
};

SILICAST_INLINE __m512 to_qwords(__m256 groups) {
  return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 4, 4, 1, 1, 5, 5, 2, 2, 6, 6, 3, 3, 7, 7), V::low(groups));
}

// Sixteen bytes of eight blocks each: vector h holds the h-th eight, block 4 p + i in the p-th half of 128 bits i.
struct Qwords {
  __m512i part[2];
};
template <class Block>
SILICAST_INLINE Qwords qwords_of_blocks(const Block* b, std::int64_t offset) {
  const auto four = [&](int first) {
    const auto at = [&](int i) { return V::load16(reinterpret_cast<const char*>(b + first + i) + offset); };
    __m512i all = _mm512_castsi128_si512(at(0));
    all = _mm512_inserti32x4(all, at(1), 1);
    all = _mm512_inserti32x4(all, at(2), 2);
    return _mm512_inserti32x4(all, at(3), 3);
  };
  const __m512i lower = four(0);
  const __m512i upper = four(4);
  return {{_mm512_unpacklo_epi64(lower, upper), _mm512_unpackhi_epi64(lower, upper)}};
}
SILICAST_INLINE __m512i high_nibbles(__m512i x) { return low_nibbles(_mm512_srli_epi16(x, 4)); }
SILICAST_INLINE void put_nibbles(const Qwords& packed, Unit& out) {
  out.q[0] = low_nibbles(packed.part[0]);
  out.q[1] = low_nibbles(packed.part[1]);
  out.q[2] = high_nibbles(packed.part[0]);
  out.q[3] = high_nibbles(packed.part[1]);
}
SILICAST_INLINE void put_looked_up(const Qwords& packed, const std::array<std::int8_t, 16>& values, int bias,
                                   Unit& out) {
  put_nibbles(packed, out);
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) out.q[j] = look_up(out.q[j], values, bias);
}

// The first four bytes of eight blocks.
template <class Block>
SILICAST_INLINE __m256i first_words(const Block* b) {
  constexpr int size = sizeof(Block);
  const __m256i offsets = _mm256_setr_epi32(0, size, 2 * size, 3 * size, 4 * size, 5 * size, 6 * size, 7 * size);
  return _mm256_i32gather_epi32(reinterpret_cast<const int*>(b), offsets, 1);
}
SILICAST_INLINE __m256 lower_halves(__m256i words) { return _mm256_cvtph_ps(_mm256_cvtepi32_epi16(words)); }

// Bit 32 k + i of the words' fifth bits belongs to weight i: as eights of them, a mask for each vector.
template <class Block>
SILICAST_INLINE void add_fifth_bits(const Block* b, Unit& out) {
  constexpr int size = sizeof(Block);
  const __m256i offsets = _mm256_setr_epi32(0, 4 * size, size, 5 * size, 2 * size, 6 * size, 3 * size, 7 * size);
  const __m256i words = _mm256_i32gather_epi32(reinterpret_cast<const int*>(b->qh), offsets, 1);
  // Byte j of each word is of vector j: eight words, eight bytes.
  const __m256i bytes =
      _mm256_shuffle_epi8(words, _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1,
                                                  5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m256i sorted = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  alignas(32) std::uint64_t masks[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(masks), sorted);
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) out.q[j] = add_where(out.q[j], masks[j], 16);
}

template <>
struct Few<BlockType::q4_0> : FewQwords {
  static SILICAST_INLINE void run(const BlockQ4_0* b, const BlockQ4_0*, Unit& out) {
    put_nibbles(qwords_of_blocks(b, offsetof(BlockQ4_0, qs)), out);
    out.scale[0] = to_qwords(lower_halves(first_words(b)));
  }
};

template <>
struct Few<BlockType::q4_1> : FewQwords {
  static SILICAST_INLINE void run(const BlockQ4_1* b, const BlockQ4_1*, Unit& out) {
    put_nibbles(qwords_of_blocks(b, offsetof(BlockQ4_1, qs)), out);
    const __m256i words = first_words(b);
    out.scale[0] = to_qwords(lower_halves(words));
    out.min = V::times(V::low(lower_halves(_mm256_srli_epi32(words, 16))), -1.0F);
  }
};

template <>
struct Few<BlockType::q5_0> : FewQwords {
  static SILICAST_INLINE void run(const BlockQ5_0* b, const BlockQ5_0*, Unit& out) {
    put_nibbles(qwords_of_blocks(b, offsetof(BlockQ5_0, qs)), out);
    add_fifth_bits(b, out);
    out.scale[0] = to_qwords(lower_halves(first_words(b)));
  }
};

template <>
struct Few<BlockType::q5_1> : FewQwords {
  static SILICAST_INLINE void run(const BlockQ5_1* b, const BlockQ5_1*, Unit& out) {
    put_nibbles(qwords_of_blocks(b, offsetof(BlockQ5_1, qs)), out);
    add_fifth_bits(b, out);
    const __m256i words = first_words(b);
    out.scale[0] = to_qwords(lower_halves(words));
    out.min = V::times(V::low(lower_halves(_mm256_srli_epi32(words, 16))), -1.0F);
  }
};

template <>
struct Few<BlockType::q8_0> : FewQwords {
  static SILICAST_INLINE void run(const BlockQ8_0* b, const BlockQ8_0*, Unit& out) {
    const __m512i bias = _mm512_set1_epi8(static_cast<char>(0x80));
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const Qwords packed = qwords_of_blocks(b, offsetof(BlockQ8_0, qs) + 16 * half);
      out.q[2 * half] = _mm512_xor_si512(packed.part[0], bias);
      out.q[2 * half + 1] = _mm512_xor_si512(packed.part[1], bias);
    }
    out.scale[0] = to_qwords(lower_halves(first_words(b)));
  }
};

template <>
struct Few<BlockType::iq4_nl> : FewQwords {
  static SILICAST_INLINE void run(const BlockIQ4_NL* b, const BlockIQ4_NL*, Unit& out) {
    put_looked_up(qwords_of_blocks(b, offsetof(BlockIQ4_NL, qs)), iq4_values, 128, out);
    out.scale[0] = to_qwords(lower_halves(first_words(b)));
  }
};

template <>
struct Few<BlockType::mxfp4> : FewQwords {
  static SILICAST_INLINE void run(const BlockMXFP4* b, const BlockMXFP4*, Unit& out) {
    put_looked_up(qwords_of_blocks(b, offsetof(BlockMXFP4, qs)), fp4_values, 16, out);
    const __m256i e = _mm256_and_si256(first_words(b), _mm256_set1_epi32(255));
    out.scale[0] = to_qwords(half_of_exponents(e));
  }
};

template <class Block>
SILICAST_INLINE void put_six_bit_scales(const Block* b, Unit& out) {
  const SixBitScales s = six_bit_scales(b);
  out.scale[0] = V::times(to_qwords(floats_of_bytes(s.scales)), V::half(b->d));
  out.min = V::times(V::low(floats_of_bytes(s.mins)), V::half(b->dmin));
}
// Of groups 2 c (low nibbles) and 2 c + 1 (high), 32 bytes each: their j-th eights in the lanes of `qwords`.
SILICAST_INLINE void put_nibbles_of_pairs(const std::uint8_t* qs, Unit& out) {
  const __m512i lower = load(qs);
  const __m512i upper = load(qs + 64);
  const __m512i shift = _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4);
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i each = _mm512_setr_epi64(j, 8 + j, j, 8 + j, 4 + j, 12 + j, 4 + j, 12 + j);
    out.q[j] = low_nibbles(_mm512_srlv_epi64(_mm512_permutex2var_epi64(lower, each, upper), shift));
  }
}

template <>
struct Few<BlockType::q4_k> : FewQwords {
  static SILICAST_INLINE void run(const BlockQ4_K* b, const BlockQ4_K*, Unit& out) {
    put_nibbles_of_pairs(b->qs, out);
    put_six_bit_scales(b, out);
  }
};

template <>
struct Few<BlockType::q5_k> : FewQwords {
  static SILICAST_INLINE void run(const BlockQ5_K* b, const BlockQ5_K*, Unit& out) {
    put_nibbles_of_pairs(b->qs, out);
    // Bit g of a byte is of group g.
    const __m512i bit = _mm512_setr_epi64(0x0101010101010101, 0x1010101010101010, 0x0202020202020202,
                                          0x2020202020202020, 0x0404040404040404, 0x4040404040404040,
                                          0x0808080808080808, static_cast<long long>(0x8080808080808080));
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m512i eight = _mm512_set1_epi64(static_cast<long long>(word64(b->qh + 8 * j)));
      out.q[j] = add_where(out.q[j], _mm512_test_epi8_mask(eight, bit), 16);
    }
    put_six_bit_scales(b, out);
  }
};

template <>
struct Few<BlockType::iq4_xs> : FewQwords {
  static SILICAST_INLINE void run(const BlockIQ4_XS* b, const BlockIQ4_XS*, Unit& out) {
    const __m512i lower = load(b->qs);
    const __m512i upper = load(b->qs + 64);
    put_looked_up({{_mm512_unpacklo_epi64(lower, upper), _mm512_unpackhi_epi64(lower, upper)}}, iq4_values, 128, out);
    out.scale[0] = V::times(to_qwords(_mm256_cvtepi32_ps(iq4_xs_scales(b))), V::half(b->d));
  }
};

// ---------------------------------------------------------------- groups of 16

struct FewDwords : FewOfOne {
  static constexpr Order order = Order::dwords;
};

// Word w + 4 (l % 2) + 8 (l / 8) of 64 bytes to lane l: the bytes that hold four weights of each group.
SILICAST_INLINE __m512i words_of_groups(__m512i bytes, int w) {
  const __m512i first = _mm512_setr_epi32(0, 4, 0, 4, 0, 4, 0, 4, 8, 12, 8, 12, 8, 12, 8, 12);
  return _mm512_permutexvar_epi32(_mm512_add_epi32(first, _mm512_set1_epi32(w)), bytes);
}
// Bits 2 (l % 8 / 2) and the next become bits `to` and the next.
template <int to>
SILICAST_INLINE __m512i crumbs_of_groups(__m512i words) {
  const auto right = [](int group) { return (32 + 2 * (group % 8 / 2) - to) % 32; };
  const __m512i shift =
      _mm512_setr_epi32(right(0), right(1), right(2), right(3), right(4), right(5), right(6), right(7), right(8),
                        right(9), right(10), right(11), right(12), right(13), right(14), right(15));
  return _mm512_rorv_epi32(words, shift);
}
// a and mask, or b.
SILICAST_INLINE __m512i masked_or(__m512i a, int mask, __m512i b) {
  return _mm512_ternarylogic_epi32(a, _mm512_set1_epi8(static_cast<char>(mask)), b, 0xea);
}

template <>
struct Few<BlockType::q2_k> : FewDwords {
  static SILICAST_INLINE void run(const BlockQ2_K* b, const BlockQ2_K*, Unit& out) {
    const __m512i qs = load(b->qs);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
      out.q[j] = _mm512_and_si512(crumbs_of_groups<0>(words_of_groups(qs, j)), _mm512_set1_epi8(3));
    const __m128i packed = V::load16(b->scales);
    const __m128i nibble = _mm_set1_epi8(15);
    out.scale[0] = V::times(bytes_to_floats(_mm_and_si128(packed, nibble)), V::half(b->d));
    out.min = V::times(bytes_to_floats(_mm_and_si128(_mm_srli_epi16(packed, 4), nibble)), V::half(b->dmin));
  }
};

template <>
struct Few<BlockType::q3_k> : FewDwords {
  static SILICAST_INLINE void run(const BlockQ3_K* b, const BlockQ3_K*, Unit& out) {
    const __m512i qs = load(b->qs);
    const __m512i hmask = twice(V::load32(b->hmask));
    // Bit g / 2 goes to bit 2.
    const __m512i shift = _mm512_setr_epi32(30, 30, 31, 31, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m512i low = _mm512_and_si512(crumbs_of_groups<0>(words_of_groups(qs, j)), _mm512_set1_epi8(3));
      out.q[j] = masked_or(_mm512_rorv_epi32(words_of_groups(hmask, j), shift), 4, low);
    }
    out.scale[0] = V::times(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q3_k_scales(b))), V::half(b->d));
  }
};

template <>
struct Few<BlockType::q6_k> : FewDwords {
  static SILICAST_INLINE void run(const BlockQ6_K* b, const BlockQ6_K*, Unit& out) {
    const __m512i lower = load(b->ql);
    const __m512i upper = load(b->ql + 64);
    const __m512i qh = load(b->qh);
    const __m512i shift = _mm512_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4, 0, 0, 0, 0, 4, 4, 4, 4);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m512i each = _mm512_add_epi32(_mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 16, 20, 24, 28, 16, 20, 24, 28),
                                            _mm512_set1_epi32(j));
      const __m512i low = low_nibbles(_mm512_srlv_epi32(_mm512_permutex2var_epi32(lower, each, upper), shift));
      out.q[j] = masked_or(crumbs_of_groups<4>(words_of_groups(qh, j)), 0x30, low);
    }
    out.scale[0] = V::times(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(V::load16(b->scales))), V::half(b->d));
  }
};

// ---------------------------------------------------------------- gemv

SILICAST_INLINE __m512i dot_words(__m512i sum, __m512i a, __m512i b) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}

template <BlockType type, class W = Few<type>>
SILICAST_INLINE __m512 unit_dot(const Unit& w, const OrderedActivations<W::order>& x, __m512 sum) {
  constexpr int vectors = vectors_at_once(W::order);
  constexpr int sums = W::sums == Sums::two ? 2 : 1;
  const __m512 scale = _mm512_load_ps(x.scale);
  __m512i total[2];
  if constexpr (W::own_bias) {
    for (int half = 0; half < 2; ++half)
      total[half] = dot_words(_mm512_setzero_si512(), load(x.pair_sum[half]), w.words[half]);
    if constexpr (sums == 1) total[0] = _mm512_add_epi32(total[0], total[1]);
  } else if constexpr (W::sums == Sums::by_pairs) {
    const __m512i pair_sums = _mm512_add_epi16(load(x.pair_sum[0]), load(x.pair_sum[1]));
    const __m512i scaled = dot_words(_mm512_setzero_si512(), pair_sums, w.words[0]);
    total[0] = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(scaled, Format<type>::bias_bits));
  } else {
    for (int half = 0; half < 2; ++half) total[half] = load(x.start[half]);
    if constexpr (sums == 1) total[0] = _mm512_add_epi32(total[0], total[1]);
  }
#pragma GCC unroll 8
  for (int j = 0; j < vectors; ++j) {
    __m512i& to = total[j * sums / vectors];
    if constexpr (W::sums == Sums::by_pairs)
      to = dot_words(to, _mm512_maddubs_epi16(w.q[j], load(x.q[j])), w.words[0]);
    else
      to = V::dot4<false>(to, w.q[j], load(x.q[j]));
  }
#pragma GCC unroll 2
  for (int i = 0; i < sums; ++i)
    sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(total[i]), _mm512_mul_ps(w.scale[i], scale), sum);
  if constexpr (Format<type>::has_min) sum = _mm512_fnmadd_ps(w.min, _mm512_load_ps(x.min_sum), sum);
  return sum;
}

// Activations of so many bytes stay in a first-level cache of 32 KiB while weights pass by; weights of so many in a
// second level of 512 KiB, for the next panel of activations.
constexpr std::size_t near_bytes = 20 * 1024;
constexpr std::int64_t far_bytes = 128 * 1024;
constexpr std::int64_t part_bytes_most = 2048;  // of a row of weights that a panel meets: what is asked for ahead

struct Span {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

// N rows of activations in order, one after the other: `units` each. Adds the panel's part to what stands in `out`, or
// begins with the first panel.
template <BlockType type, int N>
void few_rows(const ProductTask& task, const OrderedActivations<Few<type>::order>* x, std::int64_t units,
              std::int64_t first, Span rows, Span panel, Ahead ahead) {
  using F = Format<type>;
  using Blocks = ChunkBlocks<F>;
  using Block = typename F::Block;
  constexpr int step = chunks_at_once(Few<type>::order);
  const std::int64_t chunks = chunks_of(task.columns);
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    const std::byte* row = task.weights + r * task.row_bytes;
    __m512 sum[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) sum[n] = _mm512_setzero_ps();
    for (std::int64_t u = panel.begin; u < panel.end; ++u) {
      Block padded[Blocks::per_chunk];
      const Block* a = Blocks::at(row, step * u, task.columns, padded);
      const Block* b = step * u + 1 < chunks ? a + 1 : a;  // a last one meets zeros
      prefetch_ahead<step * sizeof padded>(a, ahead);
      Unit w;
      Few<type>::run(a, b, w);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) sum[n] = unit_dot<type>(w, x[n * units + u], sum[n]);
    }
    for (int n = 0; n < N; ++n) {
      float& out = task.out[(first + n) * task.out_stride + r];
      out = _mm512_reduce_add_ps(sum[n]) + (panel.begin > 0 ? out : 0);
    }
  }
}

// By panels of activations that stay near, over rows of weights that do not go far.
template <BlockType type, int N>
void few_panels(const ProductTask& task, const OrderedActivations<Few<type>::order>* x, std::int64_t units,
                std::int64_t first) {
  constexpr auto near_units = static_cast<std::int64_t>(near_bytes / sizeof *x / N);
  if (units <= near_units) return few_rows<type, N>(task, x, units, first, {task.begin, task.end}, {0, units}, {});
  const std::int64_t part_units = std::clamp<std::int64_t>(part_bytes_most * units / task.row_bytes, 1, near_units);
  const std::int64_t panels = (units + part_units - 1) / part_units;
  const std::int64_t each = (units + panels - 1) / panels;
  const std::int64_t rows = std::max<std::int64_t>(far_bytes / task.row_bytes, 1);
  // As far ahead among the rows' parts that the panel meets.
  const std::int64_t part_bytes = task.row_bytes * each / units;
  const auto rows_ahead = [&](std::int64_t bytes) {
    return std::max<std::int64_t>(bytes / part_bytes, 1) * task.row_bytes;
  };
  const Ahead ahead{.far = rows_ahead(Ahead{}.far), .near = rows_ahead(Ahead{}.near)};
  for (std::int64_t r = task.begin; r < task.end; r += rows)
    for (std::int64_t u = 0; u < units; u += each)
      few_rows<type, N>(task, x, units, first, {r, std::min(r + rows, task.end)}, {u, std::min(u + each, units)},
                        ahead);
}

constexpr int most_rows = 8;

template <BlockType type, int N = most_rows>
void few_rows_of(std::int64_t n, const ProductTask& task, const OrderedActivations<Few<type>::order>* x,
                 std::int64_t units, std::int64_t first) {
  if (n == N) return few_panels<type, N>(task, x, units, first);
  if constexpr (N > 1) few_rows_of<type, N - 1>(n, task, x, units, first);
}

template <BlockType type>
void few_gemv(const ProductTask& task) {
  constexpr Order order = Few<type>::order;
  constexpr int step = chunks_at_once(order);
  const std::int64_t chunks = chunks_of(task.columns);
  const std::int64_t units = (chunks + step - 1) / step;
  auto* x = reinterpret_cast<OrderedActivations<order>*>(task.scratch);
  const std::int64_t fit = static_cast<std::int64_t>(scratch_bytes / sizeof *x) / units;
  if (fit < 1) return gemv<V, type>(task);
  const std::int64_t most = fit < most_rows ? fit : most_rows;
  for (std::int64_t i = 0; i < task.count; i += most) {
    const std::int64_t n = task.count - i < most ? task.count - i : most;
    for (std::int64_t k = 0; k < n; ++k)
      for (std::int64_t u = 0; u < units; ++u)
        put_in_order<order, Format<type>>(reinterpret_cast<const ActivationChunk*>(task.activation(i + k)) + step * u,
                                          chunks - step * u, x[k * units + u]);
    few_rows_of<type>(n, task, x, units, i);
  }
}

template <BlockType... types>
void set_few(Kernels& kernels) {
  ((kernels.gemv[index_of(types)] = few_gemv<types>), ...);
}

}  // namespace

}  // namespace silicast::engine
