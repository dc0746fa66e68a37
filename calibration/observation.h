// SPDX-License-Identifier: Apache-2.0
// A measured number with everything that was said about it: one row of a measurement file (docs/data-format.md).
// What a row leaves open is absent here; what a blank means is decided in query_of.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace silicast {

class CsvTable;
struct BadRow;

struct BadRowOfFile {
  std::string file;
  int line = 0;
  std::string what;  // column, value and rule
};

struct Observation {
  std::string file;  // that it was read from
  int line = 0;      // of it
  std::string id;
  std::string source_url;
  std::string source_date;
  std::string device;
  std::int64_t device_count = 1;
  std::optional<double> device_memory_gb;
  std::string backend;
  std::string build;
  std::optional<bool> flash_attention;
  std::string model;
  std::optional<double> params_b;
  std::string quant;
  std::optional<double> model_size_gib;
  std::string kv_type;
  std::optional<std::int64_t> gpu_layers;  // negative: all
  std::optional<std::int64_t> threads;
  std::optional<std::int64_t> prompt;
  std::optional<std::int64_t> gen;
  std::optional<std::int64_t> depth;
  std::optional<double> batch;  // a mean over a run need not be whole
  std::string metric;
  double value = 0;
  std::optional<double> stddev;
  std::string notes;
};

// Throw InputError with file, line, column and what is accepted. Required columns: id, device, backend, model, quant,
// metric, value. Ids are unique, values finite, and those of rates, times and sizes positive.
std::vector<Observation> parse_observations(std::string_view csv, const std::string& file);
std::vector<Observation> read_observations(const std::filesystem::path& file);
// Of several files; ids are unique in each. The rows that can be read; `bad` takes the others, each message with its
// place. Throws where a file holds none.
std::vector<Observation> read_what_can_be_read(const std::vector<std::string>& files, std::vector<BadRowOfFile>& bad);

// Throws InputError for what a table of measurements never is: other encodings, no text, other separators, a first line
// that names no column.
void refuse_what_is_no_table(std::string_view text, const std::string& file);

// `bad` null: the first bad row throws, as above.
std::vector<Observation> parse_observations(const CsvTable& table, std::vector<BadRow>* bad);

// The text of a column by its name in the file, for grouping; nullopt: no such column.
std::optional<std::string> column_of(const Observation& row, std::string_view column);
// The columns that column_of knows.
const std::vector<std::string>& observation_columns();

}  // namespace silicast
