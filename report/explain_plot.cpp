// SPDX-License-Identifier: Apache-2.0
// The charts of an explanation as Vega-Lite specifications.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/explain.h"
#include "report/labels.h"
#include "report/wording.h"

namespace silicast {

namespace {

using Json = nlohmann::ordered_json;
constexpr double giga = 1e9;

// The same colour for the same bound in every chart; the legend has those that occur.
Json bound_colour(const std::vector<Resource>& present) {
  Json all = Json::array();
  Json shown = Json::array();
  for (std::size_t i = 0; i < resource_count; ++i) {
    const auto resource = static_cast<Resource>(i);
    all.push_back(short_name(resource));
    if (std::find(present.begin(), present.end(), resource) != present.end()) shown.push_back(short_name(resource));
  }
  return {{"field", "bound"},
          {"type", "nominal"},
          {"scale", {{"domain", all}, {"range", "category"}}},
          {"legend",
           {{"title", "bound by"},
            {"values", shown},
            {"orient", "top"},
            {"columns", {{"expr", "width < 480 ? 3 : 7"}}},
            {"symbolOpacity", 1}}}};
}

// The operations of one name in a phase as one point.
struct Point {
  std::string phase;
  std::string name;
  double share = 0;
  Bytes bytes;
  Flops operations;
  Seconds seconds;
  Seconds at_roof;  // what they would take on their roofs
  double largest = 0;
  Resource bound = Resource::dram;

  [[nodiscard]] double intensity() const { return (operations / bytes).value(); }
  [[nodiscard]] double rate() const { return (operations / seconds).value() / giga; }
  [[nodiscard]] std::string label() const { return name + ", " + phase; }
};

void add_points(std::vector<Point>& points, const std::string& phase_name,
                const std::optional<PhaseExplanation>& phase) {
  if (!phase) return;
  for (const OpExplanation& op : phase->ops) {
    // What reads no DRAM, or computes nothing, has no place on a roofline.
    if (!op.intensity || op.cost.operations <= Flops(0)) continue;
    const std::string name = op.name + (op.runs_on == "cpu" ? " (CPU)" : "");
    auto at = std::find_if(points.begin(), points.end(),
                           [&](const Point& p) { return p.phase == phase_name && p.name == name; });
    if (at == points.end()) at = points.insert(points.end(), {.phase = phase_name, .name = name});
    at->share += op.share;
    at->bytes += op.cost.dram_bytes;
    at->operations += op.cost.operations;
    at->seconds += op.cost.seconds;
    at->at_roof += op.cost.operations / op.attainable;
    if (op.share > at->largest) at->largest = op.share, at->bound = op.bound;
  }
  constexpr double worth_a_point = 0.002;
  std::erase_if(points, [](const Point& p) { return p.share < worth_a_point; });
}

struct Range {
  double low = 0;
  double high = 0;
  // Where a value stands on a logarithmic axis of that length.
  [[nodiscard]] double pixel(double value, double length) const {
    return length * std::log(value / low) / std::log(high / low);
  }
};

// Sizes of the plane, as a desk and as a telephone show it.
constexpr double wide_panel = 780;
constexpr double narrow_panel = 260;
constexpr double roofline_height = 400;
constexpr const char* is_narrow = "width < 480";
constexpr double character = 6.4;

struct Frame {
  Range x;  // FLOP per byte
  Range y;  // GFLOP/s
};

Frame frame_of(const std::vector<Point>& points, const std::vector<Roof>& roofs) {
  double peak = 0;
  double slope = 0;
  for (const Roof& roof : roofs)
    peak = std::max(peak, roof.peak.value() / giga), slope = std::max(slope, roof.bandwidth.value() / giga);
  Frame f{{peak / slope, peak / slope}, {peak, peak}};
  for (const Point& p : points) {
    f.x = {std::min(f.x.low, p.intensity()), std::max(f.x.high, p.intensity())};
    f.y = {std::min(f.y.low, p.rate()), std::max(f.y.high, p.rate())};
  }
  constexpr double margin = 1.8;
  f.x = {f.x.low / margin, f.x.high * margin};
  f.y = {f.y.low / margin, f.y.high * margin};
  return f;
}

struct RoofLabel {
  std::string name;
  std::string rate;
  double x = 0;
  double y = 0;
  bool below = false;  // its line, rather than above
  bool on_slope = false;

  // A telephone has room for the rates alone.
  [[nodiscard]] std::string text(double width) const { return width < wide_panel ? rate : name + " " + rate; }
};

// Levels are named at their right end, below the line where another is close above; slopes in their middle.
std::vector<RoofLabel> roof_labels(const std::vector<Roof>& roofs, const Frame& frame) {
  const bool both =
      std::any_of(roofs.begin(), roofs.end(), [&](const Roof& r) { return r.runs_on != roofs.front().runs_on; });
  std::vector<RoofLabel> labels;
  for (const Roof& roof : roofs) {
    if (roof.peak.value() > 0) {
      // Levels of the same height are named together.
      constexpr double same = 0.02;
      const auto at = std::find_if(labels.begin(), labels.end(), [&](const RoofLabel& l) {
        return !l.on_slope && std::abs(l.y * giga / roof.peak.value() - 1) < same;
      });
      if (at != labels.end()) {
        at->name = roof.name + ", " + at->name;
        continue;
      }
    }
    const std::string name = roof.name + (both ? (roof.runs_on == "cpu" ? " (CPU)" : " (GPU)") : "");
    if (roof.peak.value() > 0) {
      constexpr double close = 1.7;
      const bool below = std::any_of(roofs.begin(), roofs.end(),
                                     [&](const Roof& r) { return r.peak > roof.peak && r.peak < roof.peak * close; });
      labels.push_back({name, rate_text(roof.peak), frame.x.high, roof.peak.value() / giga, below, false});
    } else {
      const double bandwidth = roof.bandwidth.value() / giga;
      const double start = std::max(frame.x.low, frame.y.low / bandwidth);
      const double end = std::min(frame.x.high, frame.y.high / bandwidth);
      const double x = start * std::pow(end / start, 0.55);
      labels.push_back({name, rate_text(roof.bandwidth), x, x * bandwidth, false, true});
    }
  }
  return labels;
}

// Beyond the last operation, so that no mark covers the names of the levels.
void make_room(Frame& frame, const std::vector<RoofLabel>& labels) {
  double longest = 0;
  for (const RoofLabel& l : labels)
    if (!l.on_slope) longest = std::max(longest, character * static_cast<double>(l.text(wide_panel).size()));
  frame.x.high *= std::pow(frame.x.high / frame.x.low, longest / (wide_panel - longest));
}

// Slopes up to the highest peak, levels from the slope on.
Json roof_lines(const std::vector<Roof>& roofs, const Frame& frame) {
  Json rows = Json::array();
  const auto add = [&](const std::string& name, double x, double x2, double y, double y2) {
    rows.push_back({{"roof", name}, {"x", x}, {"x2", x2}, {"y", y}, {"y2", y2}});
  };
  for (const Roof& slope : roofs) {
    if (slope.bandwidth.value() <= 0) continue;
    double highest = 0;
    const double bandwidth = slope.bandwidth.value() / giga;
    for (const Roof& level : roofs) {
      if (level.runs_on != slope.runs_on || level.peak.value() <= 0) continue;
      const double peak = level.peak.value() / giga;
      highest = std::max(highest, peak);
      add(level.name, std::max(frame.x.low, peak / bandwidth), frame.x.high, peak, peak);
    }
    const double start = std::max(frame.x.low, frame.y.low / bandwidth);
    add(slope.name, start, highest / bandwidth, start * bandwidth, highest);
  }
  return rows;
}

Json roof_label_rows(const std::vector<RoofLabel>& labels) {
  Json rows = Json::array();
  for (const RoofLabel& l : labels)
    rows.push_back({{"wide", l.text(wide_panel)},
                    {"narrow", l.text(narrow_panel)},
                    {"x", l.x},
                    {"y", l.y},
                    {"dx", l.on_slope ? -10 : -4},
                    {"dy", l.on_slope ? -6
                           : l.below  ? 11
                                      : -9}});
  return rows;
}

// Lines and their names, which the names of operations keep off.
std::vector<Obstacle> obstacles(const std::vector<Roof>& roofs, const std::vector<RoofLabel>& labels,
                                const Frame& frame, double width) {
  std::vector<Obstacle> result;
  const auto pixel_y = [&](double value) { return frame.y.pixel(value, roofline_height); };
  constexpr double half_line = 2;
  for (const Roof& roof : roofs) {
    if (roof.peak.value() > 0) {
      const double y = pixel_y(roof.peak.value() / giga);
      result.push_back({0, width, y - half_line, y + half_line});
      continue;
    }
    constexpr double step = 6;
    for (double x = 0; x < width; x += step) {
      const double intensity = frame.x.low * std::pow(frame.x.high / frame.x.low, x / width);
      const double y = pixel_y(intensity * roof.bandwidth.value() / giga);
      result.push_back({x, x + step, y - half_line, y + step});
    }
  }
  for (const RoofLabel& l : labels) {
    constexpr double height = 14;
    const double right = frame.x.pixel(l.x, width);
    const double y = pixel_y(l.y) - (l.below ? height + 4 : 0);
    result.push_back({right - character * static_cast<double>(l.text(width).size()) - 10, right, y, y + height + 4});
  }
  return result;
}

Json point_rows(std::vector<Point> points, const Frame& frame, const std::vector<Roof>& roofs) {
  const auto names = roof_labels(roofs, frame);
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.share > b.share; });
  const auto places = [&](double width) {
    std::vector<LabelledPoint> labels;
    for (const Point& p : points)
      labels.push_back({frame.x.pixel(p.intensity(), width), frame.y.pixel(p.rate(), roofline_height), p.label()});
    return placed_labels(labels, width, roofline_height, obstacles(roofs, names, frame, width));
  };
  const auto on_desk = places(wide_panel);
  const auto on_telephone = places(narrow_panel);
  Json rows = Json::array();
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Point& p = points[i];
    const auto label = [&](const LabelPlace& place) { return place.shown ? p.label() : std::string(); };
    rows.push_back({{"operation", p.name},
                    {"phase", p.phase},
                    {"bound", short_name(p.bound)},
                    {"x", p.intensity()},
                    {"y", p.rate()},
                    {"share", p.share},
                    {"of its roof", percent_text(p.at_roof / p.seconds)},
                    {"share of the phase", percent_text(p.share)},
                    {"rate", rate_text(p.operations / p.seconds)},
                    {"FLOP per byte", rounded(p.intensity(), 3)},
                    {"wide", label(on_desk[i])},
                    {"wide_dx", on_desk[i].dx},
                    {"wide_dy", on_desk[i].dy},
                    {"wide_align", on_desk[i].align},
                    {"narrow", label(on_telephone[i])},
                    {"narrow_dx", on_telephone[i].dx},
                    {"narrow_dy", on_telephone[i].dy},
                    {"narrow_align", on_telephone[i].align}});
  }
  return rows;
}

Json by_width(const std::string& field) {
  return {{"expr", std::string(is_narrow) + " ? datum.narrow" + field + " : datum.wide" + field}};
}

Json tooltip(std::initializer_list<const char*> fields) {
  Json list = Json::array();
  for (const char* field : fields) list.push_back({{"field", field}});
  return list;
}

// Powers of ten, and 2 and 5 times those where there are few of them.
Json log_ticks(const Range& range) {
  Json ticks = Json::array();
  const bool few = range.high / range.low < 1000;
  for (double power = std::pow(10, std::floor(std::log10(range.low))); power <= range.high; power *= 10)
    for (const double factor : {1.0, 2.0, 5.0})
      if ((factor == 1 || few) && power * factor >= range.low && power * factor <= range.high)
        ticks.push_back(power * factor);
  return ticks;
}

Json log_axis(const char* field, const char* axis_title, const Range& range) {
  return {{"field", field},
          {"type", "quantitative"},
          {"scale", {{"type", "log"}, {"domain", {range.low, range.high}}, {"nice", false}}},
          {"axis", {{"title", axis_title}, {"values", log_ticks(range)}, {"format", "~s"}, {"labelOverlap", true}}}};
}

Chart roofline(const Explanation& e) {
  std::vector<Point> points;
  add_points(points, "prefill", e.prefill);
  add_points(points, "decode", e.decode);
  Frame frame = frame_of(points, e.roofs);
  make_room(frame, roof_labels(e.roofs, frame));
  std::vector<Resource> bounds;
  for (const Point& p : points) bounds.push_back(p.bound);
  const Json rows = point_rows(points, frame, e.roofs);
  const Json x = log_axis("x", "operations per byte of DRAM (FLOP/B)", frame.x);
  const Json y = log_axis("y", "GFLOP/s", frame.y);
  const Json share = {{"field", "share"},
                      {"type", "quantitative"},
                      {"scale", {{"range", {40, 500}}, {"domain", {0, 0.5}}, {"clamp", true}}},
                      {"legend", nullptr}};
  const Json shape = {{"field", "phase"},
                      {"type", "nominal"},
                      {"scale", {{"domain", {"prefill", "decode"}}, {"range", {"square", "circle"}}}},
                      {"legend", {{"title", nullptr}, {"orient", "top-left"}, {"offset", 10}}}};
  Json spec{{"height", roofline_height},
            {"layer",
             {{{"data", {{"values", roof_lines(e.roofs, frame)}}},
               {"mark", {{"type", "rule"}, {"strokeWidth", 2}, {"clip", true}}},
               {"encoding", {{"x", x}, {"x2", {{"field", "x2"}}}, {"y", y}, {"y2", {{"field", "y2"}}}}}},
              {{"data", {{"values", rows}}},
               {"mark", {{"type", "point"}, {"filled", true}, {"opacity", 0.9}}},
               {"encoding",
                {{"x", x},
                 {"y", y},
                 {"size", share},
                 {"shape", shape},
                 {"color", bound_colour(bounds)},
                 {"tooltip", tooltip({"operation", "phase", "share of the phase", "rate", "FLOP per byte",
                                      "of its roof", "bound"})}}}},
              {{"data", {{"values", rows}}},
               {"mark",
                {{"type", "text"},
                 {"style", "label"},
                 {"baseline", "middle"},
                 {"text", by_width("")},
                 {"dx", by_width("_dx")},
                 {"dy", by_width("_dy")},
                 {"align", by_width("_align")}}},
               {"encoding", {{"x", x}, {"y", y}}}},
              {{"data", {{"values", roof_label_rows(roof_labels(e.roofs, frame))}}},
               {"mark",
                {{"type", "text"},
                 {"style", "roof-label"},
                 {"baseline", "middle"},
                 {"align", "right"},
                 {"text", by_width("")},
                 {"dx", {{"expr", "datum.dx"}}},
                 {"dy", {{"expr", "datum.dy"}}}}},
               {"encoding", {{"x", x}, {"y", y}}}}}}};
  return {"Roofline",
          "Each operation against what the device can do: on the slope memory bandwidth bounds it, under a level that "
          "unit's peak. Larger marks take more of their phase's time.",
          spec_text(spec)};
}

Chart waterfall(const std::string& name, const std::string& text, const PhaseExplanation& phase) {
  Json rows = Json::array();
  std::vector<Resource> bounds;
  const double scale = phase.cost.seconds.value() >= 1 ? 1 : 1e-3;
  double start = 0;
  bool crowded = false;  // a label needs room on the right
  StepCost others;
  int left_out = 0;
  const auto add = [&](const std::string& op, double seconds, Resource bound) {
    const double total = phase.cost.seconds.value();
    // Late bars are named on their left, where there is room at any width.
    const bool flipped = start + seconds > 0.75 * total && start > 0.25 * total;
    crowded = crowded || (!flipped && start + seconds > 0.75 * total);
    rows.push_back({{"operation", op},
                    {"label_at", (flipped ? start : start + seconds) / scale},
                    {"label_dx", flipped ? -5 : 5},
                    {"label_align", flipped ? "right" : "left"},
                    {"start", start / scale},
                    {"end", (start + seconds) / scale},
                    {"time", human(Seconds(seconds))},
                    {"share", percent_text(seconds / phase.cost.seconds.value())},
                    {"bound", short_name(bound)}});
    bounds.push_back(bound);
    start += seconds;
  };
  for (const OpExplanation& op : phase.ops) {
    constexpr double worth_a_bar = 0.005;
    if (op.share < worth_a_bar) {
      ++left_out, others += op.cost;
      continue;
    }
    add(op.name + (op.type.empty() ? "" : " " + op.type) + (op.runs_on == "cpu" ? " (CPU)" : ""),
        op.cost.seconds.value(), op.bound);
  }
  if (left_out > 0) add(std::to_string(left_out) + " others", others.seconds.value(), others.bottleneck());
  const double room_for_labels = crowded ? 1.25 : 1.02;
  const Json x{{"field", "start"},
               {"type", "quantitative"},
               {"scale", {{"domain", {0, phase.cost.seconds.value() / scale * room_for_labels}}, {"nice", false}}},
               {"axis", {{"title", scale < 1 ? "milliseconds" : "seconds"}, {"tickCount", 6}}}};
  const Json y{
      {"field", "operation"},
      {"type", "nominal"},
      {"sort", nullptr},
      {"axis", {{"title", nullptr}, {"labelLimit", 190}, {"ticks", false}, {"domain", false}, {"grid", true}}}};
  Json spec{
      {"height", {{"step", 22}}},
      {"data", {{"values", rows}}},
      {"layer",
       {{{"mark", {{"type", "bar"}, {"minBandSize", 2}, {"height", {{"band", 0.75}}}}},
         {"encoding",
          {{"x", x},
           {"x2", {{"field", "end"}}},
           {"y", y},
           {"color", bound_colour(bounds)},
           {"tooltip", tooltip({"operation", "time", "share", "bound"})}}}},
        {{"mark",
          {{"type", "text"},
           {"style", "label"},
           {"align", {{"expr", "datum.label_align"}}},
           {"dx", {{"expr", "datum.label_dx"}}},
           {"baseline", "middle"}}},
         {"encoding",
          {{"x", {{"field", "label_at"}, {"type", "quantitative"}}}, {"y", y}, {"text", {{"field", "share"}}}}}}}}};
  return {name, text, spec_text(spec)};
}

Chart memory(const Prediction& p) {
  Json rows = Json::array();
  Json marks = Json::array();
  constexpr std::array<const char*, 4> parts{"weights", "KV cache", "compute buffers", "overhead"};
  double longest = 0;
  for (const MemoryPool& pool : p.pools) longest = std::max(longest, pool.used() / 1_GiB);
  constexpr double shown_beyond = 2.5;  // a limit much further away would squeeze what is used
  double domain = longest;
  for (const MemoryPool& pool : p.pools)
    if (pool.usable / 1_GiB <= shown_beyond * longest) domain = std::max(domain, pool.usable / 1_GiB);
  domain *= 1.05;
  for (const MemoryPool& pool : p.pools) {
    if (pool.used() <= Bytes(0)) continue;
    double start = 0;
    const std::array<Bytes, 4> sizes{pool.weights, pool.kv_cache, pool.compute, pool.overhead};
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const double size = sizes[i] / 1_GiB;
      if (size <= 0) continue;
      constexpr double room = 0.16;  // of the axis, for a label
      rows.push_back({{"pool", pool.name},
                      {"part", parts[i]},
                      {"start", start},
                      {"end", start + size},
                      {"middle", start + size / 2},
                      {"size", human(sizes[i])},
                      {"label", size > room * domain ? human(sizes[i]) : std::string()}});
      start += size;
    }
    const bool known = pool.capacity > Bytes(0);
    marks.push_back({{"pool", pool.name},
                     {"used", start},
                     {"limit", known && pool.usable / 1_GiB <= domain ? Json(pool.usable / 1_GiB) : Json(nullptr)},
                     {"label", human(pool.used()) + (known ? " of " + human(pool.usable) + " usable" : "")}});
  }
  const Json x{{"field", "start"},
               {"type", "quantitative"},
               {"scale", {{"domain", {0, domain}}, {"nice", false}}},
               {"axis", {{"title", "GiB"}, {"tickCount", 6}}}};
  const Json y{{"field", "pool"},
               {"type", "nominal"},
               {"sort", nullptr},
               {"axis", {{"title", nullptr}, {"ticks", false}, {"domain", false}}}};
  Json names = Json::array();
  for (const char* part : parts) names.push_back(part);
  const Json colour{
      {"field", "part"},
      {"type", "nominal"},
      {"scale", {{"domain", names}, {"range", "category"}}},
      {"legend", {{"title", nullptr}, {"orient", "top"}, {"columns", {{"expr", "width < 480 ? 2 : 4"}}}}}};
  Json spec{{"height", {{"step", 64}}},
            {"layer",
             {{{"data", {{"values", rows}}},
               {"mark", {{"type", "bar"}, {"height", 26}}},
               {"encoding",
                {{"x", x},
                 {"x2", {{"field", "end"}}},
                 {"y", y},
                 {"color", colour},
                 {"tooltip", tooltip({"pool", "part", "size"})}}}},
              {{"data", {{"values", rows}}},
               {"mark",
                {{"type", "text"},
                 {"color", {{"expr", "luminance(scale('color', datum.part)) > 0.3 ? '#111827' : '#ffffff'"}}},
                 {"fontSize", 12}}},
               {"encoding",
                {{"x", {{"field", "middle"}, {"type", "quantitative"}}}, {"y", y}, {"text", {{"field", "label"}}}}}},
              {{"data", {{"values", marks}}},
               {"mark", {{"type", "tick"}, {"thickness", 2}, {"size", 40}}},
               {"encoding", {{"x", {{"field", "limit"}, {"type", "quantitative"}}}, {"y", y}}}},
              {{"data", {{"values", marks}}},
               {"mark", {{"type", "text"}, {"style", "label"}, {"align", "left"}, {"dy", 24}, {"x", 2}}},
               {"encoding", {{"y", y}, {"text", {{"field", "label"}}}}}}}}};
  const bool has_marks = std::any_of(marks.begin(), marks.end(), [](const Json& m) { return !m["limit"].is_null(); });
  return {"Memory",
          std::string("What is resident in each pool") + (has_marks ? "; the mark is what may be used of it." : "."),
          spec_text(spec)};
}

}  // namespace

Plot explain_plot(const Explanation& e) {
  const ResolvedQuery& q = e.prediction.query;
  Plot plot{.title = q.model_name + " in " + q.asked.quant + " on " + q.device_name,
            .summary = explain_summary(e),
            .charts = {}};
  if (!e.roofs.empty()) plot.charts.push_back(roofline(e));
  if (e.prefill)
    plot.charts.push_back(waterfall("Time of the prefill",
                                    "The prompt of " + std::to_string(q.asked.prompt) + " tokens takes " +
                                        human(e.prefill->cost.seconds) + "; each operation with all layers together.",
                                    *e.prefill));
  if (e.decode)
    plot.charts.push_back(waterfall(
        "Time of a decode step",
        "A token takes " + human(e.decode->cost.seconds) + "; each operation with all layers together.", *e.decode));
  plot.charts.push_back(memory(e.prediction));
  return plot;
}

}  // namespace silicast
