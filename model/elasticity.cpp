// SPDX-License-Identifier: Apache-2.0
// What 10 % more of each figure does: the device is read again with the figure scaled, and the query predicted again.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <set>

#include "base/catalogue.h"
#include "base/text.h"
#include "model/explain.h"
#include "model/machine.h"

namespace silicast {

namespace {

// A number with its unit, as a figure of the catalogue has it: "819.2 GB/s", "76".
struct Figure {
  std::string path;
  std::string text;
  double number = 0;
  std::string unit;
  bool whole = false;  // a count
  bool of_host = false;

  [[nodiscard]] std::string name() const { return (of_host ? "host." : "") + path; }
};

std::optional<Figure> figure_of(const std::string& path, const Node& node) {
  if (node.kind != Node::Kind::scalar || node.quoted) return std::nullopt;
  const std::string_view text = trim(node.scalar);
  const auto blank = text.find(' ');
  const auto number = parse_number(text.substr(0, blank));
  if (!number || *number <= 0) return std::nullopt;
  Figure figure{.path = path, .text = std::string(text), .number = *number};
  if (blank != std::string_view::npos) figure.unit = text.substr(blank);
  figure.whole = figure.unit.empty() && parse_integer(text).has_value();
  return figure;
}

// Figures that are a name for something (a generation), a statement beside the model (stated peaks), or a date.
bool is_scale(const std::string& path) {
  return path != "pcie.generation" && path.find("stated") == std::string::npos && !path.ends_with(".date") &&
         path != "released" && path != "gpu.dies";
}

void collect(const Node& node, const std::string& path, std::vector<Figure>& figures) {
  for (const auto& member : node.members) {
    const std::string below = path.empty() ? member.key : path + "." + member.key;
    if (auto figure = figure_of(below, member.value); figure && is_scale(below)) figures.push_back(std::move(*figure));
    collect(member.value, below, figures);
  }
}

// Figures for the same thing: the peak and what of it was measured; the two ends of a link.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> companions{
    {{"memory.bandwidth", "memory.achievable_bandwidth"},
     {"host.memory.bandwidth", "host.memory.achievable_bandwidth"},
     {"host.memory.bandwidth", "host.cpu.memory_bandwidth"},
     {"pcie.lanes", "host.pcie.lanes"}}};

// Figures that are moved together, the first of which gives its name.
using Group = std::vector<Figure>;

std::vector<Group> grouped(std::vector<Figure> figures) {
  std::vector<Group> groups;
  for (Figure& figure : figures) {
    const auto leader = std::find_if(companions.begin(), companions.end(),
                                     [&](const auto& pair) { return pair.second == figure.name(); });
    const auto is_led = [&](const Group& g) { return leader != companions.end() && g.front().name() == leader->first; };
    const auto at = std::find_if(groups.begin(), groups.end(), is_led);
    if (at != groups.end())
      at->push_back(std::move(figure));
    else
      groups.push_back({std::move(figure)});
  }
  return groups;
}

// `factor` is what whole numbers leave of it.
std::string scaled(const Figure& figure, double& factor) {
  double number = figure.number * factor;
  if (figure.whole) {
    number =
        factor > 1 ? std::max(std::round(number), figure.number + 1) : std::min(std::round(number), figure.number - 1);
    factor = number / figure.number;
  }
  return exact(number) + figure.unit;
}

struct Speeds {
  std::optional<double> prefill;
  std::optional<double> decode;
};

Speeds speeds_of(const Prediction& p) {
  const auto rate = [](const std::optional<Phase>& phase) {
    return phase ? std::optional(1 / phase->seconds.value()) : std::nullopt;
  };
  return {rate(p.prefill), rate(p.decode)};
}

std::optional<double> effect(std::optional<double> before, std::optional<double> after, double factor) {
  if (!before || !after || *before <= 0 || *after <= 0) return std::nullopt;
  const double exponent = std::log(*after / *before) / std::log(factor);
  const double change = std::pow(elasticity_step, exponent) - 1;
  constexpr double rounding = 1e-9;
  return std::abs(change) < rounding ? 0 : change;
}

// With the user's what-ifs in place.
std::vector<Figure> figures_of(Entry entry, const std::vector<FieldOverride>& overrides, bool of_host) {
  for (const auto& [path, value] : overrides) set_path(entry.figures, path, value, entry.figures.mark);
  std::vector<Figure> figures;
  collect(entry.figures, "", figures);
  for (Figure& figure : figures) figure.of_host = of_host;
  return figures;
}

// The entry that the device was read from; "NAMExN" is N of them.
Entry entry_of(const Compiled& c, const Database& database) {
  return database.device_entry(split_device_count(c.query.device, database).first);
}

std::optional<Elasticity> of_group(const Group& group, const Compiled& c, const Speeds& before,
                                   const Database& database) {
  // A figure at its upper limit (a share, the peak above what was measured) is lowered instead.
  for (double factor : {elasticity_step, 1 / elasticity_step}) {
    Query query = c.query;
    if (!c.scheme) query.quant.clear();  // the file brings its own
    Elasticity e{.field = group.front().name(), .value = group.front().text};
    for (const Figure& figure : group) {
      (figure.of_host ? query.host_overrides : query.overrides).push_back({figure.path, scaled(figure, factor)});
      if (&figure != &group.front()) e.with.push_back(figure.name());
    }
    try {
      const Speeds after = speeds_of(predict(query, database));
      e.prefill = effect(before.prefill, after.prefill, factor);
      e.decode = effect(before.decode, after.decode, factor);
      return e;
    } catch (const Error&) {
      continue;
    }
  }
  return std::nullopt;
}

// Launches and the step's overhead stand outside of the smooth maximum: their time is added, and scales by itself.
Elasticity of_overhead(const char* field, Seconds value, Seconds prefill_part, Seconds decode_part,
                       const Prediction& p) {
  const auto change = [](const std::optional<Phase>& phase, Seconds part) -> std::optional<double> {
    if (!phase) return std::nullopt;
    return phase->seconds / (phase->seconds + part * (elasticity_step - 1)) - 1;
  };
  return {.field = field,
          .value = human(value),
          .with = {},
          .prefill = change(p.prefill, prefill_part),
          .decode = change(p.decode, decode_part)};
}

Seconds launches(const std::optional<PhaseExplanation>& phase, bool of_step) {
  Seconds sum;
  if (!phase) return sum;
  for (const OpExplanation& op : phase->ops)
    if ((op.name == "step overhead") == of_step)
      sum += Seconds(op.cost.bound[static_cast<std::size_t>(Resource::launch)]);
  return sum;
}

double magnitude(const Elasticity& e) {
  return std::max(std::abs(e.decode.value_or(0)), std::abs(e.prefill.value_or(0)));
}

}  // namespace

std::vector<Elasticity> elasticities(const Compiled& c, const Explanation& e, const Database& database) {
  if (!e.prefill && !e.decode) return {};
  std::vector<Figure> figures = figures_of(entry_of(c, database), c.query.overrides, false);
  if (!c.query.host.empty()) {
    const auto of_host = figures_of(database.device_entry(c.query.host), c.query.host_overrides, true);
    figures.insert(figures.end(), of_host.begin(), of_host.end());
  }
  const Speeds before = speeds_of(e.prediction);
  std::vector<Elasticity> result;
  for (const Group& group : grouped(std::move(figures)))
    if (auto elasticity = of_group(group, c, before, database)) result.push_back(std::move(*elasticity));
  const Overheads& overheads = c.stack->overheads;
  result.push_back(of_overhead("stack.overheads.kernel", overheads.kernel, launches(e.prefill, false),
                               launches(e.decode, false), e.prediction));
  result.push_back(of_overhead("stack.overheads.step", overheads.step, launches(e.prefill, true),
                               launches(e.decode, true), e.prediction));
  std::stable_sort(result.begin(), result.end(),
                   [](const auto& a, const auto& b) { return magnitude(a) > magnitude(b); });
  return result;
}

}  // namespace silicast
