// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/html.h"
#include "report/plan_report.h"
#include "report/plan_tables.h"

namespace silicast {

namespace {

using namespace serving;
using Json = nlohmann::ordered_json;

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
                      {"data", {{"values", Json::array({Json::object()})}}},
                      {"encoding", {{"y", {{"datum", *limit}}}}}});
  return {title, text, spec_text(Json{{"height", 240}, {"data", {{"values", rows}}}, {"layer", layers}})};
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

// Horizontal bars, with the ends of an interval where a row has them.
Chart bars(const std::string& title, const std::string& text, const char* unit, double room_for_labels,
           const Json& rows) {
  double largest = 1e-9;
  for (const Json& row : rows)
    for (const char* key : {"value", "high"})
      if (row.contains(key)) largest = std::max(largest, row.at(key).get<double>());
  const Json y{{"field", "what"},
               {"type", "nominal"},
               {"sort", nullptr},
               {"axis",
                {{"title", nullptr},
                 {"labelLimit", {{"expr", "width < 400 ? 120 : 240"}}},
                 {"ticks", false},
                 {"domain", false}}}};
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
        {{"mark", {{"type", "rule"}, {"strokeWidth", 2}}},
         {"encoding", {{"x", {{"field", "low"}, {"type", "quantitative"}}}, {"x2", {{"field", "high"}}}, {"y", y}}}},
        {{"mark", {{"type", "text"}, {"style", "label"}, {"align", "left"}, {"dx", 5}, {"baseline", "middle"}}},
         {"encoding",
          {{"x", {{"field", "end"}, {"type", "quantitative"}}}, {"y", y}, {"text", {{"field", "label"}}}}}}}}};
  return {title, text, spec_text(spec)};
}

// What one machine serves, users or requests a second.
double served(const WorkloadClass& workload, const MachineCapacity& c) {
  if (!c.possible()) return 0;
  return workload.users ? std::floor(c.rate * 3600 / workload.requests_per_user_hour) : c.rate;
}

Chart capacity_chart(const Fleet& fleet, const Plan& plan, std::size_t w) {
  const WorkloadClass& workload = fleet.workloads[w];
  Json rows = Json::array();
  for (std::size_t m = 0; m < fleet.machines.size(); ++m) {
    const MachineCapacity& c = plan.capacity()[w][m];
    Json row{{"what", fleet.machines[m].name}, {"value", served(workload, c)}};
    double end = served(workload, c);
    for (const Outlook& o : plan.outlooks) {
      if (o.variation.interval == 0 || !c.possible()) continue;
      const double at = served(workload, o.capacity[w][m]);
      row[o.variation.interval < 0 ? "high" : "low"] = at;
      end = std::max(end, at);
    }
    row["end"] = end;
    row["label"] = !c.possible()    ? "not possible"
                   : workload.users ? std::to_string(std::llround(served(workload, c))) + " users"
                                    : users_text(workload, c.rate);
    rows.push_back(std::move(row));
  }
  return bars("One machine for " + workload.name,
              "What a single machine serves at the peak, with everybody answered in time. The line: where 8 of 10 "
              "machines should be.",
              workload.users ? "users" : "requests per second", 1.5, rows);
}

Chart sensitivity_chart(const Fleet& fleet, const Plan& plan) {
  Json rows = Json::array();
  const std::int64_t last = fleet.months - 1;
  for (const Outlook& o : plan.outlooks) {
    const bool possible = !o.fleet.classes.empty();
    const double cost = possible ? o.fleet.cost_in(last) : 0;
    rows.push_back({{"what", o.what},
                    {"value", cost},
                    {"end", cost},
                    {"label", possible ? "$" + std::to_string(std::llround(cost)) + ", " +
                                             std::to_string(o.fleet.machines_in(last)) + " machines"
                                       : "not possible"}});
  }
  return bars("What if", "Cost of the last month, were things different than planned.", "$ a month", 2.2, rows);
}

// Lines by month; `of` an outlook: nothing where it has none.
template <class Of>
Chart lines(const std::string& title, const std::string& text, const char* unit, const Fleet& fleet, const Plan& plan,
            std::optional<double> limit, Of of) {
  Json rows = Json::array();
  for (const Outlook& o : plan.outlooks)
    for (std::int64_t m = 0; m < fleet.months; ++m)
      if (const std::optional<double> value = of(o, m))
        rows.push_back({{"month", m + 1}, {"what", o.what}, {"value", *value}});
  const Json encoding{
      {"x",
       {{"field", "month"},
        {"type", "ordinal"},
        {"axis", {{"title", "month"}, {"labelAngle", 0}, {"labelOverlap", true}, {"grid", false}}}}},
      {"y", {{"field", "value"}, {"type", "quantitative"}, {"axis", {{"title", unit}, {"tickCount", 5}}}}},
      {"color",
       {{"field", "what"},
        {"type", "nominal"},
        {"sort", nullptr},
        {"legend",
         {{"title", nullptr},
          {"orient", "top"},
          {"columns", {{"expr", "width < 480 ? 1 : 3"}}},
          {"labelLimit", 320}}}}},
      {"strokeWidth", {{"condition", {{"test", "datum.what == 'as predicted'"}, {"value", 3.5}}}, {"value", 1.5}}},
      {"tooltip",
       {{{"field", "month"}, {"title", "month"}},
        {{"field", "what"}, {"title", "what if"}},
        {{"field", "value"}, {"title", unit}, {"type", "quantitative"}, {"format", ",.4~g"}}}}};
  Json layers = Json::array({{{"mark", {{"type", "line"}}}, {"encoding", encoding}}});
  if (limit)
    layers.push_back({{"mark", {{"type", "rule"}, {"strokeDash", {6, 4}}, {"strokeWidth", 2}}},
                      {"data", {{"values", Json::array({Json::object()})}}},
                      {"encoding", {{"y", {{"datum", *limit}}}}}});
  return {title, text, spec_text(Json{{"height", 240}, {"data", {{"values", rows}}}, {"layer", layers}})};
}

// Dollars for a million output tokens, of each class.
Chart token_chart(const Fleet& fleet, const FleetPlan& plan) {
  Json rows = Json::array();
  for (std::int64_t m = 0; m < fleet.months; ++m)
    for (std::size_t w = 0; w < plan.classes.size(); ++w) {
      const auto add = [&](const char* side, double usd) {
        rows.push_back({{"month", m + 1}, {"what", fleet.workloads[w].name + ", " + side}, {"value", usd}});
      };
      add("in", usd_per_million_input(fleet.workloads[w], plan.classes[w], m));
      add("out", usd_per_million_output(fleet.workloads[w], plan.classes[w], m));
    }
  const Json spec{{"height", 240},
                  {"data", {{"values", rows}}},
                  {"mark", {{"type", "line"}, {"strokeWidth", 2}}},
                  {"encoding",
                   {{"x",
                     {{"field", "month"},
                      {"type", "ordinal"},
                      {"axis", {{"title", "month"}, {"labelAngle", 0}, {"labelOverlap", true}, {"grid", false}}}}},
                    {"y",
                     {{"field", "value"},
                      {"type", "quantitative"},
                      {"axis", {{"title", "$ for a million tokens"}, {"tickCount", 5}}}}},
                    {"color",
                     {{"field", "what"},
                      {"type", "nominal"},
                      {"sort", nullptr},
                      {"legend", {{"title", nullptr}, {"orient", "top"}, {"columns", 2}, {"labelLimit", 320}}}}},
                    {"tooltip",
                     {{{"field", "month"}, {"title", "month"}},
                      {{"field", "what"}, {"title", "tokens"}},
                      {{"field", "value"}, {"title", "$"}, {"type", "quantitative"}, {"format", ",.3~g"}}}}}}};
  return {"Cost of a million tokens", "Everything paid in a month over the tokens of that month.", spec_text(spec)};
}

void add_tables(Plot& plot, const Fleet& fleet, const Plan& plan) {
  const auto add = [&](const std::string& title, const Table& table, bool open = false) {
    plot.tables.push_back({title, table_html(table), open});
  };
  add("Fleets", fleets_table(fleet, plan), true);
  const bool any = !plan.fleets[plan.best].classes.empty();
  if (any) {
    add("By month", months_table(fleet, plan), true);
    add("What if, in month " + std::to_string(fleet.months), outlooks_table(fleet, plan), true);
  }
  add("One machine", candidates_table(fleet, plan), true);
  if (any)
    for (const NamedTable& t : month_figures(fleet, plan)) add("What if, by month: " + t.title, t.table);
  for (const NamedTable& t : machine_figures(fleet, plan)) add("What if, of one machine: " + t.title, t.table);
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
    plot.charts.push_back(sensitivity_chart(fleet, plan));
    plot.charts.push_back(lines("What if, month by month", "Cost of the machines that are needed then.", "$ a month",
                                fleet, plan, fleet.site.budget, [](const Outlook& o, std::int64_t m) {
                                  return o.fleet.classes.empty() ? std::nullopt : std::optional(o.fleet.cost_in(m));
                                }));
    plot.charts.push_back(lines("Headroom",
                                "What the machines that are planned could serve beyond each month's peak, reserves "
                                "included. Below the dashed line peaks are too high for them.",
                                "% of the peak", fleet, plan, 0, [](const Outlook& o, std::int64_t m) {
                                  constexpr double percent = 100;
                                  return std::optional(percent * o.headroom_as_planned[static_cast<std::size_t>(m)]);
                                }));
    plot.charts.push_back(token_chart(fleet, best));
  }
  for (std::size_t w = 0; w < fleet.workloads.size(); ++w) plot.charts.push_back(capacity_chart(fleet, plan, w));
  add_tables(plot, fleet, plan);
  return plot;
}

}  // namespace silicast
