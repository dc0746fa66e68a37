// SPDX-License-Identifier: Apache-2.0
// What the commands of `silicast bench` share: options that choose, and the machine as their results name it.
#pragma once

#include <string>
#include <vector>

#include "engine/cpu_features.h"
#include "engine/type_traits.h"
#include "report/table.h"

namespace silicast::cli {

// Comma-separated numbers of 1 or more, "1,2,4"; empty: none. UsageError names the option.
std::vector<std::int64_t> counts_of(const std::string& option, const std::string& text);
// Comma-separated type names; UsageError with the nearest.
std::vector<engine::BlockType> types_of(const std::string& text);
// An instruction set by its name, supported here: UsageError for an unknown one, RefusedError for one this machine has
// not.
engine::Isa isa_of(const std::string& text);

// "machine.processor" ... "machine.disturbed": what was measured on, and under what condition.
std::vector<Field> machine_fields(engine::Isa isa);
// The same as a few lines of text, each with a line end.
std::string machine_text(engine::Isa isa);

// Without the columns that are for programs only: those without a title.
Table for_people(Table table);

// "12.3 GB/s", "1.4 TOP/s", "210 ns"
std::string rate_text(double bytes_per_second);
std::string operations_text(double per_second);
std::string time_text(double seconds);
// Spread and disturbance: "4 %", "4 %, disturbed".
std::string spread_text(double spread, bool disturbed);

}  // namespace silicast::cli
