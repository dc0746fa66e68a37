// SPDX-License-Identifier: Apache-2.0
#include "report/plan_tables.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/text.h"

namespace silicast {

namespace {

using namespace serving;

constexpr double percent = 100;
constexpr double million = 1e6;

std::string signed_share(double share) {
  return (share < 0 ? "-" : "+") + std::to_string(std::llround(std::abs(share) * percent)) + " %";
}

// What a machine at its limit costs for a million tokens.
std::pair<double, double> usd_per_million(const WorkloadClass& w, const MachineCapacity& c) {
  const double requests = c.rate * hours_per_month * 3600;
  const double cost = c.cost_per_month(1);
  return {cost * c.prompt_share / (requests * prompt_tokens_of(w)) * million,
          cost * (1 - c.prompt_share) / (requests * w.traffic.lengths.mean_output()) * million};
}

double users_of(const WorkloadClass& w, double rate) { return std::floor(rate * 3600 / w.requests_per_user_hour); }

// Users or requests a second.
Cell served_cell(const WorkloadClass& w, const MachineCapacity& c) {
  if (!c.possible()) return {Value(), "-"};
  if (w.users) return {users_of(w, c.rate), std::to_string(std::llround(users_of(w, c.rate)))};
  return {c.rate, rounded(c.rate, 3)};
}

const Outlook* end_of_interval(const Plan& plan, int end) {
  for (const Outlook& o : plan.outlooks)
    if (o.variation.interval == end) return &o;
  return nullptr;
}

// "3 to 5", of both ends of the interval; one value where they are the same.
std::string range_text(const std::string& a, const std::string& b) { return a == b ? a : a + " to " + b; }

Cell range_of(const Plan& plan, bool rising, const std::function<std::optional<std::string>(const Outlook&)>& text) {
  const Outlook* fast = end_of_interval(plan, -1);
  const Outlook* slow = end_of_interval(plan, 1);
  const auto shown = [&](const Outlook* o) { return o != nullptr ? text(*o).value_or("none") : "none"; };
  return {Value(), rising ? range_text(shown(slow), shown(fast)) : range_text(shown(fast), shown(slow))};
}

// What is said of a machine under one condition.
void add_candidate(std::vector<Cell>& row, const WorkloadClass& workload, const MachineCapacity& c) {
  if (!c.possible()) {
    for (int i = 0; i < 8; ++i) row.push_back({Value(), ""});
    row.push_back({c.why_not, c.why_not.substr(0, c.why_not.find(';'))});
    return;
  }
  const auto [in, out] = usd_per_million(workload, c);
  row.push_back(workload.users ? served_cell(workload, c) : Cell{Value(), ""});
  row.push_back({c.rate, rounded(c.rate, 3)});
  row.push_back({c.estimate, rounded(c.estimate, 3)});
  row.push_back({c.limited_by, ""});
  row.push_back({c.cost_per_month(1), usd_text(c.cost_per_month(1))});
  row.push_back({in, rounded(in, 3)});
  row.push_back({out, rounded(out, 3)});
  row.push_back({c.watts, rounded(c.watts, 3)});
  row.push_back({Value(), ""});
}

const std::vector<Column>& candidate_columns() {
  static const std::vector<Column> columns{{"users_per_machine", "users", true},
                                           {"requests_per_second", "requests/s", true},
                                           {"estimated_requests_per_second", "estimate", true},
                                           {"limited_by", "limited by"},
                                           {"usd_per_month", "$/month", true},
                                           {"usd_per_million_input", "$/Mtok in", true},
                                           {"usd_per_million_output", "$/Mtok out", true},
                                           {"watts", "W", true},
                                           {"why_not", "why not"}};
  return columns;
}

// The columns of a fleet in a month.
void add_month_columns(Table& table, const Fleet& fleet) {
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
}

void add_month(std::vector<Cell>& row, const Fleet& fleet, const FleetPlan& p, std::int64_t m) {
  row.push_back({m + 1, ""});
  for (const ClassPlan& c : p.classes) row.push_back({machines_text(fleet, c, m), ""});
  row.push_back({p.machines_in(m), ""});
  row.push_back({p.cost_in(m), usd_text(p.cost_in(m))});
  for (std::size_t w = 0; w < p.classes.size(); ++w) {
    const double in = usd_per_million_input(fleet.workloads[w], p.classes[w], m);
    const double out = usd_per_million_output(fleet.workloads[w], p.classes[w], m);
    row.push_back({in, rounded(in, 3)});
    row.push_back({out, rounded(out, 3)});
  }
  row.push_back({p.watts_in(m), rounded(p.watts_in(m), 4)});
  row.push_back({p.headroom_in(m), signed_share(p.headroom_in(m))});
}

// A column for each condition.
Table conditions_table(const Plan& plan, std::vector<Column> names) {
  Table table{.columns = std::move(names), .rows = {}};
  for (const Outlook& o : plan.outlooks) table.columns.push_back({o.what, o.what, true});
  return table;
}

NamedTable month_figure(const Fleet& fleet, const Plan& plan, const std::string& title,
                        const std::function<Cell(const Outlook&, std::int64_t)>& cell) {
  Table table = conditions_table(plan, {{"month", "month", true}});
  for (std::int64_t m = 0; m < fleet.months; ++m) {
    std::vector<Cell> row{{m + 1, ""}};
    for (const Outlook& o : plan.outlooks) row.push_back(cell(o, m));
    table.rows.push_back(std::move(row));
  }
  return {title, std::move(table)};
}

NamedTable machine_figure(const Fleet& fleet, const Plan& plan, const std::string& title,
                          const std::function<Cell(const WorkloadClass&, const MachineCapacity&)>& cell) {
  Table table = conditions_table(plan, {{"class", "class"}, {"machine", "machine"}});
  for (std::size_t w = 0; w < fleet.workloads.size(); ++w)
    for (std::size_t m = 0; m < fleet.machines.size(); ++m) {
      std::vector<Cell> row{{fleet.workloads[w].name, ""}, {fleet.machines[m].name, ""}};
      for (const Outlook& o : plan.outlooks) {
        const MachineCapacity& c = o.capacity[w][m];
        row.push_back(c.possible() ? cell(fleet.workloads[w], c) : Cell{Value(), "-"});
      }
      table.rows.push_back(std::move(row));
    }
  return {title, std::move(table)};
}

}  // namespace

std::string usd_text(double value) {
  constexpr double whole_from = 100;
  return value >= whole_from ? std::to_string(std::llround(value)) : rounded(value, 3);
}

double prompt_tokens_of(const WorkloadClass& w) {
  return w.traffic.lengths.mean_prompt() + static_cast<double>(w.traffic.shared_prompt);
}

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

Table candidates_table(const Fleet& fleet, const Plan& plan) {
  Table table;
  table.columns = {{"class", "class"}, {"machine", "machine"}, {"quant", "quant"}};
  table.columns.insert(table.columns.end(), candidate_columns().begin(), candidate_columns().end());
  table.columns.insert(table.columns.begin() + 4, {"served_interval", "80 % interval", true});
  for (std::size_t w = 0; w < fleet.workloads.size(); ++w)
    for (std::size_t m = 0; m < fleet.machines.size(); ++m) {
      const WorkloadClass& workload = fleet.workloads[w];
      const MachineCapacity& c = plan.capacity()[w][m];
      std::vector<Cell> row{{workload.name, ""}, {fleet.machines[m].name, ""}, {c.quant, ""}};
      add_candidate(row, workload, c);
      Cell range = !c.possible() ? Cell{Value(), ""} : range_of(plan, true, [&](const Outlook& o) {
        const MachineCapacity& at = o.capacity[w][m];
        return at.possible() ? std::optional(served_cell(workload, at).shown) : std::nullopt;
      });
      if (!range.shown.empty()) range.value = range.shown;
      row.insert(row.begin() + 4, std::move(range));
      table.rows.push_back(std::move(row));
    }
  return table;
}

Table all_candidates_table(const Fleet& fleet, const Plan& plan) {
  Table table;
  table.columns = {{"what_if", "what if"}, {"class", "class"}, {"machine", "machine"}, {"quant", "quant"}};
  table.columns.insert(table.columns.end(), candidate_columns().begin(), candidate_columns().end());
  for (const Outlook& o : plan.outlooks)
    for (std::size_t w = 0; w < fleet.workloads.size(); ++w)
      for (std::size_t m = 0; m < fleet.machines.size(); ++m) {
        std::vector<Cell> row{
            {o.what, ""}, {fleet.workloads[w].name, ""}, {fleet.machines[m].name, ""}, {o.capacity[w][m].quant, ""}};
        add_candidate(row, fleet.workloads[w], o.capacity[w][m]);
        table.rows.push_back(std::move(row));
      }
  return table;
}

Table months_table(const Fleet& fleet, const Plan& plan) {
  Table table;
  add_month_columns(table, fleet);
  table.columns.push_back({"machines_interval", "machines, 80 %", true});
  table.columns.push_back({"usd_per_month_interval", "$/month, 80 %", true});
  const FleetPlan& best = plan.fleets[plan.best];
  for (std::int64_t m = 0; m < fleet.months && !best.classes.empty(); ++m) {
    std::vector<Cell> row;
    add_month(row, fleet, best, m);
    const auto range = [&](const std::function<std::string(const FleetPlan&)>& text) {
      return range_of(plan, false, [&](const Outlook& o) {
        return o.fleet.classes.empty() ? std::nullopt : std::optional(text(o.fleet));
      });
    };
    row.push_back(range([&](const FleetPlan& p) { return std::to_string(p.machines_in(m)); }));
    row.push_back(range([&](const FleetPlan& p) { return usd_text(p.cost_in(m)); }));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table all_months_table(const Fleet& fleet, const Plan& plan) {
  Table table;
  table.columns.push_back({"fleet", "fleet"});
  add_month_columns(table, fleet);
  table.columns.push_back({"what_if", "what if"});
  table.columns.push_back({"headroom_as_planned", "headroom as planned", true});
  const auto add = [&](const FleetPlan& p, const std::string& name, const Outlook& outlook, bool is_best) {
    for (std::int64_t m = 0; m < fleet.months && !p.classes.empty(); ++m) {
      std::vector<Cell> row{{name, ""}};
      add_month(row, fleet, p, m);
      row.push_back({outlook.what, ""});
      row.push_back({is_best ? Value(outlook.headroom_as_planned[static_cast<std::size_t>(m)]) : Value(), ""});
      table.rows.push_back(std::move(row));
    }
  };
  for (std::size_t f = 0; f < plan.fleets.size(); ++f)
    add(plan.fleets[f], plan.fleets[f].name, plan.outlooks.front(), f == plan.best);
  for (std::size_t i = 1; i < plan.outlooks.size(); ++i)
    add(plan.outlooks[i].fleet, plan.fleets[plan.best].name + ": " + plan.outlooks[i].what, plan.outlooks[i], true);
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
      row.push_back({p.total_cost(), usd_text(p.total_cost())});
      row.push_back({p.cost_in(last), usd_text(p.cost_in(last))});
      row.push_back({p.watts_in(last), rounded(p.watts_in(last), 4)});
    }
    row.push_back({p.limiting.empty() ? Value() : Value(p.limiting), p.limiting});
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table outlooks_table(const Fleet& fleet, const Plan& plan) {
  Table table;
  table.columns = {{"what", "what if"},
                   {"machines", "machines", true},
                   {"usd_per_month", "$/month", true},
                   {"change", "change", true},
                   {"peak_watts", "peak W", true},
                   {"headroom", "headroom", true},
                   {"headroom_as_planned", "headroom as planned", true},
                   {"total_usd", "$ in all", true},
                   {"limiting", "not possible"}};
  const std::int64_t last = fleet.months - 1;
  for (const Outlook& o : plan.outlooks) {
    std::vector<Cell> row{{o.what, ""}};
    const double as_planned = o.headroom_as_planned.back();
    if (o.fleet.classes.empty()) {
      for (int i = 0; i < 5; ++i) row.push_back({Value(), "-"});
    } else {
      const double change = o.fleet.cost_in(last) / plan.outlooks.front().fleet.cost_in(last) - 1;
      row.push_back({o.fleet.machines_in(last), ""});
      row.push_back({o.fleet.cost_in(last), usd_text(o.fleet.cost_in(last))});
      row.push_back({change, signed_share(change)});
      row.push_back({o.fleet.watts_in(last), rounded(o.fleet.watts_in(last), 4)});
      row.push_back({o.fleet.headroom_in(last), signed_share(o.fleet.headroom_in(last))});
    }
    row.push_back({as_planned, signed_share(as_planned)});
    if (o.fleet.classes.empty())
      row.push_back({Value(), "-"});
    else
      row.push_back({o.fleet.total_cost(), usd_text(o.fleet.total_cost())});
    row.push_back({o.fleet.limiting.empty() ? Value() : Value(o.fleet.limiting), o.fleet.limiting});
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::vector<NamedTable> month_figures(const Fleet& fleet, const Plan& plan) {
  std::vector<NamedTable> tables;
  const auto add = [&](const std::string& title, const std::function<Cell(const FleetPlan&, std::int64_t)>& cell) {
    tables.push_back(month_figure(fleet, plan, title, [&](const Outlook& o, std::int64_t m) {
      return o.fleet.classes.empty() ? Cell{Value(), "not possible"} : cell(o.fleet, m);
    }));
  };
  add("Machines", [](const FleetPlan& p, std::int64_t m) { return Cell{p.machines_in(m), ""}; });
  add("$/month", [](const FleetPlan& p, std::int64_t m) { return Cell{p.cost_in(m), usd_text(p.cost_in(m))}; });
  for (std::size_t w = 0; w < fleet.workloads.size(); ++w) {
    const WorkloadClass& workload = fleet.workloads[w];
    add("$/Mtok in and out, " + workload.name, [&, w](const FleetPlan& p, std::int64_t m) {
      return Cell{Value(), rounded(usd_per_million_input(workload, p.classes[w], m), 3) + ", " +
                               rounded(usd_per_million_output(workload, p.classes[w], m), 3)};
    });
  }
  add("Peak W", [](const FleetPlan& p, std::int64_t m) { return Cell{p.watts_in(m), rounded(p.watts_in(m), 4)}; });
  add("Headroom", [](const FleetPlan& p, std::int64_t m) {
    return Cell{p.headroom_in(m), signed_share(p.headroom_in(m))};
  });
  tables.push_back(month_figure(fleet, plan, "Headroom of the machines planned", [](const Outlook& o, std::int64_t m) {
    const double headroom = o.headroom_as_planned[static_cast<std::size_t>(m)];
    return Cell{headroom, signed_share(headroom)};
  }));
  return tables;
}

std::vector<NamedTable> machine_figures(const Fleet& fleet, const Plan& plan) {
  std::vector<NamedTable> tables;
  const auto add = [&](const std::string& title,
                       const std::function<Cell(const WorkloadClass&, const MachineCapacity&)>& cell) {
    tables.push_back(machine_figure(fleet, plan, title, cell));
  };
  add("Users (or requests/s)", served_cell);
  add("$/Mtok in and out", [](const WorkloadClass& w, const MachineCapacity& c) {
    const auto [in, out] = usd_per_million(w, c);
    return Cell{Value(), rounded(in, 3) + ", " + rounded(out, 3)};
  });
  add("$/month", [](const WorkloadClass&, const MachineCapacity& c) {
    return Cell{c.cost_per_month(1), usd_text(c.cost_per_month(1))};
  });
  add("W", [](const WorkloadClass&, const MachineCapacity& c) { return Cell{c.watts, rounded(c.watts, 3)}; });
  return tables;
}

}  // namespace silicast
