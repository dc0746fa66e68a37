// SPDX-License-Identifier: Apache-2.0
// The vectors of product.h and vectors.h as plain arrays, for processors without kernels of their own. The compiler
// turns the loops into whatever vectors the baseline has.
#pragma once

#include <cmath>
#include <cstring>

#include "engine/decode.h"
#include "engine/kernel_table.h"
#include "engine/product.h"

namespace silicast::engine {

namespace {

struct Portable {
  static constexpr int lanes = 4;
  static constexpr int bytes = 16;
  static constexpr int vectors = super_block / bytes;
  static constexpr bool any_byte = true;  // dot4 is exact for lanes up to 255
  static constexpr int tile_rows = 1;
  static constexpr int tile_columns = 4;

  struct U8 {
    std::uint8_t v[16];
  };
  struct S8 {
    std::int8_t v[16];
  };
  struct I32 {
    std::int32_t v[4];
  };
  struct F32 {
    float v[4];
  };
  struct Groups {
    float v[16];
  };
  struct Chunk {
    U8 q[vectors];
    Groups scale;
    Groups min;
  };

  template <class F>
  static SILICAST_INLINE F32 each(F f) {
    return {{f(0), f(1), f(2), f(3)}};
  }

  static F32 zero() { return {}; }
  static I32 zero_int() { return {}; }
  static F32 broadcast(float x) { return {{x, x, x, x}}; }
  static I32 broadcast_int(std::int32_t x) { return {{x, x, x, x}}; }
  static F32 load(const float* p) {
    return each([=](int i) { return p[i]; });
  }
  static void store(float* p, F32 x) { std::memcpy(p, x.v, sizeof x.v); }
  static F32 load_half(const Half* p) {
    return each([=](int i) { return engine::to_float(p[i]); });
  }
  static F32 load_bfloat(const Bfloat* p) {
    return each([=](int i) { return engine::to_float(p[i]); });
  }
  static F32 load_signed_bytes(const std::int8_t* p) {
    return each([=](int i) { return static_cast<float>(p[i]); });
  }
  static void store_half(Half* p, F32 x) {
    for (int i = 0; i < 4; ++i) p[i] = to_half(x.v[i]);
  }
  static F32 add(F32 a, F32 b) {
    return each([=](int i) { return a.v[i] + b.v[i]; });
  }
  static F32 sub(F32 a, F32 b) {
    return each([=](int i) { return a.v[i] - b.v[i]; });
  }
  static F32 mul(F32 a, F32 b) {
    return each([=](int i) { return a.v[i] * b.v[i]; });
  }
  static F32 div(F32 a, F32 b) {
    return each([=](int i) { return a.v[i] / b.v[i]; });
  }
  static F32 max(F32 a, F32 b) {
    return each([=](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  static F32 min(F32 a, F32 b) {
    return each([=](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  static F32 abs(F32 a) {
    return each([=](int i) { return std::fabs(a.v[i]); });
  }
  static F32 fma(F32 a, F32 b, F32 c) {
    return each([=](int i) { return a.v[i] * b.v[i] + c.v[i]; });
  }
  static F32 minus_product(F32 c, F32 a, F32 b) {
    return each([=](int i) { return c.v[i] - a.v[i] * b.v[i]; });
  }
  static F32 round(F32 a) {
    return each([=](int i) { return std::nearbyint(a.v[i]); });
  }
  // a * 2^n for an integral n in [-126, 127]
  static F32 times_power_of_two(F32 a, F32 n) {
    return each([=](int i) {
      return a.v[i] * std::bit_cast<float>(static_cast<std::uint32_t>(static_cast<std::int32_t>(n.v[i]) + 127) << 23);
    });
  }
  static float sum(F32 a) { return (a.v[0] + a.v[1]) + (a.v[2] + a.v[3]); }
  static float max_of(F32 a) {
    const F32 m = max(a, {{a.v[2], a.v[3], a.v[0], a.v[1]}});
    return m.v[0] > m.v[1] ? m.v[0] : m.v[1];
  }
  static I32 to_int(F32 a) {
    I32 r;
    for (int i = 0; i < 4; ++i) r.v[i] = static_cast<std::int32_t>(std::nearbyint(a.v[i]));
    return r;
  }
  // As binary16 keeps it.
  static float as_half(float x) {
    return engine::to_float(to_half(x < 65504.0F ? x > -65504.0F ? x : -65504.0F : 65504.0F));
  }
  static void store_as_bytes(std::int8_t* p, I32 x) {
    for (int i = 0; i < 4; ++i) p[i] = static_cast<std::int8_t>(x.v[i]);
  }
  static std::int32_t sum_int(I32 a) { return a.v[0] + a.v[1] + a.v[2] + a.v[3]; }
  static I32 add_int(I32 a, I32 b) {
    for (int i = 0; i < 4; ++i) a.v[i] += b.v[i];
    return a;
  }
  static F32 to_float(I32 a) {
    return each([=](int i) { return static_cast<float>(a.v[i]); });
  }
  static I32 shift_left(I32 a, int bits) {
    for (int i = 0; i < 4; ++i) a.v[i] *= 1 << bits;
    return a;
  }

  static S8 load_bytes(const std::int8_t* p) {
    S8 r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  static U8 load_ubytes(const std::uint8_t* p) {
    U8 r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  static void store_bytes(std::uint8_t* p, U8 x) { std::memcpy(p, x.v, sizeof x.v); }
  static S8 broadcast_four(const std::int8_t* p) {
    S8 r;
    for (int i = 0; i < 16; ++i) r.v[i] = p[i % 4];
    return r;
  }
  template <bool wide>
  static SILICAST_INLINE I32 dot4(I32 sum, const U8& u, const S8& s) {
    for (int i = 0; i < 4; ++i)
      for (int k = 0; k < 4; ++k) sum.v[i] += u.v[4 * i + k] * s.v[4 * i + k];
    return sum;
  }

  // Scales: groups of 16 or 32 weights; a vector holds 16 weights.
  static Groups load_groups(const float* p) {
    Groups r{};
    std::memcpy(r.v, p, 8 * sizeof(float));
    return r;
  }
  static void store_groups(float* p, const Groups& g) { std::memcpy(p, g.v, sizeof g.v); }
  static Groups times(const Groups& a, const Groups& b) {
    Groups r;
    for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] * b.v[i];
    return r;
  }
  static Groups times(const Groups& a, float b) {
    Groups r;
    for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] * b;
    return r;
  }
  template <int group>
  static Groups load_sums(const std::int32_t* p) {
    Groups r{};
    for (int i = 0; i < super_block / group; ++i) r.v[i] = static_cast<float>(p[i]);
    return r;
  }
  template <int group>
  static F32 expand(const Groups& g, int j) {
    return broadcast(g.v[j * bytes / group]);
  }
  template <int group>
  static F32 add_groups(F32 sum, const Groups& a, const Groups& b) {
    for (int i = 0; i < super_block / group; ++i) sum.v[i % 4] += a.v[i] * b.v[i];
    return sum;
  }

  static void interleave(const std::uint8_t (&rows)[lanes][super_block],
                         std::uint8_t (&out)[super_block / 4][lanes][4]) {
    for (int k = 0; k < super_block / 4; ++k)
      for (int lane = 0; lane < lanes; ++lane) std::memcpy(out[k][lane], rows[lane] + 4 * k, 4);
  }

  // By the definition itself.
  template <BlockType type>
  struct Unpack {
    using F = Format<type>;
    static void run(const typename F::Block* blocks, Chunk& out) {
      Decoded decoded;
      for (int b = 0; b < super_block / F::weights; ++b) {
        decode(blocks[b], decoded);
        for (int i = 0; i < F::weights; ++i) {
          const int at = b * F::weights + i;
          out.q[at / bytes].v[at % bytes] = static_cast<std::uint8_t>(decoded.q[i] + F::bias);
        }
        for (int g = 0; g < F::groups; ++g) {
          out.scale.v[b * F::groups + g] = decoded.scale[g];
          out.min.v[b * F::groups + g] = decoded.min[g];
        }
      }
      for (int g = super_block / F::group; g < 16; ++g) out.scale.v[g] = out.min.v[g] = 0;
    }
  };
};

}  // namespace

}  // namespace silicast::engine
