// SPDX-License-Identifier: Apache-2.0
// Predictions against measurements: every row that can be predicted is, with nothing fitted here; what cannot is
// counted by reason. The naive predictors (baselines.h) run on the same rows.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calibration/observation.h"
#include "calibration/plausibility.h"
#include "calibration/query_of.h"
#include "calibration/statistics.h"
#include "model/database.h"
#include "model/prediction.h"

namespace silicast {

struct RowPrediction {
  double value = 0;
  std::optional<double> p10;
  std::optional<double> p90;
  std::string evidence;
  std::string device;  // ids of the catalogue
  std::string quant;
  std::string stack;
  std::optional<double> bandwidth_over_size;
  std::optional<double> constant_efficiency;
  std::optional<double> per_quant_efficiency;
};

struct ValidatedRow {
  Observation observation;
  std::optional<Metric> metric;
  std::optional<RowPrediction> prediction;
  Unpredicted reason;          // when there is no prediction
  std::optional<Doubt> doubt;  // why the measured value can hardly be one, with a prediction

  [[nodiscard]] std::string status() const { return prediction ? "ok" : reason.text(); }
  [[nodiscard]] PredictedMeasured pair() const;  // only with a prediction
};

using MetricStatistics = std::map<std::string, ErrorStatistics>;  // by metric

struct ValidationGroup {
  std::vector<std::pair<std::string, std::string>> by;  // column, value
  MetricStatistics metrics;
};

struct Validation {
  std::vector<ValidatedRow> rows;  // in the file's order
  std::size_t predicted = 0;
  std::map<std::string, std::size_t> unsupported;  // by reason
  // Names that are no catalogue's: "unknown device", the name -> rows.
  std::map<std::pair<std::string, std::string>, std::size_t> unknown;
  std::vector<BadRowOfFile> unread;  // rows of the files that are none; not among `rows`
  MetricStatistics metrics;
  std::vector<ValidationGroup> groups;  // sorted by their values
  // bandwidth_over_size, constant_efficiency, per_quant_efficiency.
  std::vector<std::pair<std::string, MetricStatistics>> baselines;
};

struct ValidationOptions {
  std::vector<std::string> group_by;  // columns of the file, or "stack"
  unsigned threads = 0;               // 0: as many as the machine has
  bool calibrated = true;             // false: without profiles
};

// The columns that group_by accepts.
std::vector<std::string> grouping_columns();

// Throws UsageError for unknown grouping columns; errors of single rows become their reasons.
Validation validate(std::vector<Observation> observations, const Database& database, const ValidationOptions& options);

}  // namespace silicast
