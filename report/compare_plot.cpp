// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "report/compare.h"
#include "report/labels.h"

namespace silicast {

namespace {

using Json = nlohmann::ordered_json;
constexpr double gib = 1073741824;

std::string speed_text(double tokens_per_second) {
  constexpr double whole_from = 1000;
  return tokens_per_second >= whole_from ? std::to_string(std::llround(tokens_per_second))
                                         : rounded(tokens_per_second, 3);
}

const ComparedFigure* named(const std::vector<ComparedFigure>& figures, const std::string& name) {
  const auto at = std::find_if(figures.begin(), figures.end(), [&](const auto& f) { return f.name == name; });
  return at == figures.end() ? nullptr : &*at;
}

// A bar each, the best in the first colour; what does not fit has none, and says so.
Chart bars(const Comparison& c, const ComparedFigure& figure) {
  Json rows = Json::array();
  double largest = 0;
  for (const Candidate& candidate : c.candidates)
    largest = std::max(largest, candidate.feasible() ? figure_of(candidate, figure).value_or(0) : 0);
  for (const Candidate& candidate : c.candidates) {
    const double value = candidate.feasible() ? figure_of(candidate, figure).value_or(0) : 0;
    rows.push_back({{"candidate", candidate_name(candidate)},
                    {"value", value},
                    {"label", value > 0              ? speed_text(value)
                              : candidate.prediction ? "does not fit"
                                                     : "not possible"},
                    {"mark", value > 0 && value >= largest ? "best" : "other"},
                    {"why", candidate.reason}});
  }
  constexpr double room_for_labels = 1.25;
  const Json x{{"field", "value"},
               {"type", "quantitative"},
               {"scale", {{"domain", {0, std::max(largest, 1e-9) * room_for_labels}}, {"nice", false}}},
               {"axis", {{"title", "tokens per second"}, {"tickCount", {{"expr", "width < 480 ? 3 : 5"}}}}}};
  const Json y{{"field", "candidate"},
               {"type", "nominal"},
               {"sort", nullptr},
               {"axis", {{"title", nullptr}, {"labelLimit", 200}, {"ticks", false}, {"domain", false}}}};
  const Json colour{{"field", "mark"},
                    {"type", "nominal"},
                    {"scale", {{"domain", {"best", "a", "b", "c", "d", "e", "other"}}, {"range", "category"}}},
                    {"legend", nullptr}};
  Json spec{{"height", {{"step", 26}}},
            {"data", {{"values", rows}}},
            {"layer",
             {{{"mark", {{"type", "bar"}, {"height", {{"band", 0.7}}}}},
               {"encoding",
                {{"x", x},
                 {"y", y},
                 {"color", colour},
                 {"tooltip", {{{"field", "candidate"}}, {{"field", "label"}}, {{"field", "why"}}}}}}},
              {{"mark", {{"type", "text"}, {"style", "label"}, {"align", "left"}, {"dx", 5}, {"baseline", "middle"}}},
               {"encoding",
                {{"x", {{"field", "value"}, {"type", "quantitative"}}}, {"y", y}, {"text", {{"field", "label"}}}}}}}}};
  const std::string what = figure.name == "prefill" ? "Prefill" : "Decode";
  return {what + " speed", "Tokens per second of all sequences; the best bar is coloured.", spec_text(spec)};
}

struct Dot {
  double x, y;
  std::string name;
};

constexpr double wide = 780;
constexpr double narrow = 270;
constexpr double scatter_height = 360;

// What lies across a scatter.
struct Across {
  const char* figure;  // of the comparison
  double unit;
  std::string axis;
  const char* title;
  bool from_zero;  // an amount; ratios near 1 are shown where they are
};

// Labelled points, speed upwards.
Chart scatter(const Comparison& c, const ComparedFigure& figure, const ComparedFigure& up, const Across& across) {
  const double unit = across.unit;
  const std::string& axis = across.axis;
  std::vector<Dot> dots;
  std::vector<std::string> unknown;
  for (const Candidate& candidate : c.candidates) {
    if (!candidate.feasible()) continue;
    const auto x = figure_of(candidate, figure);
    const auto y = figure_of(candidate, up);
    if (x && y)
      dots.push_back({*x / unit, *y, candidate_name(candidate)});
    else
      unknown.push_back(candidate_name(candidate));
  }
  std::sort(dots.begin(), dots.end(), [](const Dot& a, const Dot& b) { return a.y > b.y; });
  const auto [left, right] =
      std::minmax_element(dots.begin(), dots.end(), [](const Dot& a, const Dot& b) { return a.x < b.x; });
  const double spread = std::max(right->x - left->x, 0.02 * right->x);
  const double from = across.from_zero ? 0 : left->x - 0.08 * spread;
  const double to = right->x + 0.08 * (across.from_zero ? right->x : spread);
  const double top = dots.front().y * 1.1;
  const auto places = [&](double width) {
    std::vector<LabelledPoint> points;
    for (const Dot& dot : dots)
      points.push_back({(dot.x - from) / (to - from) * width, dot.y / top * scatter_height, dot.name});
    return placed_labels(points, width, scatter_height);
  };
  const auto on_desk = places(wide);
  const auto on_telephone = places(narrow);
  Json rows = Json::array();
  for (std::size_t i = 0; i < dots.size(); ++i) {
    Json row{
        {"candidate", dots[i].name}, {"x", dots[i].x}, {"y", dots[i].y}, {"speed", speed_text(dots[i].y) + " tok/s"}};
    for (const auto& [size, place] : {std::pair("wide", on_desk[i]), std::pair("narrow", on_telephone[i])}) {
      const std::string prefix = size;
      row[prefix] = place.shown ? dots[i].name : "";
      row[prefix + "_dx"] = place.dx, row[prefix + "_dy"] = place.dy, row[prefix + "_align"] = place.align;
    }
    rows.push_back(std::move(row));
  }
  const auto by_width = [](const std::string& field) {
    return Json{{"expr", "width < 480 ? datum.narrow" + field + " : datum.wide" + field}};
  };
  const Json x{{"field", "x"},
               {"type", "quantitative"},
               {"scale", {{"domain", {from, to}}, {"zero", false}, {"nice", false}}},
               {"axis", {{"title", axis}, {"tickCount", {{"expr", "width < 480 ? 3 : 6"}}}}}};
  const Json y{{"field", "y"},
               {"type", "quantitative"},
               {"scale", {{"domain", {0, top}}, {"nice", false}}},
               {"axis", {{"title", "decode tokens per second"}, {"tickCount", 6}}}};
  Json spec{
      {"height", scatter_height},
      {"data", {{"values", rows}}},
      {"layer",
       {{{"mark", {{"type", "point"}, {"filled", true}, {"size", 110}}},
         {"encoding",
          {{"x", x},
           {"y", y},
           {"color", {{"datum", "a"}, {"scale", {{"domain", {"a"}}, {"range", "category"}}}, {"legend", nullptr}}},
           {"tooltip",
            {{{"field", "candidate"}}, {{"field", "speed"}}, {{"field", "x"}, {"title", axis}, {"format", ".4g"}}}}}}},
        {{"mark",
          {{"type", "text"},
           {"style", "label"},
           {"baseline", "middle"},
           {"text", by_width("")},
           {"dx", by_width("_dx")},
           {"dy", by_width("_dy")},
           {"align", by_width("_align")}}},
         {"encoding", {{"x", x}, {"y", y}}}}}}};
  const std::string without = unknown.empty() ? "" : " Not known: " + join(unknown, ", ") + ".";
  return {across.title, "What fits, the fastest at the top; the cheap corner is the upper left." + without,
          spec_text(spec)};
}

}  // namespace

Plot compare_plot(const Comparison& c) {
  Plot plot{.title = "Comparison by " + join(c.varied, ", "), .summary = {}, .charts = {}};
  const auto figures = compared_figures(c);
  const auto fit =
      std::count_if(c.candidates.begin(), c.candidates.end(), [](const Candidate& x) { return x.feasible(); });
  std::set<std::string> models;
  for (const Candidate& candidate : c.candidates)
    if (candidate.prediction) models.insert(candidate.prediction->query.model_name);
  if (models.size() == 1) plot.title = *models.begin() + ": " + join(c.varied, ", ") + " compared";
  plot.summary = std::to_string(fit) + " of " + std::to_string(c.candidates.size()) + " fit.";
  for (const char* name : {"decode", "prefill"})
    if (const ComparedFigure* figure = named(figures, name)) plot.charts.push_back(bars(c, *figure));
  const ComparedFigure* decode = named(figures, "decode");
  const auto add = [&](const Across& across) {
    const ComparedFigure* figure = named(figures, across.figure);
    if (decode == nullptr || figure == nullptr) return;
    // Where all have the same there is nothing to see.
    double least = std::numeric_limits<double>::infinity();
    double most = 0;
    for (const Candidate& x : c.candidates) {
      if (!x.feasible() || !figure_of(x, *figure) || !figure_of(x, *decode)) continue;
      least = std::min(least, *figure_of(x, *figure)), most = std::max(most, *figure_of(x, *figure));
    }
    constexpr double visible = 1.001;
    if (most > visible * least) plot.charts.push_back(scatter(c, *figure, *decode, across));
  };
  add({"memory", gib, "memory used, GiB", "Speed against memory", true});
  const ComparedFigure* cost = named(figures, "cost");
  const std::string currency = cost == nullptr ? "" : cost->title.substr(0, cost->title.find('/'));
  add({"cost", 1, currency + " per million output tokens", "Speed against cost", true});
  add({"quality", 1, "perplexity, times that of the unquantized model", "Speed against quality", false});
  return plot;
}

}  // namespace silicast
