// SPDX-License-Identifier: Apache-2.0
#include "report/rows_report.h"

#include <algorithm>

#include "base/text.h"
#include "report/wording.h"

namespace silicast {

namespace {

constexpr std::size_t most_shown = 20;  // of each kind

std::string place_of(const Observation& row) { return row.file + ":" + std::to_string(row.line); }

std::string what_of(const Observation& o) { return o.device + ", " + o.model + " " + o.quant + ", " + o.metric; }

std::string more_text(std::size_t count) {
  return count > most_shown ? "  and " + std::to_string(count - most_shown) + " more\n" : "";
}

std::string conflict_line(const Repeats::Conflict& conflict, const std::vector<Observation>& rows) {
  constexpr std::size_t most_rows = 4;
  std::string text = "  ";
  for (std::size_t i = 0; i < conflict.size() && i < most_rows; ++i) {
    const Observation& row = rows[conflict[i]];
    text += (i > 0 ? ", " : "") + place_of(row) + " (" + rounded(row.value, 4) + ")";
  }
  if (conflict.size() > most_rows) text += " and " + std::to_string(conflict.size() - most_rows) + " more";
  return text + ": " + what_of(rows[conflict.front()]) + "\n";
}

}  // namespace

std::string unread_text(const std::vector<BadRowOfFile>& unread) {
  if (unread.empty()) return "";
  std::string text = std::to_string(unread.size()) + (unread.size() == 1 ? " line is" : " lines are") + " left out:\n";
  for (std::size_t i = 0; i < unread.size() && i < most_shown; ++i)
    text += "  " + unread[i].file + ":" + std::to_string(unread[i].line) + ": " + unread[i].what + "\n";
  return text + more_text(unread.size());
}

std::string repeats_text(const Repeats& repeats, const std::vector<Observation>& rows) {
  std::string text;
  if (const std::size_t n = repeats.duplicates.size(); n > 0) {
    text +=
        std::to_string(n) + (n == 1 ? " row says" : " rows say") + " again what another says (all of them count):\n";
    for (std::size_t i = 0; i < n && i < most_shown; ++i) {
      const auto& [row, of] = repeats.duplicates[i];
      text += "  " + place_of(rows[row]) + " as " + place_of(rows[of]) + ": " + what_of(rows[row]) + "\n";
    }
    text += more_text(n);
  }
  if (const std::size_t n = repeats.conflicts.size(); n > 0) {
    std::size_t members = 0;
    for (const Repeats::Conflict& conflict : repeats.conflicts) members += conflict.size();
    text += std::to_string(members) + " rows of one source say the same conditions and differ by more than " +
            percent_text(conflict_ratio - 1) + ", in " + std::to_string(n) + (n == 1 ? " group:\n" : " groups:\n");
    for (std::size_t i = 0; i < n && i < most_shown; ++i) text += conflict_line(repeats.conflicts[i], rows);
    text += more_text(n);
  }
  return text;
}

Table unknown_table(const std::map<std::pair<std::string, std::string>, std::size_t>& unknown) {
  Table table{.columns = {{"reason", "unknown"}, {"name", "name"}, {"rows", "rows", true}}, .rows = {}};
  std::vector<std::pair<std::pair<std::string, std::string>, std::size_t>> names(unknown.begin(), unknown.end());
  std::stable_sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [what, n] : names)
    table.rows.push_back({{what.first}, {what.second}, {static_cast<std::int64_t>(n)}});
  return table;
}

Table unread_table(const std::vector<BadRowOfFile>& unread) {
  Table table{.columns = {{"file", "file"}, {"line", "line", true}, {"reason", "reason"}}, .rows = {}};
  for (const BadRowOfFile& row : unread) table.rows.push_back({{row.file}, {std::int64_t{row.line}}, {row.what}});
  return table;
}

Table duplicates_table(const Repeats& repeats, const std::vector<Observation>& rows) {
  Table table{
      .columns = {{"file", "file"}, {"line", "line", true}, {"of_file", "of file"}, {"of_line", "of line", true}},
      .rows = {}};
  for (const auto& [row, of] : repeats.duplicates)
    table.rows.push_back(
        {{rows[row].file}, {std::int64_t{rows[row].line}}, {rows[of].file}, {std::int64_t{rows[of].line}}});
  return table;
}

Table conflicts_table(const Repeats& repeats, const std::vector<Observation>& rows) {
  Table table{
      .columns = {{"conflict", "conflict", true}, {"file", "file"}, {"line", "line", true}, {"value", "value", true}},
      .rows = {}};
  std::int64_t number = 0;
  for (const Repeats::Conflict& conflict : repeats.conflicts) {
    ++number;
    for (const std::size_t row : conflict)
      table.rows.push_back({{number}, {rows[row].file}, {std::int64_t{rows[row].line}}, {rows[row].value}});
  }
  return table;
}

}  // namespace silicast
