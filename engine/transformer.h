// SPDX-License-Identifier: Apache-2.0
// The forward pass of a decoder: some tokens of some sequences in, logits out.
//
// All threads walk through the layers together inside of one ThreadPool::run; a step is
//   norm, quantize | q, k, v | RoPE, cache, attention | quantize | output, + x | norm, quantize | gate, up, GLU |
//   quantize | down, + x
// with a barrier at each bar. Up to a few rows, as in decoding, every thread norms and quantizes all of them for
// itself, which is less work than waiting for another: then the barriers at "quantize" fall away, and four are left.
// Nothing is allocated. Results do not depend on the number of threads.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "engine/kernels.h"
#include "engine/kv_cache.h"
#include "engine/model.h"
#include "engine/moe.h"
#include "engine/thread_pool.h"

namespace silicast::engine {

struct Run;

struct BatchToken {
  std::int32_t token = 0;
  std::int32_t sequence = 0;
  std::int64_t position = 0;
  bool logits = false;  // whether its logits are wanted
};

class Transformer {
 public:
  // Room for `capacity` tokens in a step. The pool's threads touch their memory first.
  Transformer(std::shared_ptr<const Model> model, const Kernels& kernels, ThreadPool& pool, std::int64_t capacity);
  ~Transformer();

  // One step. Tokens of a sequence stand together, in order, and follow what the cache holds of it; they are within the
  // vocabulary and the cache's context. Row i of `logits` (vocabulary values each) is of the i-th token that wants
  // them.
  void forward(std::span<const BatchToken> batch, KvCache& cache, float* logits);

  [[nodiscard]] std::uint64_t buffer_bytes() const;
  [[nodiscard]] static std::uint64_t buffer_bytes_for(const Model& model, std::int64_t capacity, int threads);

 private:
  struct Step;
  struct ThreadState;

  void walk(const Worker& worker, const Step& step);
  void begin(const Worker& worker, const Step& step);
  void project_attention(const Worker& worker, const Step& step, std::size_t layer);
  void attend(const Worker& worker, const Step& step, std::size_t layer);
  void rotate_and_store(const Step& step, std::size_t layer, const Run& run, Range tokens, Range kv_heads);
  [[nodiscard]] Attention attention_of(const Step& step, std::size_t layer, const Run& run) const;
  void keep_wanted(const Step& step);
  void feed_forward(const Worker& worker, const LayerWeights& w, std::int64_t count);
  void activate(std::int64_t first, std::int64_t n);
  void expert_feed_forward(const Worker& worker, const LayerWeights& w, std::int64_t count);
  void route(const Worker& worker, std::int64_t count);
  void expert_gates(const Worker& worker, const LayerWeights& w, std::int64_t count);
  void expert_results(const Worker& worker, const LayerWeights& w, std::int64_t slots);
  void add_experts(const Worker& worker, std::int64_t count);
  void output(const Worker& worker, const Step& step);

  // Norms (unless null) and quantizes `count` rows for the matrices that follow; ends with a barrier where the threads
  // shared the rows.
  void prepare(const Worker& worker, const float* rows, std::int64_t columns, const float* norm,
               std::initializer_list<const Matrix*> matrices, std::int64_t count, std::int64_t stride);
  [[nodiscard]] Activations& prepared(const Worker& worker, BlockType type, std::int64_t columns,
                                      std::int64_t count) const;
  // This thread's share of the rows of a product, plus a bias; the share.
  Range project(const Worker& worker, const Matrix& matrix, const float* bias, std::int64_t count, float* out,
                std::int64_t stride) const;
  // x += what stands in delta: this thread's rows of it; or, after a barrier, normed.
  void add(const Worker& worker, Range rows, const float* norm, std::int64_t count);
  [[nodiscard]] bool each_alone(std::int64_t columns, std::int64_t count) const;
  [[nodiscard]] const Scratch& scratch_of(const Worker& worker) const;

  // Parts of first_.
  [[nodiscard]] float* queries() const { return first_.as<float>(); }
  [[nodiscard]] float* attention_result() const { return queries() + capacity_ * query_width_; }
  [[nodiscard]] float* keys() const { return attention_result() + capacity_ * query_width_; }
  [[nodiscard]] float* values() const { return keys() + capacity_ * key_width_; }

  std::shared_ptr<const Model> model_;
  const Kernels& kernels_;
  ThreadPool& pool_;
  std::int64_t capacity_;
  std::int64_t hidden_;
  std::int64_t query_width_ = 0;  // the widest layer's
  std::int64_t key_width_ = 0;
  bool geglu_ = false;

  // Rows of the step. What is never alive at once shares memory: q, k, v and the attention's result with the gate,
  // delta with up.
  AlignedBuffer x_, first_, second_, rope_, window_rope_;
  std::array<std::unique_ptr<Activations>, 4> shared_;  // by ActivationType
  std::vector<std::unique_ptr<ThreadState>> threads_;
  std::unique_ptr<ExpertRouting> routing_;
  std::unique_ptr<Step> step_;
};

}  // namespace silicast::engine
