// SPDX-License-Identifier: Apache-2.0
#include "calibration/intake.h"

#include <algorithm>

namespace silicast {

Judged judge_runs(std::string_view text, const std::string& file, const Stated& stated, const std::string& format,
                  const Database& database) {
  Imported imported = import_runs(text, file, stated, database, format);
  Judged judged{.intake = {.file = file,
                           .format = imported.format,
                           .not_taken = std::move(imported.not_taken),
                           .remarks = std::move(imported.remarks)},
                .runs = {}};
  Intake& intake = judged.intake;
  Plausibility judge(database);
  for (Run& run : imported.runs) {
    const Plausibility::Verdict verdict = judge(run.observation);
    if (verdict.doubt) {
      intake.not_taken.push_back({run.observation.line, verdict.doubt->reason, verdict.doubt->detail});
      continue;
    }
    if (is_about_a_name(verdict.not_judged)) ++intake.unknown[{verdict.not_judged, verdict.name}];
    judged.runs.push_back(std::move(run));
  }
  std::stable_sort(intake.not_taken.begin(), intake.not_taken.end(),
                   [](const NotTaken& a, const NotTaken& b) { return a.line < b.line; });
  intake.taken = judged.runs.size();
  return judged;
}

Intake take_in(std::string_view text, const std::string& file, const Stated& stated, const std::string& format,
               const Database& database, Store& store) {
  Judged judged = judge_runs(text, file, stated, format, database);
  judged.intake.added = store.add(judged.runs, file);
  return std::move(judged.intake);
}

}  // namespace silicast
