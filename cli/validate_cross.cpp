// SPDX-License-Identifier: Apache-2.0
#include "cli/validate_cross.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <thread>
#include <variant>

#include "base/text.h"
#include "calibration/accuracy.h"
#include "calibration/cross_validation.h"
#include "calibration/query_of.h"
#include "calibration/validation.h"
#include "report/accuracy_report.h"
#include "report/rows_report.h"

namespace silicast::cli {

namespace {

constexpr std::size_t folds = 10;

std::string kind_of(const Observation& row, const Question* question) {
  if (not_for_fitting(row)) return *not_for_fitting(row);
  if (question == nullptr) return "other rows";
  const Query& q = question->query;
  if (q.offload.wants_host()) return q.offload.cpu_moe_layers > 0 ? "experts on the host" : "layers on the host";
  const bool power = question->metric == Metric::power || question->metric == Metric::energy;
  if (row.device_count > 1 && !power) return q.concurrency > 1 ? "several devices and sequences" : "several devices";
  if (q.concurrency > 1 && !power) return "several sequences";
  if (power) return "power";
  if (question->metric == Metric::memory) return "memory";
  if (question->metric != Metric::prefill_rate && question->metric != Metric::decode_rate) return "latencies";
  return "other rows";
}

// What the fit has not taken, by kind, and by stack where a server is one.
std::vector<std::pair<std::string, Validation>> others_of(const std::vector<Observation>& observations,
                                                          const FitRows& fitted, const Database& database) {
  std::set<std::string> taken;
  for (const FitRow& row : fitted.rows) taken.insert(row.id + "|" + std::string(name_of(row.metric)));
  const QueryMapper mapper(database);
  std::map<std::string, std::vector<Observation>> kinds;
  for (const Observation& row : observations) {
    if (taken.contains(row.id + "|" + row.metric)) continue;
    const auto result = mapper(row);
    const auto* question = std::get_if<Question>(&result);
    if (question == nullptr) continue;
    const std::string& stack = question->query.stack;
    const bool server = stack.starts_with("vllm") || stack.starts_with("tensorrt");
    kinds[kind_of(row, question) + (server ? ", " + database.stack(stack)->family : "")].push_back(row);
  }
  std::vector<std::pair<std::string, Validation>> others;
  for (auto& [kind, rows] : kinds) {
    Validation v = validate(std::move(rows), database, {.group_by = {}});
    if (v.predicted > 0) others.emplace_back(kind, std::move(v));
  }
  return others;
}

}  // namespace

std::string cross_validated(const CrossOptions& options, const Database& database) {
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<BadRowOfFile> unread;
  const std::vector<Observation> observations = read_what_can_be_read(options.files, unread);
  const FitRows input = fit_rows(observations, database, threads);
  if (input.rows.empty()) throw InputError(options.files.front() + ": no row can be fitted");
  std::vector<CrossValidation> runs;
  for (const FoldBy by : {FoldBy::cell, FoldBy::device, FoldBy::model, FoldBy::source})
    if (options.by.empty() || std::find(options.by.begin(), options.by.end(), name_of(by)) != options.by.end())
      runs.push_back(cross_validate(input.rows, by, folds, threads, progress_line));
  if (!options.predictions.empty()) write_whole(options.predictions, held_out_csv(runs));
  constexpr std::size_t most_outliers = 40;
  AccuracyReport report{.runs = {},
                        .outliers = outliers_of(runs.front(), most_outliers),
                        .others = others_of(observations, input, database),
                        .left_out = input.left_out,
                        .unread = std::move(unread),
                        .command = "silicast validate --cross " + join(options.files, " ")};
  for (const CrossValidation& run : runs) report.runs.push_back(accuracy_of(run));
  switch (options.format) {
    case Format::csv:  // the others have them
      std::fputs(unread_text(report.unread).c_str(), stderr);
      return accuracy_csv(report);
    case Format::json: return accuracy_json(report);
    default: return accuracy_markdown(report);
  }
}

}  // namespace silicast::cli
