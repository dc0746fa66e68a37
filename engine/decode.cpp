// SPDX-License-Identifier: Apache-2.0
#include "engine/decode.h"

namespace silicast::engine {

namespace {

constexpr std::int8_t lane(int value) { return static_cast<std::int8_t>(value); }
constexpr int bit(unsigned bits, int i) { return static_cast<int>((bits >> i) & 1U); }

// Signs bit by bit: q = -grid where set. `count` bytes of the grid's entry.
template <class Entry>
void put_signed(Entry entry, unsigned signs, std::int8_t* q) {
  for (int k = 0; k < static_cast<int>(sizeof(Entry)); ++k) {
    const int value = static_cast<int>((entry >> (8 * k)) & 255U);
    q[k] = lane(bit(signs, k) != 0 ? -value : value);
  }
}

// IQ1's grid stores 8 g + 16; the shift by an eighth is -1 or +1.
void put_shifted(std::uint64_t entry, bool negative, std::int8_t* q) {
  for (int k = 0; k < 8; ++k) q[k] = lane(static_cast<int>((entry >> (8 * k)) & 255U) - 16 + (negative ? -1 : 1));
}

void put_nibbles(const std::uint8_t* qs, int bias, std::int8_t* q) {
  for (int j = 0; j < 16; ++j) {
    q[j] = lane((qs[j] & 15) - bias);
    q[j + 16] = lane((qs[j] >> 4) - bias);
  }
}

void put_looked_up(const std::uint8_t* qs, const std::array<std::int8_t, 16>& values, std::int8_t* q) {
  for (std::size_t j = 0; j < 16; ++j) {
    q[j] = values[qs[j] & 15U];
    q[j + 16] = values[qs[j] >> 4];
  }
}

void put_fives(const std::uint8_t* qs, const std::uint8_t* qh, int bias, std::int8_t* q) {
  put_nibbles(qs, bias, q);
  for (int j = 0; j < 32; ++j) q[j] = lane(q[j] + 16 * bit(qh[j / 8], j % 8));
}

}  // namespace

void decode(const BlockQ4_0& block, Decoded& out) {
  put_nibbles(block.qs, 8, out.q);
  out.scale[0] = to_float(block.d);
  out.min[0] = 0;
}

void decode(const BlockQ4_1& block, Decoded& out) {
  put_nibbles(block.qs, 0, out.q);
  out.scale[0] = to_float(block.d);
  out.min[0] = -to_float(block.m);
}

void decode(const BlockQ5_0& block, Decoded& out) {
  put_fives(block.qs, block.qh, 16, out.q);
  out.scale[0] = to_float(block.d);
  out.min[0] = 0;
}

void decode(const BlockQ5_1& block, Decoded& out) {
  put_fives(block.qs, block.qh, 0, out.q);
  out.scale[0] = to_float(block.d);
  out.min[0] = -to_float(block.m);
}

void decode(const BlockQ8_0& block, Decoded& out) {
  std::memcpy(out.q, block.qs, sizeof block.qs);
  out.scale[0] = to_float(block.d);
  out.min[0] = 0;
}

void decode(const BlockQ2_K& block, Decoded& out) {
  for (int i = 0; i < super_block; ++i) {
    const int half = i / 128;
    out.q[i] = lane((block.qs[32 * half + i % 32] >> (2 * (i % 128 / 32))) & 3);
  }
  for (int g = 0; g < 16; ++g) {
    out.scale[g] = to_float(block.d) * static_cast<float>(block.scales[g] & 15);
    out.min[g] = to_float(block.dmin) * static_cast<float>(block.scales[g] >> 4);
  }
}

void decode(const BlockQ3_K& block, Decoded& out) {
  for (int i = 0; i < super_block; ++i) {
    const int low = (block.qs[32 * (i / 128) + i % 32] >> (2 * (i % 128 / 32))) & 3;
    out.q[i] = lane(low + 4 * bit(block.hmask[i % 32], i / 32) - 4);
  }
  for (int g = 0; g < 16; ++g) {
    out.scale[g] = to_float(block.d) * static_cast<float>(q3_scale(block.scales, g) - 32);
    out.min[g] = 0;
  }
}

namespace {

void put_six_bit_scales(Half d, Half dmin, const std::uint8_t* scales, Decoded& out) {
  for (int g = 0; g < 8; ++g) {
    const auto [scale, min] = six_bit_pair(scales, g);
    out.scale[g] = to_float(d) * static_cast<float>(scale);
    out.min[g] = to_float(dmin) * static_cast<float>(min);
  }
}

}  // namespace

void decode(const BlockQ4_K& block, Decoded& out) {
  for (int i = 0; i < super_block; ++i) out.q[i] = lane((block.qs[32 * (i / 64) + i % 32] >> (4 * (i % 64 / 32))) & 15);
  put_six_bit_scales(block.d, block.dmin, block.scales, out);
}

void decode(const BlockQ5_K& block, Decoded& out) {
  for (int i = 0; i < super_block; ++i) {
    const int low = (block.qs[32 * (i / 64) + i % 32] >> (4 * (i % 64 / 32))) & 15;
    out.q[i] = lane(low + 16 * bit(block.qh[i % 32], i / 32));
  }
  put_six_bit_scales(block.d, block.dmin, block.scales, out);
}

void decode(const BlockQ6_K& block, Decoded& out) {
  for (int i = 0; i < super_block; ++i) {
    const int half = i / 128;
    const int low = (block.ql[64 * half + i % 64] >> (4 * (i % 128 / 64))) & 15;
    const int high = (block.qh[32 * half + i % 32] >> (2 * (i % 128 / 32))) & 3;
    out.q[i] = lane(low + 16 * high - 32);
  }
  for (int g = 0; g < 16; ++g) {
    out.scale[g] = to_float(block.d) * static_cast<float>(block.scales[g]);
    out.min[g] = 0;
  }
}

void decode(const BlockIQ4_NL& block, Decoded& out) {
  put_looked_up(block.qs, iq4_values, out.q);
  out.scale[0] = to_float(block.d);
  out.min[0] = 0;
}

void decode(const BlockIQ4_XS& block, Decoded& out) {
  for (int g = 0; g < 8; ++g) {
    put_looked_up(block.qs + 16 * g, iq4_values, out.q + 32 * g);
    const int low = (block.scales_l[g / 2] >> (4 * (g % 2))) & 15;
    const int scale = low | (((block.scales_h >> (2 * g)) & 3) << 4);
    out.scale[g] = to_float(block.d) * static_cast<float>(scale - 32);
    out.min[g] = 0;
  }
}

void decode(const BlockIQ3_S& block, Decoded& out) {
  for (int i = 0; i < 64; ++i) {  // four weights each
    const auto index = static_cast<std::size_t>(block.qs[i] | (bit(block.qh[i / 8], i % 8) << 8));
    put_signed(iq3_s_grid[index], static_cast<unsigned>(block.signs[i / 2]) >> (4 * (i % 2)), out.q + 4 * i);
  }
  for (int g = 0; g < 8; ++g) {
    const int scale = (block.scales[g / 2] >> (4 * (g % 2))) & 15;
    out.scale[g] = to_float(block.d) * static_cast<float>(1 + 2 * scale);
    out.min[g] = 0;
  }
}

void decode(const BlockIQ3_XXS& block, Decoded& out) {
  for (int g = 0; g < 8; ++g) {
    std::uint32_t word = 0;
    std::memcpy(&word, block.qs + 64 + 4 * g, sizeof word);
    for (int i = 0; i < 8; ++i) {
      const unsigned signs = signs_of((word >> (7 * (i / 2))) & 127U);
      put_signed(iq3_xxs_grid[block.qs[8 * g + i]], signs >> (4 * (i % 2)), out.q + 32 * g + 4 * i);
    }
    out.scale[g] = to_float(block.d) * 0.25F * static_cast<float>(1 + 2 * (word >> 28));
    out.min[g] = 0;
  }
}

void decode(const BlockIQ2_XXS& block, Decoded& out) {
  for (int g = 0; g < 8; ++g) {
    std::uint8_t indices[4];
    std::uint32_t word = 0;
    std::memcpy(indices, block.qs + 4 * g, sizeof indices);
    std::memcpy(&word, block.qs + 4 * g + 2, sizeof word);
    for (int i = 0; i < 4; ++i)
      put_signed(iq2_xxs_grid[indices[i]], signs_of((word >> (7 * i)) & 127U), out.q + 32 * g + 8 * i);
    out.scale[g] = to_float(block.d) * 0.125F * static_cast<float>(1 + 2 * (word >> 28));
    out.min[g] = 0;
  }
}

namespace {

void put_iq2_scales(Half d, const std::uint8_t* scales, Decoded& out) {
  for (int g = 0; g < 16; ++g) {
    const int scale = (scales[g / 2] >> (4 * (g % 2))) & 15;
    out.scale[g] = to_float(d) * 0.125F * static_cast<float>(1 + 2 * scale);
    out.min[g] = 0;
  }
}

}  // namespace

void decode(const BlockIQ2_XS& block, Decoded& out) {
  for (int i = 0; i < 32; ++i)
    put_signed(iq2_xs_grid[block.qs[i] & 511U], signs_of(static_cast<unsigned>(block.qs[i]) >> 9), out.q + 8 * i);
  put_iq2_scales(block.d, block.scales, out);
}

void decode(const BlockIQ2_S& block, Decoded& out) {
  for (int i = 0; i < 32; ++i) {
    const auto index = static_cast<std::size_t>(block.qs[i] | (((block.qh[i / 4] >> (2 * (i % 4))) & 3) << 8));
    put_signed(iq2_s_grid[index], block.signs[i], out.q + 8 * i);
  }
  put_iq2_scales(block.d, block.scales, out);
}

void decode(const BlockIQ1_S& block, Decoded& out) {
  for (int g = 0; g < 8; ++g) {
    const int word = block.qh[g];
    for (int i = 0; i < 4; ++i) {
      const auto index = static_cast<std::size_t>(block.qs[4 * g + i] | (((word >> (3 * i)) & 7) << 8));
      put_shifted(iq1_grid[index], (word & 0x8000) != 0, out.q + 32 * g + 8 * i);
    }
    out.scale[g] = to_float(block.d) * 0.125F * static_cast<float>(1 + 2 * ((word >> 12) & 7));
    out.min[g] = 0;
  }
}

void decode(const BlockIQ1_M& block, Decoded& out) {
  for (int i = 0; i < 32; ++i) {
    const int nibble = (block.qh[i / 2] >> (4 * (i % 2))) & 15;
    const auto index = static_cast<std::size_t>(block.qs[i] | ((nibble & 7) << 8));
    put_shifted(iq1_grid[index], (nibble & 8) != 0, out.q + 8 * i);
  }
  const float d = to_float(iq1_m_d(block)) * 0.125F;
  for (int g = 0; g < 16; ++g) {
    const int word = block.scales[g / 4 * 2] | (block.scales[g / 4 * 2 + 1] << 8);
    out.scale[g] = d * static_cast<float>(1 + 2 * ((word >> (3 * (g % 4))) & 7));
    out.min[g] = 0;
  }
}

void decode(const BlockMXFP4& block, Decoded& out) {
  put_looked_up(block.qs, fp4_values, out.q);
  out.scale[0] = half_of_e8m0(block.e);
  out.min[0] = 0;
}

}  // namespace silicast::engine
