// SPDX-License-Identifier: Apache-2.0
// Comma-separated values after RFC 4180: quoted fields may hold commas, line breaks and doubled quotes; the first
// record names the columns.
//
// Goals: every record knows its line; what no program writes is refused with its place (a quote inside of an unquoted
// field, text after a closing quote, a record with more or fewer fields than columns, a column named twice, NUL bytes).
// Non-goals: other separators, comments, streaming: a table is small enough to be held.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace silicast {

struct CsvRecord {
  int line = 0;  // where it begins, from 1
  std::vector<std::string> fields;
};

// A row that is not read, when the others are to be.
struct BadRow {
  int line = 0;
  std::string what;  // what is wrong, without the place
};

class CsvTable {
 public:
  // `file` names the text in messages. Throws InputError. Empty lines are skipped, a byte order mark is dropped.
  // `bad` takes the records that are no rows instead; the table goes on in the line after where such a one begins. The
  // header has to be right.
  CsvTable(std::string_view text, const std::string& file, std::vector<BadRow>* bad = nullptr);

  [[nodiscard]] const std::vector<std::string>& columns() const { return columns_; }
  [[nodiscard]] const std::vector<CsvRecord>& records() const { return records_; }
  [[nodiscard]] std::optional<std::size_t> find(std::string_view column) const;
  // Throws an InputError that lists the columns there are.
  [[nodiscard]] std::size_t at(std::string_view column) const;
  [[nodiscard]] Mark mark(const CsvRecord& record) const { return {file_, record.line, 0}; }

 private:
  void add(CsvRecord&& record);

  std::shared_ptr<const std::string> file_;
  std::vector<std::string> columns_;
  std::vector<CsvRecord> records_;
};

}  // namespace silicast
