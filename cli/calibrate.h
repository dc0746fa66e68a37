// SPDX-License-Identifier: Apache-2.0
// What the commands of `silicast calibrate` share.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "calibration/host.h"
#include "calibration/import.h"
#include "calibration/store.h"
#include "cli/command.h"

namespace silicast::cli {

// "2026-11-20", in UTC.
std::string today();

// --device, --model and so on: what files of runs do not tell.
void add_stated_options(const Command& command, Stated& stated);

// "not fitted:" with the reasons and how many rows each keeps out; empty where there are none.
std::string left_out_text(const std::map<std::string, std::size_t>& left_out);

// Of `silicast calibrate host`.
struct HostOptions {
  bool quick = false;
  std::vector<std::string> imports;
  Stated stated;
  std::string out;
  std::string store;
  std::string data;
  Format format = Format::text;

  [[nodiscard]] std::filesystem::path folder() const;
  [[nodiscard]] std::filesystem::path store_file() const;
};

// Measures this machine's limits (some seconds) and writes devices/host.yaml into the folder.
std::filesystem::path describe_host(const std::filesystem::path& folder, const std::string& date);

// A profile from the runs of `imports`.
ExitCode measured_elsewhere(const HostOptions& options);

}  // namespace silicast::cli
