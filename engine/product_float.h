// SPDX-License-Identifier: Apache-2.0
// Products of F32, F16 and BF16 weights with floats, for any instruction set S (see product.h). Weights become floats
// in registers; the sums are floats.
#pragma once

#include "engine/product.h"

namespace silicast::engine {

template <class S>
SILICAST_INLINE typename S::F32 load_weights(const float* p) {
  return S::load(p);
}
template <class S>
SILICAST_INLINE typename S::F32 load_weights(const Half* p) {
  return S::load_half(p);
}
template <class S>
SILICAST_INLINE typename S::F32 load_weights(const Bfloat* p) {
  return S::load_bfloat(p);
}

// R rows of weights by N rows of activations at once, in `chains` sums each: an FMA takes four cycles, two can start in
// each.
template <class S, class T, int R, int N>
void float_gemv_rows(const ProductTask& task, std::int64_t row, const float* const (&x)[N], std::int64_t first) {
  constexpr int chains = N == 1 ? 8 : N == 2 ? 4 : N <= 4 ? 2 : 1;
  constexpr std::int64_t step = chains * S::lanes;
  const T* w[R];
  for (int r = 0; r < R; ++r) w[r] = reinterpret_cast<const T*>(task.weights + (row + r) * task.row_bytes);
  typename S::F32 sum[R][N][chains];
  for (int r = 0; r < R; ++r)
    for (int n = 0; n < N; ++n)
      for (int c = 0; c < chains; ++c) sum[r][n][c] = S::zero();
  std::int64_t k = 0;
  for (; k + step <= task.columns; k += step) {
#pragma GCC unroll 2
    for (int r = 0; r < R; ++r) prefetch_ahead<step * sizeof(T)>(w[r] + k);
#pragma GCC unroll 8
    for (int c = 0; c < chains; ++c) {
      typename S::F32 weights[R];
#pragma GCC unroll 2
      for (int r = 0; r < R; ++r) weights[r] = load_weights<S>(w[r] + k + c * S::lanes);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        const auto activations = S::load(x[n] + k + c * S::lanes);
#pragma GCC unroll 2
        for (int r = 0; r < R; ++r) sum[r][n][c] = S::fma(weights[r], activations, sum[r][n][c]);
      }
    }
  }
  for (; k < task.columns; k += S::lanes)
    for (int r = 0; r < R; ++r)
      for (int n = 0; n < N; ++n) sum[r][n][0] = S::fma(load_weights<S>(w[r] + k), S::load(x[n] + k), sum[r][n][0]);
  for (int r = 0; r < R; ++r)
    for (int n = 0; n < N; ++n) {
      for (int c = 1; c < chains; ++c) sum[r][n][0] = S::add(sum[r][n][0], sum[r][n][c]);
      task.out[(first + n) * task.out_stride + row + r] = S::sum(sum[r][n][0]);
    }
}

template <class S, class T, int N>
void float_gemv_few(const ProductTask& task, std::int64_t first) {
  constexpr int rows = N == 8 ? 2 : 1;  // eight rows of activations do not fit into the first-level cache
  const float* x[N];
  for (int n = 0; n < N; ++n) x[n] = reinterpret_cast<const float*>(task.activation(first + n));
  std::int64_t r = task.begin;
  for (; r + rows <= task.end; r += rows) float_gemv_rows<S, T, rows, N>(task, r, x, first);
  for (; r < task.end; ++r) float_gemv_rows<S, T, 1, N>(task, r, x, first);
}

template <class S, class T>
void float_gemv(const ProductTask& task) {
  std::int64_t i = 0;
  if constexpr (S::tile_columns >= 6)
    for (; i + 8 <= task.count; i += 8) float_gemv_few<S, T, 8>(task, i);
  for (; i + 4 <= task.count; i += 4) float_gemv_few<S, T, 4>(task, i);
  switch (task.count - i) {
    case 3: return float_gemv_few<S, T, 3>(task, i);
    case 2: return float_gemv_few<S, T, 2>(task, i);
    case 1: return float_gemv_few<S, T, 1>(task, i);
    default: return;
  }
}

// ---------------------------------------------------------------- gemm

// 64 weights of S::lanes rows: a lane is a row.
template <class S>
struct alignas(64) FloatPanel {
  std::uint8_t k[64][S::lanes][4];
};
constexpr std::int64_t float_panel_columns = 1024;

template <class S, class T>
void unpack_float_panel(const ProductTask& task, std::int64_t first_row, std::int64_t k, FloatPanel<S>& panel) {
  alignas(64) std::uint8_t rows[S::lanes][256];
  for (int lane = 0; lane < S::lanes; ++lane) {
    auto* out = reinterpret_cast<float*>(rows[lane]);
    const std::int64_t row = first_row + lane;
    const auto* w = reinterpret_cast<const T*>(task.weights + row * task.row_bytes) + k;
    for (std::int64_t i = 0; i < 64; i += S::lanes)
      S::store(out + i, row < task.end && k + i < task.columns ? load_weights<S>(w + i) : S::zero());
  }
  S::interleave(rows, panel.k);
}

template <class S, int R, int N>
__attribute__((noinline)) void float_tile(const FloatPanel<S>* panels, std::int64_t columns, const float* const (&x)[N],
                                          const TileTarget& target) {
  typename S::F32 sum[R][N];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) sum[r][n] = S::zero();
#pragma GCC unroll 1
  for (std::int64_t k = 0; k < columns; ++k) {
    typename S::F32 w[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) w[r] = S::load(reinterpret_cast<const float*>(panels[k / 64 * R + r].k[k % 64]));
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
      const auto a = S::broadcast(x[n][k]);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) sum[r][n] = S::fma(w[r], a, sum[r][n]);
    }
  }
  alignas(64) float total[N][R * S::lanes];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) S::store(total[n] + r * S::lanes, sum[r][n]);
  put<S, R, N>(total, target);
}

template <class S, class T>
void float_gemm(const ProductTask& task) {
  constexpr int R = S::tile_rows;
  constexpr int N = S::tile_columns;
  auto* panels = reinterpret_cast<FloatPanel<S>*>(task.scratch);
  for (std::int64_t row = task.begin; row < task.end; row += R * S::lanes)
    for (std::int64_t k = 0; k < task.columns; k += float_panel_columns) {
      const std::int64_t columns = task.columns - k < float_panel_columns ? task.columns - k : float_panel_columns;
      for (std::int64_t i = 0; i < columns; i += 64)
        for (int r = 0; r < R; ++r) unpack_float_panel<S, T>(task, row + r * S::lanes, k + i, panels[i / 64 * R + r]);
      for (std::int64_t i = 0; i < task.count; i += N) {
        const float* x[N];
        TileTarget target{.out = {}, .rows = task.end - row, .first = k == 0};
        if (target.rows > R * S::lanes) target.rows = R * S::lanes;
        for (int n = 0; n < N; ++n) {
          const std::int64_t at = i + n < task.count ? i + n : task.count - 1;
          x[n] = reinterpret_cast<const float*>(task.activation(at)) + k;
          target.out[n] = i + n < task.count ? task.out + at * task.out_stride + row : nullptr;
        }
        float_tile<S, R, N>(panels, columns, x, target);
      }
    }
}

template <class S>
void set_float_products(Kernels& kernels) {
  const auto set = [&]<class T>(BlockType type, T) {
    kernels.gemv[index_of(type)] = float_gemv<S, T>;
    kernels.gemm[index_of(type)] = float_gemm<S, T>;
  };
  set(BlockType::f32, float{});
  set(BlockType::f16, Half{});
  set(BlockType::bf16, Bfloat{});
}

}  // namespace silicast::engine
