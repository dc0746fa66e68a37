// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "engine/kernel_table.h"

namespace silicast::engine {

namespace {

using Setter = void (*)(Kernels&);

Setter setter_of(Isa isa) {
  switch (isa) {
    case Isa::portable: return set_portable;
#if defined(__x86_64__)
    case Isa::avx2: return set_avx2;
    case Isa::avx512: return set_avx512;
    case Isa::avx512_vnni: return set_avx512_vnni;
    case Isa::avx512_vbmi: return set_avx512_vbmi;
    case Isa::amx: return set_amx;
    case Isa::neon:
    case Isa::neon_dotprod:
    case Isa::neon_i8mm: return nullptr;
#elif defined(__aarch64__)
    case Isa::neon: return set_neon;
    case Isa::neon_dotprod: return set_neon_dotprod;
    case Isa::neon_i8mm: return set_neon_i8mm;
    case Isa::avx2:
    case Isa::avx512:
    case Isa::avx512_vnni:
    case Isa::avx512_vbmi:
    case Isa::amx: return nullptr;
#else
    case Isa::avx2:
    case Isa::avx512:
    case Isa::avx512_vnni:
    case Isa::avx512_vbmi:
    case Isa::amx:
    case Isa::neon:
    case Isa::neon_dotprod:
    case Isa::neon_i8mm: return nullptr;
#endif
  }
  return nullptr;
}

std::array<Kernels, isa_count> make_tables() {
  std::array<Kernels, isa_count> tables{};
  for (const Isa isa : all_isas()) {
    Kernels& table = tables[static_cast<std::size_t>(isa)];
    table.isa = isa;
    if (is_supported(isa) && setter_of(isa) != nullptr) setter_of(isa)(table);
  }
  return tables;
}

constexpr std::size_t cache_line = 64;
constexpr std::size_t overread = 4096;  // kernels load whole vectors, and prefetch

}  // namespace

const Kernels& kernels_of(Isa isa) {
  static const std::array<Kernels, isa_count> tables = make_tables();
  ensure(is_supported(isa), "the instruction set is supported");
  return tables[static_cast<std::size_t>(isa)];
}

const Kernels& best_kernels() { return kernels_of(best_isa()); }
Isa isa_of(const Kernels& kernels) { return kernels.isa; }

AlignedBuffer::AlignedBuffer(std::size_t bytes) : size_(bytes) {
  const std::size_t whole = (bytes + overread + cache_line - 1) / cache_line * cache_line;
  data_ = static_cast<std::byte*>(std::aligned_alloc(cache_line, whole));
  if (data_ == nullptr) throw std::bad_alloc();
  std::memset(data_, 0, whole);
}

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

// ---------------------------------------------------------------- activations

namespace {

std::int64_t activation_row_bytes(ActivationType type, std::int64_t columns) {
  const std::int64_t chunks = (columns + 255) / 256;
  // An odd number of lines from row to row, so that rows do not fall upon the same sets of the caches.
  const std::int64_t bytes =
      type == ActivationType::f32 ? 4 * columns : chunks * static_cast<std::int64_t>(sizeof(ActivationChunk));
  return (bytes + 127) / 128 * 128 + 64;
}

}  // namespace

std::size_t Activations::bytes_for(std::int64_t columns, std::int64_t capacity) {
  return static_cast<std::size_t>(capacity * std::max(activation_row_bytes(ActivationType::f32, columns),
                                                      activation_row_bytes(ActivationType::q8_0, columns)));
}

Activations::Activations(std::int64_t columns, std::int64_t capacity)
    : buffer_(bytes_for(columns, capacity)), capacity_(capacity) {}

void Activations::begin(ActivationType type, std::int64_t columns, std::int64_t count) {
  ensure(columns % 32 == 0 && (type != ActivationType::q8_k || columns % 256 == 0), "activations are whole blocks");
  ensure(count <= capacity_ && bytes_for(columns, count) <= buffer_.size(), "the activations fit into their buffer");
  type_ = type;
  columns_ = columns;
  count_ = count;
  stride_ = activation_row_bytes(type, columns);
}

void Activations::fill(const Kernels& kernels, const float* x, std::int64_t stride, Range rows) {
  for (std::int64_t i = rows.begin; i < rows.end; ++i) {
    std::byte* to = buffer_.data() + i * stride_;
    const float* from = x + i * stride;
    auto* chunks = reinterpret_cast<ActivationChunk*>(to);
    switch (type_) {
      case ActivationType::f32: std::memcpy(to, from, static_cast<std::size_t>(columns_) * sizeof(float)); break;
      case ActivationType::q8_0: kernels.quantize_q8_0(from, columns_, chunks); break;
      case ActivationType::q8_1: kernels.quantize_q8_1(from, columns_, chunks); break;
      case ActivationType::q8_k: kernels.quantize_q8_k(from, columns_, chunks); break;
    }
  }
}

void Activations::set(const Kernels& kernels, ActivationType type, const float* x, std::int64_t stride,
                      std::int64_t columns, std::int64_t count) {
  begin(type, columns, count);
  fill(kernels, x, stride, {0, count});
}

Scratch::Scratch(std::int64_t) : buffer_(scratch_bytes) {}

// ---------------------------------------------------------------- products

namespace {

void product(const Kernels& kernels, const Matrix& weights, const Activations& x, ProductTask task) {
  const TypeTraits& traits = traits_of(weights.type);
  ensure(x.type() == traits.activation && x.columns() == weights.columns, "the activations are made for these weights");
  ensure(task.begin >= 0 && task.end <= weights.rows, "the rows are the matrix's");
  if (task.begin >= task.end || task.count == 0) return;
  task.weights = weights.data;
  task.row_bytes = static_cast<std::int64_t>(row_bytes(weights.type, weights.columns));
  task.columns = weights.columns;
  task.x = x.row(0);
  task.x_stride = x.row_stride();
  const std::size_t type = index_of(weights.type);
  const bool wide = task.count >= kernels.gemm_wide_from && kernels.gemm_wide[type] != nullptr;
  const auto& table = wide ? kernels.gemm_wide : task.count >= kernels.gemm_from ? kernels.gemm : kernels.gemv;
  table[type](task);
}

}  // namespace

void matmul(const Kernels& kernels, const Matrix& weights, const Activations& x, MatmulOutput out, Range rows,
            const Scratch& scratch) {
  product(kernels, weights, x,
          {.begin = rows.begin,
           .end = rows.end,
           .count = x.count(),
           .out = out.data,
           .out_stride = out.stride,
           .scratch = scratch.data()});
}

void matmul(const Kernels& kernels, const Matrix& weights, const Activations& x, std::span<const std::int32_t> selected,
            MatmulOutput out, Range rows, const Scratch& scratch) {
  product(kernels, weights, x,
          {.begin = rows.begin,
           .end = rows.end,
           .selected = selected.data(),
           .count = static_cast<std::int64_t>(selected.size()),
           .out = out.data,
           .out_stride = out.stride,
           .scratch = scratch.data()});
}

// ---------------------------------------------------------------- vectors, attention

void rms_norm(const Kernels& kernels, const float* x, const float* weight, float epsilon, float* out, std::int64_t n) {
  kernels.rms_norm(x, weight, epsilon, out, n);
}
void softmax(const Kernels& kernels, float* x, std::int64_t n, float scale) { kernels.softmax(x, n, scale); }
void swiglu(const Kernels& kernels, const float* gate, const float* up, float* out, std::int64_t n) {
  kernels.swiglu(gate, up, out, n);
}
void geglu(const Kernels& kernels, const float* gate, const float* up, float* out, std::int64_t n) {
  kernels.geglu(gate, up, out, n);
}
void add_scaled(const Kernels& kernels, const float* x, float factor, float* out, std::int64_t n) {
  kernels.add_scaled(x, factor, out, n);
}

void rope_table(const Rope& rope, std::int64_t position, float* table) {
  for (std::int64_t i = 0; i < rope.dimensions / 2; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(rope.dimensions);
    double angle = static_cast<double>(position) * rope.frequency_scale * std::pow(rope.base, exponent);
    if (rope.frequency_factors != nullptr) angle /= rope.frequency_factors[i];
    table[2 * i] = static_cast<float>(std::cos(angle));
    table[2 * i + 1] = static_cast<float>(std::sin(angle));
  }
}

void apply_rope(const Kernels& kernels, RopeStyle style, const float* table, std::int64_t dimensions, float* x,
                std::int64_t heads, std::int64_t head_dim) {
  kernels.rope(style, table, dimensions, x, heads, head_dim);
}

std::size_t kv_row_bytes(KvType type, std::int64_t head_dim) {
  return static_cast<std::size_t>(type == KvType::f16 ? 2 * head_dim : head_dim / 32 * 34);
}

void store_kv(const Kernels& kernels, KvType type, const float* values, std::int64_t head_dim, void* destination) {
  kernels.store_kv(type, values, head_dim, destination);
}

std::int64_t attention_items(const Attention& task) {
  return task.kv_heads * ((task.tokens + attention_tokens - 1) / attention_tokens);
}

void attention(const Kernels& kernels, const Attention& task, Range items, const Scratch& scratch) {
  ensure(task.head_dim % 32 == 0 && task.head_dim <= 512 && task.heads % task.kv_heads == 0, "attention's shape");
  kernels.attention(task, items, scratch.data());
}

}  // namespace silicast::engine
