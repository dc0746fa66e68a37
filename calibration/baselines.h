// SPDX-License-Identifier: Apache-2.0
// The naive predictors that the model has to beat, on the same rows:
//   bandwidth_over_size    decode: peak memory bandwidth over the bytes of the weights, for each sequence of a batch;
//                          prefill: peak dense 16-bit matrix FLOPS over 2 x active parameters; times follow from both;
//                          memory: the bytes of the weights; power: the limit of the board, and energy that over
//                          the decode rate;
//   constant_efficiency    that, times one factor: the median of measured over it, of the rows of the metric;
//   per_quant_efficiency   that, with a factor of each quantization scheme.
// The factors are fitted on the measurements themselves, which flatters them; but never on the row's own device.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calibration/query_of.h"
#include "model/prediction.h"

namespace silicast {

// What bandwidth_over_size says, in the metric's unit; nullopt where it has nothing to say.
std::optional<double> bandwidth_over_size(Metric metric, const Compiled& compiled);

struct BaselineRow {
  Metric metric{};
  std::string device;
  std::string quant;
  double measured = 0;
  double ideal = 0;  // bandwidth_over_size
};

// For each row the ideal times the median ratio of measured to ideal over the rows of its metric (and, `per_quant`, of
// its scheme) on other devices; where there are none of its scheme, over all of its metric; where there are none,
// absent.
std::vector<std::optional<double>> efficiency_baseline(const std::vector<BaselineRow>& rows, bool per_quant);

}  // namespace silicast
