// SPDX-License-Identifier: Apache-2.0
// The rules that hold for the tree as a whole, over files in memory, so that a test can show each of them failing.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace silicast::structure {

using Files = std::map<std::string, std::string>;  // path from the root -> text
using Complaints = std::vector<std::string>;       // "path:line: what is wrong"

// A folder includes only folders to its left: base < {hardware, workloads} < model < ... (docs, "Layout").
Complaints includes_to_the_right(const Files& files);
// Public headers show no third-party header.
Complaints third_party_in_headers(const Files& files);
// Sources of at most 600 lines, folder READMEs of at most 40, CONTRIBUTING.md of at most 100.
Complaints too_long(const Files& files);
// The licence line stands in the first three lines.
Complaints without_licence(const Files& files);
// Every .cpp is named by the CMakeLists.txt nearest above it.
Complaints not_built(const Files& files);
// Data files are YAML that our reader accepts.
Complaints unreadable_data(const Files& files);

}  // namespace silicast::structure
