// SPDX-License-Identifier: Apache-2.0
// The block layouts of GGUF, bit for bit; all numbers are little-endian. Source: ggml's src/ggml-common.h (d99724f2).
//
// Every type here means weight = scale[group] * q - min[group] with a small integer q: engine/decode.h says how q,
// scale and min follow from the bytes. Types of 32 weights have one scale; types of 256 (super-blocks) have a float d
// and 8 or 16 integer scales.
#pragma once

#include <cstdint>

#include "engine/half.h"

namespace silicast::engine {

constexpr int super_block = 256;

// 1. d  2. sixteen bytes; byte j holds weight j in its low nibble and weight j + 16 in its high one. d * (q - 8)
struct BlockQ4_0 {
  Half d;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

// 1. d  2. m  3. nibbles as in Q4_0. d * q + m
struct BlockQ4_1 {
  Half d;
  Half m;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_1) == 20);

// 1. d  2. bit j of 32: the fifth bit of weight j  3. nibbles as in Q4_0. d * (q - 16)
struct BlockQ5_0 {
  Half d;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_0) == 22);

// 1. d  2. m  3. fifth bits  4. nibbles. d * q + m
struct BlockQ5_1 {
  Half d;
  Half m;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_1) == 24);

// 1. d  2. 32 signed bytes. d * q
struct BlockQ8_0 {
  Half d;
  std::int8_t qs[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

// Activations: 1. d  2. s = d * sum of q, rounded to binary16  3. 32 signed bytes
struct BlockQ8_1 {
  Half d;
  Half s;
  std::int8_t qs[32];
};
static_assert(sizeof(BlockQ8_1) == 36);

// Activations: 1. d  2. 256 signed bytes  3. sums of 16 of them each
struct BlockQ8_K {
  float d;
  std::int8_t qs[256];
  std::int16_t bsums[16];
};
static_assert(sizeof(BlockQ8_K) == 292);

// 1. per 16 weights, low nibble scale, high nibble min  2. per half of 128 weights 32 bytes; bits 2j, 2j+1 of byte l
// belong to weight 32 j + l  3. d  4. dmin. d * scale * q - dmin * min
struct BlockQ2_K {
  std::uint8_t scales[16];
  std::uint8_t qs[64];
  Half d;
  Half dmin;
};
static_assert(sizeof(BlockQ2_K) == 84);

// 1. bit b of byte l: third bit of weight 32 b + l  2. low two bits as in Q2_K  3. sixteen scales of 6 bits: low
// nibbles of scales 0-7 and 8-15 in bytes 0-7, then the upper two bits of scale i in byte 8 + i % 4 at bit 2 (i /
// 4)  4. d. d * (scale - 32) * (q - 4)
struct BlockQ3_K {
  std::uint8_t hmask[32];
  std::uint8_t qs[64];
  std::uint8_t scales[12];
  Half d;
};
static_assert(sizeof(BlockQ3_K) == 110);

// 1. d  2. dmin  3. eight scales and mins of 6 bits: bytes 0-3 and 4-7 hold scales and mins 0-3 in their low six bits
// and the upper two bits of scales and mins 4-7 above; bytes 8-11 the low nibbles of scales (low) and mins (high) 4-7
// 4. per 64 weights 32 bytes: byte l holds weight l (low nibble) and 32 + l (high). d * scale * q - dmin * min
struct BlockQ4_K {
  Half d;
  Half dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockQ4_K) == 144);

// As Q4_K with 4. the fifth bits: bit b of byte l belongs to weight 32 b + l  5. nibbles
struct BlockQ5_K {
  Half d;
  Half dmin;
  std::uint8_t scales[12];
  std::uint8_t qh[32];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockQ5_K) == 176);

// 1. per half of 128 weights 64 bytes: byte l holds the low nibbles of weight l (low) and 64 + l (high)  2. per half
// 32 bytes: bits 2j, 2j+1 of byte l are the upper bits of weight 32 j + l  3. sixteen scales  4. d. d * scale * (q -
// 32)
struct BlockQ6_K {
  std::uint8_t ql[128];
  std::uint8_t qh[64];
  std::int8_t scales[16];
  Half d;
};
static_assert(sizeof(BlockQ6_K) == 210);

// 1. d  2. nibbles as in Q4_0: indices into iq4_values. d * value
struct BlockIQ4_NL {
  Half d;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockIQ4_NL) == 18);

// 1. d  2. upper two bits of scale i at bit 2i  3. low nibbles of the scales  4. per 32 weights 16 bytes as in IQ4_NL.
// d * (scale - 32) * value
struct BlockIQ4_XS {
  Half d;
  std::uint16_t scales_h;
  std::uint8_t scales_l[4];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockIQ4_XS) == 136);

// 1. d  2. low 8 bits of the grid index of each 4 weights  3. their ninth bits  4. signs, a bit per weight  5. scales,
// a nibble per 32. d * (1 + 2 scale) * sign * grid
struct BlockIQ3_S {
  Half d;
  std::uint8_t qs[64];
  std::uint8_t qh[8];
  std::uint8_t signs[32];
  std::uint8_t scales[4];
};
static_assert(sizeof(BlockIQ3_S) == 110);

// 1. d  2. a grid index per 4 weights  3. per 32 weights a word: four sign indices of 7 bits, then a scale of 4.
// d * (1 + 2 scale) / 4 * sign * grid
struct BlockIQ3_XXS {
  Half d;
  std::uint8_t qs[96];
};
static_assert(sizeof(BlockIQ3_XXS) == 98);

// 1. d  2. per 32 weights 8 bytes: four grid indices (8 weights each), then a word of four sign indices of 7 bits and a
// scale of 4. d * (1 + 2 scale) / 8 * sign * grid
struct BlockIQ2_XXS {
  Half d;
  std::uint16_t qs[32];
};
static_assert(sizeof(BlockIQ2_XXS) == 66);

// 1. d  2. per 8 weights 9 bits of grid index, 7 of sign index  3. scales, a nibble per 16. As IQ2_XXS
struct BlockIQ2_XS {
  Half d;
  std::uint16_t qs[32];
  std::uint8_t scales[8];
};
static_assert(sizeof(BlockIQ2_XS) == 74);

// 1. d  2. low 8 bits of the grid index of each 8 weights  3. signs, a bit per weight  4. upper two bits of the indices
// 5. scales, a nibble per 16. As IQ2_XXS
struct BlockIQ2_S {
  Half d;
  std::uint8_t qs[32];
  std::uint8_t signs[32];
  std::uint8_t qh[8];
  std::uint8_t scales[8];
};
static_assert(sizeof(BlockIQ2_S) == 82);

// 1. d  2. low 8 bits of the grid index of each 8 weights  3. per 32 weights: four times 3 upper bits, a scale of 3
// bits, the sign of the shift. d * (1 + 2 scale) * (grid -+ 1/8) with a grid of -1, 0, 1
struct BlockIQ1_S {
  Half d;
  std::uint8_t qs[32];
  std::uint16_t qh[8];
};
static_assert(sizeof(BlockIQ1_S) == 50);

// 1. low 8 bits of the grid indices  2. per 8 weights a nibble: 3 upper bits, the sign of the shift  3. per 64 weights
// 16 bits: four scales of 3 bits (16 weights each), then a nibble of d, the lowest first. As IQ1_S
struct BlockIQ1_M {
  std::uint8_t qs[32];
  std::uint8_t qh[16];
  std::uint8_t scales[8];
};
static_assert(sizeof(BlockIQ1_M) == 56);

// 1. E8M0 exponent  2. nibbles as in Q4_0: indices into fp4_values, which are doubled. 2^(e - 128) * value
struct BlockMXFP4 {
  std::uint8_t e;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockMXFP4) == 17);

}  // namespace silicast::engine
