// SPDX-License-Identifier: Apache-2.0
// A cross-validation in figures: errors, coverage and baselines, whole and by group, and the worst rows.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "calibration/cross_validation.h"
#include "calibration/statistics.h"

namespace silicast {

struct HeldOutErrors {
  ErrorStatistics model;
  std::map<std::string, ErrorStatistics> baselines;  // by name
};

struct Accuracy {
  FoldBy by{};
  std::map<std::string, HeldOutErrors> metrics;  // by metric
  // What the rows are divided by ("stack", "evidence", ...) -> value, metric -> errors.
  std::vector<std::pair<std::string, std::map<std::pair<std::string, std::string>, ErrorStatistics>>> groups;
  std::vector<const HeldOut*> worst;  // twenty, of the largest |log(predicted / measured)|
};

// Refers to the rows of `result`.
Accuracy accuracy_of(const CrossValidation& result);

}  // namespace silicast
