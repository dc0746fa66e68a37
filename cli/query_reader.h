// SPDX-License-Identifier: Apache-2.0
// The query options one by one, for files that hold them: the same names, checks and messages as on the command line.
#pragma once

#include <vector>

#include "planning/grid.h"

namespace silicast::cli {

std::vector<GridOption> query_option_list();
// Safe to call from several threads.
OptionReader query_option_reader();

}  // namespace silicast::cli
