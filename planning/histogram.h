// SPDX-License-Identifier: Apache-2.0
// A histogram of positive times over 1 ns to 10^9 s whose bins are 0.4 % wide (256 a power of two): quantiles of a
// billion samples in a few kilobytes. The mean is exact.
#pragma once

#include <cstdint>
#include <vector>

namespace silicast::serving {

class Histogram {
 public:
  void add(double seconds, double count = 1);

  [[nodiscard]] double count() const { return count_; }
  [[nodiscard]] double mean() const { return count_ > 0 ? sum_ / count_ : 0; }
  // The middle of the bin that holds the quantile, within 0.2 %; 0 when nothing was added.
  [[nodiscard]] double quantile(double share) const;

 private:
  std::vector<double> bins_;
  double count_ = 0;
  double sum_ = 0;
};

}  // namespace silicast::serving
