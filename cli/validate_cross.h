// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "model/database.h"

namespace silicast::cli {

// Held-out accuracy of the rows of the files, as Markdown; progress goes to stderr.
std::string cross_validated(const std::vector<std::string>& files, const Database& database);

}  // namespace silicast::cli
