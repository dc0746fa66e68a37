// SPDX-License-Identifier: Apache-2.0
#include "cli/validate_served.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/text.h"
#include "calibration/observation.h"
#include "calibration/query_of.h"
#include "calibration/validation.h"
#include "planning/serving.h"
#include "report/table.h"

namespace silicast::cli {

namespace {

using serving::Batching;
using serving::ServingQuestion;
using serving::ServingSystem;
using serving::SimulationResult;
using serving::TrafficKind;

// How a source measured several sequences.
enum class Measured {
  closed_loop,  // so many clients, each asking again at once: tokens over wall time, prompts included
  whole_batch,  // one static batch: tokens over its time, prompts included
  decoding      // one static batch, the time of decoding alone (llama-batched-bench)
};

Measured measured_how(const Observation& row) {
  const std::string notes = lower(row.notes);
  if (notes.find("batched-bench") != std::string::npos) return Measured::decoding;
  if (notes.find("static batch") != std::string::npos || notes.find("includes prefill time") != std::string::npos)
    return Measured::whole_batch;
  return Measured::closed_loop;
}

ServingQuestion question_of(const Observation& row, const Query& query, Measured how) {
  const std::int64_t batch = query.concurrency;
  ServingQuestion q;
  q.query = query;
  const double prompt = static_cast<double>(row.prompt.value_or(query.depth));
  q.traffic.lengths.prompt = {std::max(1.0, prompt), 0};
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
  if (how == Measured::decoding) return static_cast<double>(q.traffic.clients) / result.itl.mean;
  if (how == Measured::whole_batch) return result.output_tokens / result.seconds;
  return result.middle_rate * q.traffic.lengths.output.mean;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

constexpr std::array<std::int64_t, 7> upper_ends{4, 8, 16, 32, 64, 256, 1'000'000};

std::string range_of(std::int64_t batch) {
  std::int64_t from = 2;
  for (const std::int64_t to : upper_ends) {
    if (batch <= to)
      return std::to_string(from) + (to == upper_ends.back() ? " and more" : " to " + std::to_string(to));
    from = to + 1;
  }
  return "";
}

std::string family_of(const std::string& backend) { return backend.starts_with("llama.cpp") ? "llama.cpp" : backend; }

}  // namespace

std::string served_accuracy(const std::vector<std::string>& files, const Database& database) {
  const QueryMapper map(database);
  std::map<std::pair<std::string, std::int64_t>, std::vector<double>> groups;  // predicted / measured
  std::int64_t skipped = 0;
  for (const Observation& row : read_all_observations(files)) {
    if (row.metric != "tg_tps" || row.batch.value_or(1) < 2 || !row.gen) continue;
    const auto mapped = map(row);
    if (!std::holds_alternative<Question>(mapped)) {
      ++skipped;
      continue;
    }
    const Measured how = measured_how(row);
    try {
      const ServingQuestion q = question_of(row, std::get<Question>(mapped).query, how);
      const ServingSystem system(q, database);
      if (!system.prediction().feasible) {
        ++skipped;
        continue;
      }
      const double predicted = throughput(system.simulate(q.traffic, q.seed, q.system, {}), q, how);
      const auto end = std::lower_bound(upper_ends.begin(), upper_ends.end(), q.traffic.clients);
      if (predicted > 0 && std::isfinite(predicted))
        groups[{family_of(row.backend), *end}].push_back(predicted / row.value);
    } catch (const Error&) {
      ++skipped;
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
                          {range_of(key.second), ""},
                          {static_cast<std::int64_t>(ratios.size()), ""},
                          {error, rounded(error * percent, 3) + " %"},
                          {bias, (bias < 0 ? "-" : "+") + rounded(std::abs(bias) * percent, 3) + " %"}});
  }
  return table_markdown(table) + "\n" + std::to_string(skipped) + " rows are not simulated: outside of the model.\n";
}

}  // namespace silicast::cli
