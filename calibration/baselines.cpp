// SPDX-License-Identifier: Apache-2.0
#include "calibration/baselines.h"

#include <algorithm>
#include <map>

#include "calibration/statistics.h"

namespace silicast {

namespace {

FlopsPerSecond matrix_peak(const Processor& processor) {
  const FlopsPerSecond matrix = std::max(processor.peak(Unit::fp16_matrix), processor.peak(Unit::bf16_matrix));
  return matrix > FlopsPerSecond() ? matrix : std::max(processor.peak(Unit::fp16), processor.peak(Unit::fp32));
}

BytesPerSecond peak_bandwidth(const Compiled& c) {
  return c.stack->on_cpu ? c.device->memory.cpu_bandwidth.value_or(c.device->memory.bandwidth)
                         : c.device->memory.bandwidth;
}

using Ratios = std::map<std::string, std::vector<double>>;  // by device

// The median over all devices but one. Each device asks once.
class MedianWithout {
 public:
  explicit MedianWithout(Ratios ratios) : ratios_(std::move(ratios)) {}

  std::optional<double> operator()(const std::string& device) {
    const auto [at, fresh] = medians_.try_emplace(device);
    if (!fresh) return at->second;
    std::vector<double> others;
    for (const auto& [name, values] : ratios_)
      if (name != device) others.insert(others.end(), values.begin(), values.end());
    if (!others.empty()) at->second = quantile(std::move(others), 0.5);
    return at->second;
  }

 private:
  Ratios ratios_;
  std::map<std::string, std::optional<double>> medians_;
};

}  // namespace

std::optional<double> bandwidth_over_size(Metric metric, const Compiled& c) {
  const double sequences = static_cast<double>(c.query.concurrency);
  const double size = c.workload->tensor_bytes().value();
  const double decode_rate = sequences * peak_bandwidth(c).value() / size;
  const double flops = 2 * static_cast<double>(active_parameter_count(c.workload->architecture));
  const double prefill_rate = matrix_peak(c.machine.device.processor).value() / flops;
  const double first = static_cast<double>(c.query.prompt) * sequences / prefill_rate;
  const double per_token = sequences / decode_rate;
  const double decoding = static_cast<double>(c.query.gen - 1) * per_token;
  const double tokens = static_cast<double>(c.query.prompt + c.query.gen) * sequences;
  const double watts = c.device->power.tdp.value_or(Watts(0)).value() * c.machine.devices;
  switch (metric) {
    case Metric::prefill_rate: return prefill_rate;
    case Metric::decode_rate: return decode_rate;
    case Metric::ttft: return first;
    case Metric::tpot: return per_token;
    case Metric::e2e_latency: return first + decoding;
    case Metric::total_rate: return tokens / (first + decoding);
    case Metric::power: return watts > 0 ? std::optional(watts) : std::nullopt;
    case Metric::energy: return watts > 0 ? std::optional(watts / decode_rate) : std::nullopt;
    case Metric::memory: return size / (1_GiB).value();
    case Metric::file_size:
    case Metric::out_of_memory: break;
  }
  return std::nullopt;
}

std::vector<std::optional<double>> efficiency_baseline(const std::vector<BaselineRow>& rows, bool per_quant) {
  std::map<Metric, Ratios> of_metric;
  std::map<std::pair<Metric, std::string>, Ratios> of_quant;
  for (const BaselineRow& row : rows) {
    of_metric[row.metric][row.device].push_back(row.measured / row.ideal);
    if (per_quant) of_quant[{row.metric, row.quant}][row.device].push_back(row.measured / row.ideal);
  }
  std::map<Metric, MedianWithout> metric_medians;
  for (auto& [metric, ratios] : of_metric) metric_medians.emplace(metric, MedianWithout(std::move(ratios)));
  std::map<std::pair<Metric, std::string>, MedianWithout> quant_medians;
  for (auto& [key, ratios] : of_quant) quant_medians.emplace(key, MedianWithout(std::move(ratios)));

  std::vector<std::optional<double>> predictions;
  predictions.reserve(rows.size());
  for (const BaselineRow& row : rows) {
    std::optional<double> factor;
    if (per_quant) factor = quant_medians.at({row.metric, row.quant})(row.device);
    if (!factor) factor = metric_medians.at(row.metric)(row.device);
    predictions.push_back(factor ? std::optional(*factor * row.ideal) : std::nullopt);
  }
  return predictions;
}

}  // namespace silicast
