// SPDX-License-Identifier: Apache-2.0
// A table in four formats: aligned text and Markdown for people, CSV and JSON with every digit.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report/value.h"

namespace silicast {

struct Column {
  std::string key;     // in CSV and JSON: "bandwidth_bytes_per_second"
  std::string title;   // for people: "bandwidth"
  bool right = false;  // aligned to the right, for numbers
};

struct Cell {
  Value value;
  std::string shown;  // for people; empty: the value itself
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
};

// Each line indented by so many blanks, without trailing blanks.
std::string table_text(const Table& table, int indent = 0);
std::string table_markdown(const Table& table);
std::string table_csv(const Table& table);
std::string table_json(const Table& table);  // a list of objects
// An object of the fields, with each table as a list of objects under its key.
std::string document_json(const std::vector<Field>& fields, const std::vector<std::pair<std::string, Table>>& tables);

// Characters that a UTF-8 text takes on a terminal, each counted as one.
std::size_t display_width(std::string_view text);
// Broken at blanks into lines of at most `width`, those after the first indented.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent);

}  // namespace silicast
