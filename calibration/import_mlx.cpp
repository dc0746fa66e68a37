// SPDX-License-Identifier: Apache-2.0
// mlx_lm.benchmark (mlx_lm/benchmark.py of mlx-lm):
//   Timing with prompt_tokens=512, generation_tokens=1024, batch_size=1.
//   Trial 1:  prompt_tps=1350.226, generation_tps=94.105, peak_memory=5.041
//   Averages: prompt_tps=1351.912, generation_tps=94.047, peak_memory=5.041
// It names neither model nor machine. Memory is in GB of 10^9 bytes.
#include <cmath>

#include "base/text.h"
#include "calibration/import_parts.h"

namespace silicast {

namespace {

// "prompt_tps=1350.226, generation_tps=94.105" -> the values by key.
std::map<std::string, std::string, std::less<>> assignments(std::string_view text) {
  std::map<std::string, std::string, std::less<>> result;
  for (const auto part : split(text, ',')) {
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    auto key = trim(part.substr(0, equals));
    if (const auto blank = key.rfind(' '); blank != std::string_view::npos) key = key.substr(blank + 1);
    auto value = trim(part.substr(equals + 1));
    if (value.ends_with('.')) value.remove_suffix(1);
    result.emplace(key, value);
  }
  return result;
}

std::optional<double> spread(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

struct Trials {
  Record request;
  std::map<std::string, std::vector<double>> values;  // of each trial
};

void take_averages(const Record& averages, const Trials& trials, ImportContext& context) {
  Run base;
  Observation& row = base.observation;
  row.line = averages.line;
  row.backend = context.stated.backend.empty() ? "mlx" : context.stated.backend;
  context.set_device(row, "", false);
  if (context.stated.quant.empty() && context.stated.model.empty())
    throw RecordError{"mlx_lm.benchmark does not tell the model: give --model and --quant", ""};
  if (context.stated.quant.empty())
    throw RecordError{"mlx_lm.benchmark does not tell the quantization: give --quant", ""};
  context.set_checkpoint(row, "", "");
  const auto prompt = trials.request.count("prompt_tokens");
  const auto gen = trials.request.count("generation_tokens");
  if (!prompt || !gen || *prompt < 1 || *gen < 1)
    throw RecordError{"the line 'Timing with prompt_tokens=..., generation_tokens=...' is missing", ""};
  row.batch = static_cast<double>(std::max<std::int64_t>(1, trials.request.count("batch_size").value_or(1)));
  base.command =
      "mlx_lm.benchmark -p " + std::to_string(*prompt) + " -g " + std::to_string(*gen) + " -b " + exact(*row.batch);
  const auto add = [&](const char* metric, const char* key, double scale) {
    const auto value = averages.number(key);
    if (!value) return;
    if (*value <= 0) throw RecordError{"a value is not above 0", key};
    Run run = base;
    Observation& o = run.observation;
    o.metric = metric;
    o.value = *value * scale;
    if (const auto at = trials.values.find(key); at != trials.values.end())
      if (const auto stddev = spread(at->second)) o.stddev = *stddev * scale;
    const bool decode = o.metric == "tg_tps";
    if (!decode) o.prompt = prompt;
    if (o.metric != "pp_tps") o.gen = gen;
    if (decode) o.depth = prompt;
    context.add(std::move(run));
  };
  constexpr double gib_per_gb = 1e9 / (1024.0 * 1024.0 * 1024.0);
  add("pp_tps", "prompt_tps", 1);
  add("tg_tps", "generation_tps", 1);
  add("mem_gib", "peak_memory", gib_per_gb);
}

}  // namespace

void import_mlx(std::string_view text, const std::string&, ImportContext& context) {
  Trials trials;
  bool averaged = true;
  int number = 0;
  for (const auto raw : split(text, '\n')) {
    const auto line = trim(raw);
    ++number;
    if (line.starts_with("Timing with")) {
      if (!averaged) context.result.not_taken.push_back({trials.request.line, "the run has no averages: cut off", ""});
      trials = {.request = {.line = number, .values = assignments(line)}, .values = {}};
      averaged = false;
    } else if (line.starts_with("Trial ")) {
      for (const auto& [key, value] : assignments(line.substr(std::min(line.find(':'), line.size() - 1) + 1)))
        if (const auto figure = parse_number(value)) trials.values[key].push_back(*figure);
    } else if (line.starts_with("Averages:")) {
      averaged = true;
      try {
        take_averages({.line = number, .values = assignments(line.substr(9))}, trials, context);
      } catch (const RecordError& error) {
        context.result.not_taken.push_back({number, error.reason, error.detail});
      }
    }
  }
  if (!averaged) context.result.not_taken.push_back({trials.request.line, "the run has no averages: cut off", ""});
}

}  // namespace silicast
