// SPDX-License-Identifier: Apache-2.0
// The one table of weight types: layout, names, and the naive functions that define what a block means.
//
// Goals: GGUF's layouts bit for bit; the functions named here are the definition, plain C++ in double precision where
// it matters, and every fast kernel is tested against them by iterating this table.
// Non-goals: speed (engine/kernels.h), importance matrices, NVFP4 and the ternary types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace silicast::engine {

enum class BlockType : std::uint8_t {
  f32,
  f16,
  bf16,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  iq3_s,
  iq3_xxs,
  iq2_xxs,
  iq2_xs,
  iq2_s,
  iq1_s,
  iq1_m,
  mxfp4,
};
constexpr std::size_t block_type_count = 23;
constexpr std::size_t index_of(BlockType type) { return static_cast<std::size_t>(type); }

// What the activations are turned into before they meet the weights.
enum class ActivationType : std::uint8_t { f32, q8_0, q8_1, q8_k };

struct TypeTraits {
  BlockType type{};
  std::string_view name;   // as in GGUF and in TypeTable: "Q4_K"
  int gguf_number = 0;     // ggml_type
  std::int64_t block = 1;  // weights in a block
  std::int64_t bytes = 0;  // of a block
  ActivationType activation{};
  bool needs_imatrix = false;  // quality asks for an importance matrix; ours is a plain search over the codebook
  // n is a multiple of `block`; blocks are aligned to 4 bytes (GGUF aligns tensors to 32).
  void (*dequantize)(const void* blocks, float* weights, std::int64_t n) = nullptr;
  void (*quantize)(const float* weights, void* blocks, std::int64_t n) = nullptr;
  // Dot product of a row with activations stored as blocks of `activation`, exact integers within a block.
  float (*dot)(const void* blocks, const void* activations, std::int64_t n) = nullptr;
};

std::span<const TypeTraits> all_types();  // in the order of BlockType
const TypeTraits& traits_of(BlockType type);
std::optional<BlockType> find_block_type(std::string_view name);  // case-insensitive
std::optional<BlockType> find_block_type(int gguf_number);

// Bytes of a row of n weights; n is a multiple of the type's block.
std::size_t row_bytes(BlockType type, std::int64_t n);

struct ActivationTraits {
  ActivationType type{};
  std::string_view name;
  std::int64_t block = 1;
  std::int64_t bytes = 0;
  void (*quantize)(const float* x, void* blocks, std::int64_t n) = nullptr;
  void (*dequantize)(const void* blocks, float* x, std::int64_t n) = nullptr;
};
std::span<const ActivationTraits> all_activations();
const ActivationTraits& traits_of(ActivationType type);

// The naive matrix product: out[i * rows + r] = row r of the weights times activation row i, by the functions above.
void naive_matmul(BlockType type, const void* weights, std::int64_t rows, std::int64_t columns, const float* x,
                  std::int64_t count, float* out);

}  // namespace silicast::engine
