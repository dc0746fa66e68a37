// SPDX-License-Identifier: Apache-2.0
// 16-bit floating point (IEEE binary16), bfloat16 and E8M0 as they stand in blocks, and their conversions, which round
// to nearest, ties to even. Plain C++: GCC 12 has no _Float16 in C++.
#pragma once

#include <bit>
#include <cstdint>

// Files are compiled for different instruction sets: a function that is not inlined could be taken from the wrong one.
#define SILICAST_ALWAYS_INLINE __attribute__((always_inline)) inline

namespace silicast::engine {

struct Half {
  std::uint16_t bits = 0;
};

struct Bfloat {
  std::uint16_t bits = 0;
};

// binary16: 1 sign, 5 exponent (bias 15), 10 mantissa. Shifting its magnitude to binary32's place and multiplying by
// 2^(127-15) corrects the bias for normal and denormal numbers alike; infinity and NaN need the top exponent.
SILICAST_ALWAYS_INLINE constexpr float to_float(Half half) {
  const std::uint32_t sign = (half.bits & 0x8000U) << 16;
  const std::uint32_t magnitude = half.bits & 0x7fffU;
  if (magnitude >= 0x7c00U) return std::bit_cast<float>(sign | 0x7f800000U | ((magnitude & 0x3ffU) << 13));
  const float scaled = std::bit_cast<float>(magnitude << 13) * std::bit_cast<float>(0x77800000U);  // 2^112
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(scaled) | sign);
}

SILICAST_ALWAYS_INLINE constexpr Half to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  const auto with_sign = [sign](std::uint32_t rest) { return Half{static_cast<std::uint16_t>(sign | rest)}; };
  if (magnitude > 0x7f800000U) return with_sign(0x7e00U);          // NaN
  if (magnitude >= 0x477ff000U) return with_sign(0x7c00U);         // at least 65520 rounds to infinity
  if (magnitude < 0x38800000U) {                                   // below 2^-14: denormal, steps of 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;  // 0.5 has steps of 2^-24: the FPU rounds
    return with_sign(std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(0.5F));
  }
  const std::uint32_t even = (magnitude >> 13) & 1U;
  return with_sign((magnitude - 0x38000000U + 0xfffU + even) >> 13);
}

SILICAST_ALWAYS_INLINE constexpr float to_float(Bfloat value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

SILICAST_ALWAYS_INLINE constexpr Bfloat to_bfloat(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return {static_cast<std::uint16_t>((bits >> 16) | 64U)};
  return {static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
}

// Half of the power of two 2^(e - 127): MXFP4's codebook holds doubled values. e = 0 and 1 give denormals.
SILICAST_ALWAYS_INLINE constexpr float half_of_e8m0(std::uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000U << e : static_cast<std::uint32_t>(e - 1) << 23);
}

}  // namespace silicast::engine
