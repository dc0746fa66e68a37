// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/plan_report.h"

namespace silicast {

namespace {

using namespace serving;
using Json = nlohmann::ordered_json;

std::string spec_text(const Json& spec) { return spec.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json axis(const char* title, int ticks) { return {{"title", title}, {"tickCount", ticks}, {"tickMinStep", 1}}; }

// Stacked bars by month.
Chart stacked(const std::string& title, const std::string& text, const char* unit, const Json& rows,
              const std::optional<double>& limit) {
  Json bars{{"mark", {{"type", "bar"}, {"stroke", nullptr}}},
            {"encoding",
             {{"x",
               {{"field", "month"},
                {"type", "ordinal"},
                {"axis", {{"title", "month"}, {"labelAngle", 0}, {"labelOverlap", true}}}}},
              {"y", {{"field", "value"}, {"type", "quantitative"}, {"axis", axis(unit, 5)}}},
              {"color",
               {{"field", "what"},
                {"type", "nominal"},
                {"legend", {{"title", nullptr}, {"orient", "top"}, {"columns", 1}, {"labelLimit", 320}}}}},
              {"tooltip",
               {{{"field", "month"}, {"title", "month"}},
                {{"field", "what"}, {"title", "what"}},
                {{"field", "value"}, {"title", unit}, {"type", "quantitative"}, {"format", ",.4~g"}}}}}}};
  Json layers = Json::array({bars});
  if (limit)
    layers.push_back({{"mark", {{"type", "rule"}, {"strokeDash", {6, 4}}, {"strokeWidth", 2}}},
                      {"encoding", {{"y", {{"datum", *limit}}}}}});
  return {title, text, spec_text({{"height", 240}, {"data", {{"values", rows}}}, {"layer", layers}})};
}

// What each class has in each month.
template <class Of>
Json by_month(const Fleet& fleet, const FleetPlan& plan, Of of) {
  Json rows = Json::array();
  for (std::int64_t m = 0; m < fleet.months; ++m)
    for (std::size_t w = 0; w < plan.classes.size(); ++w)
      rows.push_back({{"month", m + 1},
                      {"what", fleet.workloads[w].name},
                      {"value", of(plan.classes[w], static_cast<std::size_t>(m))}});
  return rows;
}

Json machines_by_month(const Fleet& fleet, const FleetPlan& plan) {
  Json rows = Json::array();
  for (std::int64_t m = 0; m < fleet.months; ++m)
    for (std::size_t w = 0; w < plan.classes.size(); ++w)
      for (const Assigned& a : plan.classes[w].machines)
        rows.push_back({{"month", m + 1},
                        {"what", fleet.machines[a.machine].name + " for " + fleet.workloads[w].name},
                        {"value", a.count[static_cast<std::size_t>(m)]}});
  return rows;
}

Chart bars(const std::string& title, const std::string& text, const char* unit, const Json& rows) {
  double largest = 1e-9;
  for (const Json& row : rows) largest = std::max(largest, row.at("value").get<double>());
  constexpr double room_for_labels = 1.4;
  const Json y{{"field", "what"},
               {"type", "nominal"},
               {"sort", nullptr},
               {"axis", {{"title", nullptr}, {"labelLimit", 170}, {"ticks", false}, {"domain", false}}}};
  const Json x{{"field", "value"},
               {"type", "quantitative"},
               {"scale", {{"domain", {0, largest * room_for_labels}}, {"nice", false}}},
               {"axis", {{"title", unit}, {"tickCount", 4}}}};
  const Json spec{
      {"height", {{"step", 26}}},
      {"data", {{"values", rows}}},
      {"layer",
       {{{"mark", {{"type", "bar"}, {"height", {{"band", 0.7}}}}},
         {"encoding", {{"x", x}, {"y", y}, {"tooltip", {{{"field", "what"}}, {{"field", "label"}}}}}}},
        {{"mark", {{"type", "text"}, {"style", "label"}, {"align", "left"}, {"dx", 5}, {"baseline", "middle"}}},
         {"encoding",
          {{"x", {{"field", "value"}, {"type", "quantitative"}}}, {"y", y}, {"text", {{"field", "label"}}}}}}}}};
  return {title, text, spec_text(spec)};
}

Chart capacity_chart(const Fleet& fleet, const Plan& plan, std::size_t w) {
  const WorkloadClass& workload = fleet.workloads[w];
  Json rows = Json::array();
  for (std::size_t m = 0; m < fleet.machines.size(); ++m) {
    const MachineCapacity& c = plan.capacity[w][m];
    const double value = !c.possible() ? 0 : workload.users ? c.rate * 3600 / workload.requests_per_user_hour : c.rate;
    rows.push_back({{"what", fleet.machines[m].name},
                    {"value", workload.users ? std::floor(value) : value},
                    {"label", c.possible() ? users_text(workload, c.rate) : "not possible"}});
  }
  return bars("One machine for " + workload.name,
              "What a single machine serves at the peak, with everybody answered in time.",
              workload.users ? "users" : "requests per second", rows);
}

Chart sensitivity_chart(const Plan& plan) {
  Json rows = Json::array();
  for (const Sensitivity& s : plan.sensitivity)
    rows.push_back({{"what", s.what},
                    {"value", s.possible ? s.cost : 0},
                    {"label", s.possible ? "$" + std::to_string(std::llround(s.cost)) + ", " +
                                               std::to_string(s.machines) + " machines"
                                         : "not possible"}});
  return bars("What if", "Cost of the last month, were things different than planned.", "$ a month", rows);
}

}  // namespace

Plot plan_plot(const Fleet& fleet, const Plan& plan) {
  Plot plot;
  plot.title = fleet.name;
  const FleetPlan& best = plan.fleets[plan.best];
  if (best.classes.empty()) {
    plot.summary = "No fleet: " + best.limiting;
  } else {
    const std::int64_t last = fleet.months - 1;
    for (std::size_t w = 0; w < best.classes.size(); ++w)
      plot.summary += fleet.workloads[w].name + ": " + machines_text(fleet, best.classes[w], 0) + " now, " +
                      machines_text(fleet, best.classes[w], last) + " in month " + std::to_string(fleet.months) + ".\n";
    plot.summary += "$" + std::to_string(std::llround(best.cost_in(0))) + " a month now, $" +
                    std::to_string(std::llround(best.cost_in(last))) + " then; " +
                    rounded(best.watts_in(last) / 1000, 3) + " kW at the peak.";
    if (!best.possible()) plot.summary += "\nThe site does not allow it: " + best.limiting + ".";
    plot.charts.push_back(stacked("Machines", "How many are needed, month by month, reserves included.", "machines",
                                  machines_by_month(fleet, best), std::nullopt));
    plot.charts.push_back(stacked("Cost",
                                  std::string("Machines worn off or rented, and electricity.") +
                                      (fleet.site.budget ? " The dashed line is the budget." : ""),
                                  "$ a month",
                                  by_month(fleet, best, [](const ClassPlan& c, std::size_t m) { return c.cost[m]; }),
                                  fleet.site.budget));
    plot.charts.push_back(
        stacked("Power",
                std::string("At the plug, when everybody asks at once.") +
                    (fleet.site.power ? " The dashed line is what the site can give." : ""),
                "kW", by_month(fleet, best, [](const ClassPlan& c, std::size_t m) { return c.watts[m] / 1000; }),
                fleet.site.power ? std::optional(fleet.site.power->value() / 1000) : std::nullopt));
    plot.charts.push_back(sensitivity_chart(plan));
  }
  for (std::size_t w = 0; w < fleet.workloads.size(); ++w) plot.charts.push_back(capacity_chart(fleet, plan, w));
  return plot;
}

}  // namespace silicast
