// SPDX-License-Identifier: Apache-2.0
// The measured record of the project, data/measurements: what docs/measurements.md promises of every row.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/text.h"
#include "calibration/observation.h"
#include "calibration/plausibility.h"
#include "calibration/query_of.h"

namespace silicast {
namespace {

namespace fs = std::filesystem;

std::set<std::string> names_of(const Catalogue& catalogue) {
  std::set<std::string> names;
  for (const Entry& entry : catalogue.all()) {
    names.insert(canonical_name(entry.id));
    names.insert(canonical_name(entry.name));
    for (const std::string& alias : entry.aliases) names.insert(canonical_name(alias));
  }
  return names;
}

bool known(const std::set<std::string>& names, const std::string& name) { return names.contains(canonical_name(name)); }

TEST(Measurements, EveryRowIsAttributedAndPossible) {
  const Database database(SILICAST_SOURCE_ROOT "/data");
  const auto devices = names_of(database.devices());
  const auto models = names_of(database.models());
  Plausibility judge(database);
  std::set<std::string> ids;
  std::uintmax_t bytes = 0;
  std::size_t rows = 0;
  for (const auto& item : fs::directory_iterator(database.folder() / "measurements")) {
    if (item.path().extension() != ".csv") continue;
    bytes += item.file_size();
    EXPECT_LT(item.file_size(), 1'900'000U) << item.path();
    for (const Observation& row : read_observations(item.path())) {
      ++rows;
      const std::string where = item.path().filename().string() + ":" + std::to_string(row.line);
      EXPECT_TRUE(ids.insert(row.id).second) << where << ": the id stands in another file";
      EXPECT_TRUE(row.source_url.starts_with("http")) << where;
      EXPECT_FALSE(row.device.empty() || row.model.empty() || row.backend.empty() || row.quant.empty()) << where;
      const std::string gpu = row.device.substr(0, row.device.find(" + "));  // "GPU + CPU"
      EXPECT_TRUE(known(devices, row.device) || known(devices, gpu)) << where << ": " << row.device;
      EXPECT_TRUE(known(models, row.model)) << where << ": " << row.model;
      const auto verdict = judge(row);
      EXPECT_NE(verdict.not_judged, "speculative decoding") << where;
      EXPECT_FALSE(verdict.doubt.has_value())
          << where << ": " << verdict.doubt->reason << ", " << verdict.doubt->detail;
    }
  }
  EXPECT_GT(rows, 20'000U);
  EXPECT_LT(bytes, 9'000'000U);
}

}  // namespace
}  // namespace silicast
