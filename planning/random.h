// SPDX-License-Identifier: Apache-2.0
// Random numbers that are the same everywhere: xoshiro256++ of D. Blackman and S. Vigna (https://prng.di.unimi.it,
// public domain), seeded by SplitMix64, and distributions by the classical methods. The standard library's
// distributions differ from one implementation to the next.
#pragma once

#include <array>
#include <cstdint>

namespace silicast::serving {

class Random {
 public:
  // Different streams of a seed are independent: arrivals do not change when lengths are drawn differently.
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0);

  std::uint64_t bits();
  double uniform();  // [0, 1), 53 bits
  double exponential(double mean);
  double normal();                           // mean 0, deviation 1; G. Marsaglia's polar method
  double gamma(double shape);                // scale 1; G. Marsaglia and W. W. Tsang 2000
  double lognormal(double mean, double cv);  // of that mean and coefficient of variation
  std::uint64_t below(std::uint64_t limit);  // 0 to limit - 1

 private:
  std::array<std::uint64_t, 4> state_{};
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace silicast::serving
