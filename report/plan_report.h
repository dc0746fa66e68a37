// SPDX-License-Identifier: Apache-2.0
// A capacity plan as text, JSON (schema silicast.plan/1), CSV (a line for each fleet, month and condition), Markdown,
// and a page with charts and tables.
#pragma once

#include <string>
#include <vector>

#include "planning/plan.h"
#include "report/plot.h"

namespace silicast {

std::string plan_text(const serving::Fleet& fleet, const serving::Plan& plan);
std::string plan_markdown(const serving::Fleet& fleet, const serving::Plan& plan);
std::string plan_csv(const serving::Fleet& fleet, const serving::Plan& plan);
std::string plan_json(const serving::Fleet& fleet, const serving::Plan& plan);
Plot plan_plot(const serving::Fleet& fleet, const serving::Plan& plan);

// What to buy or rent, in a sentence.
std::string plan_verdict(const serving::Fleet& fleet, const serving::Plan& plan);
// Of each class: model, users, lengths, objectives.
std::vector<std::string> plan_classes(const serving::Fleet& fleet);

}  // namespace silicast
