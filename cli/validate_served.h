// SPDX-License-Identifier: Apache-2.0
// `silicast validate FILE... --served`: throughputs of several sequences at once, by simulating how they were measured.
#pragma once

#include <string>
#include <vector>

#include "model/database.h"

namespace silicast::cli {

// Markdown: the error by software and concurrency.
std::string served_accuracy(const std::vector<std::string>& files, const Database& database);

}  // namespace silicast::cli
