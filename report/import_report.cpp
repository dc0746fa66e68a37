// SPDX-License-Identifier: Apache-2.0
#include "report/import_report.h"

#include <algorithm>

#include "base/text.h"

namespace silicast {

namespace {

constexpr std::size_t most_lines = 20;  // of each reason, by number

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

// Those of one reason, in the order of the file.
std::vector<std::pair<std::string, std::vector<const NotTaken*>>> by_reason(const Intake& intake) {
  std::vector<std::pair<std::string, std::vector<const NotTaken*>>> groups;
  for (const NotTaken& row : intake.not_taken) {
    auto at = std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == row.reason; });
    if (at == groups.end()) at = groups.insert(groups.end(), {row.reason, {}});
    at->second.push_back(&row);
  }
  return groups;
}

std::string lines_of(const std::vector<const NotTaken*>& rows) {
  std::string text;
  for (std::size_t i = 0; i < rows.size() && i < most_lines; ++i) {
    const NotTaken& row = *rows[i];
    const std::string place = row.line > 0 ? "line " + std::to_string(row.line) : "";
    if (place.empty() && row.detail.empty()) continue;
    text += "      " + place + (place.empty() || row.detail.empty() ? "" : ": ") + row.detail + "\n";
  }
  if (rows.size() > most_lines) text += "      and " + std::to_string(rows.size() - most_lines) + " more\n";
  return text;
}

std::string shape_of(const Observation& o) {
  const auto number = [](const std::optional<std::int64_t>& value) { return value ? std::to_string(*value) : "?"; };
  const std::string depth = o.depth.value_or(0) > 0 ? " @ d" + number(o.depth) : "";
  const std::string batch = o.batch.value_or(1) != 1 ? " x" + exact(*o.batch) : "";
  if (o.metric == "pp_tps") return "pp" + number(o.prompt) + depth + batch;
  if (o.metric == "tg_tps") return "tg" + number(o.gen) + depth + batch;
  std::string shape;
  if (o.prompt) shape += "pp" + number(o.prompt);
  if (o.gen) shape += (shape.empty() ? "tg" : "+tg") + number(o.gen);
  return shape + depth + batch;
}

// Lines of a table for people would become too long; programs get all of it.
std::string shortened(const std::string& text) {
  constexpr std::size_t longest = 60;
  return text.size() <= longest ? text : text.substr(0, longest) + "...";
}

std::string conflict_text(const Conflict& conflict) {
  const Observation& o = conflict.added.observation;
  const std::string with = conflict.with_line > 0 ? " in line " + std::to_string(conflict.with_line)
                                                  : " in run " + std::to_string(conflict.with) + " of the store";
  return "line " + std::to_string(o.line) + ": " + o.device + ", " + o.model + " " + o.quant + ", " + o.metric + " " +
         shape_of(o) + ": " + rounded(o.value, 5) + " here, " + rounded(conflict.value, 5) + with;
}

// Runs that an earlier import has added are many where a file is imported again: counted. Lines of one file that say
// the same are named.
std::string known_text(const std::vector<Known>& known) {
  std::vector<std::string> again;
  for (const Known& run : known)
    if (run.with_line > 0)
      again.push_back("      line " + std::to_string(run.line) + " as line " + std::to_string(run.with_line) + "\n");
  std::string text;
  if (const std::size_t earlier = known.size() - again.size(); earlier > 0)
    text += "  " + std::to_string(earlier) + (earlier == 1 ? " was" : " were") + " in the store already\n";
  if (again.empty()) return text;
  text += "  " + counted(again.size(), "run") + (again.size() == 1 ? " says" : " say") +
          " again what an earlier line says; kept once\n";
  for (std::size_t i = 0; i < again.size() && i < most_lines; ++i) text += again[i];
  if (again.size() > most_lines) text += "      and " + std::to_string(again.size() - most_lines) + " more\n";
  return text;
}

std::string intake_text(const Intake& intake) {
  std::string text = intake.file + " (" + intake.format + "): " + counted(intake.taken, "run") + " taken";
  if (!intake.not_taken.empty()) text += ", " + std::to_string(intake.not_taken.size()) + " not";
  text += "\n";
  for (const auto& [reason, rows] : by_reason(intake))
    text += "  not taken: " + reason + " (" + std::to_string(rows.size()) + ")\n" + lines_of(rows);
  for (const auto& [sentence, count] : intake.remarks)
    text += "  note: " + sentence + " (" + counted(count, "run") + ")\n";
  text += known_text(intake.added.known);
  const auto& conflicts = intake.added.conflicts;
  if (!conflicts.empty())
    text += "  " + counted(conflicts.size(), "run") + " disagree" + (conflicts.size() == 1 ? "s" : "") +
            " with one of the same conditions by more than the spread; both are kept\n";
  for (std::size_t i = 0; i < conflicts.size() && i < most_lines; ++i)
    text += "      " + conflict_text(conflicts[i]) + "\n";
  if (conflicts.size() > most_lines) text += "      and " + std::to_string(conflicts.size() - most_lines) + " more\n";
  return text;
}

// Of all files together.
std::string unknown_text(const std::vector<Intake>& files) {
  std::map<std::pair<std::string, std::string>, std::size_t> counts;
  for (const Intake& intake : files)
    for (const auto& [what, count] : intake.unknown) counts[what] += count;
  std::string text;
  for (const auto& [what, count] : counts)
    text += what.first + " '" + what.second + "': " + counted(count, "run") +
            " kept, but nothing can be predicted for " + (count == 1 ? "it" : "them") + "\n";
  return text;
}

}  // namespace

std::string import_text(const ImportReport& report) {
  std::string text;
  std::size_t added = 0;
  for (const Intake& intake : report.files) {
    text += intake_text(intake);
    added += intake.added.runs;
  }
  return text + unknown_text(report.files) + counted(added, "run") + " added to " + report.store + "\n";
}

Table not_taken_table(const ImportReport& report) {
  Table table{.columns = {{"file", "file"}, {"line", "line", true}, {"reason", "reason"}, {"detail", "detail"}},
              .rows = {}};
  for (const Intake& intake : report.files)
    for (const NotTaken& row : intake.not_taken)
      table.rows.push_back({{intake.file}, {std::int64_t{row.line}}, {row.reason}, {row.detail}});
  return table;
}

std::string import_json(const ImportReport& report) {
  const auto integer = [](std::size_t count) { return static_cast<std::int64_t>(count); };
  const auto table = [](const std::vector<std::string>& keys) {
    Table result;
    for (const std::string& key : keys) result.columns.push_back({key, key});
    return result;
  };
  const auto line_cell = [](int line) { return line > 0 ? Cell{std::int64_t{line}} : Cell{}; };
  Table files = table({"file", "format", "taken", "not_taken", "added", "duplicates"});
  Table unknown = table({"file", "reason", "name", "runs"});
  Table notes = table({"file", "note", "runs"});
  Table conflicts = table({"file", "line", "value", "run", "value_of_run", "line_of_run"});
  Table known = table({"file", "line", "run", "line_of_run"});
  for (const Intake& i : report.files) {
    files.rows.push_back({{i.file},
                          {i.format},
                          {integer(i.taken)},
                          {integer(i.not_taken.size())},
                          {integer(i.added.runs)},
                          {integer(i.added.duplicates)}});
    for (const auto& [what, count] : i.unknown)
      unknown.rows.push_back({{i.file}, {what.first}, {what.second}, {integer(count)}});
    for (const auto& [sentence, count] : i.remarks) notes.rows.push_back({{i.file}, {sentence}, {integer(count)}});
    for (const Conflict& conflict : i.added.conflicts) {
      const Observation& o = conflict.added.observation;
      conflicts.rows.push_back({{i.file},
                                {std::int64_t{o.line}},
                                {o.value},
                                {conflict.with},
                                {conflict.value},
                                line_cell(conflict.with_line)});
    }
    for (const Known& run : i.added.known)
      known.rows.push_back({{i.file}, {std::int64_t{run.line}}, {run.with}, line_cell(run.with_line)});
  }
  return document_json(
      {{"schema", std::string("silicast.import/1")}, {"store", report.store}, {"unreadable", report.unreadable}},
      {{"files", files},
       {"not_taken", not_taken_table(report)},
       {"unknown", unknown},
       {"notes", notes},
       {"conflicts", conflicts},
       {"known", known}});
}

Table runs_table(const std::vector<StoredRun>& runs) {
  Table table{.columns = {{"run", "run", true},
                          {"date", "date"},
                          {"device", "device"},
                          {"model", "model"},
                          {"quant", "quant"},
                          {"backend", "backend"},
                          {"build", "build"},
                          {"metric", "metric"},
                          {"shape", "shape"},
                          {"value", "value", true},
                          {"stddev", "spread", true},
                          {"imported", "imported"},
                          {"machine", "machine"},
                          {"command", "command"},
                          {"file", "file"}},
              .rows = {}};
  for (const StoredRun& stored : runs) {
    const Observation& o = stored.run.observation;
    const std::string device = o.device + (o.device_count > 1 ? "x" + std::to_string(o.device_count) : "");
    Cell spread;
    if (o.stddev) spread = {*o.stddev, rounded(*o.stddev, 2)};
    table.rows.push_back({{stored.number},
                          {o.source_date},
                          {device},
                          {o.model},
                          {o.quant},
                          {o.backend},
                          {o.build},
                          {o.metric},
                          {shape_of(o)},
                          {o.value, rounded(o.value, 4)},
                          spread,
                          {stored.imported},
                          {stored.run.machine, shortened(stored.run.machine)},
                          {stored.run.command, shortened(stored.run.command)},
                          {stored.file, shortened(stored.file)}});
  }
  return table;
}

}  // namespace silicast
