// SPDX-License-Identifier: Apache-2.0
// What became of imported files, as text and as JSON (schema silicast.import/1). Formats, computes nothing.
#pragma once

#include <string>
#include <vector>

#include "calibration/intake.h"
#include "calibration/store.h"
#include "report/table.h"

namespace silicast {

struct ImportReport {
  std::string store;
  std::vector<Intake> files;
  std::vector<std::string> unreadable;  // messages, of files of which nothing was taken
};

std::string import_text(const ImportReport& report);
std::string import_json(const ImportReport& report);
// The rows that were not taken, with file, line, reason and detail.
Table not_taken_table(const ImportReport& report);

// The runs of a store, newest last.
Table runs_table(const std::vector<StoredRun>& runs);

}  // namespace silicast
