// SPDX-License-Identifier: Apache-2.0
// The fast kernels' entry points: products of quantized weights with activations, attention, and the vector kernels.
//
//   Activations x(columns, capacity);             // once
//   x.set(kernels, type, values, count, ...);     // quantizes `count` rows as the weights' type wants them
//   matmul(kernels, weights, x, out, rows);       // out[i * out_stride + r]; each thread does its share of the rows
//
// Goals: correct against the naive twins in type_traits.h; a GEMV (one activation row) and small batches (2-8) bound by
// memory; larger batches bound by the integer dot product, the weights being unpacked once per panel of rows.
// Non-goals: threads (the caller passes a Range; see thread_pool.h), allocation inside of kernels, errors: arguments
// are right or it is our bug.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/cpu_features.h"
#include "engine/thread_pool.h"
#include "engine/type_traits.h"

namespace silicast::engine {

struct Kernels;  // the functions of one instruction set; engine/kernel_table.h

const Kernels& kernels_of(Isa isa);  // must be supported
const Kernels& best_kernels();
Isa isa_of(const Kernels& kernels);

// Memory aligned to a cache line, zeroed, with room to read a vector past its end. First touched by who writes it
// first.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes);
  ~AlignedBuffer();
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  template <class T>
  [[nodiscard]] T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// ---------------------------------------------------------------- products

// A matrix of `rows` rows of `columns` weights, as it stands in a GGUF file: out = W x. Aligned to 4 bytes.
struct Matrix {
  BlockType type{};
  const std::byte* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;  // a multiple of the type's block

  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(rows) * row_bytes(type, columns); }
};

// Activation rows in the form the kernels read. One buffer serves every product of the same ActivationType that
// follows: quantize once for q, k and v.
class Activations {
 public:
  // Room for `capacity` rows of up to `columns` values, columns a multiple of 32.
  Activations(std::int64_t columns, std::int64_t capacity);

  // Says what the buffer is about to hold; every thread may call it, or one before a barrier. Cheap.
  void begin(ActivationType type, std::int64_t columns, std::int64_t count);
  // Quantizes rows [rows.begin, rows.end) of x, row i at x + i * stride. Threads share the rows; a barrier must follow.
  void fill(const Kernels& kernels, const float* x, std::int64_t stride, Range rows);
  // Both, for all rows, by one thread.
  void set(const Kernels& kernels, ActivationType type, const float* x, std::int64_t stride, std::int64_t columns,
           std::int64_t count);

  [[nodiscard]] ActivationType type() const { return type_; }
  [[nodiscard]] std::int64_t columns() const { return columns_; }
  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] std::int64_t capacity() const { return capacity_; }
  [[nodiscard]] std::size_t bytes() const { return buffer_.size(); }
  [[nodiscard]] const std::byte* row(std::int64_t i) const { return buffer_.data() + i * stride_; }
  // Bytes from one row to the next.
  [[nodiscard]] std::int64_t row_stride() const { return stride_; }
  [[nodiscard]] static std::size_t bytes_for(std::int64_t columns, std::int64_t capacity);

 private:
  AlignedBuffer buffer_;
  std::int64_t capacity_ = 0;
  std::int64_t columns_ = 0;
  std::int64_t count_ = 0;
  std::int64_t stride_ = 0;
  ActivationType type_{};
};

// Per-thread memory of the kernels: unpacked panels of weights, or the working set of attention. Its size does not
// depend on `columns` so far. Best made by the thread that uses it.
class Scratch {
 public:
  explicit Scratch(std::int64_t columns);
  [[nodiscard]] std::byte* data() const { return buffer_.data(); }
  [[nodiscard]] std::size_t bytes() const { return buffer_.size(); }

 private:
  AlignedBuffer buffer_;
};

struct MatmulOutput {
  float* data = nullptr;
  std::int64_t stride = 0;  // from one activation row's results to the next: at least the matrix's rows
};

// out.data[i * out.stride + r] = W[r] . x[i] for r in `rows` and every activation row i. With `selected`, i-th result
// belongs to activation row selected[i] (the tokens of one expert). Threads give disjoint row ranges, best multiples of
// `row_granule`.
constexpr std::int64_t row_granule = 32;
void matmul(const Kernels& kernels, const Matrix& weights, const Activations& x, MatmulOutput out, Range rows,
            const Scratch& scratch);
void matmul(const Kernels& kernels, const Matrix& weights, const Activations& x, std::span<const std::int32_t> selected,
            MatmulOutput out, Range rows, const Scratch& scratch);

// ---------------------------------------------------------------- vectors

// out = x / sqrt(mean(x^2) + epsilon) * weight
void rms_norm(const Kernels& kernels, const float* x, const float* weight, float epsilon, float* out, std::int64_t n);
// x = softmax(x * scale), stable
void softmax(const Kernels& kernels, float* x, std::int64_t n, float scale);
// out = silu(gate) * up; gate and out may be the same
void swiglu(const Kernels& kernels, const float* gate, const float* up, float* out, std::int64_t n);
// out = gelu(gate) * up with the tanh approximation, as gemma's
void geglu(const Kernels& kernels, const float* gate, const float* up, float* out, std::int64_t n);
// out += x * factor
void add_scaled(const Kernels& kernels, const float* x, float factor, float* out, std::int64_t n);

// Rotary embedding. norm: pairs (2i, 2i+1), as llama's GGUF files; neox: pairs (i, i + dimensions/2), as qwen, gemma.
enum class RopeStyle : std::uint8_t { norm, neox };
struct Rope {
  RopeStyle style = RopeStyle::norm;
  std::int64_t dimensions = 0;  // rotated values of a head, even; the rest stay
  double base = 10000;
  double frequency_scale = 1;                // linear scaling: 1 / factor
  const float* frequency_factors = nullptr;  // dimensions/2 divisors (rope_freqs.weight), or none
};
// Cosines and sines of one position: table[2i], table[2i+1] for pair i; `dimensions` floats.
void rope_table(const Rope& rope, std::int64_t position, float* table);
// Rotates `heads` heads of head_dim values that follow each other.
void apply_rope(const Kernels& kernels, RopeStyle style, const float* table, std::int64_t dimensions, float* x,
                std::int64_t heads, std::int64_t head_dim);

// ---------------------------------------------------------------- attention

enum class KvType : std::uint8_t { f16, q8_0 };
std::size_t kv_row_bytes(KvType type, std::int64_t head_dim);
// Stores the head_dim values of one head at one position.
void store_kv(const Kernels& kernels, KvType type, const float* values, std::int64_t head_dim, void* destination);

// Keys or values of one layer: [kv_head][position][head_dim], each row kv_row_bytes long, so that a head is one stream.
struct KvView {
  KvType type{};
  const std::byte* data = nullptr;
  std::int64_t head_stride = 0;  // bytes from one KV head to the next

  [[nodiscard]] const std::byte* head(std::int64_t kv_head) const { return data + kv_head * head_stride; }
};

struct Attention {
  const float* q = nullptr;   // [token][head][head_dim], rotated
  std::int64_t q_stride = 0;  // floats from one token to the next
  KvView k;
  KvView v;
  float* out = nullptr;  // [token][head][head_dim]
  std::int64_t out_stride = 0;
  std::int64_t tokens = 1;          // consecutive positions of one sequence
  std::int64_t first_position = 0;  // of tokens[0]; token t sees positions 0 ... first_position + t
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;  // heads / kv_heads query heads share one KV head
  std::int64_t head_dim = 0;  // a multiple of 32, at most 512
  std::int64_t window = 0;    // sees the last `window` positions only; 0: all
  float scale = 1;            // of the scores, usually 1 / sqrt(head_dim)
  float softcap = 0;          // scores become softcap * tanh(score / softcap); 0: none
};
// One item of work is one KV head's group of query heads at up to `attention_tokens` tokens; softmax runs online over
// blocks of positions, so that each key and value is read once per item. `items` is the thread's share of them.
constexpr std::int64_t attention_tokens = 8;
std::int64_t attention_items(const Attention& task);
void attention(const Kernels& kernels, const Attention& task, Range items, const Scratch& scratch);

}  // namespace silicast::engine
