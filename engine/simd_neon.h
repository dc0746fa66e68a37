// SPDX-License-Identifier: Apache-2.0
// The vectors of product.h and vectors.h for AArch64's NEON, with the dot product and the matrix product of bytes
// (i8mm) where the file is compiled for them, and each type's chunk of 256 weights as sixteen vectors of unsigned
// lanes. The grid types are decoded by their definition.
#pragma once

#include <arm_neon.h>

#include "engine/decode.h"
#include "engine/kernel_table.h"
#include "engine/product.h"

namespace silicast::engine {

namespace {

struct Neon {
  static constexpr int lanes = 4;
  static constexpr int bytes = 16;
  static constexpr int vectors = super_block / bytes;
#if defined(__ARM_FEATURE_MATMUL_INT8)
  static constexpr bool any_byte = true;
  static constexpr bool multiplies_pairs = true;
#else
  static constexpr bool any_byte = false;
  static constexpr bool multiplies_pairs = false;
#endif
  // 2 x 6 sums and as many integers, two vectors of weights, one of activations: 27 of 32 registers.
  static constexpr int tile_rows = 2;
  static constexpr int tile_columns = 6;

  using U8 = uint8x16_t;
  using S8 = int8x16_t;
  using I32 = int32x4_t;
  using F32 = float32x4_t;
  struct Groups {
    alignas(16) float v[16];
  };
  struct Chunk {
    U8 q[vectors];
    Groups scale;
    Groups min;
  };

  static SILICAST_INLINE F32 zero() { return vdupq_n_f32(0); }
  static SILICAST_INLINE I32 zero_int() { return vdupq_n_s32(0); }
  static SILICAST_INLINE F32 broadcast(float x) { return vdupq_n_f32(x); }
  static SILICAST_INLINE I32 broadcast_int(std::int32_t x) { return vdupq_n_s32(x); }
  static SILICAST_INLINE F32 load(const float* p) { return vld1q_f32(p); }
  static SILICAST_INLINE void store(float* p, F32 x) { vst1q_f32(p, x); }
  static SILICAST_INLINE F32 load_half(const Half* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(&p->bits))); }
  static SILICAST_INLINE F32 load_bfloat(const Bfloat* p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(&p->bits), 16));
  }
  static SILICAST_INLINE F32 load_signed_bytes(const std::int8_t* p) {
    std::int32_t four;
    __builtin_memcpy(&four, p, 4);
    const int16x8_t words = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(words)));
  }
  static SILICAST_INLINE void store_half(Half* p, F32 x) { vst1_u16(&p->bits, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
  static SILICAST_INLINE float as_half(float x) {
    const F32 finite = min(max(broadcast(x), broadcast(-65504.0F)), broadcast(65504.0F));
    return vgetq_lane_f32(vcvt_f32_f16(vcvt_f16_f32(finite)), 0);
  }
  static SILICAST_INLINE F32 add(F32 a, F32 b) { return vaddq_f32(a, b); }
  static SILICAST_INLINE F32 sub(F32 a, F32 b) { return vsubq_f32(a, b); }
  static SILICAST_INLINE F32 mul(F32 a, F32 b) { return vmulq_f32(a, b); }
  static SILICAST_INLINE F32 div(F32 a, F32 b) { return vdivq_f32(a, b); }
  static SILICAST_INLINE F32 max(F32 a, F32 b) { return vmaxq_f32(a, b); }
  static SILICAST_INLINE F32 min(F32 a, F32 b) { return vminq_f32(a, b); }
  static SILICAST_INLINE F32 abs(F32 a) { return vabsq_f32(a); }
  static SILICAST_INLINE F32 fma(F32 a, F32 b, F32 c) { return vfmaq_f32(c, a, b); }
  static SILICAST_INLINE F32 minus_product(F32 c, F32 a, F32 b) { return vfmsq_f32(c, a, b); }
  static SILICAST_INLINE F32 round(F32 a) { return vrndnq_f32(a); }
  static SILICAST_INLINE F32 times_power_of_two(F32 a, F32 n) {
    const int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
    return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
  }
  static SILICAST_INLINE float sum(F32 a) { return vaddvq_f32(a); }
  static SILICAST_INLINE float max_of(F32 a) { return vmaxvq_f32(a); }
  static SILICAST_INLINE I32 to_int(F32 a) { return vcvtnq_s32_f32(a); }
  static SILICAST_INLINE void store_as_bytes(std::int8_t* p, I32 x) {
    const int16x4_t words = vqmovn_s32(x);
    vst1_lane_s32(reinterpret_cast<std::int32_t*>(p), vreinterpret_s32_s8(vqmovn_s16(vcombine_s16(words, words))), 0);
  }
  static SILICAST_INLINE std::int32_t sum_int(I32 a) { return vaddvq_s32(a); }
  static SILICAST_INLINE I32 add_int(I32 a, I32 b) { return vaddq_s32(a, b); }
  static SILICAST_INLINE F32 to_float(I32 a) { return vcvtq_f32_s32(a); }
  static SILICAST_INLINE I32 shift_left(I32 a, int bits) { return vshlq_s32(a, vdupq_n_s32(bits)); }

  static SILICAST_INLINE S8 load_bytes(const std::int8_t* p) { return vld1q_s8(p); }
  static SILICAST_INLINE U8 load_ubytes(const std::uint8_t* p) { return vld1q_u8(p); }
  static SILICAST_INLINE void store_bytes(std::uint8_t* p, U8 x) { vst1q_u8(p, x); }
  static SILICAST_INLINE S8 broadcast_four(const std::int8_t* p) {
    std::int32_t four;
    __builtin_memcpy(&four, p, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
  static SILICAST_INLINE I32 dot_signed(I32 sum, S8 w, S8 a) {
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, w, a);
#else
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(a)));
    return vaddq_s32(sum, vpaddq_s32(low, vpaddlq_s16(vmull_high_s8(w, a))));
#endif
  }
  // Lanes beyond 127 are taken as w = u - 128; the 128 comes back as twice 64 times the activations' sum.
  template <bool wide>
  static SILICAST_INLINE I32 dot4(I32 sum, U8 u, S8 s) {
#if defined(__ARM_FEATURE_MATMUL_INT8)
    return vusdotq_s32(sum, u, s);
#endif
    if constexpr (!wide) return dot_signed(sum, vreinterpretq_s8_u8(u), s);
    const S8 w = vreinterpretq_s8_u8(veorq_u8(u, vdupq_n_u8(0x80)));
    const S8 half_bias = vdupq_n_s8(64);
    return dot_signed(dot_signed(dot_signed(sum, w, s), half_bias, s), half_bias, s);
  }

  static SILICAST_INLINE Groups load_groups(const float* p) {
    Groups g{};
    for (int i = 0; i < 8; ++i) g.v[i] = p[i];
    return g;
  }
  static SILICAST_INLINE void store_groups(float* p, const Groups& g) {
    for (int i = 0; i < 16; i += 4) store(p + i, load(g.v + i));
  }
  static SILICAST_INLINE Groups times(const Groups& a, const Groups& b) {
    Groups g;
    for (int i = 0; i < 16; i += 4) store(g.v + i, mul(load(a.v + i), load(b.v + i)));
    return g;
  }
  static SILICAST_INLINE Groups times(const Groups& a, float b) {
    Groups g;
    for (int i = 0; i < 16; i += 4) store(g.v + i, vmulq_n_f32(load(a.v + i), b));
    return g;
  }
  template <int group>
  static SILICAST_INLINE Groups load_sums(const std::int32_t* p) {
    Groups g{};
    for (int i = 0; i < super_block / group; i += 4) store(g.v + i, to_float(vld1q_s32(p + i)));
    return g;
  }
  template <int group>
  static SILICAST_INLINE F32 expand(const Groups& g, int j) {
    return vld1q_dup_f32(g.v + j * bytes / group);
  }
  template <int group>
  static SILICAST_INLINE F32 add_groups(F32 sum, const Groups& a, const Groups& b) {
    for (int i = 0; i < super_block / group; i += 4) sum = fma(load(a.v + i), load(b.v + i), sum);
    return sum;
  }

  static void interleave(const std::uint8_t (&rows)[lanes][super_block],
                         std::uint8_t (&out)[super_block / 4][lanes][4]) {
    for (int k = 0; k < super_block / 4; k += 4) {
      uint32x4x4_t r;
      for (int lane = 0; lane < lanes; ++lane) r.val[lane] = vreinterpretq_u32_u8(vld1q_u8(rows[lane] + 4 * k));
      vst4q_u32(reinterpret_cast<std::uint32_t*>(out[k]), r);
    }
  }
#if defined(__ARM_FEATURE_MATMUL_INT8)
  // Eight bytes each of rows 0 and 1, then of rows 2 and 3: what a matrix product takes.
  static void interleave_pairs(const std::uint8_t (&rows)[lanes][super_block],
                               std::uint8_t (&out)[super_block / 4][lanes][4]) {
    for (int k = 0; k < super_block / 4; k += 2)
      for (int pair = 0; pair < 2; ++pair)
        vst1q_u8(out[k + pair][0], vcombine_u8(vld1_u8(rows[2 * pair] + 4 * k), vld1_u8(rows[2 * pair + 1] + 4 * k)));
  }
  // Two rows of weights by two rows of activations, eight bytes each: [w0 a0, w0 a1, w1 a0, w1 a1].
  static SILICAST_INLINE I32 add_pair_products(I32 sum, U8 w, S8 a) { return vusmmlaq_s32(sum, w, a); }
  static SILICAST_INLINE S8 two_rows(const std::int8_t* a, const std::int8_t* b) {
    return vcombine_s8(vld1_s8(a), vld1_s8(b));
  }
  // A lane for each of four rows of weights, of the first and of the second activation.
  static SILICAST_INLINE I32 first_of_pairs(I32 upper, I32 lower) { return vuzp1q_s32(upper, lower); }
  static SILICAST_INLINE I32 second_of_pairs(I32 upper, I32 lower) { return vuzp2q_s32(upper, lower); }
#endif

  // By the definition; faster ones follow below.
  template <BlockType type>
  struct Unpack {
    using F = Format<type>;
    static void run(const typename F::Block* blocks, Chunk& out) {
      Decoded decoded;
      alignas(16) std::uint8_t q[super_block];
      for (int b = 0; b < super_block / F::weights; ++b) {
        decode(blocks[b], decoded);
        for (int i = 0; i < F::weights; ++i) q[b * F::weights + i] = static_cast<std::uint8_t>(decoded.q[i] + F::bias);
        for (int g = 0; g < F::groups; ++g) {
          out.scale.v[b * F::groups + g] = decoded.scale[g];
          out.min.v[b * F::groups + g] = decoded.min[g];
        }
      }
      for (int g = super_block / F::group; g < 16; ++g) out.scale.v[g] = out.min.v[g] = 0;
      for (int j = 0; j < vectors; ++j) out.q[j] = vld1q_u8(q + bytes * j);
    }
  };

  // ---- what the types share

  static SILICAST_INLINE void put_nibbles(const std::uint8_t* qs, U8* q) {
    const U8 packed = vld1q_u8(qs);
    q[0] = vandq_u8(packed, vdupq_n_u8(15));
    q[1] = vshrq_n_u8(packed, 4);
  }
  static SILICAST_INLINE void put_looked_up(const std::uint8_t* qs, const std::int8_t* values, int bias, U8* q) {
    const U8 table = vaddq_u8(vreinterpretq_u8_s8(vld1q_s8(values)), vdupq_n_u8(static_cast<std::uint8_t>(bias)));
    put_nibbles(qs, q);
    q[0] = vqtbl1q_u8(table, q[0]);
    q[1] = vqtbl1q_u8(table, q[1]);
  }
  static SILICAST_INLINE void clear_upper(Groups& g) {
    for (int i = 8; i < 16; ++i) g.v[i] = 0;
  }
  // 32 nibble pairs: 64 weights of Q4_K and Q5_K.
  static SILICAST_INLINE void put_nibbles_of_64(const std::uint8_t* qs, U8* q) {
    const U8 a = vld1q_u8(qs);
    const U8 b = vld1q_u8(qs + 16);
    q[0] = vandq_u8(a, vdupq_n_u8(15));
    q[1] = vandq_u8(b, vdupq_n_u8(15));
    q[2] = vshrq_n_u8(a, 4);
    q[3] = vshrq_n_u8(b, 4);
  }
  template <class Block>
  static SILICAST_INLINE void put_six_bit_scales(const Block& b, Chunk& out) {
    for (int g = 0; g < 8; ++g) {
      const auto pair = six_bit_pair(b.scales, g);
      out.scale.v[g] = engine::to_float(b.d) * static_cast<float>(pair.scale);
      out.min.v[g] = engine::to_float(b.dmin) * static_cast<float>(pair.min);
    }
    clear_upper(out.scale);
    clear_upper(out.min);
  }
};

template <>
struct Neon::Unpack<BlockType::q4_0> {
  static SILICAST_INLINE void run(const BlockQ4_0* b, Chunk& out) {
    for (int i = 0; i < 8; ++i) {
      put_nibbles(b[i].qs, out.q + 2 * i);
      out.scale.v[i] = engine::to_float(b[i].d);
    }
    clear_upper(out.scale);
  }
};

template <>
struct Neon::Unpack<BlockType::q4_1> {
  static SILICAST_INLINE void run(const BlockQ4_1* b, Chunk& out) {
    for (int i = 0; i < 8; ++i) {
      put_nibbles(b[i].qs, out.q + 2 * i);
      out.scale.v[i] = engine::to_float(b[i].d);
      out.min.v[i] = -engine::to_float(b[i].m);
    }
    clear_upper(out.scale);
    clear_upper(out.min);
  }
};

template <>
struct Neon::Unpack<BlockType::q8_0> {
  static SILICAST_INLINE void run(const BlockQ8_0* b, Chunk& out) {
    for (int i = 0; i < 8; ++i) {
      for (int part = 0; part < 2; ++part)
        out.q[2 * i + part] = veorq_u8(vreinterpretq_u8_s8(vld1q_s8(b[i].qs + 16 * part)), vdupq_n_u8(0x80));
      out.scale.v[i] = engine::to_float(b[i].d);
    }
    clear_upper(out.scale);
  }
};

template <>
struct Neon::Unpack<BlockType::iq4_nl> {
  static SILICAST_INLINE void run(const BlockIQ4_NL* b, Chunk& out) {
    for (int i = 0; i < 8; ++i) {
      put_looked_up(b[i].qs, iq4_values.data(), 128, out.q + 2 * i);
      out.scale.v[i] = engine::to_float(b[i].d);
    }
    clear_upper(out.scale);
  }
};

template <>
struct Neon::Unpack<BlockType::mxfp4> {
  static SILICAST_INLINE void run(const BlockMXFP4* b, Chunk& out) {
    for (int i = 0; i < 8; ++i) {
      put_looked_up(b[i].qs, fp4_values.data(), 16, out.q + 2 * i);
      out.scale.v[i] = half_of_e8m0(b[i].e);
    }
    clear_upper(out.scale);
  }
};

template <>
struct Neon::Unpack<BlockType::iq4_xs> {
  static SILICAST_INLINE void run(const BlockIQ4_XS* b, Chunk& out) {
    for (int g = 0; g < 8; ++g) {
      put_looked_up(b->qs + 16 * g, iq4_values.data(), 128, out.q + 2 * g);
      const int low = (b->scales_l[g / 2] >> (4 * (g % 2))) & 15;
      const int scale = low | (((b->scales_h >> (2 * g)) & 3) << 4);
      out.scale.v[g] = engine::to_float(b->d) * static_cast<float>(scale - 32);
    }
    clear_upper(out.scale);
  }
};

template <>
struct Neon::Unpack<BlockType::q4_k> {
  static SILICAST_INLINE void run(const BlockQ4_K* b, Chunk& out) {
    for (int c = 0; c < 4; ++c) put_nibbles_of_64(b->qs + 32 * c, out.q + 4 * c);
    put_six_bit_scales(*b, out);
  }
};

template <>
struct Neon::Unpack<BlockType::q5_k> {
  static SILICAST_INLINE void run(const BlockQ5_K* b, Chunk& out) {
    const U8 high[2] = {vld1q_u8(b->qh), vld1q_u8(b->qh + 16)};
    for (int c = 0; c < 4; ++c) {
      put_nibbles_of_64(b->qs + 32 * c, out.q + 4 * c);
      for (int i = 0; i < 4; ++i) {  // bit 2 c + i / 2
        const U8 bit =
            vandq_u8(vshlq_u8(high[i % 2], vdupq_n_s8(static_cast<std::int8_t>(-(2 * c + i / 2)))), vdupq_n_u8(1));
        out.q[4 * c + i] = vorrq_u8(out.q[4 * c + i], vshlq_n_u8(bit, 4));
      }
    }
    put_six_bit_scales(*b, out);
  }
};

template <>
struct Neon::Unpack<BlockType::q6_k> {
  static SILICAST_INLINE void run(const BlockQ6_K* b, Chunk& out) {
    for (int h = 0; h < 2; ++h)
      for (int i = 0; i < 8; ++i) {  // 16 weights each: j = i / 2 of 32
        const U8 packed = vld1q_u8(b->ql + 64 * h + 16 * (i % 4));
        const U8 low = i < 4 ? vandq_u8(packed, vdupq_n_u8(15)) : vshrq_n_u8(packed, 4);
        const U8 high =
            vshlq_u8(vld1q_u8(b->qh + 32 * h + 16 * (i % 2)), vdupq_n_s8(static_cast<std::int8_t>(-2 * (i / 2))));
        out.q[8 * h + i] = vorrq_u8(low, vshlq_n_u8(vandq_u8(high, vdupq_n_u8(3)), 4));
      }
    for (int g = 0; g < 16; ++g) out.scale.v[g] = engine::to_float(b->d) * static_cast<float>(b->scales[g]);
  }
};

template <>
struct Neon::Unpack<BlockType::q2_k> {
  static SILICAST_INLINE void run(const BlockQ2_K* b, Chunk& out) {
    for (int i = 0; i < 16; ++i) {
      const U8 packed = vld1q_u8(b->qs + 32 * (i / 8) + 16 * (i % 2));
      const auto shift = static_cast<std::int8_t>(-2 * (i % 8 / 2));
      out.q[i] = vandq_u8(vshlq_u8(packed, vdupq_n_s8(shift)), vdupq_n_u8(3));
      out.scale.v[i] = engine::to_float(b->d) * static_cast<float>(b->scales[i] & 15);
      out.min.v[i] = engine::to_float(b->dmin) * static_cast<float>(b->scales[i] >> 4);
    }
  }
};

template <>
struct Neon::Unpack<BlockType::q3_k> {
  static SILICAST_INLINE void run(const BlockQ3_K* b, Chunk& out) {
    for (int i = 0; i < 16; ++i) {
      const U8 packed = vld1q_u8(b->qs + 32 * (i / 8) + 16 * (i % 2));
      const auto shift = static_cast<std::int8_t>(-2 * (i % 8 / 2));
      const U8 low = vandq_u8(vshlq_u8(packed, vdupq_n_s8(shift)), vdupq_n_u8(3));
      const U8 high = vshlq_u8(vld1q_u8(b->hmask + 16 * (i % 2)), vdupq_n_s8(static_cast<std::int8_t>(-(i / 2))));
      out.q[i] = vorrq_u8(low, vshlq_n_u8(vandq_u8(high, vdupq_n_u8(1)), 2));
      out.scale.v[i] = engine::to_float(b->d) * static_cast<float>(q3_scale(b->scales, i) - 32);
    }
  }
};

}  // namespace

}  // namespace silicast::engine
