// SPDX-License-Identifier: Apache-2.0
// A file of runs on its way into the store: read, judged, added; and the account of what became of each row.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "calibration/import.h"
#include "calibration/plausibility.h"
#include "calibration/store.h"

namespace silicast {

struct Intake {
  std::string file;
  std::string format;
  std::size_t taken = 0;            // added or there already
  std::vector<NotTaken> not_taken;  // by line
  std::map<std::string, std::size_t> remarks;
  // "unknown device", its name -> runs that were taken all the same, though nothing can be predicted for them.
  std::map<std::pair<std::string, std::string>, std::size_t> unknown;
  Added added;
};

struct Judged {
  Intake intake;  // `added` is left open
  std::vector<Run> runs;
};

// Throws InputError as import_runs does.
Judged judge_runs(std::string_view text, const std::string& file, const Stated& stated, const std::string& format,
                  const Database& database);

// Throws InputError as import_runs and Store do; then nothing was added.
Intake take_in(std::string_view text, const std::string& file, const Stated& stated, const std::string& format,
               const Database& database, Store& store);

}  // namespace silicast
