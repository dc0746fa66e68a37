// SPDX-License-Identifier: Apache-2.0
// Inputs for the kernel tests: activations of several kinds, weights of every type as blocks.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "engine/decode.h"
#include "engine/kernels.h"

namespace silicast::engine::test {

// An emulator takes a hundred times as long: every type and kernel still, but fewer shapes, and without the portable
// kernels, which the host runs itself.
inline bool emulated() { return std::getenv("SILICAST_EMULATED") != nullptr; }
inline std::vector<std::int64_t> shapes(const std::vector<std::int64_t>& all, const std::vector<std::int64_t>& few) {
  return emulated() ? few : all;
}

inline std::vector<Isa> supported_isas() {
  std::vector<Isa> result;
  for (const Isa isa : all_isas())
    if (is_supported(isa) && !(emulated() && isa == Isa::portable)) result.push_back(isa);
  return result;
}

enum class Kind { normal, zero, denormal, extreme, outlier };
inline const std::vector<Kind> all_kinds{Kind::normal, Kind::zero, Kind::denormal, Kind::extreme, Kind::outlier};
inline std::string name_of(Kind kind) {
  const char* names[] = {"normal", "zero", "denormal", "extreme", "outlier"};
  return names[static_cast<std::size_t>(kind)];
}

inline std::vector<float> values_of(Kind kind, std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(n));
  for (auto& value : values) value = normal(random);
  for (std::size_t i = 0; i < values.size(); ++i) switch (kind) {
      case Kind::normal: break;
      case Kind::zero: values[i] = 0; break;
      case Kind::denormal: values[i] *= 1e-39F; break;
      case Kind::extreme: values[i] = i % 3 == 0 ? 60000.0F : -60000.0F; break;
      case Kind::outlier: values[i] = i % 97 == 5 ? 1000.0F : values[i]; break;
    }
  return values;
}

// Blocks as a GGUF file has them, and no byte to spare: a kernel must not read past the end. In words, for alignment.
struct Weights {
  BlockType type{};
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<std::uint32_t> words;

  Weights(BlockType t, std::int64_t r, std::int64_t c) : type(t), rows(r), columns(c) {
    words.resize(static_cast<std::size_t>(rows) * row_bytes(type, columns) / 4 + 1);
  }
  [[nodiscard]] std::byte* bytes() { return reinterpret_cast<std::byte*>(words.data()); }
  [[nodiscard]] const std::byte* bytes() const { return reinterpret_cast<const std::byte*>(words.data()); }
  [[nodiscard]] const std::byte* row(std::int64_t r) const {
    return bytes() + r * static_cast<std::int64_t>(row_bytes(type, columns));
  }
  [[nodiscard]] Matrix matrix() const { return {.type = type, .data = bytes(), .rows = rows, .columns = columns}; }
};

inline Weights quantized(BlockType type, std::int64_t rows, std::int64_t columns, const std::vector<float>& values) {
  Weights weights(type, rows, columns);
  for (std::int64_t r = 0; r < rows; ++r)
    traits_of(type).quantize(values.data() + r * columns, const_cast<std::byte*>(weights.row(r)), columns);
  return weights;
}

// Any bits that mean finite weights: what no quantizer of ours would write, other programs may.
inline Weights random_blocks(BlockType type, std::int64_t rows, std::int64_t columns, unsigned seed) {
  Weights weights(type, rows, columns);
  const TypeTraits& traits = traits_of(type);
  std::mt19937 random(seed);
  std::vector<float> block(static_cast<std::size_t>(traits.block));
  for (std::int64_t b = 0; b < rows * columns / traits.block; ++b) {
    std::byte* bytes = weights.bytes() + b * traits.bytes;
    for (bool finite = false; !finite;) {
      for (std::int64_t i = 0; i < traits.bytes; ++i) bytes[i] = static_cast<std::byte>(random() & 255U);
      traits.dequantize(bytes, block.data(), traits.block);
      finite = true;
      for (const float weight : block) finite = finite && std::abs(weight) < 1e9F && std::isfinite(weight);
    }
  }
  return weights;
}

}  // namespace silicast::engine::test
