// SPDX-License-Identifier: Apache-2.0
// Measurement CSVs, row by row: what is wrong with one does not keep the others out.
#include <algorithm>

#include "base/csv.h"
#include "base/text.h"
#include "calibration/import_parts.h"

namespace silicast {

namespace {

// The table without a last line that was cut off; its number then, else 0.
CsvTable table_of(std::string_view text, const std::string& file, int& cut_off) {
  cut_off = 0;
  try {
    return CsvTable(text, file);
  } catch (const InputError&) {
    std::string_view rest = text;
    while (!rest.empty() && (rest.back() == '\n' || rest.back() == '\r')) rest.remove_suffix(1);
    const auto end = rest.rfind('\n');
    // A line that ends is no cut.
    if (rest.size() != text.size() || end == std::string_view::npos) throw;
    CsvTable table(text.substr(0, end + 1), file);
    cut_off = static_cast<int>(std::count(rest.begin(), rest.end(), '\n')) + 1;
    return table;
  }
}

const NotTaken cut_off_row(int line) { return {line, "the file is cut off within a run", ""}; }

}  // namespace

Records read_csv_records(std::string_view text, const std::string& file) {
  int cut_off = 0;
  const CsvTable table = table_of(text, file, cut_off);
  Records result;
  for (const CsvRecord& row : table.records()) {
    Record record{.line = row.line, .values = {}};
    for (std::size_t i = 0; i < row.fields.size(); ++i) record.values[table.columns()[i]] = row.fields[i];
    result.records.push_back(std::move(record));
  }
  if (cut_off > 0) result.not_taken.push_back(cut_off_row(cut_off));
  return result;
}

void import_measurements(std::string_view text, const std::string& file, ImportContext& context) {
  int cut_off = 0;
  const CsvTable table = table_of(text, file, cut_off);
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
  if (cut_off > 0) context.result.not_taken.push_back(cut_off_row(cut_off));
}

}  // namespace silicast
