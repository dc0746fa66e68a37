// SPDX-License-Identifier: Apache-2.0
// The definition of the quantized types: what integers, scales and mins a block of bytes stands for.
//
//   weight[i] = scale[i / group] * q[i] - min[i / group]
//
// The grids' scales are such that q is an integer: IQ2's (1/2 + s) / 4 is (2 s + 1) / 8, IQ1's grid -+ 1/8 is
// (8 grid -+ 1) / 8. Format<type> says the same at compile time for the fast kernels, with the `bias` that makes q
// unsigned (q + bias in 0 ... 255), as the instructions for dot products of bytes want it.
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include "engine/blocks.h"
#include "engine/codebooks.h"
#include "engine/type_traits.h"

namespace silicast::engine {

template <BlockType type>
struct Format;  // none for F32, F16 and BF16

template <class BlockT, int Weights, int Group, bool HasMin, int BiasBits, ActivationType Partner>
struct FormatBase {
  using Block = BlockT;
  static constexpr int weights = Weights;
  static constexpr int group = Group;
  static constexpr int groups = Weights / Group;
  static constexpr bool has_min = HasMin;
  static constexpr int bias_bits = BiasBits;  // bias = 2^bias_bits, or none when negative
  static constexpr int bias = BiasBits < 0 ? 0 : 1 << (BiasBits < 0 ? 0 : BiasBits);
  static constexpr bool wide = bias > 64;  // q + bias may exceed 127
  static constexpr ActivationType partner = Partner;
};

template <>
struct Format<BlockType::q4_0> : FormatBase<BlockQ4_0, 32, 32, false, 3, ActivationType::q8_0> {};
template <>
struct Format<BlockType::q4_1> : FormatBase<BlockQ4_1, 32, 32, true, -1, ActivationType::q8_1> {};
template <>
struct Format<BlockType::q5_0> : FormatBase<BlockQ5_0, 32, 32, false, 4, ActivationType::q8_0> {};
template <>
struct Format<BlockType::q5_1> : FormatBase<BlockQ5_1, 32, 32, true, -1, ActivationType::q8_1> {};
template <>
struct Format<BlockType::q8_0> : FormatBase<BlockQ8_0, 32, 32, false, 7, ActivationType::q8_0> {};
template <>
struct Format<BlockType::q2_k> : FormatBase<BlockQ2_K, 256, 16, true, -1, ActivationType::q8_k> {};
template <>
struct Format<BlockType::q3_k> : FormatBase<BlockQ3_K, 256, 16, false, 2, ActivationType::q8_k> {};
template <>
struct Format<BlockType::q4_k> : FormatBase<BlockQ4_K, 256, 32, true, -1, ActivationType::q8_k> {};
template <>
struct Format<BlockType::q5_k> : FormatBase<BlockQ5_K, 256, 32, true, -1, ActivationType::q8_k> {};
template <>
struct Format<BlockType::q6_k> : FormatBase<BlockQ6_K, 256, 16, false, 5, ActivationType::q8_k> {};
template <>
struct Format<BlockType::iq4_nl> : FormatBase<BlockIQ4_NL, 32, 32, false, 7, ActivationType::q8_0> {};
template <>
struct Format<BlockType::iq4_xs> : FormatBase<BlockIQ4_XS, 256, 32, false, 7, ActivationType::q8_k> {};
template <>
struct Format<BlockType::iq3_s> : FormatBase<BlockIQ3_S, 256, 32, false, 4, ActivationType::q8_k> {};
template <>
struct Format<BlockType::iq3_xxs> : FormatBase<BlockIQ3_XXS, 256, 32, false, 6, ActivationType::q8_k> {};
template <>
struct Format<BlockType::iq2_xxs> : FormatBase<BlockIQ2_XXS, 256, 32, false, 6, ActivationType::q8_k> {};
template <>
struct Format<BlockType::iq2_xs> : FormatBase<BlockIQ2_XS, 256, 16, false, 6, ActivationType::q8_k> {};
template <>
struct Format<BlockType::iq2_s> : FormatBase<BlockIQ2_S, 256, 16, false, 6, ActivationType::q8_k> {};
template <>
struct Format<BlockType::iq1_s> : FormatBase<BlockIQ1_S, 256, 32, false, 4, ActivationType::q8_k> {};
template <>
struct Format<BlockType::iq1_m> : FormatBase<BlockIQ1_M, 256, 16, false, 4, ActivationType::q8_k> {};
template <>
struct Format<BlockType::mxfp4> : FormatBase<BlockMXFP4, 32, 32, false, 4, ActivationType::q8_0> {};

// Applies action.template operator()<type>() to every quantized type.
template <class Action>
constexpr void for_each_format(Action action) {
  using enum BlockType;
  [&]<BlockType... types>(std::integer_sequence<BlockType, types...>) { (action.template operator()<types>(), ...); }
  (std::integer_sequence<BlockType, q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs, iq3_s,
                         iq3_xxs, iq2_xxs, iq2_xs, iq2_s, iq1_s, iq1_m, mxfp4>{});
}

// A block, decoded. 32-weight types use the first 32 and one group.
struct Decoded {
  std::int8_t q[super_block];
  float scale[16];
  float min[16];
};

void decode(const BlockQ4_0& block, Decoded& out);
void decode(const BlockQ4_1& block, Decoded& out);
void decode(const BlockQ5_0& block, Decoded& out);
void decode(const BlockQ5_1& block, Decoded& out);
void decode(const BlockQ8_0& block, Decoded& out);
void decode(const BlockQ2_K& block, Decoded& out);
void decode(const BlockQ3_K& block, Decoded& out);
void decode(const BlockQ4_K& block, Decoded& out);
void decode(const BlockQ5_K& block, Decoded& out);
void decode(const BlockQ6_K& block, Decoded& out);
void decode(const BlockIQ4_NL& block, Decoded& out);
void decode(const BlockIQ4_XS& block, Decoded& out);
void decode(const BlockIQ3_S& block, Decoded& out);
void decode(const BlockIQ3_XXS& block, Decoded& out);
void decode(const BlockIQ2_XXS& block, Decoded& out);
void decode(const BlockIQ2_XS& block, Decoded& out);
void decode(const BlockIQ2_S& block, Decoded& out);
void decode(const BlockIQ1_S& block, Decoded& out);
void decode(const BlockIQ1_M& block, Decoded& out);
void decode(const BlockMXFP4& block, Decoded& out);

// Eight (scale, min) pairs of 6 bits, as Q4_K and Q5_K pack them in 12 bytes.
struct SixBitPair {
  int scale;
  int min;
};
SILICAST_ALWAYS_INLINE constexpr SixBitPair six_bit_pair(const std::uint8_t* scales, int i) {
  if (i < 4) return {scales[i] & 63, scales[i + 4] & 63};
  return {(scales[i + 4] & 15) | ((scales[i - 4] >> 6) << 4), (scales[i + 4] >> 4) | ((scales[i] >> 6) << 4)};
}

// Scale i of Q3_K's sixteen of 6 bits, as stored (32 more than it means).
SILICAST_ALWAYS_INLINE constexpr int q3_scale(const std::uint8_t* scales, int i) {
  const int low = i < 8 ? scales[i] & 15 : scales[i - 8] >> 4;
  return low | (((scales[8 + i % 4] >> (2 * (i / 4))) & 3) << 4);
}

// IQ1_M's d, spread over the upper nibbles of its scales.
SILICAST_ALWAYS_INLINE Half iq1_m_d(const BlockIQ1_M& block) {
  std::uint16_t words[4];
  std::memcpy(words, block.scales, sizeof words);
  return {static_cast<std::uint16_t>((words[0] >> 12) | ((words[1] >> 8) & 0x00f0) | ((words[2] >> 4) & 0x0f00) |
                                     (words[3] & 0xf000))};
}

}  // namespace silicast::engine
