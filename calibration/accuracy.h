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
  ErrorStatistics unaided;                           // by cells of the same machine
  std::map<std::string, ErrorStatistics> baselines;  // by name
};

struct GroupErrors {
  ErrorStatistics model;
  ErrorStatistics unaided;    // by cells of the same machine
  std::string best_baseline;  // the one of the least median error
  double best_median = 0;
};

// Of one metric, each device, model or source that was held out counting the same however many rows it has.
struct HeldOutUnits {
  std::size_t n = 0;
  double median_ape = 0;  // the middle of their medians
  double p90_ape = 0;     // and the 90th percentile
  double coverage80 = 0;  // the mean of their shares
};

// value, metric -> errors.
using Grouping = std::map<std::pair<std::string, std::string>, GroupErrors>;

struct Accuracy {
  FoldBy by{};
  std::map<std::string, HeldOutErrors> metrics;          // by metric
  std::map<std::string, HeldOutUnits> units;             // likewise; empty where cells are held out
  std::vector<std::pair<std::string, Grouping>> groups;  // by what the rows are divided by: "stack", "evidence", ...
  std::vector<const HeldOut*> worst;                     // twenty, of the largest |log(predicted / measured)|
};

// Refers to the rows of `result`.
Accuracy accuracy_of(const CrossValidation& result);

}  // namespace silicast
