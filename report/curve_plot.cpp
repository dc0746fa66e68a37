// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/curve.h"
#include "report/wording.h"

namespace silicast {

namespace {

using Json = nlohmann::ordered_json;
constexpr double height = 360;

const Json colour{{"datum", "a"}, {"scale", {{"domain", {"a"}}, {"range", "category"}}}, {"legend", nullptr}};

Json axis_of(const char* field, const char* title) {
  return {{"field", field},
          {"type", "quantitative"},
          {"scale", {{"zero", true}, {"nice", true}}},
          {"axis", {{"title", title}, {"tickCount", {{"expr", "width < 480 ? 4 : 6"}}}}}};
}

// Of the points that are far enough from the one labelled before; the plane is that of a telephone.
std::vector<std::string> labels_of(const ThroughputCurve& curve) {
  constexpr double narrow = 270;
  constexpr double apart = 18;
  double each = 0;
  double all = 0;
  for (const CurvePoint& point : curve.points) {
    if (!point.steady) continue;
    each = std::max(each, 1 / point.steady->inter_token.value);
    all = std::max(all, point.steady->output_tokens_per_second.p90);
  }
  std::vector<std::string> labels;
  double x = -apart;
  double y = -apart;
  for (const CurvePoint& point : curve.points) {
    if (!point.steady) continue;
    const double new_x = 1 / point.steady->inter_token.value / each * narrow;
    const double new_y = point.steady->output_tokens_per_second.value / all * height;
    const bool far = std::abs(new_x - x) > apart || std::abs(new_y - y) > apart;
    labels.push_back(far ? std::to_string(point.concurrency) : "");
    if (far) x = new_x, y = new_y;
  }
  return labels;
}

// A line through the points in their order, labelled by their numbers of sequences.
Chart trade_off(const ThroughputCurve& curve) {
  Json rows = Json::array();
  const auto labels = labels_of(curve);
  for (const CurvePoint& point : curve.points) {
    if (!point.steady) continue;
    const SteadyState& s = *point.steady;
    rows.push_back({{"sequences", point.concurrency},
                    {"label", labels[rows.size()]},
                    {"each", 1 / s.inter_token.value},
                    {"all", s.output_tokens_per_second.value},
                    {"low", s.output_tokens_per_second.p10},
                    {"high", s.output_tokens_per_second.p90},
                    {"speed", figure_text(s.output_tokens_per_second.value) + " tok/s"},
                    {"first", human(Seconds(s.ttft.value))}});
  }
  const Json x = axis_of("each", "tokens per second that each user sees");
  const Json y = axis_of("all", "tokens per second of all");
  const Json order{{"field", "sequences"}, {"type", "quantitative"}};
  const Json range{
      {"mark", {{"type", "rule"}, {"opacity", 0.45}}},
      {"encoding", {{"x", x}, {"y", {{"field", "low"}, {"type", "quantitative"}}}, {"y2", {{"field", "high"}}}}}};
  const Json line{{"mark", {{"type", "line"}, {"strokeWidth", 2}}},
                  {"encoding", {{"x", x}, {"y", y}, {"order", order}, {"color", colour}}}};
  const Json points{{"mark", {{"type", "point"}, {"filled", true}, {"size", 70}}},
                    {"encoding",
                     {{"x", x},
                      {"y", y},
                      {"color", colour},
                      {"tooltip",
                       {{{"field", "sequences"}},
                        {{"field", "speed"}, {"title", "all"}},
                        {{"field", "each"}, {"title", "each sees"}, {"format", ".3g"}},
                        {{"field", "first"}, {"title", "first token"}}}}}}};
  const Json texts{
      {"mark",
       {{"type", "text"}, {"style", "label"}, {"align", "left"}, {"baseline", "bottom"}, {"dx", 6}, {"dy", -3}}},
      {"encoding", {{"x", x}, {"y", y}, {"text", {{"field", "label"}}}}}};
  const Json spec{{"height", height}, {"data", {{"values", rows}}}, {"layer", {range, line, points, texts}}};
  return {"Throughput against what each user sees",
          "Labels: sequences at once. Vertical lines: where 8 of 10 measurements should be.", spec.dump()};
}

struct Latency {
  const char* name;
  Interval SteadyState::*value;
};

Chart latencies(const ThroughputCurve& curve) {
  Json rows = Json::array();
  for (const Latency& latency :
       {Latency{"first token", &SteadyState::ttft}, Latency{"between tokens", &SteadyState::inter_token},
        Latency{"whole request", &SteadyState::request}})
    for (const CurvePoint& point : curve.points)
      if (point.steady)
        rows.push_back({{"sequences", point.concurrency},
                        {"what", latency.name},
                        {"seconds", ((*point.steady).*latency.value).value},
                        {"shown", human(Seconds(((*point.steady).*latency.value).value))}});
  const Json x{{"field", "sequences"},
               {"type", "quantitative"},
               {"scale", {{"type", "log"}, {"base", 2}, {"nice", false}}},
               {"axis",
                {{"title", "sequences at once"},
                 {"format", "d"},
                 {"grid", false},
                 {"labelFlush", false},
                 {"labelOverlap", "greedy"},
                 {"labelSeparation", 8}}}};
  const Json y{{"field", "seconds"},
               {"type", "quantitative"},
               {"scale", {{"type", "log"}}},
               {"axis", {{"title", "seconds"}, {"format", "~g"}, {"tickCount", 5}}}};
  const Json by_what{
      {"field", "what"},
      {"type", "nominal"},
      {"sort", nullptr},
      {"scale", {{"range", "category"}}},
      {"legend", {{"title", nullptr}, {"orient", "top"}, {"columns", {{"expr", "width < 480 ? 2 : 4"}}}}}};
  const Json spec{
      {"height", height},
      {"data", {{"values", rows}}},
      {"mark", {{"type", "line"}, {"point", {{"filled", true}, {"size", 60}}}, {"strokeWidth", 2}}},
      {"encoding",
       {{"x", x},
        {"y", y},
        {"color", by_what},
        {"tooltip", {{{"field", "what"}}, {{"field", "sequences"}}, {{"field", "shown"}, {"title", "takes"}}}}}}};
  return {"Latency by the number of sequences", "Both axes are logarithmic.", spec.dump()};
}

}  // namespace

Plot curve_plot(const ThroughputCurve& curve) {
  const ResolvedQuery& q = curve.points.front().prediction.query;
  Plot plot{.title = q.model_name + " in " + q.asked.quant + " on " + q.device_name,
            .summary = "Continuous batching, " + std::to_string(q.asked.prompt) + " tokens in, " +
                       std::to_string(q.asked.gen) + " out, " + q.asked.stack + ".",
            .charts = {}};
  if (curve.most_sequences)
    plot.summary += " Memory holds " + std::to_string(*curve.most_sequences) + " such sequences.";
  const bool any = std::any_of(curve.points.begin(), curve.points.end(), [](const auto& p) { return p.steady; });
  if (any) plot.charts = {trade_off(curve), latencies(curve)};
  return plot;
}

}  // namespace silicast
