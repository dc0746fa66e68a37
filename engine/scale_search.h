// SPDX-License-Identifier: Apache-2.0
// Finds the scale (and minimum) with which a few weights are best written as small integers or codebook values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/blocks.h"

namespace silicast::engine {

// round(value) in [low, high]; 0 for what is no number.
int nearest(float value, int low, int high);

// 1 / d, or 0 where that is no finite number.
float inverse_of(float d);

// The scale s that minimizes sum w (x - s q)^2, w = x^2, over candidates around the one that maps the largest weight to
// `low` (which reaches further than `high` by one); q = round(x / s) in [low, high].
float symmetric_scale(std::span<const float> x, int low, int high);

// The scale s and minimum m >= 0 that minimize sum w (x - (s q - m))^2, w = mean |x| + |x|, q in [0, high].
struct Affine {
  float scale = 0;
  float min = 0;
};
Affine affine_scale(std::span<const float> x, int high);

// As symmetric_scale with q from a codebook.
using Codebook = std::array<std::int8_t, 16>;
float codebook_scale(std::span<const float> x, const Codebook& values);
int nearest_index(float value, const Codebook& values);

// Signed scales of a super-block as d * (stored - bias), stored in [0, 2 bias): the largest becomes -bias * d.
template <std::size_t Groups>
struct SignedScales {
  Half d;
  int stored[Groups];  // less the bias
};
SignedScales<16> signed_scales(const float (&scales)[16], int bias);
SignedScales<8> signed_scales(const float (&scales)[8], int bias);

}  // namespace silicast::engine
