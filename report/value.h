// SPDX-License-Identifier: Apache-2.0
// A value as reports carry it, and the one list of fields from which JSON, CSV and Markdown are written: what one of
// them says, all of them say, to the last digit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace silicast {

using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::string>,
                           std::vector<std::int64_t>>;

// "memory.pools.0.used_bytes" and its value; numbered parts are positions in a list.
struct Field {
  std::string key;
  Value value;
};

// Nothing as "", numbers so that they read back as they were, lists joined by "; ".
std::string plain(const Value& value);
// Quoted where RFC 4180 asks for it.
std::string csv_cell(std::string_view text);
std::string markdown_cell(std::string_view text);

// An object nested by the keys' dots. A member of the root that holds no value at all is null.
std::string fields_json(const std::vector<Field>& fields);
// One line of keys, one of values.
std::string fields_csv(const std::vector<Field>& fields);
// A table of two columns; fields without a value are left out.
std::string fields_markdown(const std::vector<Field>& fields);

}  // namespace silicast
