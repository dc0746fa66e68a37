// SPDX-License-Identifier: Apache-2.0
#include "planning/histogram.h"

#include <algorithm>
#include <cmath>

namespace silicast::serving {

namespace {

constexpr int lowest_exponent = -30;  // about 1 ns
constexpr int exponents = 60;
constexpr int per_exponent = 256;

std::size_t bin_of(double seconds) {
  int exponent = 0;
  const double mantissa = std::frexp(seconds, &exponent);  // in [0.5, 1)
  const int octave = std::clamp(exponent - lowest_exponent, 0, exponents - 1);
  const int part = exponent < lowest_exponent ? 0 : static_cast<int>((mantissa - 0.5) * 2 * per_exponent);
  return static_cast<std::size_t>(octave) * per_exponent + static_cast<std::size_t>(part);
}

double middle_of(std::size_t bin) {
  const int octave = static_cast<int>(bin) / per_exponent;
  const int part = static_cast<int>(bin) % per_exponent;
  return std::ldexp(0.5 + (part + 0.5) / (2.0 * per_exponent), octave + lowest_exponent);
}

}  // namespace

void Histogram::add(double seconds, double count) {
  if (bins_.empty()) bins_.resize(static_cast<std::size_t>(exponents) * per_exponent);
  bins_[bin_of(seconds)] += count;
  count_ += count;
  sum_ += seconds * count;
}

double Histogram::quantile(double share) const {
  double before = 0;
  for (std::size_t bin = 0; bin < bins_.size(); ++bin) {
    before += bins_[bin];
    if (bins_[bin] > 0 && before >= share * count_) return middle_of(bin);
  }
  return 0;
}

}  // namespace silicast::serving
