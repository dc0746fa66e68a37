// SPDX-License-Identifier: Apache-2.0
#include "cli/validate_cross.h"

#include <algorithm>
#include <thread>

#include "base/text.h"
#include "calibration/accuracy.h"
#include "calibration/cross_validation.h"
#include "report/accuracy_report.h"

namespace silicast::cli {

namespace {
constexpr std::size_t folds = 10;
}  // namespace

std::string cross_validated(const std::vector<std::string>& files, const Database& database) {
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  const FitRows input = fit_rows(read_all_observations(files), database, threads);
  if (input.rows.empty()) throw InputError(files.front() + ": no row can be fitted");
  std::vector<CrossValidation> runs;
  for (const FoldBy by : {FoldBy::cell, FoldBy::device, FoldBy::model, FoldBy::source})
    runs.push_back(cross_validate(input.rows, by, folds, threads, progress_line));
  std::vector<Accuracy> accuracies;
  for (const CrossValidation& run : runs) accuracies.push_back(accuracy_of(run));
  return accuracy_markdown(accuracies, input, "silicast validate --cross " + join(files, " "));
}

}  // namespace silicast::cli
