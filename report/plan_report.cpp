// SPDX-License-Identifier: Apache-2.0
#include "report/plan_report.h"

#include <algorithm>

#include "base/text.h"
#include "report/plan_tables.h"

namespace silicast {

namespace {

using namespace serving;

std::string limit_text(const Slo& slo) {
  std::vector<std::string> parts;
  if (slo.ttft) parts.push_back("first token within " + human(Seconds(*slo.ttft)));
  if (slo.tpot) parts.push_back("each further token within " + human(Seconds(*slo.tpot)));
  if (slo.e2e) parts.push_back("whole answer within " + human(Seconds(*slo.e2e)));
  return join(parts, ", ") + ", for " + rounded(slo.percentile, 3) + " % of requests";
}

std::string markdown_of(const std::vector<NamedTable>& tables) {
  std::string text;
  for (const NamedTable& table : tables) text += "\n### " + table.title + "\n\n" + table_markdown(table.table);
  return text;
}

}  // namespace

std::vector<std::string> plan_classes(const Fleet& fleet) {
  std::vector<std::string> lines;
  for (const WorkloadClass& w : fleet.workloads) {
    const double last = w.rate_in(fleet.months - 1);
    lines.push_back(w.name + ": " + w.model + ", " + users_text(w, w.rate) + " at the peak, " + users_text(w, last) +
                    " in month " + std::to_string(fleet.months) + "; " + rounded(prompt_tokens_of(w), 4) +
                    " tokens in, " + rounded(w.traffic.lengths.mean_output(), 4) + " out; " + limit_text(w.slo) +
                    (w.slo_name.empty() ? "" : " (" + w.slo_name + ")"));
  }
  return lines;
}

std::string plan_verdict(const Fleet& fleet, const Plan& plan) {
  const FleetPlan& best = plan.fleets[plan.best];
  if (best.classes.empty()) return "no fleet: " + best.limiting;
  const std::int64_t last = fleet.months - 1;
  std::vector<std::string> parts;
  for (std::size_t w = 0; w < best.classes.size(); ++w)
    parts.push_back(machines_text(fleet, best.classes[w], last) + " for " + fleet.workloads[w].name);
  std::string text =
      best.possible() ? "buy or rent " : "no fleet keeps to the site's limits (" + best.limiting + "); nearest is ";
  return text + join(parts, ", ") + ": $" + usd_text(best.cost_in(last)) + " a month and " +
         rounded(best.watts_in(last) / 1000, 3) + " kW at the peak in month " + std::to_string(fleet.months) + ", $" +
         usd_text(best.total_cost()) + " in all";
}

std::string plan_text(const Fleet& fleet, const Plan& plan) {
  std::string text = fleet.name + ", " + std::to_string(fleet.months) + " months\n\n";
  for (const std::string& line : plan_classes(fleet)) text += "  " + line + "\n";
  text += "\n" + plan_verdict(fleet, plan) + "\n\nfleets\n" + table_text(fleets_table(fleet, plan), 2);
  if (!plan.fleets[plan.best].classes.empty()) {
    text += "\n" + plan.fleets[plan.best].name + ", by month\n" + table_text(months_table(fleet, plan), 2);
    text += "\nwhat if, in month " + std::to_string(fleet.months) + "\n" + table_text(outlooks_table(fleet, plan), 2);
  }
  return text + "\none machine\n" + table_text(candidates_table(fleet, plan), 2);
}

std::string plan_markdown(const Fleet& fleet, const Plan& plan) {
  std::string text = "# " + fleet.name + ", " + std::to_string(fleet.months) + " months\n\n";
  for (const std::string& line : plan_classes(fleet)) text += "- " + line + "\n";
  text += "\n**" + plan_verdict(fleet, plan) + "**\n\n## Fleets\n\n" + table_markdown(fleets_table(fleet, plan));
  const bool any = !plan.fleets[plan.best].classes.empty();
  if (any) {
    text += "\n## By month: " + plan.fleets[plan.best].name + "\n\n" + table_markdown(months_table(fleet, plan));
    text +=
        "\n## What if, in month " + std::to_string(fleet.months) + "\n\n" + table_markdown(outlooks_table(fleet, plan));
  }
  text += "\n## One machine\n\n" + table_markdown(candidates_table(fleet, plan));
  if (any) text += "\n## What if, by month\n" + markdown_of(month_figures(fleet, plan));
  return text + "\n## What if, of one machine\n" + markdown_of(machine_figures(fleet, plan));
}

std::string plan_csv(const Fleet& fleet, const Plan& plan) { return table_csv(all_months_table(fleet, plan)); }

std::string plan_json(const Fleet& fleet, const Plan& plan) {
  const std::vector<Field> fields{{"schema", "silicast.plan/1"},
                                  {"name", fleet.name},
                                  {"months", fleet.months},
                                  {"seed", static_cast<std::int64_t>(fleet.seed)},
                                  {"possible", plan.possible()},
                                  {"best", plan.fleets[plan.best].name},
                                  {"verdict", plan_verdict(fleet, plan)}};
  std::vector<std::pair<std::string, Table>> tables{{"fleets", fleets_table(fleet, plan)},
                                                    {"by_month", all_months_table(fleet, plan)},
                                                    {"candidates", candidates_table(fleet, plan)},
                                                    {"candidates_what_if", all_candidates_table(fleet, plan)}};
  if (!plan.fleets[plan.best].classes.empty()) tables.emplace_back("sensitivity", outlooks_table(fleet, plan));
  return document_json(fields, tables);
}

}  // namespace silicast
