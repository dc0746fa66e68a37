// SPDX-License-Identifier: Apache-2.0
// The tables of a capacity plan, and what each becomes under other conditions (planning/plan.h: Outlook).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "planning/plan.h"
#include "report/table.h"

namespace silicast {

struct NamedTable {
  std::string title;
  Table table;
};

// The fleets beside each other.
Table fleets_table(const serving::Fleet& fleet, const serving::Plan& plan);
// A row a month of the best fleet, with what the ends of the predictor's interval make of it.
Table months_table(const serving::Fleet& fleet, const serving::Plan& plan);
// A row a month of every fleet, and of the best one under every condition.
Table all_months_table(const serving::Fleet& fleet, const serving::Plan& plan);
// The best fleet under every condition, in the last month and in all.
Table outlooks_table(const serving::Fleet& fleet, const serving::Plan& plan);
// What one machine serves of each class.
Table candidates_table(const serving::Fleet& fleet, const serving::Plan& plan);
// The same under every condition, a row each.
Table all_candidates_table(const serving::Fleet& fleet, const serving::Plan& plan);

// A table for each figure, with a column for each condition.
std::vector<NamedTable> month_figures(const serving::Fleet& fleet, const serving::Plan& plan);
std::vector<NamedTable> machine_figures(const serving::Fleet& fleet, const serving::Plan& plan);

// "3 x H100, 1 x L40S": what a class runs on in a month.
std::string machines_text(const serving::Fleet& fleet, const serving::ClassPlan& plan, std::int64_t month);
// Users, where the class has them, that one machine serves at the peak; else requests a second.
std::string users_text(const serving::WorkloadClass& workload, double rate);
// Prompt tokens of a request that are its own and the system's.
double prompt_tokens_of(const serving::WorkloadClass& workload);
std::string usd_text(double value);

}  // namespace silicast
