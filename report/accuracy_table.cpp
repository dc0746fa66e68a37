// SPDX-License-Identifier: Apache-2.0
// Held-out errors as lines of a table, for programs.
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/accuracy_report.h"
#include "report/rows_report.h"
#include "report/value.h"

namespace silicast {

namespace {

struct Line {
  std::string held_out, by, value, metric, predicted_by;
  ErrorStatistics errors;
};

std::vector<Line> lines_of(const AccuracyReport& report) {
  std::vector<Line> lines;
  for (const Accuracy& run : report.runs) {
    const std::string held_out(name_of(run.by));
    for (const auto& [metric, errors] : run.metrics) {
      lines.push_back({held_out, "all", "", metric, "silicast", errors.model});
      for (const auto& [name, of_baseline] : errors.baselines)
        lines.push_back({held_out, "all", "", metric, name, of_baseline});
    }
    for (const auto& [by, groups] : run.groups)
      for (const auto& [key, group] : groups)
        lines.push_back({held_out, by, key.first, key.second, "silicast", group.model});
  }
  for (const auto& [name, v] : report.others) {
    for (const auto& [metric, errors] : v.metrics)
      lines.push_back({"never fitted", "kind", name, metric, "silicast", errors});
    for (const auto& [baseline, metrics] : v.baselines)
      for (const auto& [metric, errors] : metrics)
        lines.push_back({"never fitted", "kind", name, metric, baseline, errors});
  }
  return lines;
}

}  // namespace

std::string accuracy_csv(const AccuracyReport& report) {
  std::string text = "held_out,by,value,metric,predicted_by,rows,median_ape,p90_ape,median_bias,coverage80\n";
  for (const Line& l : lines_of(report)) {
    std::vector<std::string> cells{l.held_out, l.by, l.value, l.metric, l.predicted_by};
    for (std::string& cell : cells) cell = csv_cell(cell);
    text += join(cells, ",") + "," + std::to_string(l.errors.n) + "," + exact(l.errors.median_ape) + "," +
            exact(l.errors.p90_ape) + "," + exact(l.errors.median_bias) + "," +
            (l.errors.coverage80 ? exact(*l.errors.coverage80) : "") + "\n";
  }
  return text;
}

std::string accuracy_json(const AccuracyReport& report) {
  using Json = nlohmann::ordered_json;
  Json rows = Json::array();
  for (const Line& l : lines_of(report)) {
    rows.push_back({{"held_out", l.held_out},
                    {"by", l.by},
                    {"value", l.value},
                    {"metric", l.metric},
                    {"predicted_by", l.predicted_by},
                    {"n", l.errors.n},
                    {"median_ape", l.errors.median_ape},
                    {"p90_ape", l.errors.p90_ape},
                    {"median_bias", l.errors.median_bias}});
    rows.back()["coverage80"] = l.errors.coverage80 ? Json(*l.errors.coverage80) : Json(nullptr);
  }
  Json json{{"schema", "silicast.accuracy/1"}, {"command", report.command}, {"errors", std::move(rows)}};
  json["left_out"] = report.left_out;
  json["unread"] = Json::parse(table_json(unread_table(report.unread)));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace silicast
