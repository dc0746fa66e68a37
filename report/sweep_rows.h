// SPDX-License-Identifier: Apache-2.0
// The lines of a sweep: CSV with a header, or JSONL with an object a line. Keys are those of silicast.prediction/1.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "planning/block.h"

namespace silicast {

enum class SweepFormat { csv, jsonl };

// `axes` are the names of the grid's axes, the first columns (in JSONL: members of "query").
std::unique_ptr<RowFormat> sweep_rows(SweepFormat format, std::vector<std::string> axes);

}  // namespace silicast
