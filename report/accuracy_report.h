// SPDX-License-Identifier: Apache-2.0
// Held-out accuracy as Markdown: docs/accuracy.md is this text.
#pragma once

#include <string>
#include <vector>

#include "calibration/accuracy.h"
#include "calibration/fit_rows.h"
#include "calibration/outliers.h"
#include "calibration/validation.h"

namespace silicast {

struct AccuracyReport {
  std::vector<Accuracy> runs;
  std::vector<Outlier> outliers;
  // Rows that no fit takes, by what they are, predicted with the profiles that are there: name -> rows.
  std::vector<std::pair<std::string, Validation>> others;
  std::map<std::string, std::size_t> left_out;  // of the fit, by reason
  std::vector<BadRowOfFile> unread;             // lines that are no rows
  std::string command;                          // what was run
};

std::string accuracy_markdown(const AccuracyReport& report);
// The same errors, one line each: held_out, by, value, metric, predicted_by, rows, median, p90, bias, coverage.
std::string accuracy_csv(const AccuracyReport& report);
std::string accuracy_json(const AccuracyReport& report);  // schema silicast.accuracy/1

// Every held-out row with its prediction.
std::string held_out_csv(const std::vector<CrossValidation>& runs);

}  // namespace silicast
