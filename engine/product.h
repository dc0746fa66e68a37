// SPDX-License-Identifier: Apache-2.0
// Products of quantized weights with activations, for any instruction set S. Only kernels_ISA.cpp include this.
//
// S provides vectors of bytes, of int32 and of float, the dot product of four bytes, and Unpack<type>: one chunk of 256
// weights as unsigned lanes (q + bias, in order) with the groups' scales and mins. Two loops follow from it:
//
//   gemv   a row at a time: unpack a chunk, meet every activation row's chunk, add up floats. Memory-bound.
//   gemm   R vectors of rows by N activation rows: the rows' chunks are unpacked once and laid out as a panel
//          [k / 4][row][4], so that a lane is a row and no sum across lanes is needed; then the inner loop is one
//          broadcast of four activations and R dot products, with all R * N sums in registers.
//
//   sum over a group of (u - bias) a = sum of u a - bias * sum of a: the bias enters as the integer the sum starts from
//   (gemm), or with the mins as one float product per chunk (gemv).
//
// Everything is a template over S, whose type is local to its file (anonymous namespace), so that no function compiled
// for one instruction set can be taken for another's by the linker. For the same reason nothing of the standard
// library is called here.
#pragma once

#include "engine/decode.h"
#include "engine/kernel_table.h"

#define SILICAST_INLINE SILICAST_ALWAYS_INLINE

namespace silicast::engine {

SILICAST_INLINE constexpr std::int64_t chunks_of(std::int64_t columns) {
  return (columns + super_block - 1) / super_block;
}

// ---------------------------------------------------------------- a chunk of weights

// The chunk's blocks: a super-block, or eight blocks of 32, copied and padded with zeros where the row ends before.
template <class F>
struct ChunkBlocks {
  static constexpr std::int64_t per_chunk = super_block / F::weights;
  using Block = typename F::Block;

  SILICAST_INLINE static const Block* at(const std::byte* row, std::int64_t chunk, std::int64_t columns,
                                         Block* padded) {
    const auto* blocks = reinterpret_cast<const Block*>(row) + chunk * per_chunk;
    if constexpr (per_chunk > 1) {
      const std::int64_t left = columns / F::weights - chunk * per_chunk;
      if (left < per_chunk) {
        for (std::int64_t i = 0; i < per_chunk; ++i) padded[i] = i < left ? blocks[i] : Block{};
        return padded;
      }
    }
    return blocks;
  }
};

// ---------------------------------------------------------------- gemv

template <class S, class F>
SILICAST_INLINE typename S::F32 chunk_dot(const typename S::Chunk& w, const ActivationChunk& a) {
  constexpr bool per_chunk_scale = F::partner == ActivationType::q8_k;
  const auto scale = per_chunk_scale ? w.scale : S::times(w.scale, S::load_groups(a.scale));
  typename S::F32 sum = S::zero();
#pragma GCC unroll 16
  for (int j = 0; j < S::vectors; ++j) {
    const auto dot = S::template dot4<F::wide>(S::zero_int(), w.q[j], S::load_bytes(a.q + j * S::bytes));
    sum = S::fma(S::to_float(dot), S::template expand<F::group>(scale, j), sum);
  }
  if constexpr (F::bias != 0) {
    // Of the weights alone first: the same for every activation row.
    const auto biased = S::times(w.scale, static_cast<float>(F::bias));
    const auto minus_sums = S::template load_sums<F::group>(F::group == 16 ? a.minus_sum16 : a.minus_sum32);
    sum = S::template add_groups<F::group>(
        sum, biased, per_chunk_scale ? minus_sums : S::times(minus_sums, S::load_groups(a.scale)));
  }
  if constexpr (F::has_min && F::group == 16)
    sum = S::template add_groups<F::group>(sum, w.min, S::template load_sums<16>(a.minus_sum16));
  if constexpr (F::has_min && F::group == 32)
    sum = S::template add_groups<F::group>(sum, w.min, S::times(S::load_groups(a.sum), -1.0F));
  return per_chunk_scale ? S::mul(sum, S::broadcast(a.scale[0])) : sum;
}

// Rows are read in order, so the stream runs on from row to row. Lines are asked for explicitly: far ahead into the
// second-level cache, which covers the hardware prefetcher's stop at every 4 KiB page, then into the first, whose few
// fill buffers would bound what is under way if they waited for memory.
struct Ahead {
  std::int64_t far = 4096;  // bytes
  std::int64_t near = 768;
};
template <std::size_t bytes>
SILICAST_INLINE void prefetch_ahead(const void* p, Ahead ahead = {}) {
#pragma GCC unroll 8
  for (std::size_t line = 0; line < bytes; line += 64) {
    __builtin_prefetch(static_cast<const char*>(p) + ahead.far + line, 0, 2);
    __builtin_prefetch(static_cast<const char*>(p) + ahead.near + line);
  }
}

template <class S, BlockType type>
SILICAST_INLINE void unpack_chunk(const std::byte* row, std::int64_t chunk, std::int64_t columns,
                                  typename S::Chunk& out) {
  using F = Format<type>;
  using Blocks = ChunkBlocks<F>;
  typename F::Block padded[Blocks::per_chunk];
  const auto* blocks = Blocks::at(row, chunk, columns, padded);
  prefetch_ahead<sizeof padded>(blocks);
  S::template Unpack<type>::run(blocks, out);
}

// N activation rows from `first` on, their sums in registers; where they end before, the last one is repeated.
template <class S, BlockType type, int N>
void gemv_few(const ProductTask& task, std::int64_t first) {
  const ActivationChunk* x[N];
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n)
    x[n] =
        reinterpret_cast<const ActivationChunk*>(task.activation(first + n < task.count ? first + n : task.count - 1));
  const std::int64_t chunks = chunks_of(task.columns);
  for (std::int64_t r = task.begin; r < task.end; ++r) {
    const std::byte* row = task.weights + r * task.row_bytes;
    typename S::F32 sum[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sum[n] = S::zero();
    for (std::int64_t c = 0; c < chunks; ++c) {
      typename S::Chunk w;
      unpack_chunk<S, type>(row, c, task.columns, w);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[n] = S::add(sum[n], chunk_dot<S, Format<type>>(w, x[n][c]));
    }
    for (int n = 0; n < N && first + n < task.count; ++n) task.out[(first + n) * task.out_stride + r] = S::sum(sum[n]);
  }
}

template <class S, BlockType type>
void gemv(const ProductTask& task) {
  std::int64_t i = 0;
  for (; i + 2 < task.count; i += 4) gemv_few<S, type, 4>(task, i);
  if (i + 1 < task.count) return gemv_few<S, type, 2>(task, i);
  if (i < task.count) gemv_few<S, type, 1>(task, i);
}

// ---------------------------------------------------------------- gemm

// One chunk of S::lanes rows.
template <class S, int Groups>
struct alignas(64) PanelChunk {
  std::uint8_t q[super_block / 4][S::lanes][4];
  float scale[Groups][S::lanes];
  float min[Groups][S::lanes];
};

// What of a type the inner loop depends on: few enough that types share it.
template <int Group, bool HasMin, bool PerChunkScale, bool Wide>
struct Shape {
  static constexpr int group = Group;
  static constexpr int groups = super_block / Group;
  static constexpr bool has_min = HasMin;
  static constexpr bool per_chunk_scale = PerChunkScale;
  static constexpr bool wide = Wide;
};
template <class S, class F>
using ShapeOf = Shape<F::group, F::has_min, F::partner == ActivationType::q8_k, F::wide && !S::any_byte>;

// Products of pairs of rows want eight bytes of each instead of four of every lane.
template <class S>
concept MultipliesPairs = S::multiplies_pairs;

template <class S, BlockType type, class Panel>
void unpack_panel(const ProductTask& task, std::int64_t first_row, std::int64_t chunk, Panel& panel) {
  using F = Format<type>;
  constexpr int groups = super_block / F::group;
  alignas(64) std::uint8_t q[S::lanes][super_block];
  alignas(64) float scale[16];
  alignas(64) float min[16];
  for (int lane = 0; lane < S::lanes; ++lane) {
    const std::int64_t row = first_row + lane;
    if (row >= task.end) {  // the range ends within the panel: zeros
      for (auto& byte : q[lane]) byte = 0;
      for (int g = 0; g < groups; ++g) panel.scale[g][lane] = panel.min[g][lane] = 0;
      continue;
    }
    typename S::Chunk w;
    unpack_chunk<S, type>(task.weights + row * task.row_bytes, chunk, task.columns, w);
#pragma GCC unroll 16
    for (int j = 0; j < S::vectors; ++j) S::store_bytes(q[lane] + j * S::bytes, w.q[j]);
    S::store_groups(scale, w.scale);
    for (int g = 0; g < groups; ++g) panel.scale[g][lane] = scale[g];
    if constexpr (F::has_min) {
      S::store_groups(min, w.min);
      for (int g = 0; g < groups; ++g) panel.min[g][lane] = min[g];
    }
  }
  if constexpr (MultipliesPairs<S>)
    S::interleave_pairs(q, panel.q);
  else
    S::interleave(q, panel.q);
}

// Sums of one tile: N activation rows by R vectors of weight rows.
template <class S, int R, int N>
struct Tile {
  typename S::F32 sum[R][N];
};

// The integers of a group of weights: by the dot product of four bytes.
template <class S, class Sh, int R, int N, class Panel>
SILICAST_INLINE void group_dots(const Panel* const (&panel)[R], const ActivationChunk* const (&x)[N], int g,
                                typename S::I32 (&dot)[R][N]) {
#pragma GCC unroll 8
  for (int step = 0; step < Sh::group / 4; ++step) {
    const int k = g * Sh::group / 4 + step;
    typename S::U8 w[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) w[r] = S::load_ubytes(&panel[r]->q[k][0][0]);
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
      const auto a = S::broadcast_four(x[n]->q + 4 * k);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) dot[r][n] = S::template dot4<Sh::wide>(dot[r][n], w[r], a);
    }
  }
}

// The same by products of pairs of rows, where a vector is four rows in two pairs.
template <class S, class Sh, int R, int N, class Panel>
SILICAST_INLINE void group_dots_by_pairs(const Panel* const (&panel)[R], const ActivationChunk* const (&x)[N], int g,
                                         typename S::I32 (&dot)[R][N]) {
  static_assert(N % 2 == 0);
  typename S::I32 sum[2 * R][N / 2];
#pragma GCC unroll 8
  for (int r = 0; r < 2 * R; ++r)
#pragma GCC unroll 8
    for (int n = 0; n < N / 2; ++n) sum[r][n] = S::zero_int();
#pragma GCC unroll 4
  for (int step = 0; step < Sh::group / 8; ++step) {
    const int k = g * Sh::group / 4 + 2 * step;
    typename S::S8 a[N / 2];
#pragma GCC unroll 8
    for (int n = 0; n < N / 2; ++n) a[n] = S::two_rows(x[2 * n]->q + 4 * k, x[2 * n + 1]->q + 4 * k);
#pragma GCC unroll 8
    for (int r = 0; r < 2 * R; ++r) {
      const auto w = S::load_ubytes(&panel[r / 2]->q[k + r % 2][0][0]);
#pragma GCC unroll 8
      for (int n = 0; n < N / 2; ++n) sum[r][n] = S::add_pair_products(sum[r][n], w, a[n]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int n = 0; n < N / 2; ++n) {
      dot[r][2 * n] = S::add_int(dot[r][2 * n], S::first_of_pairs(sum[2 * r][n], sum[2 * r + 1][n]));
      dot[r][2 * n + 1] = S::add_int(dot[r][2 * n + 1], S::second_of_pairs(sum[2 * r][n], sum[2 * r + 1][n]));
    }
}

template <class S, class Sh, int R, int N, class Panel>
SILICAST_INLINE void tile_group(const Panel* const (&panel)[R], const ActivationChunk* const (&x)[N], int g,
                                int bias_bits, Tile<S, R, N>& part) {
  typename S::I32 dot[R][N];
#pragma GCC unroll 16
  for (int n = 0; n < N; ++n) {
    auto start = S::zero_int();
    if (bias_bits >= 0)
      start = S::shift_left(S::broadcast_int(Sh::group == 16 ? x[n]->minus_sum16[g] : x[n]->minus_sum32[g]), bias_bits);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) dot[r][n] = start;
  }
  if constexpr (MultipliesPairs<S>)
    group_dots_by_pairs<S, Sh, R, N>(panel, x, g, dot);
  else
    group_dots<S, Sh, R, N>(panel, x, g, dot);
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const auto scale = S::load(panel[r]->scale[g]);
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
      const auto factor =
          Sh::per_chunk_scale ? scale : S::mul(scale, S::broadcast(x[n]->scale[Sh::group == 16 ? g / 2 : g]));
      part.sum[r][n] = S::fma(S::to_float(dot[r][n]), factor, part.sum[r][n]);
      if constexpr (Sh::has_min) {
        const float sum = Sh::group == 16 ? static_cast<float>(-x[n]->minus_sum16[g]) : x[n]->sum[g];
        part.sum[r][n] = S::minus_product(part.sum[r][n], S::load(panel[r]->min[g]), S::broadcast(sum));
      }
    }
  }
}

// Adds the chunks' products to out, or puts them there when these chunks are the row's first.
struct TileTarget {
  float* out[8];
  std::int64_t rows;  // that exist
  bool first;
};

template <class S, int R, int N>
SILICAST_INLINE void put(const float (&total)[N][R * S::lanes], const TileTarget& target) {
  for (int n = 0; n < N && target.out[n] != nullptr; ++n) {
    float* out = target.out[n];
    if (target.rows < R * S::lanes) {
      for (std::int64_t i = 0; i < target.rows; ++i) out[i] = target.first ? total[n][i] : out[i] + total[n][i];
      continue;
    }
#pragma GCC unroll 4
    for (int i = 0; i < R * S::lanes; i += S::lanes) {
      const auto sum = S::load(total[n] + i);
      S::store(out + i, target.first ? sum : S::add(S::load(out + i), sum));
    }
  }
}

template <class S, class Sh, int R, int N, class Panel>
__attribute__((noinline)) void tile(const Panel* panels, std::int64_t chunks, const ActivationChunk* const (&x)[N],
                                    int bias_bits, const TileTarget& target) {
  alignas(64) float total[N][R * S::lanes] = {};
  for (std::int64_t c = 0; c < chunks; ++c) {
    const Panel* panel[R];
    const ActivationChunk* chunk[N];
    for (int r = 0; r < R; ++r) panel[r] = panels + c * R + r;
    for (int n = 0; n < N; ++n) chunk[n] = x[n] + c;
    Tile<S, R, N> part;
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) part.sum[r][n] = S::zero();
#pragma GCC unroll 1
    for (int g = 0; g < Sh::groups; ++g) tile_group<S, Sh, R, N>(panel, chunk, g, bias_bits, part);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) {
        const auto factor = S::broadcast(Sh::per_chunk_scale ? chunk[n]->scale[0] : 1.0F);
        float* sum = total[n] + r * S::lanes;
        S::store(sum, S::fma(part.sum[r][n], factor, S::load(sum)));
      }
  }
  put<S, R, N>(total, target);
}

// The tile's activation rows; where they end within it, the last one is repeated and its results are dropped.
template <class S, class Sh, int R, int N, class Panel>
void tile_at(const ProductTask& task, const Panel* panels, std::int64_t first_chunk, std::int64_t chunks,
             std::int64_t first_row, std::int64_t i, int bias_bits) {
  const ActivationChunk* x[N];
  TileTarget target{.out = {}, .rows = task.end - first_row, .first = first_chunk == 0};
  if (target.rows > R * S::lanes) target.rows = R * S::lanes;
  for (int n = 0; n < N; ++n) {
    const std::int64_t row = i + n < task.count ? i + n : task.count - 1;
    x[n] = reinterpret_cast<const ActivationChunk*>(task.activation(row)) + first_chunk;
    target.out[n] = i + n < task.count ? task.out + row * task.out_stride + first_row : nullptr;
  }
  tile<S, Sh, R, N>(panels, chunks, x, bias_bits, target);
}

// A block of row panels of `chunks` chunks, unpacked to stay in the second-level cache while all activation rows pass
// by: a tile's activation rows (21 KiB at 2048 columns) stay in the first-level cache from panel to panel.
template <class S, BlockType type>
void gemm_block(const ProductTask& task, std::int64_t row, std::int64_t panel_count, std::int64_t first,
                std::int64_t chunks) {
  using F = Format<type>;
  using Sh = ShapeOf<S, F>;
  using Panel = PanelChunk<S, Sh::groups>;
  constexpr int R = S::tile_rows;
  constexpr int N = S::tile_columns;
  auto* panels = reinterpret_cast<Panel*>(task.scratch);
  for (std::int64_t p = 0; p < panel_count; ++p)
    for (std::int64_t c = 0; c < chunks; ++c)
      for (int r = 0; r < R; ++r)
        unpack_panel<S, type>(task, row + (p * R + r) * S::lanes, first + c, panels[(p * chunks + c) * R + r]);
  for (std::int64_t i = 0; i < task.count; i += N)
    for (std::int64_t p = 0; p < panel_count; ++p) {
      const Panel* panel = panels + p * chunks * R;
      if (task.count - i > 2)
        tile_at<S, Sh, R, N>(task, panel, first, chunks, row + p * R * S::lanes, i, F::bias_bits);
      else
        tile_at<S, Sh, R, 2>(task, panel, first, chunks, row + p * R * S::lanes, i, F::bias_bits);
    }
}

template <class S, BlockType type>
void gemm(const ProductTask& task) {
  using Panel = PanelChunk<S, ShapeOf<S, Format<type>>::groups>;
  constexpr std::int64_t rows = S::tile_rows * S::lanes;
  constexpr std::int64_t longest = panel_columns / super_block;
  constexpr auto chunk_bytes = static_cast<std::int64_t>(sizeof(Panel)) * S::tile_rows;
  static_assert(chunk_bytes * longest <= static_cast<std::int64_t>(panel_bytes));
  const std::int64_t all = chunks_of(task.columns);
  const std::int64_t step = all < longest ? all : longest;
  const std::int64_t at_once = static_cast<std::int64_t>(panel_bytes) / (step * chunk_bytes);
  for (std::int64_t row = task.begin; row < task.end; row += at_once * rows) {
    const std::int64_t left = (task.end - row + rows - 1) / rows;
    for (std::int64_t first = 0; first < all; first += step)
      gemm_block<S, type>(task, row, left < at_once ? left : at_once, first, all - first < step ? all - first : step);
  }
}

template <class S>
void set_products(Kernels& kernels) {
  for_each_format([&]<BlockType type>() {
    kernels.gemv[index_of(type)] = gemv<S, type>;
    kernels.gemm[index_of(type)] = gemm<S, type>;
  });
}

}  // namespace silicast::engine
