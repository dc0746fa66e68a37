// SPDX-License-Identifier: Apache-2.0
// An explanation for a reader: what bounds each phase in a sentence, then the tables.
#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "report/explain.h"
#include "report/table.h"
#include "report/wording.h"

namespace silicast {

namespace {

constexpr double worth_a_line = 0.005;  // of a phase's time, or of a change

std::string rate_of(double tokens_per_second) { return figure_text(tokens_per_second) + " tok/s"; }

using Effect = std::optional<double> Elasticity::*;

// "+10 % memory.bandwidth: +7.4 %, +10 % gpu.clock: +2 %"
std::string strongest(const std::vector<Elasticity>& elasticities, Effect effect) {
  constexpr std::size_t most = 3;
  std::vector<const Elasticity*> sorted;
  for (const Elasticity& e : elasticities)
    if ((e.*effect) && std::abs(*(e.*effect)) >= worth_a_line) sorted.push_back(&e);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const auto* a, const auto* b) { return std::abs(*(a->*effect)) > std::abs(*(b->*effect)); });
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < std::min(most, sorted.size()); ++i)
    parts.push_back("+10 % " + sorted[i]->field + ": " + signed_percent(*(sorted[i]->*effect)));
  return join(parts, ", ");
}

std::string phase_sentence(const std::string& name, const PhaseExplanation& phase, const Phase& predicted,
                           const std::string& moved_by) {
  const Resource bound = phase.cost.bottleneck();
  const double share = phase.cost.bound[static_cast<std::size_t>(bound)] / std::max(1e-300, [&] {
                         double sum = 0;
                         for (const double b : phase.cost.bound) sum += b;
                         return sum;
                       }());
  const auto slowest = std::max_element(phase.ops.begin(), phase.ops.end(),
                                        [](const auto& a, const auto& b) { return a.share < b.share; });
  std::string text = name + ": " + rate_of(predicted.tokens_per_second.value) + ", bound by " +
                     std::string(long_name(bound)) + " for " + percent_text(share) + " of the time";
  if (slowest != phase.ops.end())
    text += "; the largest part is " + slowest->name + (slowest->type.empty() ? "" : " in " + slowest->type) + " (" +
            percent_text(slowest->share) + ")";
  return text + "." + (moved_by.empty() ? "" : " " + moved_by + ".");
}

Table ops_table(const PhaseExplanation& phase, bool every) {
  Table table{.columns = {{"", "operation"},
                          {"", "layers", true},
                          {"", "time", true},
                          {"", "share", true},
                          {"", "DRAM bytes", true},
                          {"", "FLOP/B", true},
                          {"", "achieved", true},
                          {"", "of roof", true},
                          {"", "DRAM", true},
                          {"", "matrix", true},
                          {"", "unpack", true},
                          {"", "vector", true},
                          {"", "cache", true}},
              .rows = {}};
  // Machines without links between their parts are shown without the column.
  const bool linked = phase.cost.busy[static_cast<std::size_t>(Resource::link)] > 0;
  if (linked) table.columns.push_back({"", "link", true});
  table.columns.push_back({"", "bound by"});
  const auto busy = [](const StepCost& cost, Resource r) {
    return Cell{{}, std::to_string(std::lround(100 * cost.utilization(r))) + " %"};
  };
  int left_out = 0;
  StepCost rest;
  double rest_share = 0;
  const auto add = [&](const std::string& name, const Cell& layers, const StepCost& cost, double share,
                       const OpExplanation* op) {
    const bool has_roof = op != nullptr && op->attainable > FlopsPerSecond(0);
    table.rows.push_back({{name},
                          layers,
                          {{}, human(cost.seconds)},
                          {{}, percent_text(share)},
                          cost.dram_bytes > Bytes(0) ? Cell{{}, human(cost.dram_bytes)} : Cell{},
                          op != nullptr && op->intensity ? Cell{{}, rounded(*op->intensity, shown_digits)} : Cell{},
                          has_roof ? Cell{{}, rate_text(op->achieved)} : Cell{},
                          has_roof ? Cell{{}, percent_text(op->achieved / op->attainable)} : Cell{},
                          busy(cost, Resource::dram),
                          busy(cost, Resource::matrix),
                          busy(cost, Resource::dequant),
                          busy(cost, Resource::alu),
                          busy(cost, Resource::cache)});
    if (linked) table.rows.back().push_back(busy(cost, Resource::link));
    table.rows.back().push_back({std::string(short_name(cost.bottleneck()))});
  };
  for (const OpExplanation& op : phase.ops) {
    if (!every && op.share < worth_a_line) {
      ++left_out, rest += op.cost, rest_share += op.share;
      continue;
    }
    const std::string name = op.name + (op.type.empty() ? "" : " " + op.type) + (op.runs_on == "cpu" ? " (CPU)" : "");
    add(name, op.kernel.empty() ? Cell{} : Cell{static_cast<std::int64_t>(op.layers)}, op.cost, op.share, &op);
  }
  if (left_out > 0) add(std::to_string(left_out) + " others", {}, rest, rest_share, nullptr);
  return table;
}

Table residency_table(const PhaseExplanation& phase) {
  Table table{.columns = {{"", "operation"},
                          {"", "kernel"},
                          {"", "unit"},
                          {"", "touches", true},
                          {"", "would fit into"},
                          {"", "from cache", true}},
              .rows = {}};
  for (const OpExplanation& op : phase.ops) {
    if (op.share < worth_a_line || op.kernel.empty()) continue;
    const std::string where = op.fits == Residency::l2                 ? "L2"
                              : op.fits == Residency::last_level_cache ? "last-level cache"
                                                                       : "DRAM";
    table.rows.push_back({{op.name + (op.type.empty() ? "" : " " + op.type)},
                          {op.kernel},
                          {op.unit},
                          {{}, human(op.working_set)},
                          {where},
                          {{}, percent_text(op.cached_share)}});
  }
  return table;
}

Table kinds_table(const PhaseExplanation& phase) {
  Table table{.columns = {{"", "layers of a kind"},
                          {"", "layers", true},
                          {"", "time", true},
                          {"", "share", true},
                          {"", "DRAM bytes", true},
                          {"", "GFLOP", true},
                          {"", "bound by"}},
              .rows = {}};
  constexpr double giga = 1e9;
  for (const LayerKindExplanation& kind : phase.layer_kinds)
    table.rows.push_back({{kind.name},
                          kind.layers > 0 ? Cell{static_cast<std::int64_t>(kind.layers)} : Cell{},
                          {{}, human(kind.seconds)},
                          {{}, percent_text(kind.share)},
                          {{}, human(kind.dram_bytes)},
                          {{}, rounded(kind.operations.value() / giga, shown_digits)},
                          {std::string(short_name(kind.bound))}});
  return table;
}

Table elasticity_table(const std::vector<Elasticity>& elasticities, bool every) {
  Table table{.columns = {{"", "10 % more of"}, {"", "now", true}, {"", "prefill", true}, {"", "decode", true}},
              .rows = {}};
  constexpr double visible = 0.0005;
  const auto shown = [](const std::optional<double>& change) {
    return change ? Cell{{}, signed_percent(*change)} : Cell{};
  };
  int without = 0;
  for (const Elasticity& e : elasticities) {
    if (!every && std::abs(e.prefill.value_or(0)) < visible && std::abs(e.decode.value_or(0)) < visible) {
      ++without;
      continue;
    }
    table.rows.push_back({{e.field + (e.with.empty() ? "" : " (with " + join(e.with, ", ") + ")")},
                          {e.value},
                          shown(e.prefill),
                          shown(e.decode)});
  }
  if (without > 0) table.rows.push_back({{std::to_string(without) + " other figures"}, {}, {{}, "0 %"}, {{}, "0 %"}});
  return table;
}

Table memory_table(const Prediction& p) {
  Table table{.columns = {{"", "memory"},
                          {"", "weights", true},
                          {"", "KV cache", true},
                          {"", "compute", true},
                          {"", "overhead", true},
                          {"", "used", true},
                          {"", "usable", true}},
              .rows = {}};
  for (const MemoryPool& pool : p.pools) {
    if (pool.capacity == Bytes(0) && pool.used() == Bytes(0)) continue;
    table.rows.push_back({{pool.name},
                          {{}, human(pool.weights)},
                          {{}, human(pool.kv_cache)},
                          {{}, human(pool.compute)},
                          {{}, human(pool.overhead)},
                          {{}, human(pool.used())},
                          pool.capacity > Bytes(0) ? Cell{{}, human(pool.usable)} : Cell{}});
  }
  return table;
}

std::string roofs_line(const Explanation& e) {
  std::vector<std::string> parts;
  for (const Roof& roof : e.roofs)
    parts.push_back(roof.name + (roof.runs_on == "cpu" ? " (CPU) " : " ") +
                    (roof.bandwidth.value() > 0 ? rate_text(roof.bandwidth) : rate_text(roof.peak)));
  for (const CacheLevel& cache : e.caches)
    parts.push_back((cache.name == "l2" ? "L2 " : "last-level cache ") + human(cache.capacity) +
                    (cache.bandwidth ? " at " + rate_text(*cache.bandwidth) : ""));
  return join(parts, ", ");
}

std::string title(const Explanation& e) {
  const ResolvedQuery& q = e.prediction.query;
  return q.model_name + " in " + q.asked.quant + " on " + q.device_name + " (" + q.asked.stack + ")";
}

std::string bold(const std::string& text, const TextStyle& style) {
  return style.colour ? "\033[1m" + text + "\033[0m" : text;
}

// Calls `part(heading, table)` for each table of the report.
template <class Part>
void for_each_table(const Explanation& e, bool every, Part part) {
  const auto add_phase = [&](const std::string& name, const std::optional<PhaseExplanation>& phase) {
    if (!phase) return;
    part(name, ops_table(*phase, every));
    part(name + " by kind of layer", kinds_table(*phase));
    part(name + ": kernels and caches", residency_table(*phase));
  };
  add_phase("prefill", e.prefill);
  add_phase("decode", e.decode);
  if (!e.elasticities.empty())
    part("what 10 % more would do to tokens per second", elasticity_table(e.elasticities, every));
  part("memory", memory_table(e.prediction));
}

}  // namespace

std::string explain_summary(const Explanation& e) {
  if (!e.prediction.feasible) return "It does not fit: " + e.prediction.limiting + ".";
  std::vector<std::string> sentences;
  if (e.prefill)
    sentences.push_back(
        phase_sentence("Prefill", *e.prefill, *e.prediction.prefill, strongest(e.elasticities, &Elasticity::prefill)));
  if (e.decode)
    sentences.push_back(
        phase_sentence("Decode", *e.decode, *e.prediction.decode, strongest(e.elasticities, &Elasticity::decode)));
  return join(sentences, "\n");
}

std::string explain_text(const Explanation& e, const TextStyle& style) {
  std::string text = bold(title(e), style) + "\n\n";
  const std::string summary = explain_summary(e);
  for (const auto sentence : split(summary, '\n')) text += wrapped(sentence, text_width, 2) + "\n";
  if (!e.roofs.empty()) text += wrapped("Roofs: " + roofs_line(e), text_width, 2) + "\n";
  for_each_table(e, false, [&](const std::string& heading, const Table& table) {
    if (!table.rows.empty()) text += "\n" + bold(heading, style) + "\n" + table_text(table, 2);
  });
  return text;
}

std::string explain_markdown(const Explanation& e) {
  std::string text = "## " + markdown_cell(title(e)) + "\n\n";
  const std::string summary = explain_summary(e);
  for (const auto sentence : split(summary, '\n')) text += markdown_cell(sentence) + "\n\n";
  if (!e.roofs.empty()) text += "Roofs: " + markdown_cell(roofs_line(e)) + "\n";
  for_each_table(e, true, [&](const std::string& heading, const Table& table) {
    if (!table.rows.empty()) text += "\n### " + heading + "\n\n" + table_markdown(table);
  });
  return text;
}

}  // namespace silicast
