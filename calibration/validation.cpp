// SPDX-License-Identifier: Apache-2.0
#include "calibration/validation.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/text.h"
#include "calibration/baselines.h"
#include "calibration/question.h"
#include "model/memory.h"
#include "model/running.h"
#include "model/steady_state.h"

namespace silicast {

namespace {

// Rows that differ in nothing but their request share a compiled model.
struct Batch {
  std::vector<std::pair<std::size_t, Question>> questions;  // row
};

std::vector<Batch> batches_of(std::vector<ValidatedRow>& rows, const Database& database, bool calibrated) {
  const QueryMapper mapper(database);
  std::map<std::string, Batch> batches;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ValidatedRow& row = rows[i];
    row.metric = metric_of_name(row.observation.metric);
    try {
      QuestionOrReason result = mapper(row.observation);
      if (auto* question = std::get_if<Question>(&result)) question->query.calibrated = calibrated;
      if (auto* reason = std::get_if<Unpredicted>(&result))
        row.reason = std::move(*reason);
      else
        batches[compile_key(std::get<Question>(result).query)].questions.emplace_back(i, std::get<Question>(result));
    } catch (const Error& error) {
      row.reason = {"outside of the model", error.what()};
    }
  }
  std::vector<Batch> result;
  for (auto& [key, batch] : batches) result.push_back(std::move(batch));
  return result;
}

Bytes device_bytes(const Prediction& p) {
  Bytes total;
  for (const MemoryPool& pool : p.pools)
    if (pool.name != "host") total += pool.used();
  return total;
}

struct Answer {
  double value = 0;
  std::optional<double> p10;
  std::optional<double> p90;
};

std::optional<Answer> answer_of(const std::optional<Interval>& interval) {
  if (!interval) return std::nullopt;
  return Answer{interval->value, interval->p10, interval->p90};
}

std::optional<Answer> answer_of(const std::optional<Phase>& phase) {
  if (!phase) return std::nullopt;
  return answer_of(std::optional(phase->tokens_per_second));
}

std::optional<Answer> answer_to(Metric metric, const Prediction& p) {
  switch (metric) {
    case Metric::prefill_rate: return answer_of(p.prefill);
    case Metric::decode_rate: return answer_of(p.decode);
    case Metric::ttft: return answer_of(p.ttft);
    case Metric::tpot: return answer_of(p.tpot);
    case Metric::e2e_latency: return answer_of(p.e2e_latency);
    case Metric::total_rate:
    case Metric::power:
    case Metric::energy: break;
    case Metric::memory: return Answer{device_bytes(p) / 1_GiB};
    case Metric::file_size: return Answer{p.file_bytes / 1_GiB};
    case Metric::out_of_memory: return Answer{p.feasible ? 0.0 : 1.0};
  }
  return std::nullopt;
}

// As uncertain as the rate of the phase.
Answer like(const Phase& phase, double value, bool rate) {
  const Interval& r = phase.tokens_per_second;
  return rate ? Answer{value, value * r.p10 / r.value, value * r.p90 / r.value}
              : Answer{value, value * r.value / r.p90, value * r.value / r.p10};
}

// Figures of whole requests, and of several sequences whose prompts are part of the figure: from the steps of it.
std::optional<Answer> answer_from_steps(const Question& question, const Compiled& c, const Prediction& p) {
  const Phase* const phase = p.decode ? &*p.decode : p.prefill ? &*p.prefill : nullptr;
  if (phase == nullptr) return std::nullopt;
  const Measured how = question.measured == Measured::apart ? Measured::whole_batch : question.measured;
  const MeasuredSteps measured =
      measured_steps(c.query, how, cut_of(c), predicted_prefill_steps, predicted_decode_steps);
  Phase whole;
  for (const RepeatedStep& step : measured.steps) {
    StepCost cost = c.evaluator(step.batch);
    whole.cost += cost *= step.times;
  }
  whole.seconds = whole.cost.seconds;
  const auto power = limited_power(whole, c, p.query.devices);
  const double seconds = whole.seconds.value() + measured.requests * c.stack->overheads.request.value();
  const auto replicas = static_cast<double>(question.replicas);
  switch (question.metric) {
    case Metric::decode_rate: return like(*phase, replicas * measured.tokens / seconds, true);
    case Metric::total_rate: return like(*phase, replicas * (measured.tokens + measured.prompts) / seconds, true);
    case Metric::power:
    case Metric::energy: {
      if (!power) return std::nullopt;
      const double watts = (question.at_the_wall ? power->wall : power->watts).value();
      return Answer{question.metric == Metric::power ? replicas * watts
                                                     : watts * whole.seconds.value() / measured.tokens};
    }
    default: return std::nullopt;
  }
}

std::optional<Answer> answer_to(const Question& question, const Compiled& c, const Prediction& p,
                                const Database& database) {
  const bool mixed = question.measured != Measured::apart;
  switch (question.metric) {
    case Metric::decode_rate:
      if (mixed && p.decode) return answer_from_steps(question, c, p);
      break;
    case Metric::total_rate:
    case Metric::power:
    case Metric::energy: return answer_from_steps(question, c, p);
    case Metric::ttft:
      if (question.measured == Measured::closed_loop && p.decode)
        return answer_of(std::optional(steady_state(c, p, database).ttft));
      break;
    default: break;
  }
  return answer_to(question.metric, p);
}

// A server whose memory does not hold so many sequences lets the others wait: it runs as many as fit.
Prediction prediction_of(Compiled& c, const Question& question, const Database& database) {
  Prediction p = predict(c, database);
  const auto most = p.sequences.most;
  const bool waits = c.stack->allocation.rule == BufferRule::paged && question.measured != Measured::apart;
  if (p.feasible || !waits || !most || *most < 1 || *most >= c.query.concurrency) return p;
  c.query.concurrency = *most;
  return predict(c, database);
}

void predict_row(ValidatedRow& row, const Question& question, Compiled& c, const Database& database) {
  if (auto reason = impossible(question, c)) {
    row.reason = *std::move(reason);
    return;
  }
  c.query.prompt = question.query.prompt;
  c.query.gen = question.query.gen;
  c.query.depth = question.query.depth;
  c.query.concurrency = question.query.concurrency;
  c.layers = layer_memory(*c.workload, memory_request(c).cache, c.stack->allocation);
  const Prediction p = prediction_of(c, question, database);
  const auto answer = p.feasible ? answer_to(question, c, p, database) : answer_to(question.metric, p);
  if (!answer) {
    row.reason = {"predicted not to fit", p.limiting};
    return;
  }
  const auto of_replicas = [&](std::optional<double> value) {
    const bool of_all = question.metric == Metric::decode_rate || question.metric == Metric::prefill_rate ||
                        question.metric == Metric::total_rate || question.metric == Metric::power;
    return value && of_all ? std::optional(*value * static_cast<double>(question.replicas)) : value;
  };
  row.prediction = RowPrediction{.value = answer->value,
                                 .p10 = answer->p10,
                                 .p90 = answer->p90,
                                 .evidence = p.evidence.level,
                                 .device = c.device->id,
                                 .quant = c.query.quant,
                                 .stack = c.stack->id,
                                 .bandwidth_over_size = of_replicas(bandwidth_over_size(question.metric, c))};
  row.doubt = doubt_of(question, row.observation.value, c, answer->value);
}

void predict_batch(const Batch& batch, std::vector<ValidatedRow>& rows, const Database& database) {
  try {
    Compiled compiled = compile_for(batch.questions.front().second.query, database);
    for (const auto& [row, question] : batch.questions) predict_row(rows[row], question, compiled, database);
  } catch (const Error& error) {
    for (const auto& [row, question] : batch.questions)
      if (!rows[row].prediction && rows[row].reason.reason.empty())
        rows[row].reason = {"outside of the model", error.what()};
  }
}

void predict_all(const std::vector<Batch>& batches, std::vector<ValidatedRow>& rows, const Database& database,
                 unsigned threads) {
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < batches.size(); i = next++) predict_batch(batches[i], rows, database);
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      failure = std::current_exception();
    }
  };
  if (threads == 0) threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> workers;
  for (unsigned i = 1; i < threads; ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  if (failure) std::rethrow_exception(failure);
}

void add_fitted_baselines(std::vector<ValidatedRow>& rows) {
  std::vector<BaselineRow> inputs;
  std::vector<RowPrediction*> targets;
  for (ValidatedRow& row : rows) {
    if (!row.prediction || !row.prediction->bandwidth_over_size) continue;
    inputs.push_back({.metric = *row.metric,
                      .device = row.prediction->device,
                      .quant = row.prediction->quant,
                      .measured = row.observation.value,
                      .ideal = *row.prediction->bandwidth_over_size});
    targets.push_back(&*row.prediction);
  }
  const auto constant = efficiency_baseline(inputs, false);
  const auto per_quant = efficiency_baseline(inputs, true);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    targets[i]->constant_efficiency = constant[i];
    targets[i]->per_quant_efficiency = per_quant[i];
  }
}

// pair_of(row) -> optional<PredictedMeasured>
template <class PairOf>
MetricStatistics statistics_of(const std::vector<const ValidatedRow*>& rows, PairOf pair_of) {
  std::map<std::string, std::vector<PredictedMeasured>> pairs;
  for (const ValidatedRow* row : rows)
    if (const auto pair = pair_of(*row)) pairs[row->observation.metric].push_back(*pair);
  MetricStatistics result;
  for (const auto& [metric, of_metric] : pairs) result.emplace(metric, error_statistics(of_metric));
  return result;
}

MetricStatistics model_statistics(const std::vector<const ValidatedRow*>& rows) {
  return statistics_of(rows, [](const ValidatedRow& row) { return std::optional(row.pair()); });
}

using Baseline = std::optional<double> RowPrediction::*;

MetricStatistics baseline_statistics(const std::vector<const ValidatedRow*>& rows, Baseline baseline) {
  return statistics_of(rows, [&](const ValidatedRow& row) -> std::optional<PredictedMeasured> {
    const std::optional<double> value = *row.prediction.*baseline;
    if (!value) return std::nullopt;
    return PredictedMeasured{.predicted = *value, .measured = row.observation.value};
  });
}

std::string grouping_value(const ValidatedRow& row, const std::string& column) {
  return column == "stack" ? row.prediction->stack : column_of(row.observation, column).value_or("");
}

std::vector<ValidationGroup> groups_of(const std::vector<const ValidatedRow*>& rows,
                                       const std::vector<std::string>& columns) {
  if (columns.empty()) return {};
  std::map<std::vector<std::string>, std::vector<const ValidatedRow*>> groups;
  for (const ValidatedRow* row : rows) {
    std::vector<std::string> values;
    for (const std::string& column : columns) values.push_back(grouping_value(*row, column));
    groups[values].push_back(row);
  }
  std::vector<ValidationGroup> result;
  for (const auto& [values, members] : groups) {
    ValidationGroup group{.metrics = model_statistics(members)};
    for (std::size_t i = 0; i < columns.size(); ++i) group.by.emplace_back(columns[i], values[i]);
    result.push_back(std::move(group));
  }
  return result;
}

void check_grouping(const std::vector<std::string>& columns) {
  const auto known = grouping_columns();
  for (const std::string& column : columns)
    if (std::find(known.begin(), known.end(), column) == known.end())
      throw UsageError("--group-by: unknown column '" + column + "'" + did_you_mean(column, known) +
                       "; accepted: " + join(known, ", "));
}

}  // namespace

PredictedMeasured ValidatedRow::pair() const {
  return {
      .predicted = prediction->value, .measured = observation.value, .p10 = prediction->p10, .p90 = prediction->p90};
}

std::vector<std::string> grouping_columns() {
  std::vector<std::string> columns = observation_columns();
  columns.emplace_back("stack");
  return columns;
}

Validation validate(std::vector<Observation> observations, const Database& database, const ValidationOptions& options) {
  check_grouping(options.group_by);
  Validation result;
  result.rows.reserve(observations.size());
  for (Observation& observation : observations) result.rows.push_back({.observation = std::move(observation)});
  predict_all(batches_of(result.rows, database, options.calibrated), result.rows, database, options.threads);
  add_fitted_baselines(result.rows);

  std::vector<const ValidatedRow*> predicted;
  for (const ValidatedRow& row : result.rows) {
    if (row.prediction)
      predicted.push_back(&row);
    else
      ++result.unsupported[row.reason.reason];
    if (!row.prediction && is_about_a_name(row.reason.reason)) ++result.unknown[{row.reason.reason, row.reason.detail}];
  }
  result.predicted = predicted.size();
  // An error relative to a measured zero has no meaning: only "oom" may be zero, and then says nothing.
  std::erase_if(predicted, [](const ValidatedRow* row) { return row->observation.value == 0; });
  result.metrics = model_statistics(predicted);
  result.groups = groups_of(predicted, options.group_by);
  result.baselines = {{"bandwidth_over_size", baseline_statistics(predicted, &RowPrediction::bandwidth_over_size)},
                      {"constant_efficiency", baseline_statistics(predicted, &RowPrediction::constant_efficiency)},
                      {"per_quant_efficiency", baseline_statistics(predicted, &RowPrediction::per_quant_efficiency)}};
  return result;
}

}  // namespace silicast
