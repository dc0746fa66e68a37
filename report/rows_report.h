// SPDX-License-Identifier: Apache-2.0
// What became of the rows of measurement files, by line: those that could not be read, that say the same again, or
// something else of the same conditions. Formats, computes nothing.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "calibration/observation.h"
#include "calibration/repeats.h"
#include "report/table.h"

namespace silicast {

// "2 lines are left out:" with file, line and reason; empty where there are none.
std::string unread_text(const std::vector<BadRowOfFile>& unread);
// Duplicates and conflicts, counted and by line; empty where there are none.
std::string repeats_text(const Repeats& repeats, const std::vector<Observation>& rows);

// Names that no catalogue has: "unknown device", the name -> rows. The most frequent first.
Table unknown_table(const std::map<std::pair<std::string, std::string>, std::size_t>& unknown);
Table unread_table(const std::vector<BadRowOfFile>& unread);                           // file, line, reason
Table duplicates_table(const Repeats& repeats, const std::vector<Observation>& rows);  // file, line, of_file, of_line
Table conflicts_table(const Repeats& repeats, const std::vector<Observation>& rows);   // conflict, file, line, value

}  // namespace silicast
