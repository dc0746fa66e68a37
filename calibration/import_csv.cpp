// SPDX-License-Identifier: Apache-2.0
// Measurement CSVs, row by row: what is wrong with one does not keep the others out.
#include <algorithm>

#include "base/csv.h"
#include "base/text.h"
#include "calibration/import_parts.h"

namespace silicast {

namespace {

// The lines that are no rows of the table. One that the text ends within is a cut.
std::vector<NotTaken> not_rows(std::string_view text, const std::vector<BadRow>& bad) {
  const bool ends_within = !text.ends_with('\n') && !text.ends_with('\r');
  const auto last = static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 1;
  std::vector<NotTaken> result;
  for (const BadRow& row : bad) {
    if (ends_within && row.line == last)
      result.push_back({row.line, "the file is cut off within a run", ""});
    else
      result.push_back({row.line, "the line is no row of the table", row.what});
  }
  return result;
}

}  // namespace

Records read_csv_records(std::string_view text, const std::string& file) {
  std::vector<BadRow> bad;
  const CsvTable table(text, file, &bad);
  Records result{.records = {}, .not_taken = not_rows(text, bad)};
  for (const CsvRecord& row : table.records()) {
    Record record{.line = row.line, .values = {}};
    for (std::size_t i = 0; i < row.fields.size(); ++i) record.values[table.columns()[i]] = row.fields[i];
    result.records.push_back(std::move(record));
  }
  return result;
}

void import_measurements(std::string_view text, const std::string& file, ImportContext& context) {
  std::vector<BadRow> no_rows;
  const CsvTable table(text, file, &no_rows);
  std::vector<BadRow> bad;
  const auto machine = table.find("machine");
  const auto command = table.find("command");
  std::size_t next = 0;  // records are in the order of the rows
  for (Observation& row : parse_observations(table, &bad)) {
    Run run;
    while (next < table.records().size() && table.records()[next].line < row.line) ++next;
    if (machine) run.machine = table.records()[next].fields[*machine];
    if (command) run.command = table.records()[next].fields[*command];
    run.observation = std::move(row);
    Observation& o = run.observation;
    try {
      if (!context.stated.device.empty() || o.device.empty()) context.set_device(o, o.device, false);
      if (!context.stated.model.empty()) o.model = context.stated.model;
      if (!context.stated.quant.empty()) o.quant = context.stated.quant;
      if (!context.stated.backend.empty()) o.backend = context.stated.backend;
      for (const auto& [value, name] : {std::pair(&o.model, "model"), std::pair(&o.backend, "backend")})
        if (value->empty()) throw RecordError{std::string("the row does not tell the ") + name, ""};
      context.add(std::move(run));
    } catch (const RecordError& error) {
      context.result.not_taken.push_back({o.line, error.reason, error.detail});
    }
  }
  for (const BadRow& row : bad) context.result.not_taken.push_back({row.line, "a value is wrong", row.what});
  for (NotTaken& row : not_rows(text, no_rows)) context.result.not_taken.push_back(std::move(row));
}

}  // namespace silicast
