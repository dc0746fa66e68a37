// SPDX-License-Identifier: Apache-2.0
#include "base/csv.h"

#include <algorithm>

#include "base/text.h"

namespace silicast {

namespace {

constexpr std::size_t most_columns = 10'000;

// Reads records off the front of a text.
class Reader {
 public:
  Reader(std::string_view text, std::shared_ptr<const std::string> file) : text_(text), file_(std::move(file)) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (text_.starts_with(byte_order_mark)) at_ = byte_order_mark.size();
  }

  // False at the end of the text.
  bool next(CsvRecord& record) {
    record.fields.clear();
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) skip_line_break();
    if (at_ == text_.size()) return false;
    record.line = line_;
    begin_ = at_;
    do {
      if (record.fields.size() == most_columns)
        fail("a record has at most " + std::to_string(most_columns) + " fields");
      record.fields.push_back(text_.substr(at_, 1) == "\"" ? quoted_field() : plain_field());
    } while (take_comma());
    return true;
  }

  // To the end of the line in which `record` began.
  void go_on_after_line_of(const CsvRecord& record) {
    line_ = record.line;
    at_ = std::min(text_.find_first_of("\n\r", begin_), text_.size());
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw InputError(Mark{file_, line_, 0}, "", what); }

  std::string plain_field() {
    const std::size_t end = std::min(text_.find_first_of(",\n\r", at_), text_.size());
    const std::string_view field = text_.substr(at_, end - at_);
    if (field.find('"') != std::string_view::npos)
      fail("a quote inside of the field '" + shortened(field) + "'; a field with quotes is written \"...\"\"...\"");
    if (field.find('\0') != std::string_view::npos) fail("a NUL byte; text is expected");
    at_ = end;
    return std::string(field);
  }

  std::string quoted_field() {
    const int begin_line = line_;
    std::string field;
    for (++at_;; ++at_) {
      if (at_ >= text_.size()) {
        line_ = begin_line;
        fail("a quoted field begins here and never ends: \"" + shortened(field));
      }
      const char c = text_[at_];
      if (c == '\0') fail("a NUL byte; text is expected");
      if (c == '\n') ++line_;
      if (c == '"' && text_.substr(at_ + 1, 1) != "\"") break;
      if (c == '"') ++at_;
      field.push_back(c);
    }
    ++at_;
    if (at_ < text_.size() && std::string_view(",\n\r").find(text_[at_]) == std::string_view::npos)
      fail("text after the closing quote of \"" + shortened(field) + "\"; a comma or the end of the line is expected");
    return field;
  }

  bool take_comma() {
    if (at_ < text_.size() && text_[at_] == ',') return ++at_, true;
    if (at_ < text_.size()) skip_line_break();
    return false;
  }

  void skip_line_break() {
    if (text_.substr(at_, 2) == "\r\n") ++at_;
    ++at_;
    ++line_;
  }

  static std::string shortened(std::string_view field) {
    constexpr std::size_t longest = 40;
    return field.size() <= longest ? std::string(field) : std::string(field.substr(0, longest)) + "...";
  }

  std::string_view text_;
  std::shared_ptr<const std::string> file_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;  // of the record
  int line_ = 1;
};

}  // namespace

CsvTable::CsvTable(std::string_view text, const std::string& file, std::vector<BadRow>* bad)
    : file_(std::make_shared<const std::string>(file)) {
  Reader reader(text, file_);
  CsvRecord record;
  if (!reader.next(record)) throw InputError(Mark{file_, 1, 0}, "", "a line with the names of the columns is expected");
  for (const std::string& field : record.fields) {
    std::string name(trim(field));
    if (find(name)) throw InputError(mark(record), "", "the column '" + name + "' stands twice in the header");
    columns_.push_back(std::move(name));
  }
  for (bool more = true; more;) {
    try {
      more = reader.next(record);
      if (more) add(std::move(record));
    } catch (const InputError& error) {
      if (bad == nullptr) throw;
      bad->push_back({record.line, without_place(error.what(), mark(record))});
      reader.go_on_after_line_of(record);
    }
  }
}

void CsvTable::add(CsvRecord&& record) {
  if (record.fields.size() != columns_.size())
    throw InputError(mark(record), "",
                     std::to_string(record.fields.size()) + " fields, but the header names " +
                         std::to_string(columns_.size()) + " columns; a field with commas is written in quotes");
  records_.push_back(std::move(record));
}

std::optional<std::size_t> CsvTable::find(std::string_view column) const {
  const auto found = std::find(columns_.begin(), columns_.end(), column);
  if (found == columns_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns_.begin());
}

std::size_t CsvTable::at(std::string_view column) const {
  if (const auto index = find(column)) return *index;
  throw InputError(
      Mark{file_, 1, 0}, column,
      "this column is missing" + did_you_mean(column, columns_) + "; the header names " + join(columns_, ","));
}

}  // namespace silicast
