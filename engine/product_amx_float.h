// SPDX-License-Identifier: Apache-2.0
// Many activation rows by F32, F16 and BF16 weights with AMX's tiles of bfloat16. A float is the exact sum of digits of
// 8 bits, each a bfloat16: BF16 weights have one, F16's 11 bits two, the 24 bits of F32 and of the activations three.
// Tiles multiply digits i and j with i + j < 3 into sums of FP32; the rest is below 2^-20 of a product.
#pragma once

#include <type_traits>

#include "engine/product_amx.h"
#include "engine/product_float.h"

namespace silicast::engine {

namespace {

template <class T>
constexpr int digits_of_float = std::is_same_v<T, float>  ? 3
                                : std::is_same_v<T, Half> ? 2
                                                          : 1;

constexpr std::int64_t step_columns = 32;  // of a tile
constexpr std::int64_t most_steps = 16;    // fewer would add to the results more often

// 32 columns of 32 rows of weights.
template <int Digits>
struct alignas(64) FloatDigitPanel {
  std::uint8_t pair[Digits][2][step_columns / 2][tile_side][4];  // [digit][half of the rows][two columns][row]
};

// 32 columns of 32 rows of activations.
struct alignas(64) FloatDigits {
  std::uint16_t digit[3][2 * tile_side][step_columns];
};

SILICAST_INLINE __m512 leading_digit(__m512& rest) {
  const __m512i bits = _mm512_and_si512(_mm512_castps_si512(rest), _mm512_set1_epi32(static_cast<int>(0xffff0000U)));
  const __m512 digit = _mm512_castsi512_ps(bits);
  rest = _mm512_sub_ps(rest, digit);
  return digit;
}

// Digits of 32 floats, each by put(digit, 32 bfloat16).
template <int Digits, class Put>
SILICAST_INLINE void split(__m512 low, __m512 high, const Put& put) {
  const __m512i upper_halves = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29,
                                                27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
#pragma GCC unroll 3
  for (int d = 0; d < Digits; ++d) {
    const __m512i a = _mm512_castps_si512(leading_digit(low));
    const __m512i b = _mm512_castps_si512(leading_digit(high));
    put(d, _mm512_permutex2var_epi16(a, upper_halves, b));
  }
}

template <class T>
void unpack_float_digits(const ProductTask& task, std::int64_t first_row, std::int64_t column,
                         FloatDigitPanel<digits_of_float<T>>& panel) {
  constexpr int digits = digits_of_float<T>;
  for (int half = 0; half < 2; ++half) {
    __m512i rows[digits][tile_side];
#pragma GCC unroll 16
    for (int lane = 0; lane < tile_side; ++lane) {
      const std::int64_t row = first_row + half * tile_side + lane;
      const auto* w = reinterpret_cast<const T*>(task.weights + row * task.row_bytes) + column;
      const bool exists = row < task.end;
      split<digits>(exists ? load_weights<V>(w) : V::zero(), exists ? load_weights<V>(w + 16) : V::zero(),
                    [&](int d, __m512i x) { rows[d][lane] = x; });
    }
    for (int d = 0; d < digits; ++d) {
      V::transpose(rows[d]);
#pragma GCC unroll 16
      for (int k = 0; k < tile_side; ++k) _mm512_store_si512(panel.pair[d][half][k], rows[d][k]);
    }
  }
}

// 32 rows from `first` on; beyond the last one it stands again.
SILICAST_INLINE void split_activations(const ProductTask& task, std::int64_t first, std::int64_t column,
                                       std::int64_t steps, FloatDigits* out) {
  for (std::int64_t i = 0; i < 2 * tile_side; ++i) {
    const std::int64_t at = first + i < task.count ? first + i : task.count - 1;
    const float* x = reinterpret_cast<const float*>(task.activation(at)) + column;
    for (std::int64_t s = 0; s < steps; ++s)
      split<3>(V::load(x + step_columns * s), V::load(x + step_columns * s + 16),
               [&](int d, __m512i digit) { _mm512_store_si512(out[s].digit[d][i], digit); });
  }
  asm volatile("" ::: "memory");  // before the tiles read them
}

#define SILICAST_LOAD_ACTIVATIONS(d) \
  _tile_loadd(4, a.digit[d][0], 64); \
  _tile_loadd(5, a.digit[d][tile_side], 64)
#define SILICAST_LOAD_WEIGHTS(d)    \
  _tile_loadd(6, w.pair[d][0], 64); \
  _tile_loadd(7, w.pair[d][1], 64)
#define SILICAST_PRODUCTS() \
  _tile_dpbf16ps(0, 4, 6);  \
  _tile_dpbf16ps(1, 4, 7);  \
  _tile_dpbf16ps(2, 5, 6);  \
  _tile_dpbf16ps(3, 5, 7)

// 32 activation rows by 32 rows of weights. total[tile]: [half of the activations, half of the weights].
template <int Digits>
__attribute__((noinline)) void float_digit_tile(const FloatDigitPanel<Digits>* panels, const FloatDigits* x,
                                                std::int64_t steps, __m512 (&total)[4][tile_side]) {
  zero_tiles();
  for (std::int64_t s = 0; s < steps; ++s) {
    const FloatDigitPanel<Digits>& w = panels[s];
    const FloatDigits& a = x[s];
    SILICAST_LOAD_ACTIVATIONS(0);
    if constexpr (Digits == 3) {
      SILICAST_LOAD_WEIGHTS(2);
      SILICAST_PRODUCTS();
    }
    SILICAST_LOAD_WEIGHTS(0);
    SILICAST_PRODUCTS();
    if constexpr (Digits > 1) {
      SILICAST_LOAD_WEIGHTS(1);
      SILICAST_PRODUCTS();
    }
    SILICAST_LOAD_ACTIVATIONS(1);
    SILICAST_PRODUCTS();
    if constexpr (Digits > 1) {
      SILICAST_LOAD_WEIGHTS(0);
      SILICAST_PRODUCTS();
    }
    SILICAST_LOAD_ACTIVATIONS(2);
    SILICAST_PRODUCTS();
  }
  store_tiles(total);
  asm volatile("" ::: "memory");  // the tiles wrote them
}

#undef SILICAST_LOAD_ACTIVATIONS
#undef SILICAST_LOAD_WEIGHTS
#undef SILICAST_PRODUCTS

template <class T>
void amx_float_gemm(const ProductTask& task) {
  using Panel = FloatDigitPanel<digits_of_float<T>>;
  constexpr std::int64_t rows = 2 * tile_side;
  static_assert(amx_panel_bytes + most_steps * static_cast<std::int64_t>(sizeof(FloatDigits)) <=
                static_cast<std::int64_t>(scratch_bytes));
  configure_tiles(64);
  auto* panels = reinterpret_cast<Panel*>(task.scratch);
  auto* x = reinterpret_cast<FloatDigits*>(task.scratch + amx_panel_bytes);
  const std::int64_t all = task.columns / step_columns;
  const std::int64_t at_once = amx_panel_bytes / (most_steps * static_cast<std::int64_t>(sizeof(Panel)));
  for (std::int64_t row = task.begin; row < task.end; row += at_once * rows) {
    const std::int64_t left = (task.end - row + rows - 1) / rows;
    const std::int64_t count = left < at_once ? left : at_once;
    for (std::int64_t first = 0; first < all; first += most_steps) {
      const std::int64_t column = first * step_columns;
      const std::int64_t steps = all - first < most_steps ? all - first : most_steps;
      for (std::int64_t p = 0; p < count; ++p)
        for (std::int64_t s = 0; s < steps; ++s)
          unpack_float_digits<T>(task, row + p * rows, column + s * step_columns, panels[p * steps + s]);
      for (std::int64_t i = 0; i < task.count; i += rows) {
        split_activations(task, i, column, steps, x);
        for (std::int64_t p = 0; p < count; ++p) {
          __m512 total[4][tile_side];
          float_digit_tile(panels + p * steps, x, steps, total);
          for (int tile = 0; tile < 4; ++tile)
            put_tile(task, total[tile], 1, i + tile / 2 * tile_side, row + p * rows + tile % 2 * tile_side, first == 0);
        }
      }
    }
  }
  _tile_release();
}

}  // namespace

}  // namespace silicast::engine
