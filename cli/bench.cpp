// SPDX-License-Identifier: Apache-2.0
// silicast bench: what this machine can do, and what the reference engine makes of it.
#include "cli/bench.h"

#include "base/text.h"
#include "cli/command.h"
#include "engine/measure/sample.h"
#include "engine/topology.h"

namespace silicast::cli {

std::vector<std::int64_t> counts_of(const std::string& option, const std::string& text) {
  std::vector<std::int64_t> counts;
  if (text.empty()) return counts;
  for (const auto part : split(text, ',')) {
    const auto value = parse_integer(trim(part));
    if (!value || *value < 1)
      throw UsageError(option + ": numbers of 1 or more, separated by commas, are expected, got '" + text + "'");
    counts.push_back(*value);
  }
  return counts;
}

std::vector<engine::BlockType> types_of(const std::string& text) {
  std::vector<engine::BlockType> types;
  if (text.empty()) return types;
  std::vector<std::string> known;
  for (const auto& traits : engine::all_types()) known.emplace_back(traits.name);
  for (const auto part : split(text, ',')) {
    const auto type = engine::find_block_type(trim(part));
    if (!type)
      throw UsageError("--type: unknown type '" + std::string(trim(part)) + "'" + did_you_mean(trim(part), known) +
                       "; there are " + join(known, ", "));
    types.push_back(*type);
  }
  return types;
}

engine::Isa isa_of(const std::string& text) {
  if (text.empty()) return engine::best_isa();
  std::vector<std::string> known;
  for (const auto isa : engine::all_isas()) known.emplace_back(name_of(isa));
  const auto isa = engine::find_isa(text);
  if (!isa)
    throw UsageError("--isa: unknown instruction set '" + text + "'" + did_you_mean(text, known) + "; there are " +
                     join(known, ", "));
  if (!engine::is_supported(*isa)) throw RefusedError("--isa: this machine does not run '" + text + "'");
  return *isa;
}

std::vector<Field> machine_fields(engine::Isa isa) {
  const engine::Topology& machine = engine::topology();
  const engine::Condition now = engine::condition();
  std::vector<std::string> features;
  for (const auto feature : engine::all_features())
    if (engine::has_feature(feature)) features.emplace_back(name_of(feature));
  std::vector<std::int64_t> caches;
  for (const auto& cache : machine.caches) caches.push_back(cache.bytes);
  const auto known = [](double value) { return value > 0 ? Value(value) : Value(); };
  return {{"machine.processor", machine.processor_name},
          {"machine.product", machine.machine_name},
          {"machine.processors", static_cast<std::int64_t>(machine.processors.size())},
          {"machine.cores", static_cast<std::int64_t>(machine.cores)},
          {"machine.packages", static_cast<std::int64_t>(machine.packages)},
          {"machine.numa_nodes", static_cast<std::int64_t>(machine.numa_nodes)},
          {"machine.memory_bytes", machine.memory_bytes},
          {"machine.cache_bytes", caches},
          {"machine.instruction_set", std::string(name_of(isa))},
          {"machine.features", features},
          {"condition.clock_hertz", known(now.clock_hertz)},
          {"condition.temperature_celsius", known(now.temperature_celsius)},
          {"condition.foreign_load", now.foreign_load}};
}

std::string machine_text(engine::Isa isa) {
  const engine::Topology& machine = engine::topology();
  const engine::Condition now = engine::condition();
  std::string text = (machine.processor_name.empty() ? "unknown processor" : machine.processor_name) + ", " +
                     std::to_string(machine.processors.size()) + " processors of " + std::to_string(machine.cores) +
                     " cores, " + human(Bytes(static_cast<double>(machine.memory_bytes)));
  for (const auto& cache : machine.caches)
    text += ", L" + std::to_string(cache.level) + " " + human(Bytes(static_cast<double>(cache.bytes)));
  text += "\n" + std::string(name_of(isa));
  if (now.clock_hertz > 0) text += ", clock " + rounded(now.clock_hertz / 1e9, 3) + " GHz";
  if (now.temperature_celsius > 0) text += ", " + rounded(now.temperature_celsius, 3) + " °C";
  text += ", other programs kept " + rounded(now.foreign_load, 2) + " processors busy\n";
  return text;
}

std::string rate_text(double bytes_per_second) { return rounded(bytes_per_second / 1e9, 3) + " GB/s"; }
std::string operations_text(double per_second) {
  return per_second >= 1e12 ? rounded(per_second / 1e12, 3) + " TOP/s" : rounded(per_second / 1e9, 3) + " GOP/s";
}
std::string time_text(double seconds) {
  if (seconds < 1e-6) return rounded(seconds * 1e9, 3) + " ns";
  if (seconds < 1e-3) return rounded(seconds * 1e6, 3) + " us";
  if (seconds < 1) return rounded(seconds * 1e3, 3) + " ms";
  return rounded(seconds, 3) + " s";
}
std::string spread_text(double spread, bool disturbed) {
  return rounded(100 * spread, 2) + " %" + (disturbed ? ", disturbed" : "");
}

Table for_people(Table table) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    if (!table.columns[i].title.empty()) kept.push_back(i);
  Table result;
  for (const std::size_t i : kept) result.columns.push_back(table.columns[i]);
  for (auto& row : table.rows) {
    result.rows.emplace_back();
    for (const std::size_t i : kept) result.rows.back().push_back(row[i]);
  }
  return result;
}

void add_bench(const Command& app, Action& action) {
  const Command bench = app.add_command("bench", "Measures this machine, and the reference engine on it");
  bench.require_command();
  add_bench_limits(bench, action);
  add_bench_kernels(bench, action);
  add_bench_model(bench, action);
}

}  // namespace silicast::cli
