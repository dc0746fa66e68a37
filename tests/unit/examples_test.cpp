// SPDX-License-Identifier: Apache-2.0
// The fleets of examples/ give the tables that stand beside them. SILICAST_UPDATE=1 writes the tables anew.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "base/document.h"
#include "base/text.h"
#include "report/plan_report.h"

namespace silicast {
namespace {

const std::string root = SILICAST_SOURCE_ROOT;

using Rows = std::vector<std::vector<std::string>>;

// The cells of the Markdown table under a heading.
Rows table_under(const std::string& text, const std::string& heading) {
  Rows rows;
  bool there = false;
  for (const auto line : split(text, '\n')) {
    if (line.starts_with("## ")) there = line.starts_with("## " + heading);
    if (!there || !line.starts_with('|')) continue;
    std::vector<std::string> cells;
    for (const auto cell : split(line, '|')) cells.emplace_back(trim(cell));
    rows.push_back(std::move(cells));
  }
  return rows;
}

// Machines and classes as they are, figures as near as a new calibration may move them.
void expect_alike(const std::string& stored, const std::string& fresh, const std::string& heading) {
  const Rows expected = table_under(stored, heading);
  const Rows actual = table_under(fresh, heading);
  ASSERT_GT(expected.size(), 2U) << heading;
  ASSERT_EQ(expected.size(), actual.size()) << heading;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(expected[i].size(), actual[i].size()) << heading << " row " << i;
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(expected[i][k], actual[i][k]) << heading << " row " << i;
    for (std::size_t k = 3; k < expected[i].size(); ++k) {
      const auto was = parse_number(expected[i][k]);
      const auto is = parse_number(actual[i][k]);
      if (!was || !is) continue;
      EXPECT_NEAR(*is, *was, 0.3 * std::abs(*was) + 1) << heading << " row " << i;
    }
  }
}

void check_example(const std::string& name) {
  const std::string folder = root + "/examples/" + name;
  const Database database(root + "/data");
  const serving::Fleet fleet = serving::read_fleet(folder + "/fleet.yaml", database);
  const serving::Plan plan = make_plan(fleet, database, 2);
  EXPECT_TRUE(plan.possible());
  const std::string fresh = plan_markdown(fleet, plan);
  if (std::getenv("SILICAST_UPDATE") != nullptr) std::ofstream(folder + "/plan.md") << fresh;
  const std::string stored = read_text_file(folder + "/plan.md");
  EXPECT_EQ(stored.substr(0, stored.find('\n')), fresh.substr(0, fresh.find('\n')));
  expect_alike(stored, fresh, "One machine");
  EXPECT_EQ(table_under(stored, "By month").size(), static_cast<std::size_t>(fleet.months) + 2);
  EXPECT_EQ(table_under(fresh, "By month").size(), static_cast<std::size_t>(fleet.months) + 2);
  // Every month's peak is served.
  const serving::FleetPlan& best = plan.fleets[plan.best];
  for (const serving::ClassPlan& c : best.classes)
    for (std::int64_t m = 0; m < fleet.months; ++m) EXPECT_GT(c.machines_in(m), fleet.site.redundancy);
}

TEST(Examples, Clinic) { check_example("clinic"); }
TEST(Examples, Startup) { check_example("startup"); }

}  // namespace
}  // namespace silicast
