// SPDX-License-Identifier: Apache-2.0
// The runs a user keeps: an SQLite file that several processes may write at once and that survives being cut off.
// Every run has its machine, command, build and date beside all columns of a measurement (docs/data-format.md).
//
// One figure of one cell is kept once: the same run imported twice is recognized. A second figure of a cell that is
// farther off than the spread of both explains is kept as well, and reported.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/import.h"

namespace silicast {

// Begins the `file` of runs that `calibrate host --import` fits to. A run that was there already becomes one of them.
constexpr std::string_view host_import_mark = "calibrate host --import ";

struct StoredRun {
  std::int64_t number = 0;  // of the store, from 1, never used again
  Run run;
  std::string file;      // that it was imported from
  std::string imported;  // UTC: 2026-11-20T20:03:11Z
};

struct Conflict {
  Run added;
  std::int64_t with = 0;  // number of the run in the store
  double value = 0;       // its value
  int with_line = 0;      // its line, where it was added by the same call
};

// A run that is in the store already.
struct Known {
  int line = 0;
  std::int64_t with = 0;
  int with_line = 0;  // as above
};

struct Added {
  std::size_t runs = 0;
  std::size_t duplicates = 0;
  std::vector<Known> known;  // the duplicates
  std::vector<Conflict> conflicts;
};

class Store {
 public:
  enum class Mode { read, write };

  // Creates the file and its folder when writing. Throws InputError: the file is no store, is of a newer silicast,
  // cannot be opened; when reading, there is none.
  Store(const std::filesystem::path& file, Mode mode);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // All of them or none.
  Added add(const std::vector<Run>& runs, const std::string& imported_from);
  [[nodiscard]] std::vector<StoredRun> runs() const;  // by number
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

  // The layout of the file; written to its user_version.
  static constexpr int version = 1;
  // $XDG_DATA_HOME/silicast/observations.sqlite, ~/.local/share/...; on macOS ~/Library/Application Support/...
  // Throws InputError when neither it nor HOME is set.
  static std::filesystem::path default_file();

 private:
  class Connection;
  std::filesystem::path file_;
  std::unique_ptr<Connection> connection_;
};

// Runs as a measurement CSV with the columns machine, command, file and imported after the others. Reading it back
// gives the same runs.
std::string runs_csv(const std::vector<StoredRun>& runs);

}  // namespace silicast
