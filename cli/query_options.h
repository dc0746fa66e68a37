// SPDX-License-Identifier: Apache-2.0
// The query options: the same for every command that predicts.
#pragma once

#include <string>
#include "cli/command_line.h"

#include "model/database.h"
#include "model/prediction.h"

namespace silicast::cli {

// Adds them to the command; what is given is written to the query, which must outlive the command. Values are checked
// as far as they can be without the data folder. Throws UsageError.
void add_query_options(const Command& command, Query& query);

// The part of them that says where layers live: host, links, splits.
void add_placement_options(const Command& command, Query& query);

// The part of them that says what it may draw and what it costs.
void add_running_options(const Command& command, Query& query);

}  // namespace silicast::cli
