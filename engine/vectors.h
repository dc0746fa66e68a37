// SPDX-License-Identifier: Apache-2.0
// The vector kernels for any instruction set S (see product.h): norms, activations, rotary embedding, and the
// quantization of activations.
#pragma once

#include <algorithm>

#include "engine/kernel_table.h"
#include "engine/product.h"

namespace silicast::engine {

// out[i] = f(a[i], b[i]) vector by vector; the end of the arrays goes through padded copies.
template <class S, class F>
SILICAST_INLINE void map(const float* a, const float* b, float* out, std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + S::lanes <= n; i += S::lanes) S::store(out + i, f(S::load(a + i), S::load(b + i)));
  if (i == n) return;
  alignas(64) float x[2][S::lanes] = {};
  for (std::int64_t k = i; k < n; ++k) {
    x[0][k - i] = a[k];
    x[1][k - i] = b[k];
  }
  S::store(x[0], f(S::load(x[0]), S::load(x[1])));
  for (std::int64_t k = i; k < n; ++k) out[k] = x[0][k - i];
}

// e^x within 2 ulp on [-87, 88], constant beyond: 2^n e^r with |r| <= ln(2)/2 and the Taylor polynomial of degree 6,
// whose remainder is below 0.35^7 / 7! = 1.3e-7 relative.
template <class S>
SILICAST_INLINE typename S::F32 exp_of(typename S::F32 x) {
  x = S::min(S::max(x, S::broadcast(-87.0F)), S::broadcast(88.0F));
  const auto n = S::round(S::mul(x, S::broadcast(1.44269504F)));
  // ln 2 in two parts, the first with few bits, so that n times it is exact.
  auto r = S::minus_product(x, n, S::broadcast(0.693359375F));
  r = S::minus_product(r, n, S::broadcast(-2.12194440e-4F));
  auto p = S::broadcast(1.0F / 720);
  p = S::fma(p, r, S::broadcast(1.0F / 120));
  p = S::fma(p, r, S::broadcast(1.0F / 24));
  p = S::fma(p, r, S::broadcast(1.0F / 6));
  p = S::fma(p, r, S::broadcast(0.5F));
  p = S::fma(p, r, S::broadcast(1.0F));
  p = S::fma(p, r, S::broadcast(1.0F));
  return S::times_power_of_two(p, n);
}

// x / (1 + e^-y)
template <class S>
SILICAST_INLINE typename S::F32 gated(typename S::F32 x, typename S::F32 y) {
  return S::div(x, S::add(S::broadcast(1.0F), exp_of<S>(S::sub(S::zero(), y))));
}

template <class S>
void rms_norm_of(const float* x, const float* weight, float epsilon, float* out, std::int64_t n) {
  auto squares = S::zero();
  std::int64_t i = 0;
  for (; i + S::lanes <= n; i += S::lanes) squares = S::fma(S::load(x + i), S::load(x + i), squares);
  float total = S::sum(squares);
  for (; i < n; ++i) total += x[i] * x[i];
  const auto factor = S::broadcast(1.0F / __builtin_sqrtf(total / static_cast<float>(n) + epsilon));
  map<S>(x, weight, out, n, [&](auto a, auto w) { return S::mul(S::mul(a, factor), w); });
}

template <class S>
void softmax_of(float* x, std::int64_t n, float scale) {
  float largest = -__builtin_inff();
  for (std::int64_t i = 0; i < n; ++i) largest = x[i] * scale > largest ? x[i] * scale : largest;
  map<S>(x, x, x, n,
         [&](auto a, auto) { return exp_of<S>(S::sub(S::mul(a, S::broadcast(scale)), S::broadcast(largest))); });
  auto sums = S::zero();
  std::int64_t i = 0;
  for (; i + S::lanes <= n; i += S::lanes) sums = S::add(sums, S::load(x + i));
  float total = S::sum(sums);
  for (; i < n; ++i) total += x[i];
  const auto factor = S::broadcast(1.0F / total);
  map<S>(x, x, x, n, [&](auto a, auto) { return S::mul(a, factor); });
}

template <class S>
void swiglu_of(const float* gate, const float* up, float* out, std::int64_t n) {
  map<S>(gate, up, out, n, [](auto g, auto u) { return S::mul(gated<S>(g, g), u); });
}

// gelu(x) = x / 2 (1 + tanh(y)) = x / (1 + e^-2y) with y = sqrt(2 / pi) (x + 0.044715 x^3)
template <class S>
void geglu_of(const float* gate, const float* up, float* out, std::int64_t n) {
  map<S>(gate, up, out, n, [](auto g, auto u) {
    const auto cube = S::mul(S::mul(g, g), S::mul(g, S::broadcast(0.044715F)));
    return S::mul(gated<S>(g, S::mul(S::add(g, cube), S::broadcast(2 * 0.797884561F))), u);
  });
}

template <class S>
void add_scaled_of(const float* x, float factor, float* out, std::int64_t n) {
  const auto f = S::broadcast(factor);
  map<S>(x, out, out, n, [&](auto a, auto b) { return S::fma(a, f, b); });
}

// (a, b) -> (a cos - b sin, a sin + b cos). The table is read once per head; pairs (2i, 2i+1) are left to the compiler.
template <class S>
void rope_of(RopeStyle style, const float* table, std::int64_t dimensions, float* x, std::int64_t heads,
             std::int64_t head_dim) {
  const std::int64_t distance = style == RopeStyle::norm ? 1 : dimensions / 2;
  const std::int64_t step = style == RopeStyle::norm ? 2 : 1;
  for (std::int64_t h = 0; h < heads; ++h)
    for (std::int64_t i = 0; i < dimensions / 2; ++i) {
      float& first = x[h * head_dim + i * step];
      float& second = (&first)[distance];
      const float a = first;
      const float b = second;
      first = a * table[2 * i] - b * table[2 * i + 1];
      second = a * table[2 * i + 1] + b * table[2 * i];
    }
}

// ---------------------------------------------------------------- activations

template <class S>
SILICAST_INLINE float largest_of(const float* x, int n) {
  auto largest = S::zero();
  for (int i = 0; i < n; i += S::lanes) largest = S::max(largest, S::abs(S::load(x + i)));
  return S::max_of(largest);
}

// As encode(BlockQ8_0) and its siblings: a scale whose inverse is no number gives zeros.
SILICAST_INLINE float inverse_scale(float d) {
  const float inverse = d > 0 ? 1 / d : 0;
  return inverse <= 3.402823466e38F ? inverse : 0;
}

// q of n values, and less their sums of 16.
template <class S>
SILICAST_INLINE void quantize_bytes(const float* x, int n, float inverse, std::int8_t* q, std::int32_t* minus_sum16) {
  for (int g = 0; g < n / 16; ++g) {
    auto sum = S::zero_int();
    for (int i = 16 * g; i < 16 * (g + 1); i += S::lanes) {
      const auto value = S::to_int(S::mul(S::load(x + i), S::broadcast(inverse)));
      S::store_as_bytes(q + i, value);
      sum = S::add_int(sum, value);
    }
    // Of what is no number every lane is the least integer, which has no opposite.
    constexpr std::int32_t most = 16 * 128;
    minus_sum16[g] = -std::clamp(S::sum_int(sum), -most, most);
  }
}

inline constexpr ActivationChunk empty_chunk{};

template <class S, bool with_sum>
void quantize_blocks_of_32(const float* x, std::int64_t columns, ActivationChunk* out) {
  for (std::int64_t c = 0; c < chunks_of(columns); ++c) {
    ActivationChunk& chunk = out[c];
    if (columns - c * super_block < super_block) chunk = empty_chunk;
    for (int g = 0; g < 8 && c * super_block + 32 * g < columns; ++g) {
      const float* values = x + c * super_block + 32 * g;
      const float d = largest_of<S>(values, 32) / 127.0F;
      quantize_bytes<S>(values, 32, inverse_scale(d), chunk.q + 32 * g, chunk.minus_sum16 + 2 * g);
      const std::int32_t minus_sum = chunk.minus_sum16[2 * g] + chunk.minus_sum16[2 * g + 1];
      chunk.minus_sum32[g] = minus_sum;
      chunk.scale[g] = S::as_half(d);
      chunk.sum[g] = with_sum ? S::as_half(static_cast<float>(-minus_sum) * d) : 0;
    }
  }
}

template <class S>
void quantize_super_blocks(const float* x, std::int64_t columns, ActivationChunk* out) {
  for (std::int64_t c = 0; c < columns / super_block; ++c) {
    const float* values = x + c * super_block;
    ActivationChunk& chunk = out[c];
    const float d = largest_of<S>(values, super_block) / 127.0F;
    quantize_bytes<S>(values, super_block, inverse_scale(d), chunk.q, chunk.minus_sum16);
    for (int g = 0; g < 8; ++g) {
      chunk.scale[g] = d;
      chunk.minus_sum32[g] = chunk.minus_sum16[2 * g] + chunk.minus_sum16[2 * g + 1];
      chunk.sum[g] = static_cast<float>(-chunk.minus_sum32[g]);
    }
    for (int g = 0; g < 16; ++g) chunk.sum16[g] = static_cast<std::int16_t>(-chunk.minus_sum16[g]);
  }
}

template <class S>
void set_vectors(Kernels& kernels) {
  kernels.quantize_q8_0 = quantize_blocks_of_32<S, false>;
  kernels.quantize_q8_1 = quantize_blocks_of_32<S, true>;
  kernels.quantize_q8_k = quantize_super_blocks<S>;
  kernels.rms_norm = rms_norm_of<S>;
  kernels.softmax = softmax_of<S>;
  kernels.swiglu = swiglu_of<S>;
  kernels.geglu = geglu_of<S>;
  kernels.add_scaled = add_scaled_of<S>;
  kernels.rope = rope_of<S>;
}

}  // namespace silicast::engine
