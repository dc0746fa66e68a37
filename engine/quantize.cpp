// SPDX-License-Identifier: Apache-2.0
// The linear types: Q4_0 ... Q8_0, the K types, the activations.
#include "engine/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "engine/scale_search.h"

namespace silicast::engine {

namespace {

using Row = std::span<const float>;

std::uint8_t byte(int value) { return static_cast<std::uint8_t>(value); }

float extreme_of(Row x) {
  float extreme = 0;
  for (const float value : x)
    if (std::abs(value) > std::abs(extreme)) extreme = value;
  return extreme;
}

// d such that the extreme becomes `low`; and the integers, nearest for the stored d, less `low`.
template <class Block>
void encode_symmetric(const float* x, int low, int high, Block& block, int (&q)[32]) {
  block.d = finite_half(extreme_of(Row(x, 32)) / static_cast<float>(low));
  const float inverse = inverse_of(to_float(block.d));
  for (int i = 0; i < 32; ++i) q[i] = nearest(x[i] * inverse, low, high) - low;
}

template <class Block>
void encode_affine(const float* x, int high, Block& block, int (&q)[32]) {
  const auto [low, top] = std::minmax_element(x, x + 32);
  block.m = finite_half(*low);
  block.d = finite_half((*top - to_float(block.m)) / static_cast<float>(high));
  const float inverse = inverse_of(to_float(block.d));
  for (int i = 0; i < 32; ++i) q[i] = nearest((x[i] - to_float(block.m)) * inverse, 0, high);
}

void put_nibbles(const int (&q)[32], std::uint8_t (&qs)[16]) {
  for (int i = 0; i < 16; ++i) qs[i] = byte((q[i] & 15) | ((q[i + 16] & 15) << 4));
}

void put_fifth_bits(const int (&q)[32], std::uint8_t (&qh)[4]) {
  std::fill(std::begin(qh), std::end(qh), std::uint8_t{0});
  for (int i = 0; i < 32; ++i) qh[i / 8] = byte(qh[i / 8] | ((q[i] >> 4) << (i % 8)));
}

}  // namespace

void encode(const float* x, BlockQ4_0& block) {
  int q[32];
  encode_symmetric(x, -8, 7, block, q);
  put_nibbles(q, block.qs);
}

void encode(const float* x, BlockQ4_1& block) {
  int q[32];
  encode_affine(x, 15, block, q);
  put_nibbles(q, block.qs);
}

void encode(const float* x, BlockQ5_0& block) {
  int q[32];
  encode_symmetric(x, -16, 15, block, q);
  put_nibbles(q, block.qs);
  put_fifth_bits(q, block.qh);
}

void encode(const float* x, BlockQ5_1& block) {
  int q[32];
  encode_affine(x, 31, block, q);
  put_nibbles(q, block.qs);
  put_fifth_bits(q, block.qh);
}

// The activations use the unrounded scale, as ggml does: the fast quantizers then need no second pass.
void encode(const float* x, BlockQ8_0& block) {
  const float d = std::abs(extreme_of(Row(x, 32))) / 127.0F;
  const float inverse = inverse_of(d);
  block.d = finite_half(d);
  for (int i = 0; i < 32; ++i) block.qs[i] = static_cast<std::int8_t>(nearest(x[i] * inverse, -127, 127));
}

void encode(const float* x, BlockQ8_1& block) {
  const float d = std::abs(extreme_of(Row(x, 32))) / 127.0F;
  const float inverse = inverse_of(d);
  int sum = 0;
  block.d = finite_half(d);
  for (int i = 0; i < 32; ++i) {
    block.qs[i] = static_cast<std::int8_t>(nearest(x[i] * inverse, -127, 127));
    sum += block.qs[i];
  }
  block.s = finite_half(static_cast<float>(sum) * d);
}

void encode(const float* x, BlockQ8_K& block) {
  block.d = std::abs(extreme_of(Row(x, 256))) / 127.0F;
  const float inverse = inverse_of(block.d);
  for (int i = 0; i < 256; ++i) block.qs[i] = static_cast<std::int8_t>(nearest(x[i] * inverse, -127, 127));
  for (int g = 0; g < 16; ++g) {
    int sum = 0;
    for (int i = 0; i < 16; ++i) sum += block.qs[16 * g + i];
    block.bsums[g] = static_cast<std::int16_t>(sum);
  }
}

namespace {

// Scales and mins of a super-block, both stored as integers times a binary16 number.
template <std::size_t Groups>
struct AffineScales {
  Half d;
  Half dmin;
  int scale[Groups];
  int min[Groups];
  std::uint8_t q[super_block];
};

template <std::size_t Groups>
AffineScales<Groups> encode_affine_groups(const float* x, int high, int most) {
  constexpr std::size_t group = super_block / Groups;
  AffineScales<Groups> result{};
  Affine affine[Groups];
  Affine largest;
  for (std::size_t g = 0; g < Groups; ++g) {
    affine[g] = affine_scale(Row(x + g * group, group), high);
    largest.scale = std::max(largest.scale, affine[g].scale);
    largest.min = std::max(largest.min, affine[g].min);
  }
  result.d = finite_half(largest.scale / static_cast<float>(most));
  result.dmin = finite_half(largest.min / static_cast<float>(most));
  const float d = to_float(result.d);
  const float dmin = to_float(result.dmin);
  for (std::size_t g = 0; g < Groups; ++g) {
    result.scale[g] = nearest(affine[g].scale * inverse_of(d), 0, most);
    result.min[g] = nearest(affine[g].min * inverse_of(dmin), 0, most);
    const float inverse = inverse_of(d * static_cast<float>(result.scale[g]));
    const float min = dmin * static_cast<float>(result.min[g]);
    for (std::size_t i = g * group; i < (g + 1) * group; ++i)
      result.q[i] = byte(nearest((x[i] + min) * inverse, 0, high));
  }
  return result;
}

void put_six_bit_pairs(const AffineScales<8>& groups, std::uint8_t (&scales)[12]) {
  for (int i = 0; i < 4; ++i) {
    scales[i] = byte(groups.scale[i] | ((groups.scale[i + 4] >> 4) << 6));
    scales[i + 4] = byte(groups.min[i] | ((groups.min[i + 4] >> 4) << 6));
    scales[i + 8] = byte((groups.scale[i + 4] & 15) | ((groups.min[i + 4] & 15) << 4));
  }
}

void put_nibbles_of_64(const std::uint8_t (&q)[super_block], std::uint8_t (&qs)[128]) {
  for (int i = 0; i < 128; ++i) {
    const int first = 64 * (i / 32) + i % 32;
    qs[i] = byte((q[first] & 15) | ((q[first + 32] & 15) << 4));
  }
}

// Signed scales of 16 weights each for integers in [-reach, reach), and the integers plus reach.
SignedScales<16> encode_signed_groups(const float* x, int reach, int bias, std::uint8_t (&q)[super_block]) {
  float scales[16];
  for (int g = 0; g < 16; ++g) scales[g] = symmetric_scale(Row(x + 16 * g, 16), -reach, reach - 1);
  const auto result = signed_scales(scales, bias);
  for (int i = 0; i < super_block; ++i) {
    const int group = i / 16;
    const float inverse = inverse_of(to_float(result.d) * static_cast<float>(result.stored[group]));
    q[i] = byte(nearest(x[i] * inverse, -reach, reach - 1) + reach);
  }
  return result;
}

// Two bits of each weight: byte l of a half holds weights l, 32 + l, 64 + l, 96 + l.
void put_crumbs(const std::uint8_t (&q)[super_block], int shift, std::uint8_t (&qs)[64]) {
  std::fill(std::begin(qs), std::end(qs), std::uint8_t{0});
  for (int i = 0; i < super_block; ++i) {
    auto& out = qs[32 * (i / 128) + i % 32];
    out = byte(out | (((q[i] >> shift) & 3) << (2 * (i % 128 / 32))));
  }
}

}  // namespace

void encode(const float* x, BlockQ2_K& block) {
  const auto groups = encode_affine_groups<16>(x, 3, 15);
  block.d = groups.d;
  block.dmin = groups.dmin;
  for (int g = 0; g < 16; ++g) block.scales[g] = byte(groups.scale[g] | (groups.min[g] << 4));
  put_crumbs(groups.q, 0, block.qs);
}

void encode(const float* x, BlockQ3_K& block) {
  std::uint8_t q[super_block];
  const auto scales = encode_signed_groups(x, 4, 32, q);
  block.d = scales.d;
  std::memset(block.scales, 0, sizeof block.scales);
  for (int g = 0; g < 16; ++g) {
    const int stored = scales.stored[g] + 32;
    block.scales[g % 8] = byte(block.scales[g % 8] | ((stored & 15) << (g < 8 ? 0 : 4)));
    block.scales[8 + g % 4] = byte(block.scales[8 + g % 4] | ((stored >> 4) << (2 * (g / 4))));
  }
  put_crumbs(q, 0, block.qs);
  std::memset(block.hmask, 0, sizeof block.hmask);
  for (int i = 0; i < super_block; ++i) block.hmask[i % 32] = byte(block.hmask[i % 32] | ((q[i] >> 2) << (i / 32)));
}

void encode(const float* x, BlockQ4_K& block) {
  const auto groups = encode_affine_groups<8>(x, 15, 63);
  block.d = groups.d;
  block.dmin = groups.dmin;
  put_six_bit_pairs(groups, block.scales);
  put_nibbles_of_64(groups.q, block.qs);
}

void encode(const float* x, BlockQ5_K& block) {
  const auto groups = encode_affine_groups<8>(x, 31, 63);
  block.d = groups.d;
  block.dmin = groups.dmin;
  put_six_bit_pairs(groups, block.scales);
  put_nibbles_of_64(groups.q, block.qs);
  std::memset(block.qh, 0, sizeof block.qh);
  for (int i = 0; i < super_block; ++i) block.qh[i % 32] = byte(block.qh[i % 32] | ((groups.q[i] >> 4) << (i / 32)));
}

void encode(const float* x, BlockQ6_K& block) {
  std::uint8_t q[super_block];
  const auto scales = encode_signed_groups(x, 32, 128, q);
  block.d = scales.d;
  for (int g = 0; g < 16; ++g) block.scales[g] = static_cast<std::int8_t>(scales.stored[g]);
  for (int i = 0; i < 128; ++i) {
    const int first = 128 * (i / 64) + i % 64;
    block.ql[i] = byte((q[first] & 15) | ((q[first + 64] & 15) << 4));
  }
  put_crumbs(q, 4, block.qh);
}

}  // namespace silicast::engine
