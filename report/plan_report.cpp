// SPDX-License-Identifier: Apache-2.0
#include "report/plan_report.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "report/table.h"

namespace silicast {

namespace {

using namespace serving;

constexpr double percent = 100;

std::string usd(double value) {
  constexpr double whole_from = 100;
  return value >= whole_from ? std::to_string(std::llround(value)) : rounded(value, 3);
}

std::string signed_share(double share) {
  return (share < 0 ? "-" : "+") + std::to_string(std::llround(std::abs(share) * percent)) + " %";
}

std::string limit_text(const Slo& slo) {
  std::vector<std::string> parts;
  if (slo.ttft) parts.push_back("first token within " + human(Seconds(*slo.ttft)));
  if (slo.tpot) parts.push_back("each further token within " + human(Seconds(*slo.tpot)));
  if (slo.e2e) parts.push_back("whole answer within " + human(Seconds(*slo.e2e)));
  return join(parts, ", ") + ", for " + rounded(slo.percentile, 3) + " % of requests";
}

double prompt_of(const WorkloadClass& w) {
  return w.traffic.lengths.mean_prompt() + static_cast<double>(w.traffic.shared_prompt);
}

// What a machine at its limit costs for a million tokens.
std::pair<double, double> usd_per_million(const WorkloadClass& w, const MachineCapacity& c) {
  constexpr double million = 1e6;
  const double requests = c.rate * hours_per_month * 3600;
  const double cost = c.cost_per_month(1);
  return {cost * c.prompt_share / (requests * prompt_of(w)) * million,
          cost * (1 - c.prompt_share) / (requests * w.traffic.lengths.mean_output()) * million};
}

Table candidates_table(const Fleet& fleet, const Plan& plan) {
  Table table;
  table.columns = {{"class", "class"},
                   {"machine", "machine"},
                   {"quant", "quant"},
                   {"users_per_machine", "users", true},
                   {"requests_per_second", "requests/s", true},
                   {"limited_by", "limited by"},
                   {"usd_per_month", "$/month", true},
                   {"usd_per_million_input", "$/Mtok in", true},
                   {"usd_per_million_output", "$/Mtok out", true},
                   {"watts", "W", true},
                   {"why_not", "why not"}};
  for (std::size_t w = 0; w < fleet.workloads.size(); ++w) {
    const WorkloadClass& workload = fleet.workloads[w];
    for (std::size_t m = 0; m < fleet.machines.size(); ++m) {
      const MachineCapacity& c = plan.capacity[w][m];
      std::vector<Cell> row{{workload.name, ""}, {fleet.machines[m].name, ""}, {c.quant, ""}};
      if (c.possible()) {
        const auto [in, out] = usd_per_million(workload, c);
        const bool users = workload.users.has_value();
        const double people = users ? c.rate * 3600 / workload.requests_per_user_hour : 0;
        row.push_back({users ? Value(people) : Value(), users ? usd(std::floor(people)) : ""});
        row.push_back({c.rate, rounded(c.rate, 3)});
        row.push_back({c.limited_by, ""});
        row.push_back({c.cost_per_month(1), usd(c.cost_per_month(1))});
        row.push_back({in, rounded(in, 3)});
        row.push_back({out, rounded(out, 3)});
        row.push_back({c.watts, rounded(c.watts, 3)});
        row.push_back({Value(), ""});
      } else {
        for (int i = 0; i < 7; ++i) row.push_back({Value(), ""});
        row.push_back({c.why_not, c.why_not.substr(0, 60)});
      }
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

// One row a month of every fleet, or of one.
Table months_table(const Fleet& fleet, const Plan& plan, std::optional<std::size_t> only) {
  Table table;
  if (!only) table.columns.push_back({"fleet", "fleet"});
  table.columns.push_back({"month", "month", true});
  for (const WorkloadClass& w : fleet.workloads) table.columns.push_back({w.name + ".machines", w.name});
  table.columns.push_back({"machines", "machines", true});
  table.columns.push_back({"usd_per_month", "$/month", true});
  for (const WorkloadClass& w : fleet.workloads) {
    table.columns.push_back({w.name + ".usd_per_million_input", w.name + " $/Mtok in", true});
    table.columns.push_back({w.name + ".usd_per_million_output", "out", true});
  }
  table.columns.push_back({"peak_watts", "peak W", true});
  table.columns.push_back({"headroom", "headroom", true});
  for (std::size_t f = 0; f < plan.fleets.size(); ++f) {
    const FleetPlan& p = plan.fleets[f];
    if ((only && *only != f) || p.classes.empty()) continue;
    for (std::int64_t m = 0; m < fleet.months; ++m) {
      std::vector<Cell> row;
      if (!only) row.push_back({p.name, ""});
      row.push_back({m + 1, ""});
      for (const ClassPlan& c : p.classes) row.push_back({machines_text(fleet, c, m), ""});
      row.push_back({p.machines_in(m), ""});
      row.push_back({p.cost_in(m), usd(p.cost_in(m))});
      double headroom = 1e300;
      for (std::size_t w = 0; w < p.classes.size(); ++w) {
        const double in = usd_per_million_input(fleet.workloads[w], p.classes[w], m);
        const double out = usd_per_million_output(fleet.workloads[w], p.classes[w], m);
        row.push_back({in, rounded(in, 3)});
        row.push_back({out, rounded(out, 3)});
        headroom = std::min(headroom, p.classes[w].headroom[static_cast<std::size_t>(m)]);
      }
      row.push_back({p.watts_in(m), rounded(p.watts_in(m), 4)});
      row.push_back({headroom, signed_share(headroom)});
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

Table fleets_table(const Fleet& fleet, const Plan& plan) {
  Table table;
  table.columns = {{"fleet", "fleet"},
                   {"machines", "in the last month"},
                   {"count", "machines", true},
                   {"total_usd", "$ in all", true},
                   {"last_month_usd", "$/month", true},
                   {"peak_watts", "peak W", true},
                   {"limiting", "not possible"}};
  for (const FleetPlan& p : plan.fleets) {
    const std::int64_t last = fleet.months - 1;
    std::vector<Cell> row{{p.name, ""}};
    if (p.classes.empty()) {
      for (int i = 0; i < 5; ++i) row.push_back({Value(), ""});
    } else {
      std::vector<std::string> parts;
      for (std::size_t w = 0; w < p.classes.size(); ++w)
        parts.push_back(fleet.workloads[w].name + ": " + machines_text(fleet, p.classes[w], last));
      row.push_back({join(parts, "; "), ""});
      row.push_back({p.machines_in(last), ""});
      row.push_back({p.total_cost(), usd(p.total_cost())});
      row.push_back({p.cost_in(last), usd(p.cost_in(last))});
      row.push_back({p.watts_in(last), rounded(p.watts_in(last), 4)});
    }
    row.push_back({p.limiting.empty() ? Value() : Value(p.limiting), p.limiting});
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table sensitivity_table(const Plan& plan) {
  Table table;
  table.columns = {{"what", "what if"},
                   {"machines", "machines", true},
                   {"usd_per_month", "$/month", true},
                   {"change", "change", true},
                   {"peak_watts", "peak W", true}};
  for (const Sensitivity& s : plan.sensitivity) {
    std::vector<Cell> row{{s.what, ""}};
    if (s.possible) {
      const double change = s.cost / plan.sensitivity.front().cost - 1;
      row.push_back({s.machines, ""});
      row.push_back({s.cost, usd(s.cost)});
      row.push_back({change, signed_share(change)});
      row.push_back({s.watts, rounded(s.watts, 4)});
    } else {
      row.push_back({Value(), "not possible"});
      for (int i = 0; i < 3; ++i) row.push_back({Value(), ""});
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::vector<std::string> classes_text(const Fleet& fleet) {
  std::vector<std::string> lines;
  for (const WorkloadClass& w : fleet.workloads) {
    const double last = w.rate_in(fleet.months - 1);
    lines.push_back(w.name + ": " + w.model + ", " + users_text(w, w.rate) + " at the peak, " + users_text(w, last) +
                    " in month " + std::to_string(fleet.months) + "; " + rounded(prompt_of(w), 4) + " tokens in, " +
                    rounded(w.traffic.lengths.mean_output(), 4) + " out; " + limit_text(w.slo) +
                    (w.slo_name.empty() ? "" : " (" + w.slo_name + ")"));
  }
  return lines;
}

std::string verdict(const Fleet& fleet, const Plan& plan) {
  const FleetPlan& best = plan.fleets[plan.best];
  if (best.classes.empty()) return "no fleet: " + best.limiting;
  const std::int64_t last = fleet.months - 1;
  std::vector<std::string> parts;
  for (std::size_t w = 0; w < best.classes.size(); ++w)
    parts.push_back(machines_text(fleet, best.classes[w], last) + " for " + fleet.workloads[w].name);
  std::string text =
      best.possible() ? "buy or rent " : "no fleet keeps to the site's limits (" + best.limiting + "); nearest is ";
  return text + join(parts, ", ") + ": $" + usd(best.cost_in(last)) + " a month and " +
         rounded(best.watts_in(last) / 1000, 3) + " kW at the peak in month " + std::to_string(fleet.months) + ", $" +
         usd(best.total_cost()) + " in all";
}

}  // namespace

std::string machines_text(const Fleet& fleet, const ClassPlan& plan, std::int64_t month) {
  std::vector<std::string> parts;
  for (const Assigned& a : plan.machines)
    if (const std::int64_t count = a.count[static_cast<std::size_t>(month)]; count > 0)
      parts.push_back(std::to_string(count) + " x " + fleet.machines[a.machine].name);
  return parts.empty() ? "none" : join(parts, " + ");
}

std::string users_text(const WorkloadClass& workload, double rate) {
  if (workload.users) return std::to_string(std::llround(rate * 3600 / workload.requests_per_user_hour)) + " users";
  return rounded(rate, 3) + " requests/s";
}

std::string plan_text(const Fleet& fleet, const Plan& plan) {
  std::string text = fleet.name + ", " + std::to_string(fleet.months) + " months\n\n";
  for (const std::string& line : classes_text(fleet)) text += "  " + line + "\n";
  text += "\n" + verdict(fleet, plan) + "\n\nfleets\n" + table_text(fleets_table(fleet, plan), 2);
  if (!plan.fleets[plan.best].classes.empty()) {
    text += "\n" + plan.fleets[plan.best].name + ", by month\n" + table_text(months_table(fleet, plan, plan.best), 2);
    text += "\nwhat if, in month " + std::to_string(fleet.months) + "\n" + table_text(sensitivity_table(plan), 2);
  }
  return text + "\none machine\n" + table_text(candidates_table(fleet, plan), 2);
}

std::string plan_markdown(const Fleet& fleet, const Plan& plan) {
  std::string text = "# " + fleet.name + ", " + std::to_string(fleet.months) + " months\n\n";
  for (const std::string& line : classes_text(fleet)) text += "- " + line + "\n";
  text += "\n**" + verdict(fleet, plan) + "**\n\n## Fleets\n\n" + table_markdown(fleets_table(fleet, plan));
  if (!plan.fleets[plan.best].classes.empty()) {
    text +=
        "\n## By month: " + plan.fleets[plan.best].name + "\n\n" + table_markdown(months_table(fleet, plan, plan.best));
    text += "\n## What if, in month " + std::to_string(fleet.months) + "\n\n" + table_markdown(sensitivity_table(plan));
  }
  return text + "\n## One machine\n\n" + table_markdown(candidates_table(fleet, plan));
}

std::string plan_csv(const Fleet& fleet, const Plan& plan) {
  return table_csv(months_table(fleet, plan, std::nullopt));
}

std::string plan_json(const Fleet& fleet, const Plan& plan) {
  const std::vector<Field> fields{{"schema", "silicast.plan/1"},    {"name", fleet.name},
                                  {"months", fleet.months},         {"seed", static_cast<std::int64_t>(fleet.seed)},
                                  {"possible", plan.possible()},    {"best", plan.fleets[plan.best].name},
                                  {"verdict", verdict(fleet, plan)}};
  return document_json(fields, {{"fleets", fleets_table(fleet, plan)},
                                {"by_month", months_table(fleet, plan, std::nullopt)},
                                {"sensitivity", sensitivity_table(plan)},
                                {"candidates", candidates_table(fleet, plan)}});
}

}  // namespace silicast
