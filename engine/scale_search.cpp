// SPDX-License-Identifier: Apache-2.0
#include "engine/scale_search.h"

#include <algorithm>
#include <cmath>

#include "engine/quantize.h"

namespace silicast::engine {

namespace {

float extreme_of(std::span<const float> x) {
  float extreme = 0;
  for (const float value : x)
    if (std::abs(value) > std::abs(extreme)) extreme = value;
  return extreme;
}

// Sums for the least-squares scale of q against x with weights x^2: the error falls by xq^2 / qq.
struct Fit {
  double xq = 0;
  double qq = 0;

  void add(float x, int q) {
    const double weight = static_cast<double>(x) * x;
    xq += weight * x * q;
    qq += weight * q * q;
  }
  [[nodiscard]] double gain() const { return qq > 0 ? xq * xq / qq : 0; }
  [[nodiscard]] float scale() const { return static_cast<float>(xq / qq); }
};

// Tries 19 scales around extreme / reach, within a tenth of a step of q each.
template <class Quantize>
float best_scale(std::span<const float> x, float reach, float step, Quantize quantize) {
  const float extreme = extreme_of(x);
  if (extreme == 0 || !std::isfinite(extreme)) return 0;
  double best_gain = 0;
  float best = extreme / reach;
  for (int candidate = -9; candidate <= 9; ++candidate) {
    const float inverse = (reach + step * static_cast<float>(candidate)) / extreme;
    if (!std::isfinite(inverse)) continue;
    Fit fit;
    for (const float value : x) fit.add(value, quantize(value * inverse));
    if (fit.gain() > best_gain) {
      best_gain = fit.gain();
      best = fit.scale();
    }
  }
  return best;
}

struct AffineFit {
  double error = 0;
  Affine affine;
};

// Least squares of x ~ s q - m for the integers that `inverse` and `low` give.
AffineFit fit_affine(std::span<const float> x, float mean, float inverse, float low, int high) {
  double w = 0, wq = 0, wqq = 0, wx = 0, wxq = 0;
  for (const float value : x) {
    const double weight = mean + std::abs(value);
    const int q = nearest((value - low) * inverse, 0, high);
    w += weight;
    wq += weight * q;
    wqq += weight * q * q;
    wx += weight * value;
    wxq += weight * value * q;
  }
  const double determinant = w * wqq - wq * wq;
  double scale = determinant > 0 ? (w * wxq - wx * wq) / determinant : (high > 0 ? 1.0 / inverse : 0);
  double offset = determinant > 0 ? (wqq * wx - wq * wxq) / determinant : low;
  if (offset > 0) {  // the minimum is stored as a negative offset only
    offset = 0;
    scale = wqq > 0 ? wxq / wqq : 0;
  }
  AffineFit fit{.affine = {.scale = static_cast<float>(scale), .min = static_cast<float>(-offset)}};
  for (const float value : x) {
    const int q = nearest((value - low) * inverse, 0, high);
    const double miss = scale * q + offset - value;
    fit.error += (mean + std::abs(value)) * miss * miss;
  }
  return fit;
}

template <std::size_t Groups>
SignedScales<Groups> make_signed_scales(const float (&scales)[Groups], int bias) {
  SignedScales<Groups> result{};
  const float extreme = extreme_of(scales);
  result.d = finite_half(extreme / static_cast<float>(-bias));
  const float d = to_float(result.d);
  for (std::size_t g = 0; g < Groups; ++g) result.stored[g] = d == 0 ? 0 : nearest(scales[g] / d, -bias, bias - 1);
  return result;
}

}  // namespace

Half finite_half(float value) { return to_half(std::clamp(value, -65504.0F, 65504.0F)); }

float inverse_of(float d) { return d == 0 || !std::isfinite(1 / d) ? 0 : 1 / d; }

int nearest(float value, int low, int high) {
  if (!(std::abs(value) < 1e6F)) return value > 0 ? high : value < 0 ? low : std::clamp(0, low, high);
  return std::clamp(static_cast<int>(std::lrint(value)), low, high);
}

float symmetric_scale(std::span<const float> x, int low, int high) {
  return best_scale(x, static_cast<float>(low), 0.1F, [=](float value) { return nearest(value, low, high); });
}

Affine affine_scale(std::span<const float> x, int high) {
  const auto [lowest, highest] = std::minmax_element(x.begin(), x.end());
  const float low = std::min(*lowest, 0.0F);
  const float range = *highest - low;
  if (!(range > 0) || !std::isfinite(static_cast<float>(high) / range)) return {.scale = 0, .min = -low};
  float mean = 0;
  for (const float value : x) mean += std::abs(value) / static_cast<float>(x.size());
  AffineFit best = fit_affine(x, mean, static_cast<float>(high) / range, low, high);
  for (int candidate = -5; candidate <= 15; ++candidate) {
    const float inverse = (static_cast<float>(high) + 0.1F * static_cast<float>(candidate)) / range;
    const AffineFit fit = fit_affine(x, mean, inverse, low, high);
    if (fit.error < best.error) best = fit;
  }
  return best.affine;
}

int nearest_index(float value, const Codebook& values) {
  int best = 0;
  for (int i = 1; i < 16; ++i)
    if (std::abs(value - static_cast<float>(values[static_cast<std::size_t>(i)])) <
        std::abs(value - static_cast<float>(values[static_cast<std::size_t>(best)])))
      best = i;
  return best;
}

float codebook_scale(std::span<const float> x, const Codebook& values) {
  return best_scale(x, static_cast<float>(values[0]), 3.0F, [&](float value) {
    return static_cast<int>(values[static_cast<std::size_t>(nearest_index(value, values))]);
  });
}

SignedScales<16> signed_scales(const float (&scales)[16], int bias) { return make_signed_scales(scales, bias); }
SignedScales<8> signed_scales(const float (&scales)[8], int bias) { return make_signed_scales(scales, bias); }

}  // namespace silicast::engine
