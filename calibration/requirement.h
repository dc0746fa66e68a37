// SPDX-License-Identifier: Apache-2.0
// What a validation has to reach: a regression gate. Either an expression, "tg_tps median <= 5 %", or the predictions
// of an earlier state (`silicast validate --predictions`), which no group of rows may be worse than.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/validation.h"

namespace silicast {

// Something that is not as required: what it is, and the rows behind it, the worst first.
struct Shortfall {
  std::string what;
  struct Row {
    std::string id;
    std::string device, model, quant, stack;
    double measured = 0;
    double predicted = 0;
    std::optional<double> before;  // the earlier prediction
  };
  std::vector<Row> rows;  // ten at most
};

// An expression, or the name of a file of predictions, FILE.csv. Throws as missed() and regressions() do, before there
// is anything to judge.
void check_requirement(const std::string& requirement);
std::vector<Shortfall> shortfalls_of(const std::string& requirement, const Validation& validation);

// METRIC[COLUMN=VALUE] STATISTIC <=|>= NUMBER [%]: METRIC is tg_tps, pp_tps, ...; the bracket, which may be left out,
// keeps the rows with that value in a column (grouping_columns()); STATISTIC is rows, median, p90, mean, bias or
// coverage. A number without % is a share: only one below 1. Throws UsageError.
std::vector<Shortfall> missed(std::string_view expression, const Validation& validation);

// `file` holds the columns id, metric, measured, predicted and stack of an earlier validation. Of every metric and
// stack: a median error that grew by more than a tenth of itself and half a percentage point, and rows that were
// predicted and are not any more. Throws InputError.
std::vector<Shortfall> regressions(const std::filesystem::path& file, const Validation& validation);

}  // namespace silicast
