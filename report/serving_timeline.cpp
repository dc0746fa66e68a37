// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/serving_report.h"
#include "report/table.h"

namespace silicast {

namespace {

using Json = nlohmann::ordered_json;
using serving::ServingAnswer;
using serving::ServingQuestion;
using serving::Span;
using serving::Timeline;

struct Curve {
  std::string name;
  double Span::*amount;
  double scale;
};

// Means over at most `points` groups of spans: a page needs no more.
Json rows_of(const Timeline& timeline, const std::vector<Curve>& curves, std::size_t points) {
  Json rows = Json::array();
  const std::size_t each = (timeline.spans().size() + points - 1) / points;
  for (std::size_t first = 0; first < timeline.spans().size(); first += each) {
    Span sum;
    const std::size_t end = std::min(first + each, timeline.spans().size());
    for (std::size_t i = first; i < end; ++i) sum += timeline.spans()[i];
    const double seconds = static_cast<double>(end - first) * timeline.width();
    for (const Curve& curve : curves)
      rows.push_back({{"t", static_cast<double>(first) * timeline.width()},
                      {"what", curve.name},
                      {"value", sum.*curve.amount / seconds * curve.scale}});
  }
  return rows;
}

Chart chart(const Timeline& timeline, const std::string& title, const std::string& text, const std::string& unit,
            const std::vector<Curve>& curves) {
  constexpr std::size_t points = 300;
  Json names = Json::array();
  for (const Curve& curve : curves) names.push_back(curve.name);
  Json spec{{"height", 180},
            {"data", {{"values", rows_of(timeline, curves, points)}}},
            {"mark", {{"type", "line"}, {"interpolate", "step-after"}}},
            {"encoding",
             {{"x", {{"field", "t"}, {"type", "quantitative"}, {"axis", {{"title", "seconds"}, {"tickCount", 6}}}}},
              {"y", {{"field", "value"}, {"type", "quantitative"}, {"axis", {{"title", unit}, {"tickCount", 4}}}}},
              {"color",
               {{"field", "what"},
                {"type", "nominal"},
                {"scale", {{"domain", names}}},
                {"legend", curves.size() > 1 ? Json{{"title", nullptr}, {"orient", "top"}} : Json(nullptr)}}}}}};
  return {title, text, spec_text(spec)};
}

}  // namespace

std::string timeline_csv(const ServingQuestion& q, const ServingAnswer& a) {
  Table table;
  for (const char* key : {"seconds", "arrivals_per_second", "completions_per_second", "output_tokens_per_second",
                          "scheduled_tokens_per_second", "waiting", "running", "kv_tokens", "utilization", "watts"})
    table.columns.push_back({key, key, true});
  const Timeline& timeline = a.result.timeline;
  const double width = timeline.width();
  const auto replicas = static_cast<double>(q.system.replicas);
  for (std::size_t i = 0; i < timeline.spans().size(); ++i) {
    const Span& s = timeline.spans()[i];
    std::vector<Cell> row{{static_cast<double>(i) * width, ""}};
    for (const double value : {s.arrivals / width, s.completions / width, s.output_tokens / width,
                               s.scheduled_tokens / width, s.waiting_seconds / width, s.running_seconds / width,
                               s.kv_token_seconds / width, s.busy_seconds / width / replicas, s.joules / width})
      row.push_back({value, ""});
    table.rows.push_back(std::move(row));
  }
  return table_csv(table);
}

Plot timeline_plot(const ServingQuestion& q, const ServingAnswer& a) {
  const Timeline& t = a.result.timeline;
  const ResolvedQuery& r = a.prediction.query;
  Plot plot;
  plot.title = r.model_name + " on " + std::to_string(q.system.replicas) + " x " + r.device_name;
  plot.summary = std::to_string(a.result.completed) + " requests in " + rounded(a.result.seconds, 4) +
                 " s; p99 of the first token " + rounded(a.result.ttft.p99, 3) + " s, of each further token " +
                 rounded(a.result.tpot.p99, 3) + " s.";
  const double kv = std::max(1.0, a.result.kv_total) * static_cast<double>(q.system.replicas);
  constexpr double percent = 100;
  plot.charts = {
      chart(t, "Requests", "How many wait, and how many are being answered.", "requests",
            {{"waiting", &Span::waiting_seconds, 1}, {"running", &Span::running_seconds, 1}}),
      chart(t, "Tokens", "Generated tokens per second of all replicas.", "tokens per second",
            {{"generated", &Span::output_tokens, 1}}),
      chart(t, "Load", "Share of the time in which replicas compute, and of the KV cache that is in use.", "%",
            {{"computing", &Span::busy_seconds, percent / static_cast<double>(q.system.replicas)},
             {"KV cache", &Span::kv_token_seconds, percent / kv}}),
      chart(t, "Power", "At the plug, all replicas.", "watts", {{"power", &Span::joules, 1}})};
  return plot;
}

}  // namespace silicast
