// SPDX-License-Identifier: Apache-2.0
#include "report/table.h"

#include <algorithm>

#include "base/text.h"

namespace silicast {

namespace {

std::string shown(const Cell& cell) { return cell.shown.empty() ? plain(cell.value) : cell.shown; }

std::vector<std::size_t> widths_of(const Table& table) {
  std::vector<std::size_t> widths;
  for (const Column& column : table.columns) widths.push_back(display_width(column.title));
  for (const auto& row : table.rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(shown(row[i])));
  return widths;
}

std::string aligned(const std::string& text, std::size_t width, bool right) {
  const std::string padding(width - std::min(width, display_width(text)), ' ');
  return right ? padding + text : text + padding;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
  std::string result;
  std::size_t column = 0;
  for (const auto word : split(text, ' ')) {
    const std::size_t length = display_width(word);
    if (column > 0 && column + 1 + length > width) {
      result.append("\n").append(indent, ' ');
      column = indent;
    } else if (column > 0) {
      result += ' ';
      ++column;
    }
    result += word;
    column += length;
  }
  return result;
}

std::string table_text(const Table& table, int indent) {
  const auto widths = widths_of(table);
  std::string text;
  const auto add_line = [&](const auto& cell_text) {
    std::string line(static_cast<std::size_t>(indent), ' ');
    for (std::size_t i = 0; i < widths.size(); ++i)
      line += (i > 0 ? "  " : "") + aligned(cell_text(i), widths[i], table.columns[i].right);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_line([&](std::size_t i) { return table.columns[i].title; });
  for (const auto& row : table.rows)
    add_line([&](std::size_t i) { return i < row.size() ? shown(row[i]) : std::string(); });
  return text;
}

std::string table_markdown(const Table& table) {
  std::string header = "|";
  std::string rule = "|";
  for (const Column& column : table.columns) {
    header += " " + markdown_cell(column.title) + " |";
    rule += column.right ? "---:|" : "---|";
  }
  std::string text = header + "\n" + rule + "\n";
  for (const auto& row : table.rows) {
    text += "|";
    for (const Cell& cell : row) text += " " + markdown_cell(shown(cell)) + " |";
    text += "\n";
  }
  return text;
}

std::string table_csv(const Table& table) {
  std::string text;
  for (std::size_t i = 0; i < table.columns.size(); ++i) text += (i > 0 ? "," : "") + csv_cell(table.columns[i].key);
  text += "\n";
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) text += (i > 0 ? "," : "") + csv_cell(plain(row[i].value));
    text += "\n";
  }
  return text;
}

}  // namespace silicast
