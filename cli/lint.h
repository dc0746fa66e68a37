// SPDX-License-Identifier: Apache-2.0
// The lint of data files behind `silicast check`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/database.h"

namespace silicast::cli {

// A finding reads "FILE:LINE:COLUMN: KEY: what is wrong".
using Findings = std::vector<std::string>;

// Each file by its own reader and rules; a file of an unknown kind is a finding.
Findings lint_file(const std::filesystem::path& file, const Database& database);
// Names that stand for two entries, where one of the files holds one of the two.
Findings lint_names(const std::vector<std::filesystem::path>& files, const Database& database);
// Every data file below the folder, sorted.
std::vector<std::filesystem::path> data_files(const std::filesystem::path& folder);

}  // namespace silicast::cli
