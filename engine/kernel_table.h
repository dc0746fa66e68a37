// SPDX-License-Identifier: Apache-2.0
// What one instruction set provides. Each kernels_ISA.cpp fills one of these from the templates in product.h and
// vectors.h; kernels.cpp chooses among them at run time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/cpu_features.h"
#include "engine/kernels.h"
#include "engine/type_traits.h"

namespace silicast::engine {

// 256 quantized activations and their sums, as the kernels read them; rows are padded with zeros to whole chunks. The
// numbers are those of Q8_0, Q8_1 or Q8_K blocks. A row for F32, F16 and BF16 weights is plain floats instead.
struct alignas(64) ActivationChunk {
  std::int8_t q[256];
  float scale[8];                // of 32 values each; all the same for Q8_K
  float sum[8];                  // what a min is multiplied by: Q8_1's s; the plain sum of 32 values for Q8_K
  std::int32_t minus_sum16[16];  // less the sums of 16 values
  std::int32_t minus_sum32[8];
  std::int16_t sum16[16];  // the sums of 16 values again; Q8_K only
};
static_assert(sizeof(ActivationChunk) == 448);

// out[i * out_stride + r] = W[r] . x[i] for rows [begin, end) and activation rows i < count.
struct ProductTask {
  const std::byte* weights = nullptr;
  std::int64_t row_bytes = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t columns = 0;
  const std::byte* x = nullptr;
  std::int64_t x_stride = 0;
  const std::int32_t* selected = nullptr;  // activation row i is selected[i]; null: i
  std::int64_t count = 0;
  float* out = nullptr;
  std::int64_t out_stride = 0;
  std::byte* scratch = nullptr;

  [[nodiscard]] __attribute__((always_inline)) const std::byte* activation(std::int64_t i) const {
    return x + x_stride * (selected == nullptr ? i : selected[i]);
  }
};

// Of a Scratch: as many unpacked panels of weights as fit into panel_bytes (one of 32 rows of 4096 columns takes 192
// KiB with scales and mins of 16 weights each), half of a second-level cache of 1 MiB; or the working set of an item of
// attention. AMX's panels take twice as much, half of the 2 MiB that go with it: the wider they are, the less often all
// activations pass by.
constexpr std::int64_t panel_columns = 4096;
constexpr std::size_t panel_bytes = 512 * 1024;
constexpr std::size_t scratch_bytes = 1024 * 1024;

struct Kernels {
  using Product = void (*)(const ProductTask& task);

  Isa isa{};
  std::array<Product, block_type_count> gemv{};  // any count; meant for a few
  std::array<Product, block_type_count> gemm{};
  std::array<Product, block_type_count> gemm_wide{};  // where an instruction set has one
  // Activation rows from which on each is the faster one.
  std::int64_t gemm_from = 9;
  std::int64_t gemm_wide_from = 24;
  // One row of columns values, columns a multiple of 32, into chunks.
  void (*quantize_q8_0)(const float* x, std::int64_t columns, ActivationChunk* out) = nullptr;
  void (*quantize_q8_1)(const float* x, std::int64_t columns, ActivationChunk* out) = nullptr;
  void (*quantize_q8_k)(const float* x, std::int64_t columns, ActivationChunk* out) = nullptr;

  void (*rms_norm)(const float* x, const float* weight, float epsilon, float* out, std::int64_t n) = nullptr;
  void (*softmax)(float* x, std::int64_t n, float scale) = nullptr;
  void (*swiglu)(const float* gate, const float* up, float* out, std::int64_t n) = nullptr;
  void (*geglu)(const float* gate, const float* up, float* out, std::int64_t n) = nullptr;
  void (*add_scaled)(const float* x, float factor, float* out, std::int64_t n) = nullptr;
  void (*rope)(RopeStyle style, const float* table, std::int64_t dimensions, float* x, std::int64_t heads,
               std::int64_t head_dim) = nullptr;
  void (*store_kv)(KvType type, const float* values, std::int64_t head_dim, void* destination) = nullptr;
  void (*attention)(const Attention& task, Range items, std::byte* scratch) = nullptr;
};

// Each fills the table with the code of one instruction set; compiled for that set, called only where it is supported.
// The table is made by the caller: a constructor compiled here could be taken for every file's by the linker.
void set_portable(Kernels& kernels);
void set_avx2(Kernels& kernels);
void set_avx512(Kernels& kernels);
void set_avx512_vnni(Kernels& kernels);
void set_avx512_vbmi(Kernels& kernels);
void set_amx(Kernels& kernels);
void set_neon(Kernels& kernels);
void set_neon_dotprod(Kernels& kernels);
void set_neon_i8mm(Kernels& kernels);

}  // namespace silicast::engine
