// SPDX-License-Identifier: Apache-2.0
#include "planning/pareto.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace silicast {

namespace {

bool beats(const std::vector<double>& a, const std::vector<double>& b) {
  bool better = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    better = better || a[i] < b[i];
  }
  return better;
}

}  // namespace

std::vector<Figure> read_objectives(std::string_view text) {
  std::vector<Figure> objectives;
  for (const auto part : split(text, ',')) {
    const std::string name(trim(part));
    const auto figure = figure_of_name(name);
    if (!figure)
      throw UsageError("--pareto: some of " + join(figure_names(), ", ") + " are expected, got '" + name + "'" +
                       did_you_mean(name, figure_names()));
    if (std::find(objectives.begin(), objectives.end(), *figure) != objectives.end())
      throw UsageError("--pareto: '" + name + "' is named twice");
    objectives.push_back(*figure);
  }
  return objectives;
}

std::vector<double> ParetoFront::objectives_of(const Figures& figures) const {
  std::vector<double> result;
  for (const Figure objective : objectives_) {
    if (!figures.has(objective)) return {};
    result.push_back(traits(objective).more_is_better ? -figures[objective] : figures[objective]);
  }
  return result;
}

bool ParetoFront::beaten(const std::vector<double>& figures) {
  const auto at =
      std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return beats(m.figures, figures); });
  if (at == members_.end()) return false;
  // Who beats one point beats its neighbours, too: asked first the next time.
  std::iter_swap(members_.begin(), at);
  return true;
}

void ParetoFront::add(Member member) {
  if (beaten(member.figures)) return;
  std::erase_if(members_, [&](const Member& m) { return beats(member.figures, m.figures); });
  members_.push_back(std::move(member));
}

std::vector<ParetoFront::Member> ParetoFront::sorted() const {
  std::vector<Member> result = members_;
  std::sort(result.begin(), result.end(), [](const Member& a, const Member& b) { return a.point < b.point; });
  return result;
}

}  // namespace silicast
