// SPDX-License-Identifier: Apache-2.0
#include "calibration/accuracy.h"

#include <algorithm>
#include <cmath>

namespace silicast {

namespace {

PredictedMeasured pair_of(const HeldOut& held) {
  return {.predicted = held.predicted, .measured = held.row->measured, .p10 = held.p10, .p90 = held.p90};
}

template <class KeyOf>
auto by_key(const CrossValidation& result, KeyOf key_of) {
  std::map<std::pair<std::string, std::string>, std::vector<PredictedMeasured>> pairs;
  for (const HeldOut& held : result.rows)
    pairs[{key_of(held), std::string(name_of(held.row->metric))}].push_back(pair_of(held));
  std::map<std::pair<std::string, std::string>, ErrorStatistics> errors;
  for (const auto& [key, of_key] : pairs) errors.emplace(key, error_statistics(of_key));
  return errors;
}

std::map<std::string, ErrorStatistics> baselines_of(const CrossValidation& result, const std::string& metric) {
  std::map<std::string, std::vector<PredictedMeasured>> pairs;
  const auto add = [&](const std::string& name, const HeldOut& held, std::optional<double> predicted) {
    if (predicted) pairs[name].push_back({.predicted = *predicted, .measured = held.row->measured});
  };
  for (const HeldOut& held : result.rows) {
    if (name_of(held.row->metric) != metric) continue;
    add("bandwidth over size", held, held.row->ideal > 0 ? std::optional(held.row->ideal) : std::nullopt);
    add("constant efficiency", held, held.constant_efficiency);
    add("efficiency by quantization", held, held.per_quant_efficiency);
    add("efficiency by device", held, held.per_device_efficiency);
  }
  std::map<std::string, ErrorStatistics> errors;
  for (const auto& [name, of_name] : pairs) errors.emplace(name, error_statistics(of_name));
  return errors;
}

double off(const HeldOut* held) { return std::abs(std::log(held->predicted / held->row->measured)); }

}  // namespace

Accuracy accuracy_of(const CrossValidation& result) {
  Accuracy accuracy{.by = result.by};
  for (const auto& [key, errors] : by_key(result, [](const HeldOut&) { return std::string(); }))
    accuracy.metrics.emplace(key.second, HeldOutErrors{errors, baselines_of(result, key.second)});
  accuracy.groups.emplace_back("stack", by_key(result, [](const HeldOut& held) { return held.row->family; }));
  accuracy.groups.emplace_back("evidence",
                               by_key(result, [](const HeldOut& held) { return std::string(name_of(held.level)); }));
  accuracy.groups.emplace_back("device", by_key(result, [](const HeldOut& held) { return held.row->scope.device; }));
  accuracy.groups.emplace_back("quantization", by_key(result, [](const HeldOut& held) { return held.row->quant; }));
  for (const HeldOut& held : result.rows) accuracy.worst.push_back(&held);
  constexpr std::size_t most = 20;
  const auto end = accuracy.worst.begin() + static_cast<std::ptrdiff_t>(std::min(most, accuracy.worst.size()));
  std::partial_sort(accuracy.worst.begin(), end, accuracy.worst.end(),
                    [](const HeldOut* a, const HeldOut* b) { return off(a) > off(b); });
  accuracy.worst.erase(end, accuracy.worst.end());
  return accuracy;
}

}  // namespace silicast
