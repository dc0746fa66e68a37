// SPDX-License-Identifier: Apache-2.0
// What the importers share.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/catalogue_names.h"
#include "calibration/import.h"

namespace silicast {

// The values of one object or table row as text, objects within objects by their path ("engine.model").
struct Record {
  int line = 0;
  std::map<std::string, std::string, std::less<>> values;

  [[nodiscard]] bool has(std::string_view key) const { return values.contains(key); }
  // Empty where absent, null or "none".
  [[nodiscard]] std::string text(std::string_view key) const;
  // Throw RecordError where the value is none of the kind.
  [[nodiscard]] std::optional<double> number(std::string_view key) const;
  [[nodiscard]] std::optional<std::int64_t> count(std::string_view key) const;
  [[nodiscard]] double required_positive(std::string_view key) const;
};

// Why a record cannot be taken: a reason to count by, and its own detail.
struct RecordError {
  std::string reason;
  std::string detail;
};

struct Records {
  std::vector<Record> records;
  std::vector<NotTaken> not_taken;
};

// JSON objects one after the other, or in an array. An object that is cut off or wrong is not taken; the others are.
Records read_json_records(std::string_view text, const std::string& file);

// The rows of a CSV; a line that is none is not taken. Throws InputError where there is no header.
Records read_csv_records(std::string_view text, const std::string& file);

// What an importer needs besides the file.
class ImportContext {
 public:
  ImportContext(const Stated& told, const Database& data) : stated(told), names(data), database(data) {}

  const Stated& stated;
  CatalogueNames names;
  const Database& database;
  Imported result;

  void remark(const std::string& sentence) { ++result.remarks[sentence]; }
  // A catalogue name for the device, from what was stated, else from what the file reported; several processors of one
  // name are separated by ", " or "/". Throws RecordError where neither tells.
  void set_device(Observation& row, const std::string& reported, bool cpu);
  // Where the file reports another one than was stated.
  void remark_other_device(const std::string& device, const std::string& reported, bool cpu);
  // The model and the quantization from what was stated, else from a repository's name. `dtype`: what the file says of
  // the weights' type, if it does.
  void set_checkpoint(Observation& row, const std::string& repository, const std::string& dtype);
  // Calls take(record) for each; a RecordError makes it one that is not taken.
  template <class Take>
  void take_each(const Records& records, Take take) {
    result.not_taken.insert(result.not_taken.end(), records.not_taken.begin(), records.not_taken.end());
    for (const Record& record : records.records) {
      try {
        take(record);
      } catch (const RecordError& error) {
        result.not_taken.push_back({record.line, error.reason, error.detail});
      }
    }
  }
  void add(Run run) { result.runs.push_back(std::move(run)); }
};

void import_llama_bench_json(std::string_view text, const std::string& file, ImportContext& context);
void import_llama_bench_csv(std::string_view text, const std::string& file, ImportContext& context);
void import_llama_bench_md(std::string_view text, const std::string& file, ImportContext& context);
void import_vllm(std::string_view text, const std::string& file, ImportContext& context);
// Of its two forms the report for people, within a log or by itself.
bool is_printed_trtllm(std::string_view text);
void import_trtllm(std::string_view text, const std::string& file, ImportContext& context);
void import_mlx(std::string_view text, const std::string& file, ImportContext& context);
void import_measurements(std::string_view text, const std::string& file, ImportContext& context);

}  // namespace silicast
