// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "base/text.h"
#include "report/curve.h"
#include "report/table.h"
#include "report/wording.h"

namespace silicast {

namespace {

Cell rate(double value) { return {value, figure_text(value)}; }
Cell time(const Interval& interval) { return {interval.value, human(Seconds(interval.value))}; }

// Energy of a cycle over the tokens that it makes.
std::optional<double> joules_per_token(const SteadyState& s, const Prediction& p) {
  if (!s.power) return std::nullopt;
  const double tokens = static_cast<double>(p.query.asked.concurrency * p.query.asked.gen);
  return (s.power->watts * s.cycle.seconds).value() / tokens;
}

Cell optional(const std::optional<double>& value) { return value ? Cell{*value, figure_text(*value)} : Cell{}; }

Cell cost(const SteadyState& s) {
  if (!s.cost || !s.cost->usd_per_million_output_tokens) return {};
  const double usd = *s.cost->usd_per_million_output_tokens;
  return {usd, figure_text(s.cost->in_shown(usd))};
}

std::vector<Cell> figures_of(const CurvePoint& point) {
  if (!point.steady) return std::vector<Cell>(9);
  const SteadyState& s = *point.steady;
  return {{s.output_tokens_per_second.value, figure_text(s.output_tokens_per_second.value)},
          {s.output_tokens_per_second.p10, figure_text(s.output_tokens_per_second.p10)},
          {s.output_tokens_per_second.p90, figure_text(s.output_tokens_per_second.p90)},
          rate(1 / s.inter_token.value),
          time(s.ttft),
          time(s.inter_token),
          time(s.request),
          optional(joules_per_token(s, point.prediction)),
          cost(s)};
}

// As all points ask for it; programs read dollars.
std::string cost_title(const ThroughputCurve& curve) {
  for (const CurvePoint& point : curve.points)
    if (point.steady && point.steady->cost && point.steady->cost->shown)
      return point.steady->cost->shown->currency + "/M output";
  return "$/M output";
}

Table table_of(const ThroughputCurve& curve) {
  Table table{.columns = {{"concurrency", "sequences", true},
                          {"output_tokens_per_second", "tok/s", true},
                          {"output_tokens_per_second_p10", "p10", true},
                          {"output_tokens_per_second_p90", "p90", true},
                          {"tokens_per_second_per_user", "each sees", true},
                          {"ttft_seconds", "first token", true},
                          {"inter_token_seconds", "then every", true},
                          {"request_seconds", "request", true},
                          {"joules_per_output_token", "J/token", true},
                          {"usd_per_million_output_tokens", cost_title(curve), true},
                          {"memory_bytes", "memory", true},
                          {"fits", "fits"}},
              .rows = {}};
  for (const CurvePoint& point : curve.points) {
    std::vector<Cell> row{{point.concurrency}};
    for (Cell& cell : figures_of(point)) row.push_back(std::move(cell));
    const Bytes memory = point.prediction.total_bytes();
    row.push_back({static_cast<std::int64_t>(std::llround(memory.value())), human(memory)});
    row.push_back({point.prediction.feasible, point.prediction.feasible ? "yes" : "no"});
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string title(const ThroughputCurve& curve) {
  const ResolvedQuery& q = curve.points.front().prediction.query;
  return q.model_name + " in " + q.asked.quant + " on " + q.device_name +
         (q.devices > 1 ? " x" + std::to_string(q.devices) : "") + ", " + q.asked.stack;
}

std::string request_text(const ThroughputCurve& curve) {
  const Query& q = curve.points.front().prediction.query.asked;
  return std::to_string(q.prompt) + " tokens of prompt and " + std::to_string(q.gen) +
         " generated; every request that ends is followed by an equal one";
}

std::string memory_text(const ThroughputCurve& curve) {
  if (!curve.most_sequences) return {};
  const SequencesThatFit& s = curve.points.front().prediction.sequences;
  return "Memory holds " + std::to_string(*curve.most_sequences) + " such sequences in full length (" + human(s.each) +
         " of cache each, " + s.allocation + ").";
}

}  // namespace

std::string curve_text(const ThroughputCurve& curve, const TextStyle& style) {
  const auto bold = [&](const std::string& text) { return style.colour ? "\033[1m" + text + "\033[0m" : text; };
  std::string text = bold(title(curve)) + "\n" + wrapped(request_text(curve) + ".", text_width, 0) + "\n\n";
  const std::string table = table_text(table_of(curve));
  text += bold(table.substr(0, table.find('\n'))) + table.substr(table.find('\n')) + "\n";
  if (const std::string memory = memory_text(curve); !memory.empty()) text += wrapped(memory, text_width, 0) + "\n";
  for (const CurvePoint& point : curve.points)
    if (!point.steady) {
      text += wrapped(std::to_string(point.concurrency) + " do not fit: " + point.prediction.limiting, text_width, 2) +
              "\n";
      break;
    }
  return text;
}

std::string curve_json(const ThroughputCurve& curve) {
  const Prediction& first = curve.points.front().prediction;
  std::vector<Field> fields{{"schema", std::string("silicast.curve/1")}};
  for (const Field& field : prediction_fields(first))
    if (field.key.starts_with("query.") && field.key != "query.concurrency") fields.push_back(field);
  fields.push_back({"most_sequences", curve.most_sequences ? Value(*curve.most_sequences) : Value()});
  fields.push_back({"kv_allocation", first.sequences.allocation});
  fields.push_back({"evidence", first.evidence.level});
  return document_json(fields, {{"points", table_of(curve)}});
}

std::string curve_csv(const ThroughputCurve& curve) { return table_csv(table_of(curve)); }
std::string curve_markdown(const ThroughputCurve& curve) { return table_markdown(table_of(curve)); }

}  // namespace silicast
