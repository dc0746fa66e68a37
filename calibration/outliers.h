// SPDX-License-Identifier: Apache-2.0
// Groups of rows that no parameters explain: one source's runs of a model on a device, off by far from what everything
// else says about that device and stack. They stay in the fit, whose loss hardly counts them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "calibration/cross_validation.h"

namespace silicast {

struct Outlier {
  std::string source, device, stack, model;
  std::size_t decode_rows = 0, prefill_rows = 0;
  double decode_ratio = 1, prefill_ratio = 1;  // median of measured over predicted
  std::string suspicion;                       // which reason the pattern speaks for
};

// Of held-out rows, the furthest off first: groups whose median is off by half or more in decode or prefill.
std::vector<Outlier> outliers_of(const CrossValidation& result, std::size_t most);

}  // namespace silicast
