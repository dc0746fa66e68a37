// SPDX-License-Identifier: Apache-2.0
// Attention for any instruction set S (see product.h): one KV head against the query heads that share it at up to eight
// tokens, with the softmax online.
//
// Positions go by in blocks of two vectors. Of each block, K is laid out as [dimension][position], so that scores are
// sums of lanes that need no sum across; V as [position][dimension]. Both are read and converted once for all queries:
//   s = scale q.K  (softcap, mask);  m' = max(m, s);  p = e^(s - m');  sum = sum e^(m - m') + p;  o = o e^(m - m') + p
//   V
#pragma once

#include "engine/vectors.h"

namespace silicast::engine {

constexpr float no_score = -1e30F;  // of a masked position: e^(no_score - m) is as good as 0, and no NaN comes of it

struct BlockQ8Kv {
  Half d;
  std::int8_t qs[32];
};
static_assert(sizeof(BlockQ8Kv) == 34);

template <class S>
SILICAST_INLINE void load_kv(KvType type, const std::byte* row, std::int64_t n, float* out) {
  if (type == KvType::f16) {
    for (std::int64_t i = 0; i < n; i += S::lanes)
      S::store(out + i, S::load_half(reinterpret_cast<const Half*>(row) + i));
    return;
  }
  const auto* blocks = reinterpret_cast<const BlockQ8Kv*>(row);
  for (std::int64_t b = 0; b < n / 32; ++b) {
    const auto d = S::broadcast(to_float(blocks[b].d));
    for (int i = 0; i < 32; i += S::lanes)
      S::store(out + 32 * b + i, S::mul(S::load_signed_bytes(blocks[b].qs + i), d));
  }
}

template <class S>
void store_kv_of(KvType type, const float* values, std::int64_t head_dim, void* destination) {
  if (type == KvType::f16) {
    for (std::int64_t i = 0; i < head_dim; i += S::lanes)
      S::store_half(static_cast<Half*>(destination) + i, S::load(values + i));
    return;
  }
  auto* blocks = static_cast<BlockQ8Kv*>(destination);
  for (std::int64_t b = 0; b < head_dim / 32; ++b) {
    std::int32_t minus_sums[2];
    const float d = largest_of<S>(values + 32 * b, 32) / 127.0F;
    quantize_bytes<S>(values + 32 * b, 32, inverse_scale(d), blocks[b].qs, minus_sums);
    blocks[b].d = to_half(d < 65504.0F ? d : 65504.0F);
  }
}

// The working set of an item, in the thread's scratch: at most query_floats for the queries and as much for the
// outputs.
constexpr std::int64_t query_floats = 8192;

template <class S>
struct AttentionBlock {
  static constexpr std::int64_t positions = 2 * S::lanes;

  const Attention& task;
  std::int64_t kv_head;
  std::int64_t first_head;  // queries are tokens x heads
  std::int64_t heads;
  std::int64_t first_token;
  std::int64_t tokens;
  float* queries;  // [query][dimension], padded to a multiple of four queries
  float* outputs;  // the same
  float* keys;     // [dimension][position]
  float* values;   // [position][dimension]
  float* scores;   // [query][position]
  float* largest;  // [query]
  float* sums;     // [query]

  [[nodiscard]] std::int64_t count() const { return heads * tokens; }
  [[nodiscard]] std::int64_t position_of(std::int64_t query) const {
    return task.first_position + first_token + query / heads;
  }
  [[nodiscard]] std::int64_t first_seen(std::int64_t query) const {
    const std::int64_t first = task.window > 0 ? position_of(query) - task.window + 1 : 0;
    return first > 0 ? first : 0;
  }

  void begin() {
    for (std::int64_t q = 0; q < (count() + 3) / 4 * 4; ++q) {
      const std::int64_t token = first_token + q / heads;
      const float* from = task.q + token * task.q_stride + (first_head + q % heads) * task.head_dim;
      for (std::int64_t d = 0; d < task.head_dim; ++d) {
        queries[q * task.head_dim + d] = q < count() ? from[d] * task.scale : 0;
        outputs[q * task.head_dim + d] = 0;
      }
      largest[q] = no_score;
      sums[q] = 0;
    }
  }

  // K of positions [first, last) transposed, V as it is; zeros beyond.
  void load(std::int64_t first, std::int64_t last) {
    alignas(64) std::uint8_t rows[S::lanes][256];
    alignas(64) float row[512];
    const std::int64_t k_bytes = static_cast<std::int64_t>(kv_row(task.k.type));
    const std::int64_t v_bytes = static_cast<std::int64_t>(kv_row(task.v.type));
    for (std::int64_t p = 0; p < positions; ++p) {
      float* to = values + p * task.head_dim;
      if (first + p < last)
        load_kv<S>(task.v.type, task.v.head(kv_head) + (first + p) * v_bytes, task.head_dim, to);
      else
        for (std::int64_t d = 0; d < task.head_dim; ++d) to[d] = 0;
    }
    for (std::int64_t part = 0; part < 2; ++part)
      for (std::int64_t d = 0; d < task.head_dim; d += 64) {
        const std::int64_t width = task.head_dim - d < 64 ? task.head_dim - d : 64;
        for (int lane = 0; lane < S::lanes; ++lane) {
          const std::int64_t p = first + part * S::lanes + lane;
          const std::int64_t offset =
              p * k_bytes + d / 32 * static_cast<std::int64_t>(task.k.type == KvType::f16 ? 64 : sizeof(BlockQ8Kv));
          if (p < last) load_kv<S>(task.k.type, task.k.head(kv_head) + offset, width, row);
          auto* to = reinterpret_cast<float*>(rows[lane]);
          for (std::int64_t i = 0; i < 64; ++i) to[i] = p < last && i < width ? row[i] : 0;
        }
        alignas(64) std::uint8_t turned[64][S::lanes][4];
        S::interleave(rows, turned);
        for (std::int64_t i = 0; i < width; ++i)
          S::store(keys + (d + i) * positions + part * S::lanes, S::load(reinterpret_cast<const float*>(turned[i])));
      }
  }
  [[nodiscard]] std::int64_t kv_row(KvType type) const {
    return type == KvType::f16 ? 2 * task.head_dim : task.head_dim / 32 * static_cast<std::int64_t>(sizeof(BlockQ8Kv));
  }

  // Four queries against the block.
  void score(std::int64_t q) {
    typename S::F32 sum[4][2];
    for (auto& row : sum) row[0] = row[1] = S::zero();
    for (std::int64_t d = 0; d < task.head_dim; ++d) {
      const auto k0 = S::load(keys + d * positions);
      const auto k1 = S::load(keys + d * positions + S::lanes);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const auto x = S::broadcast(queries[(q + i) * task.head_dim + d]);
        sum[i][0] = S::fma(x, k0, sum[i][0]);
        sum[i][1] = S::fma(x, k1, sum[i][1]);
      }
    }
    for (int i = 0; i < 4; ++i)
      for (int part = 0; part < 2; ++part)
        S::store(scores + (q + i) * positions + part * S::lanes, capped(sum[i][part]));
  }
  // softcap tanh(s / softcap), tanh(y) = 1 - 2 / (e^2y + 1)
  SILICAST_INLINE typename S::F32 capped(typename S::F32 s) const {
    if (task.softcap <= 0) return s;
    const auto e = exp_of<S>(S::mul(s, S::broadcast(2 / task.softcap)));
    const auto tanh = S::sub(S::broadcast(1.0F), S::div(S::broadcast(2.0F), S::add(e, S::broadcast(1.0F))));
    return S::mul(tanh, S::broadcast(task.softcap));
  }

  // Masks, turns the query's scores into weights and rescales what was summed so far.
  void weigh(std::int64_t q, std::int64_t first) {
    float* s = scores + q * positions;
    const std::int64_t from = first_seen(q) - first;
    const std::int64_t to = position_of(q) - first + 1;
    for (std::int64_t p = 0; p < positions; ++p)
      if (p < from || p >= to) s[p] = no_score;
    auto s0 = S::load(s);
    auto s1 = S::load(s + S::lanes);
    const float block_largest = S::max_of(S::max(s0, s1));
    const float now = block_largest > largest[q] ? block_largest : largest[q];
    if (now == no_score) {  // the window has not begun
      S::store(s, S::zero());
      S::store(s + S::lanes, S::zero());
      return;
    }
    s0 = exp_of<S>(S::sub(s0, S::broadcast(now)));
    s1 = exp_of<S>(S::sub(s1, S::broadcast(now)));
    S::store(s, s0);
    S::store(s + S::lanes, s1);
    if (now != largest[q]) {
      const auto shrink = exp_of<S>(S::broadcast(largest[q] - now));
      float* o = outputs + q * task.head_dim;
      for (std::int64_t d = 0; d < task.head_dim; d += S::lanes) S::store(o + d, S::mul(S::load(o + d), shrink));
      sums[q] *= S::max_of(shrink);
      largest[q] = now;
    }
    sums[q] += S::sum(S::add(s0, s1));
  }

  // outputs of four queries += weights V
  void gather(std::int64_t q, std::int64_t filled) {
    for (std::int64_t d = 0; d < task.head_dim; d += S::lanes) {
      typename S::F32 sum[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) sum[i] = S::load(outputs + (q + i) * task.head_dim + d);
      for (std::int64_t p = 0; p < filled; ++p) {
        const auto v = S::load(values + p * task.head_dim + d);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) sum[i] = S::fma(S::broadcast(scores[(q + i) * positions + p]), v, sum[i]);
      }
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) S::store(outputs + (q + i) * task.head_dim + d, sum[i]);
    }
  }

  void finish() {
    for (std::int64_t q = 0; q < count(); ++q) {
      const std::int64_t token = first_token + q / heads;
      float* to = task.out + token * task.out_stride + (first_head + q % heads) * task.head_dim;
      const auto factor = S::broadcast(1 / sums[q]);
      for (std::int64_t d = 0; d < task.head_dim; d += S::lanes)
        S::store(to + d, S::mul(S::load(outputs + q * task.head_dim + d), factor));
    }
  }

  void run() {
    begin();
    const std::int64_t last = position_of(count() - 1) + 1;
    for (std::int64_t first = first_seen(0) / positions * positions; first < last; first += positions) {
      load(first, last);
      const std::int64_t filled = last - first < positions ? last - first : positions;
      for (std::int64_t q = 0; q < count(); q += 4) {
        score(q);
        for (std::int64_t i = q; i < q + 4 && i < count(); ++i) weigh(i, first);
        gather(q, filled);
      }
    }
    finish();
  }
};

template <class S>
void attention_of(const Attention& task, Range items, std::byte* scratch) {
  const std::int64_t blocks = (task.tokens + attention_tokens - 1) / attention_tokens;
  const std::int64_t group = task.heads / task.kv_heads;
  auto* memory = reinterpret_cast<float*>(scratch);
  for (std::int64_t item = items.begin; item < items.end; ++item) {
    const std::int64_t first_token = item % blocks * attention_tokens;
    const std::int64_t left = task.tokens - first_token;
    const std::int64_t tokens = left < attention_tokens ? left : attention_tokens;
    // As many heads at once as the working set allows, in whole fours of queries.
    const std::int64_t most = query_floats / task.head_dim / 4 * 4 / tokens;
    const std::int64_t at_once = most < 1 ? 1 : most < group ? most : group;
    for (std::int64_t h = 0; h < group; h += at_once) {
      AttentionBlock<S> block{.task = task,
                              .kv_head = item / blocks,
                              .first_head = item / blocks * group + h,
                              .heads = group - h < at_once ? group - h : at_once,
                              .first_token = first_token,
                              .tokens = tokens,
                              .queries = memory,
                              .outputs = memory + query_floats,
                              .keys = memory + 2 * query_floats,
                              .values = memory + 2 * query_floats + 512 * AttentionBlock<S>::positions,
                              .scores = memory + 2 * query_floats + 2 * 512 * AttentionBlock<S>::positions,
                              .largest = nullptr,
                              .sums = nullptr};
      block.largest = block.scores + 256 * AttentionBlock<S>::positions;
      block.sums = block.largest + 256;
      block.run();
    }
  }
}

// The largest block: positions = 32.
static_assert((2 * query_floats + 2 * 512 * 32 + 256 * 32 + 512) * sizeof(float) <= scratch_bytes);

template <class S>
void set_attention(Kernels& kernels) {
  kernels.attention = attention_of<S>;
  kernels.store_kv = store_kv_of<S>;
}

}  // namespace silicast::engine
