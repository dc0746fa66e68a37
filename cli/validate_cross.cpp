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

std::string cross_validated(const CrossOptions& options, const Database& database) {
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  const FitRows input = fit_rows(read_all_observations(options.files), database, threads);
  if (input.rows.empty()) throw InputError(options.files.front() + ": no row can be fitted");
  std::vector<CrossValidation> runs;
  for (const FoldBy by : {FoldBy::cell, FoldBy::device, FoldBy::model, FoldBy::source})
    if (options.by.empty() || std::find(options.by.begin(), options.by.end(), name_of(by)) != options.by.end())
      runs.push_back(cross_validate(input.rows, by, folds, threads, progress_line));
  if (!options.predictions.empty()) write_whole(options.predictions, held_out_csv(runs));
  std::vector<Accuracy> accuracies;
  for (const CrossValidation& run : runs) accuracies.push_back(accuracy_of(run));
  return accuracy_markdown(accuracies, input, "silicast validate --cross " + join(options.files, " "));
}

}  // namespace silicast::cli
