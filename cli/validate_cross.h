// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "model/database.h"

namespace silicast::cli {

struct CrossOptions {
  std::vector<std::string> files;
  std::vector<std::string> by;  // names of FoldBy; empty: all
  std::string predictions;      // file for every held-out row; empty: none
  Format format = Format::md;   // md, csv or json
};

// Held-out accuracy of the rows of the files, in the format; progress goes to stderr.
std::string cross_validated(const CrossOptions& options, const Database& database);

}  // namespace silicast::cli
