// SPDX-License-Identifier: Apache-2.0
#include "calibration/accuracy.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace silicast {

namespace {

PredictedMeasured pair_of(const HeldOut& held) {
  return {.predicted = held.predicted, .measured = held.row->measured, .p10 = held.p10, .p90 = held.p90};
}

using Pairs = std::map<std::string, std::vector<PredictedMeasured>>;  // by who predicted

void add_baselines(const HeldOut& held, Pairs& pairs) {
  const auto add = [&](const std::string& name, std::optional<double> predicted) {
    if (predicted) pairs[name].push_back({.predicted = *predicted, .measured = held.row->measured});
  };
  add("bandwidth over size", held.row->ideal > 0 ? std::optional(held.row->ideal) : std::nullopt);
  add("constant efficiency", held.constant_efficiency);
  add("efficiency by quantization", held.per_quant_efficiency);
  add("efficiency by device", held.per_device_efficiency);
}

std::map<std::string, ErrorStatistics> errors_of(const Pairs& pairs) {
  std::map<std::string, ErrorStatistics> errors;
  for (const auto& [name, of_name] : pairs) errors.emplace(name, error_statistics(of_name));
  return errors;
}

template <class KeyOf>
Grouping by_key(const CrossValidation& result, KeyOf key_of) {
  struct Predicted {
    std::vector<PredictedMeasured> model, unaided;
    Pairs baselines;
  };
  std::map<std::pair<std::string, std::string>, Predicted> predicted;
  for (const HeldOut& held : result.rows) {
    Predicted& of_key = predicted[{key_of(held), std::string(name_of(held.row->metric))}];
    of_key.model.push_back(pair_of(held));
    of_key.unaided.push_back({.predicted = held.unaided, .measured = held.row->measured});
    add_baselines(held, of_key.baselines);
  }
  Grouping errors;
  for (const auto& [key, of_key] : predicted) {
    GroupErrors group{.model = error_statistics(of_key.model),
                      .unaided = error_statistics(of_key.unaided),
                      .best_baseline = {},
                      .best_median = 0};
    for (const auto& [name, of_baseline] : errors_of(of_key.baselines))
      if (group.best_baseline.empty() || of_baseline.median_ape < group.best_median)
        group.best_baseline = name, group.best_median = of_baseline.median_ape;
    errors.emplace(key, std::move(group));
  }
  return errors;
}

std::map<std::string, ErrorStatistics> baselines_of(const CrossValidation& result, const std::string& metric) {
  Pairs pairs;
  for (const HeldOut& held : result.rows)
    if (name_of(held.row->metric) == metric) add_baselines(held, pairs);
  return errors_of(pairs);
}

// Tokens in the cache for a decode, of the prompt for a prefill.
std::string length_class(const FitRow& row) {
  const bool prefill = row.metric == Metric::prefill_rate;
  constexpr std::array<std::pair<double, std::string_view>, 4> bounds{
      {{63, "up to 63"}, {1023, "64 to 1023"}, {8191, "1024 to 8191"}, {1e12, "8192 and more"}}};
  const double tokens = prefill ? std::max(row.tokens / row.batch, row.depth) : row.depth;
  for (const auto& [most, name] : bounds)
    if (tokens <= most) return std::string(prefill ? "prompt or depth " : "depth ") + std::string(name);
  return "";
}

// Of one sequence all stacks together.
std::string batch_class(const FitRow& row) {
  const std::string sequences = sequences_class(row.batch);
  return row.batch > 1 ? row.family + ", " + sequences : sequences;
}

std::string devices_class(const FitRow& row) {
  return row.devices > 1 ? row.family + ", " + std::to_string(row.devices) : "1";
}

std::map<std::string, HeldOutUnits> units_of(const CrossValidation& result) {
  std::map<std::string, std::vector<ErrorStatistics>> statistics;
  for (const auto& [key, errors] : by_key(result, [&](const HeldOut& held) { return group_of(*held.row, result.by); }))
    statistics[key.second].push_back(errors.model);
  std::map<std::string, HeldOutUnits> units;
  for (const auto& [metric, of_metric] : statistics) {
    std::vector<double> medians;
    double covered = 0;
    for (const ErrorStatistics& s : of_metric) medians.push_back(s.median_ape), covered += s.coverage80.value_or(0);
    units.emplace(metric, HeldOutUnits{.n = of_metric.size(),
                                       .median_ape = quantile(medians, 0.5),
                                       .p90_ape = quantile(medians, 0.9),
                                       .coverage80 = covered / static_cast<double>(of_metric.size())});
  }
  return units;
}

double off(const HeldOut* held) { return std::abs(std::log(held->predicted / held->row->measured)); }

}  // namespace

Accuracy accuracy_of(const CrossValidation& result) {
  Accuracy accuracy{.by = result.by};
  for (const auto& [key, errors] : by_key(result, [](const HeldOut&) { return std::string(); }))
    accuracy.metrics.emplace(key.second, HeldOutErrors{errors.model, errors.unaided, baselines_of(result, key.second)});
  if (result.by != FoldBy::cell) accuracy.units = units_of(result);
  accuracy.groups.emplace_back("stack", by_key(result, [](const HeldOut& held) { return held.row->family; }));
  accuracy.groups.emplace_back("evidence",
                               by_key(result, [](const HeldOut& held) { return std::string(name_of(held.level)); }));
  accuracy.groups.emplace_back("device", by_key(result, [](const HeldOut& held) { return held.row->scope.device; }));
  accuracy.groups.emplace_back("quantization", by_key(result, [](const HeldOut& held) { return held.row->quant; }));
  accuracy.groups.emplace_back("model class",
                               by_key(result, [](const HeldOut& held) { return held.row->model_class; }));
  accuracy.groups.emplace_back("length", by_key(result, [](const HeldOut& held) { return length_class(*held.row); }));
  accuracy.groups.emplace_back("sequences at once",
                               by_key(result, [](const HeldOut& held) { return batch_class(*held.row); }));
  accuracy.groups.emplace_back("devices", by_key(result, [](const HeldOut& held) { return devices_class(*held.row); }));
  for (const HeldOut& held : result.rows) accuracy.worst.push_back(&held);
  constexpr std::size_t most = 20;
  const auto end = accuracy.worst.begin() + static_cast<std::ptrdiff_t>(std::min(most, accuracy.worst.size()));
  std::partial_sort(accuracy.worst.begin(), end, accuracy.worst.end(),
                    [](const HeldOut* a, const HeldOut* b) { return off(a) > off(b); });
  accuracy.worst.erase(end, accuracy.worst.end());
  return accuracy;
}

}  // namespace silicast
