// SPDX-License-Identifier: Apache-2.0
#include "report/validation_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/rows_report.h"
#include "report/table.h"
#include "report/value.h"
#include "report/wording.h"

namespace silicast {

namespace {

using Json = nlohmann::ordered_json;

Cell shown(const std::string& text) { return {.value = text, .shown = text}; }

// ---------------------------------------------------------------- text

Table error_table(const Validation& v) {
  Table table{.columns = {{"metric", "metric"},
                          {"by", "predicted by"},
                          {"n", "rows", true},
                          {"median", "median error", true},
                          {"p90", "p90", true},
                          {"mean", "mean", true},
                          {"bias", "median bias", true},
                          {"coverage", "in 80 % interval", true}}};
  const auto add = [&](const std::string& metric, const std::string& by, const ErrorStatistics& s) {
    table.rows.push_back({shown(metric), shown(by), shown(std::to_string(s.n)), shown(exact_percent_text(s.median_ape)),
                          shown(exact_percent_text(s.p90_ape)), shown(exact_percent_text(s.mape)),
                          shown(exact_percent_text(s.median_bias)),
                          shown(s.coverage80 ? exact_percent_text(*s.coverage80) : "-")});
  };
  for (const auto& [metric, statistics] : v.metrics) {
    add(metric, "silicast", statistics);
    for (const auto& [name, of_baseline] : v.baselines)
      if (const auto at = of_baseline.find(metric); at != of_baseline.end()) add("", name, at->second);
  }
  return table;
}

Table reason_table(const Validation& v) {
  Table table{.columns = {{"reason", "not predicted because"}, {"rows", "rows", true}}};
  std::vector<std::pair<std::string, std::size_t>> reasons(v.unsupported.begin(), v.unsupported.end());
  std::stable_sort(reasons.begin(), reasons.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [reason, n] : reasons) table.rows.push_back({shown(reason), shown(std::to_string(n))});
  return table;
}

Table doubt_table(const Validation& v) {
  Table table{.columns = {{"file", "file"},
                          {"line", "line", true},
                          {"id", "id"},
                          {"metric", "metric"},
                          {"reason", "reason"},
                          {"detail", "detail"}},
              .rows = {}};
  for (const ValidatedRow& row : v.rows)
    if (row.doubt)
      table.rows.push_back({{row.observation.file},
                            {std::int64_t{row.observation.line}},
                            {row.observation.id},
                            {row.observation.metric},
                            {row.doubt->reason},
                            {row.doubt->detail}});
  return table;
}

std::string doubt_text(const Validation& v) {
  constexpr std::size_t most = 20;
  std::string text;
  std::size_t n = 0;
  for (const ValidatedRow& row : v.rows) {
    if (!row.doubt || ++n > most) continue;
    text += "  " + row.observation.file + ":" + std::to_string(row.observation.line) + ": " + row.observation.metric +
            ": " + row.doubt->reason + ": " + row.doubt->detail + "\n";
  }
  if (n == 0) return "";
  if (n > most) text += "  and " + std::to_string(n - most) + " more\n";
  return std::to_string(n) + (n == 1 ? " row is" : " rows are") + " hardly what was measured (they count):\n" + text;
}

std::vector<Observation> observations_of(const Validation& v) {
  std::vector<Observation> rows;
  for (const ValidatedRow& row : v.rows) rows.push_back(row.observation);
  return rows;
}

Table group_table(const Validation& v) {
  Table table;
  for (const auto& [column, value] : v.groups.front().by) table.columns.push_back({column, column});
  for (const auto& [key, title] : {std::pair{"metric", "metric"},
                                   {"n", "rows"},
                                   {"median", "median error"},
                                   {"p90", "p90"},
                                   {"bias", "median bias"}})
    table.columns.push_back({key, title, std::string_view(key) != "metric"});
  for (const ValidationGroup& group : v.groups)
    for (const auto& [metric, s] : group.metrics) {
      std::vector<Cell> row;
      for (const auto& [column, value] : group.by) row.push_back(shown(value));
      for (const std::string& text : {metric, std::to_string(s.n), exact_percent_text(s.median_ape),
                                      exact_percent_text(s.p90_ape), exact_percent_text(s.median_bias)})
        row.push_back(shown(text));
      table.rows.push_back(std::move(row));
    }
  return table;
}

Table worst_table(const Validation& v) {
  constexpr std::size_t most = 12;
  std::vector<const ValidatedRow*> rows;
  for (const ValidatedRow& row : v.rows)
    if (row.prediction && row.observation.value > 0 && row.prediction->p10) rows.push_back(&row);
  // Twice and half as fast are equally wrong.
  const auto off = [](const ValidatedRow* row) {
    const double ratio = row->prediction->value / row->observation.value;
    return std::max(ratio, 1 / ratio);
  };
  const auto end = rows.begin() + static_cast<std::ptrdiff_t>(std::min(most, rows.size()));
  std::partial_sort(rows.begin(), end, rows.end(), [&](const auto* a, const auto* b) { return off(a) > off(b); });
  Table table{.columns = {{"id", "furthest off"},
                          {"metric", "metric"},
                          {"measured", "measured", true},
                          {"predicted", "predicted", true},
                          {"device", "device"},
                          {"model", "model"},
                          {"quant", "quant"},
                          {"stack", "stack"}}};
  for (auto at = rows.begin(); at != end; ++at) {
    const Observation& o = (*at)->observation;
    table.rows.push_back({shown(o.id), shown(o.metric), shown(rounded(o.value, 3)),
                          shown(rounded((*at)->prediction->value, 3)), shown(o.device), shown(o.model), shown(o.quant),
                          shown((*at)->prediction->stack)});
  }
  return table;
}

// ---------------------------------------------------------------- JSON

Json json_of(const ErrorStatistics& s) {
  Json json{{"n", s.n},
            {"median_ape", s.median_ape},
            {"p90_ape", s.p90_ape},
            {"mape", s.mape},
            {"median_bias", s.median_bias}};
  json["coverage80"] = s.coverage80 ? Json(*s.coverage80) : Json(nullptr);
  return json;
}

Json json_of(const MetricStatistics& metrics) {
  Json json = Json::object();
  for (const auto& [metric, statistics] : metrics) json[metric] = json_of(statistics);
  return json;
}

Json json_of(const ValidationGroup& group) {
  Json by = Json::object();
  for (const auto& [column, value] : group.by) by[column] = value;
  return {{"by", std::move(by)}, {"metrics", json_of(group.metrics)}};
}

}  // namespace

std::string validation_text(const Validation& v) {
  std::string text =
      std::to_string(v.predicted) + " of " + std::to_string(v.rows.size()) +
      " rows predicted. Nothing is fitted here; profiles may have been to some of them (--cross holds rows out).\n";
  if (!v.metrics.empty()) text += "\n" + table_text(error_table(v));
  if (!v.baselines.empty() && v.predicted > 0)
    text += "The two efficiency baselines are fitted on these rows, on other devices than the row's own.\n";
  if (!v.groups.empty()) text += "\n" + table_text(group_table(v));
  if (v.predicted > 0) text += "\n" + table_text(worst_table(v));
  if (!v.unsupported.empty()) text += "\n" + table_text(reason_table(v));
  if (!v.unknown.empty()) text += "\n" + table_text(unknown_table(v.unknown));
  const std::vector<Observation> rows = observations_of(v);
  for (const std::string& account : {doubt_text(v), repeats_text(repeats_of(rows), rows), unread_text(v.unread)})
    if (!account.empty()) text += "\n" + account;
  return text;
}

std::string validation_json(const Validation& v) {
  Json json{{"schema", "silicast.validation/1"}, {"rows", v.rows.size()}, {"predicted", v.predicted}};
  Json unsupported = Json::object();
  for (const auto& [reason, n] : v.unsupported) unsupported[reason] = n;
  json["unsupported"] = std::move(unsupported);
  Json unknown = Json::array();
  for (const auto& [what, n] : v.unknown)
    unknown.push_back({{"reason", what.first}, {"name", what.second}, {"rows", n}});
  json["unknown"] = std::move(unknown);
  json["unread"] = Json::parse(table_json(unread_table(v.unread)));
  const std::vector<Observation> rows = observations_of(v);
  const Repeats repeats = repeats_of(rows);
  json["implausible"] = Json::parse(table_json(doubt_table(v)));
  json["duplicates"] = Json::parse(table_json(duplicates_table(repeats, rows)));
  json["conflicts"] = Json::parse(table_json(conflicts_table(repeats, rows)));
  json["metrics"] = json_of(v.metrics);
  Json groups = Json::array();
  for (const ValidationGroup& group : v.groups) groups.push_back(json_of(group));
  json["groups"] = std::move(groups);
  Json baselines = Json::object();
  for (const auto& [name, metrics] : v.baselines) baselines[name] = json_of(metrics);
  json["baselines"] = std::move(baselines);
  // A file's text may be no UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string predictions_csv(const Validation& v) {
  std::string csv =
      "id,metric,measured,predicted,p10,p90,ape,evidence,baseline_bandwidth,status,baseline_constant,baseline_per_"
      "quant,device,stack\n";
  const auto number = [](const std::optional<double>& value) { return value ? exact(*value) : std::string(); };
  for (const ValidatedRow& row : v.rows) {
    const Observation& o = row.observation;
    std::vector<std::string> fields{csv_cell(o.id), csv_cell(o.metric), exact(o.value)};
    if (const auto& p = row.prediction) {
      const std::string ape = o.value > 0 ? exact(absolute_percentage_error(row.pair())) : "";
      fields.insert(fields.end(), {exact(p->value), number(p->p10), number(p->p90), ape, p->evidence,
                                   number(p->bandwidth_over_size), row.status(), number(p->constant_efficiency),
                                   number(p->per_quant_efficiency), p->device, p->stack});
    } else {
      fields.insert(fields.end(), {"", "", "", "", "", "", csv_cell(row.status()), "", "", "", ""});
    }
    csv += join(fields, ",") + "\n";
  }
  return csv;
}

std::string shortfalls_text(const std::vector<Shortfall>& shortfalls) {
  std::string text;
  for (const Shortfall& shortfall : shortfalls) {
    text += "silicast: required, but: " + shortfall.what + "\n";
    if (shortfall.rows.empty()) continue;
    Table table{.columns = {{"id", "row"},
                            {"measured", "measured", true},
                            {"before", "before", true},
                            {"predicted", "predicted", true},
                            {"device", "device"},
                            {"model", "model"},
                            {"quant", "quant"},
                            {"stack", "stack"}}};
    for (const Shortfall::Row& row : shortfall.rows)
      table.rows.push_back({shown(row.id), shown(rounded(row.measured, 3)),
                            shown(row.before ? rounded(*row.before, 3) : "-"),
                            shown(row.predicted > 0 ? rounded(row.predicted, 3) : "-"), shown(row.device),
                            shown(row.model), shown(row.quant), shown(row.stack)});
    text += table_text(table);
  }
  return text;
}

}  // namespace silicast
