// SPDX-License-Identifier: Apache-2.0
#include "cli/validate_served.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "calibration/observation.h"
#include "calibration/query_of.h"
#include "calibration/validation.h"
#include "planning/serving.h"
#include "report/rows_report.h"
#include "report/table.h"

namespace silicast::cli {

namespace {

using serving::Batching;
using serving::ServingQuestion;
using serving::ServingSystem;
using serving::SimulationResult;
using serving::TrafficKind;

ServingQuestion question_of(const Query& query, Measured how) {
  const std::int64_t batch = query.concurrency;
  ServingQuestion q;
  q.query = query;
  // Of decoding by itself the depth is the prompt.
  q.traffic.lengths.prompt = {static_cast<double>(std::max<std::int64_t>(1, query.prompt + query.depth)), 0};
  q.traffic.lengths.output = {static_cast<double>(std::max<std::int64_t>(2, query.gen)), 0};
  q.traffic.kind = TrafficKind::closed;
  q.traffic.clients = batch;
  q.batching.max_sequences = batch;
  q.batching.prefix_cache = false;
  constexpr std::int64_t rounds = 6;
  q.traffic.requests = how == Measured::closed_loop ? rounds * batch : batch;
  if (how != Measured::closed_loop) q.batching.kind = Batching::static_batches;
  return q;
}

double throughput(const SimulationResult& result, const ServingQuestion& q, Measured how) {
  const auto clients = static_cast<double>(q.traffic.clients);
  switch (how) {
    case Measured::apart: return clients / result.itl.mean;
    case Measured::whole_batch: return result.output_tokens / result.seconds;
    // From the first token of any to the last of all: the first comes when its own prompt has been read.
    case Measured::burst: return (result.output_tokens - clients) / (result.seconds - result.ttft.max / clients);
    case Measured::closed_loop: break;
  }
  return result.middle_rate * q.traffic.lengths.output.mean;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Table skipped_table(const std::map<std::string, std::int64_t>& skipped) {
  Table table{.columns = {{"reason", "reason"}, {"rows", "rows", true}}, .rows = {}};
  for (const auto& [reason, n] : skipped) table.rows.push_back({{reason}, {n}});
  return table;
}

std::string family_of(const std::string& backend) { return backend.starts_with("llama.cpp") ? "llama.cpp" : backend; }

}  // namespace

std::string served_accuracy(const std::vector<std::string>& files, const Database& database) {
  const QueryMapper map(database);
  std::map<std::pair<std::string, std::int64_t>, std::vector<double>> groups;  // predicted / measured
  std::map<std::string, std::int64_t> skipped;                                 // by reason
  std::vector<BadRowOfFile> unread;
  for (const Observation& row : read_what_can_be_read(files, unread)) {
    if (row.metric != "tg_tps" || row.batch.value_or(1) < 2 || !row.gen) {
      ++skipped["no rate of several sequences with their gen_len"];
      continue;
    }
    const auto mapped = map(row);
    if (const auto* reason = std::get_if<Unpredicted>(&mapped)) {
      ++skipped[reason->reason];
      continue;
    }
    const Question& question = std::get<Question>(mapped);
    const Measured how = question.measured;
    if (question.query.concurrency < 2) {
      ++skipped["one sequence for each replica"];
      continue;
    }
    try {
      const ServingQuestion q = question_of(question.query, how);
      const ServingSystem system(q, database);
      if (!system.prediction().feasible) {
        ++skipped["does not fit into the memory"];
        continue;
      }
      const double predicted =
          static_cast<double>(question.replicas) * throughput(system.simulate(q.traffic, q.seed, q.system, {}), q, how);
      const std::int64_t end = sequences_class_end(static_cast<double>(q.traffic.clients));
      if (predicted > 0 && std::isfinite(predicted))
        groups[{family_of(row.backend), end}].push_back(predicted / row.value);
    } catch (const Error&) {
      ++skipped["outside of the model"];
    }
  }
  Table table;
  table.columns = {{"software", "software"},
                   {"concurrency", "concurrency"},
                   {"rows", "rows", true},
                   {"median_error", "median error", true},
                   {"median_bias", "median bias", true}};
  for (const auto& [key, ratios] : groups) {
    std::vector<double> absolute;
    for (const double ratio : ratios) absolute.push_back(std::abs(ratio - 1));
    const double error = median(absolute);
    const double bias = median(ratios) - 1;
    constexpr double percent = 100;
    table.rows.push_back({{key.first, ""},
                          {sequences_class(static_cast<double>(key.second)), ""},
                          {static_cast<std::int64_t>(ratios.size()), ""},
                          {error, rounded(error * percent, 3) + " %"},
                          {bias, (bias < 0 ? "-" : "+") + rounded(std::abs(bias) * percent, 3) + " %"}});
  }
  std::string text = table_markdown(table);
  if (!skipped.empty()) text += "\nNot simulated:\n\n" + table_markdown(skipped_table(skipped));
  if (!unread.empty()) text += "\n" + unread_text(unread);
  return text;
}

}  // namespace silicast::cli
