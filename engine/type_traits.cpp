// SPDX-License-Identifier: Apache-2.0
#include "engine/type_traits.h"

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "engine/decode.h"
#include "engine/quantize.h"

namespace silicast::engine {

namespace {

template <class T>
T at(const void* blocks, std::int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(blocks) + i * static_cast<std::int64_t>(sizeof(T)), sizeof value);
  return value;
}

// ---- F32, F16, BF16

float as_float(float value) { return value; }
float as_float(Half value) { return to_float(value); }
float as_float(Bfloat value) { return to_float(value); }
void from_float(float value, float& out) { out = value; }
void from_float(float value, Half& out) { out = to_half(value); }
void from_float(float value, Bfloat& out) { out = to_bfloat(value); }

template <class T>
void dequantize_plain(const void* blocks, float* weights, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) weights[i] = as_float(at<T>(blocks, i));
}

template <class T>
void quantize_plain(const float* weights, void* blocks, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) from_float(weights[i], static_cast<T*>(blocks)[i]);
}

template <class T>
float dot_plain(const void* blocks, const void* activations, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i)
    sum += static_cast<double>(as_float(at<T>(blocks, i))) * at<float>(activations, i);
  return static_cast<float>(sum);
}

// ---- quantized

template <BlockType type>
void dequantize_blocks(const void* blocks, float* weights, std::int64_t n) {
  using F = Format<type>;
  Decoded decoded;
  for (std::int64_t b = 0; b < n / F::weights; ++b) {
    decode(at<typename F::Block>(blocks, b), decoded);
    for (int i = 0; i < F::weights; ++i) {
      const float weight = decoded.scale[i / F::group] * static_cast<float>(decoded.q[i]) - decoded.min[i / F::group];
      weights[b * F::weights + i] = weight;
    }
  }
}

template <class Block, int Weights>
void quantize_blocks(const float* x, void* blocks, std::int64_t n) {
  for (std::int64_t b = 0; b < n / Weights; ++b) {
    Block block{};
    encode(x + b * Weights, block);
    std::memcpy(static_cast<char*>(blocks) + b * static_cast<std::int64_t>(sizeof block), &block, sizeof block);
  }
}

// What a block of activations says of one group of weights.
struct GroupOfActivations {
  const std::int8_t* q;
  float scale;
  float sum;  // scale * sum of q, as the format stores it
};
GroupOfActivations group_of(const BlockQ8_0& block, int, int) { return {block.qs, to_float(block.d), 0}; }
GroupOfActivations group_of(const BlockQ8_1& block, int, int) {
  return {block.qs, to_float(block.d), to_float(block.s)};
}
GroupOfActivations group_of(const BlockQ8_K& block, int g, int group) {
  int sum = 0;
  for (int i = g * group / 16; i < (g + 1) * group / 16; ++i) sum += block.bsums[i];
  return {block.qs + g * group, block.d, block.d * static_cast<float>(sum)};
}

template <ActivationType type>
struct ActivationBlock;
template <>
struct ActivationBlock<ActivationType::q8_0> {
  using type = BlockQ8_0;
};
template <>
struct ActivationBlock<ActivationType::q8_1> {
  using type = BlockQ8_1;
};
template <>
struct ActivationBlock<ActivationType::q8_k> {
  using type = BlockQ8_K;
};

template <BlockType type>
float dot_blocks(const void* blocks, const void* activations, std::int64_t n) {
  using F = Format<type>;
  Decoded decoded;
  double total = 0;
  for (std::int64_t b = 0; b < n / F::weights; ++b) {
    decode(at<typename F::Block>(blocks, b), decoded);
    const auto partner = at<typename ActivationBlock<F::partner>::type>(activations, b);
    for (int g = 0; g < F::groups; ++g) {
      const GroupOfActivations a = group_of(partner, g, F::group);
      int sum = 0;
      for (int i = 0; i < F::group; ++i) sum += decoded.q[g * F::group + i] * a.q[i];
      total += static_cast<double>(decoded.scale[g]) * a.scale * sum - static_cast<double>(decoded.min[g]) * a.sum;
    }
  }
  return static_cast<float>(total);
}

template <BlockType type>
TypeTraits quantized(std::string_view name, int gguf_number, bool needs_imatrix = false) {
  using F = Format<type>;
  return {.type = type,
          .name = name,
          .gguf_number = gguf_number,
          .block = F::weights,
          .bytes = sizeof(typename F::Block),
          .activation = F::partner,
          .needs_imatrix = needs_imatrix,
          .dequantize = dequantize_blocks<type>,
          .quantize = quantize_blocks<typename F::Block, F::weights>,
          .dot = dot_blocks<type>};
}

template <class T>
TypeTraits plain(BlockType type, std::string_view name, int gguf_number) {
  return {.type = type,
          .name = name,
          .gguf_number = gguf_number,
          .block = 1,
          .bytes = sizeof(T),
          .activation = ActivationType::f32,
          .needs_imatrix = false,
          .dequantize = dequantize_plain<T>,
          .quantize = quantize_plain<T>,
          .dot = dot_plain<T>};
}

using enum BlockType;

const std::array<TypeTraits, block_type_count>& table() {
  static const std::array<TypeTraits, block_type_count> types{
      plain<float>(f32, "F32", 0),
      plain<Half>(f16, "F16", 1),
      plain<Bfloat>(bf16, "BF16", 30),
      quantized<q4_0>("Q4_0", 2),
      quantized<q4_1>("Q4_1", 3),
      quantized<q5_0>("Q5_0", 6),
      quantized<q5_1>("Q5_1", 7),
      quantized<q8_0>("Q8_0", 8),
      quantized<q2_k>("Q2_K", 10),
      quantized<q3_k>("Q3_K", 11),
      quantized<q4_k>("Q4_K", 12),
      quantized<q5_k>("Q5_K", 13),
      quantized<q6_k>("Q6_K", 14),
      quantized<iq4_nl>("IQ4_NL", 20),
      quantized<iq4_xs>("IQ4_XS", 23),
      quantized<iq3_s>("IQ3_S", 21),
      quantized<iq3_xxs>("IQ3_XXS", 18, true),
      quantized<iq2_xxs>("IQ2_XXS", 16, true),
      quantized<iq2_xs>("IQ2_XS", 17, true),
      quantized<iq2_s>("IQ2_S", 22, true),
      quantized<iq1_s>("IQ1_S", 19, true),
      quantized<iq1_m>("IQ1_M", 29, true),
      quantized<mxfp4>("MXFP4", 39),
  };
  return types;
}

// ---- activations

template <class Block, int Weights>
void dequantize_activations(const void* blocks, float* x, std::int64_t n) {
  for (std::int64_t b = 0; b < n / Weights; ++b) {
    const auto block = at<Block>(blocks, b);
    const float d = as_float(block.d);
    for (int i = 0; i < Weights; ++i) x[b * Weights + i] = d * static_cast<float>(block.qs[i]);
  }
}

template <class Block, int Weights>
ActivationTraits activations(ActivationType type, std::string_view name) {
  return {.type = type,
          .name = name,
          .block = Weights,
          .bytes = sizeof(Block),
          .quantize = quantize_blocks<Block, Weights>,
          .dequantize = dequantize_activations<Block, Weights>};
}

const std::array<ActivationTraits, 4>& activation_table() {
  static const std::array<ActivationTraits, 4> types{
      ActivationTraits{.type = ActivationType::f32,
                       .name = "F32",
                       .block = 1,
                       .bytes = sizeof(float),
                       .quantize = quantize_plain<float>,
                       .dequantize = dequantize_plain<float>},
      activations<BlockQ8_0, 32>(ActivationType::q8_0, "Q8_0"),
      activations<BlockQ8_1, 32>(ActivationType::q8_1, "Q8_1"),
      activations<BlockQ8_K, 256>(ActivationType::q8_k, "Q8_K"),
  };
  return types;
}

}  // namespace

std::span<const TypeTraits> all_types() { return table(); }
const TypeTraits& traits_of(BlockType type) { return table()[index_of(type)]; }

std::optional<BlockType> find_block_type(std::string_view name) {
  for (const auto& traits : table())
    if (lower(traits.name) == lower(name)) return traits.type;
  return std::nullopt;
}

std::optional<BlockType> find_block_type(int gguf_number) {
  for (const auto& traits : table())
    if (traits.gguf_number == gguf_number) return traits.type;
  return std::nullopt;
}

std::size_t row_bytes(BlockType type, std::int64_t n) {
  const TypeTraits& traits = traits_of(type);
  ensure(n % traits.block == 0, "a row is whole blocks");
  return static_cast<std::size_t>(n / traits.block * traits.bytes);
}

std::span<const ActivationTraits> all_activations() { return activation_table(); }
const ActivationTraits& traits_of(ActivationType type) { return activation_table()[static_cast<std::size_t>(type)]; }

void naive_matmul(BlockType type, const void* weights, std::int64_t rows, std::int64_t columns, const float* x,
                  std::int64_t count, float* out) {
  const TypeTraits& traits = traits_of(type);
  const ActivationTraits& partner = traits_of(traits.activation);
  const std::size_t row = row_bytes(type, columns);
  std::vector<std::uint32_t> activations(static_cast<std::size_t>(columns / partner.block * partner.bytes) / 4 + 1);
  for (std::int64_t i = 0; i < count; ++i) {
    partner.quantize(x + i * columns, activations.data(), columns);
    for (std::int64_t r = 0; r < rows; ++r)
      out[i * rows + r] = traits.dot(static_cast<const char*>(weights) + static_cast<std::size_t>(r) * row,
                                     activations.data(), columns);
  }
}

}  // namespace silicast::engine
