// SPDX-License-Identifier: Apache-2.0
// A capacity plan as text, JSON (schema silicast.plan/1), CSV (a line for each fleet and month), Markdown, and a page
// with charts.
#pragma once

#include <string>

#include "planning/plan.h"
#include "report/plot.h"

namespace silicast {

std::string plan_text(const serving::Fleet& fleet, const serving::Plan& plan);
std::string plan_markdown(const serving::Fleet& fleet, const serving::Plan& plan);
std::string plan_csv(const serving::Fleet& fleet, const serving::Plan& plan);
std::string plan_json(const serving::Fleet& fleet, const serving::Plan& plan);
Plot plan_plot(const serving::Fleet& fleet, const serving::Plan& plan);

// "3 x H100, 1 x L40S": what a class runs on in a month.
std::string machines_text(const serving::Fleet& fleet, const serving::ClassPlan& plan, std::int64_t month);
// Users, where the class has them, that one machine serves at the peak; else requests a second.
std::string users_text(const serving::WorkloadClass& workload, double rate);

}  // namespace silicast
