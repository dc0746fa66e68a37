// SPDX-License-Identifier: Apache-2.0
#include "calibration/observation.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <unordered_map>

#include "base/csv.h"
#include "base/document.h"
#include "base/error.h"
#include "base/text.h"

namespace silicast {

namespace {

constexpr double largest_count = 1e9;

// Names the column, the value and the rule. The value may be anything: only its beginning is shown.
[[noreturn]] void reject(const Mark& mark, std::string_view column, std::string_view value, std::string_view accepted) {
  constexpr std::size_t longest = 60;
  const std::string seen(value.substr(0, longest));
  throw InputError(mark, column,
                   "'" + seen + (value.size() > longest ? "..." : "") + "' is not " + std::string(accepted));
}

class Fields {
 public:
  Fields(const CsvTable& table, const CsvRecord& record) : table_(table), record_(record) {}

  [[nodiscard]] std::string text(std::string_view column) const {
    const auto index = table_.find(column);
    return index ? std::string(trim(record_.fields[*index])) : std::string();
  }

  [[nodiscard]] std::string required(std::string_view column) const {
    std::string value = text(column);
    if (value.empty()) throw InputError(mark(), column, "is empty; every row has one");
    return value;
  }

  [[nodiscard]] std::optional<double> positive(std::string_view column) const {
    const std::string value = text(column);
    if (value.empty()) return std::nullopt;
    const auto number = parse_number(value);
    if (!number || *number <= 0 || *number > largest_count)
      reject(mark(), column, value, "a number above 0 and up to 1e9, or empty");
    return number;
  }

  [[nodiscard]] std::optional<std::int64_t> count(std::string_view column, std::int64_t least) const {
    const std::string value = text(column);
    if (value.empty()) return std::nullopt;
    const auto number = parse_integer(value);
    if (!number || *number < least || static_cast<double>(*number) > largest_count)
      reject(mark(), column, value, "a whole number from " + std::to_string(least) + " to 1e9, or empty");
    return number;
  }

  [[nodiscard]] std::optional<bool> flag(std::string_view column) const {
    const std::string value = lower(text(column));
    if (value.empty() || value == "auto") return std::nullopt;
    if (value == "1" || value == "on" || value == "true") return true;
    if (value == "0" || value == "off" || value == "false") return false;
    reject(mark(), column, value, "one of 1, 0, on, off, true, false, auto, or empty");
  }

  [[nodiscard]] double value_of(std::string_view metric) const {
    const std::string value = text("value");
    const auto number = parse_number(value);
    // A verdict, and distances that can vanish.
    const bool zero_is_meant = metric == "oom" || metric == "kld";
    constexpr double least = 1e-12;
    constexpr double most = 1e15;
    if (!number || *number < (zero_is_meant ? 0 : least) || *number > most)
      reject(mark(), "value", value, zero_is_meant ? "a finite number of at least 0" : "a finite number above 0");
    return *number;
  }

  [[nodiscard]] Mark mark() const { return table_.mark(record_); }

 private:
  const CsvTable& table_;
  const CsvRecord& record_;
};

Observation read_row(const CsvTable& table, const CsvRecord& record) {
  const Fields fields(table, record);
  Observation row;
  row.file = *table.mark(record).file;
  row.line = record.line;
  row.id = fields.required("id");
  row.source_url = fields.text("source_url");
  row.source_date = fields.text("source_date");
  row.device = fields.text("device");
  row.device_count = fields.count("device_count", 1).value_or(1);
  row.device_memory_gb = fields.positive("device_memory_gb");
  row.backend = fields.text("backend");
  row.build = fields.text("build");
  row.flash_attention = fields.flag("flash_attn");
  row.model = fields.text("model");
  row.params_b = fields.positive("params_b");
  row.quant = fields.text("quant");
  row.model_size_gib = fields.positive("model_size_gib");
  row.kv_type = fields.text("kv_type");
  row.gpu_layers = fields.count("ngl", -1);
  row.threads = fields.count("threads", 1);
  row.prompt = fields.count("prompt_len", 0);
  row.gen = fields.count("gen_len", 0);
  row.depth = fields.count("depth", 0);
  row.batch = fields.positive("batch");
  row.metric = fields.required("metric");
  row.value = fields.value_of(row.metric);
  const std::string stddev = fields.text("stddev");
  row.stddev = parse_number(stddev);
  if (!stddev.empty() && (!row.stddev || *row.stddev < 0))
    reject(fields.mark(), "stddev", stddev, "a number of at least 0, or empty");
  row.notes = fields.text("notes");
  return row;
}

std::string text_of(const std::optional<double>& value) { return value ? exact(*value) : std::string(); }
std::string text_of(const std::optional<std::int64_t>& value) { return value ? std::to_string(*value) : std::string(); }

using Column = std::function<std::string(const Observation&)>;

const std::map<std::string, Column, std::less<>>& column_table() {
  static const std::map<std::string, Column, std::less<>> table{
      {"source_url", [](const Observation& o) { return o.source_url; }},
      {"source_date", [](const Observation& o) { return o.source_date; }},
      {"device", [](const Observation& o) { return o.device; }},
      {"device_count", [](const Observation& o) { return std::to_string(o.device_count); }},
      {"device_memory_gb", [](const Observation& o) { return text_of(o.device_memory_gb); }},
      {"backend", [](const Observation& o) { return o.backend; }},
      {"build", [](const Observation& o) { return o.build; }},
      {"flash_attn",
       [](const Observation& o) {
         return o.flash_attention ? std::string(*o.flash_attention ? "1" : "0") : std::string();
       }},
      {"model", [](const Observation& o) { return o.model; }},
      {"quant", [](const Observation& o) { return o.quant; }},
      {"kv_type", [](const Observation& o) { return o.kv_type; }},
      {"ngl", [](const Observation& o) { return text_of(o.gpu_layers); }},
      {"threads", [](const Observation& o) { return text_of(o.threads); }},
      {"prompt_len", [](const Observation& o) { return text_of(o.prompt); }},
      {"gen_len", [](const Observation& o) { return text_of(o.gen); }},
      {"depth", [](const Observation& o) { return text_of(o.depth); }},
      {"batch", [](const Observation& o) { return text_of(o.batch); }},
      {"metric", [](const Observation& o) { return o.metric; }},
  };
  return table;
}

// The first line that is not empty, or its beginning.
std::string_view header_of(std::string_view text) {
  constexpr std::size_t longest = 4096;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  return text.substr(0, std::min(text.find_first_of("\r\n"), longest));
}

constexpr std::array required_columns{"id", "device", "backend", "model", "quant", "metric", "value"};

std::size_t known_columns(std::string_view header, char separator) {
  std::size_t n = 0;
  for (const auto field : split(header, separator)) {
    auto name = trim(field);
    if (name.size() > 1 && name.starts_with('"') && name.ends_with('"')) name = name.substr(1, name.size() - 2);
    n += static_cast<std::size_t>(std::count(required_columns.begin(), required_columns.end(), name));
  }
  return n;
}

bool is_utf16(std::string_view text) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) return true;
  return text.size() > 3 && (text[0] == '\0') != (text[1] == '\0') && (text[2] == '\0') != (text[3] == '\0');
}

bool is_no_text(std::string_view text) {
  constexpr std::size_t looked_at = 4096;
  const auto begin = text.substr(0, looked_at);
  const auto odd = std::count_if(begin.begin(), begin.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t';
  });
  constexpr std::ptrdiff_t one_in = 50;
  return odd * one_in > static_cast<std::ptrdiff_t>(begin.size());
}

}  // namespace

void refuse_what_is_no_table(std::string_view text, const std::string& file) {
  const Mark first{std::make_shared<const std::string>(file), 1, 0};
  if (is_utf16(text)) throw InputError(first, "", "is UTF-16; UTF-8 is expected (iconv -f UTF-16 -t UTF-8 makes it)");
  if (is_no_text(text)) throw InputError(first, "", "is no text; a table of measurements is expected");
  const std::string_view header = header_of(text);
  if (header.empty() || known_columns(header, ',') > 0) return;
  for (const auto& [separator, name] : {std::pair(';', "semicolons"), std::pair('\t', "tabs"), std::pair('|', "bars")})
    if (known_columns(header, separator) > 1)
      throw InputError(first, "", std::string("the columns are separated by ") + name + "; commas are expected");
  if (!contains(header, ",")) return;
  constexpr std::size_t shown = 60;
  throw InputError(first, "",
                   "the first line names no column of a measurement; it has to name at least " +
                       join({required_columns.begin(), required_columns.end()}, ",") + "; it is '" +
                       std::string(header.substr(0, shown)) + (header.size() > shown ? "...'" : "'"));
}

std::vector<Observation> parse_observations(std::string_view csv, const std::string& file) {
  return parse_observations(CsvTable(csv, file), nullptr);
}

std::vector<Observation> parse_observations(const CsvTable& table, std::vector<BadRow>* bad) {
  for (const char* column : required_columns) static_cast<void>(table.at(column));
  std::vector<Observation> rows;
  rows.reserve(table.records().size());
  std::unordered_map<std::string_view, int> line_of_id;
  for (const CsvRecord& record : table.records()) {
    const Mark mark = table.mark(record);
    try {
      Observation row = read_row(table, record);
      if (const auto first = line_of_id.find(row.id); first != line_of_id.end())
        throw InputError(
            mark, "id",
            "'" + row.id + "' stands already in line " + std::to_string(first->second) + "; ids are unique");
      // No row moves after this: the vector was reserved.
      rows.push_back(std::move(row));
      line_of_id.emplace(rows.back().id, rows.back().line);
    } catch (const InputError& error) {
      if (bad == nullptr) throw;
      bad->push_back({record.line, without_place(error.what(), mark)});
    }
  }
  return rows;
}

std::vector<Observation> read_observations(const std::filesystem::path& file) {
  constexpr Bytes limit = 512_MiB;
  return parse_observations(read_text_file(file, limit), file.string());
}

std::vector<Observation> read_what_can_be_read(const std::vector<std::string>& files, std::vector<BadRowOfFile>& bad) {
  constexpr Bytes limit = 512_MiB;
  std::vector<Observation> all;
  for (const std::string& file : files) {
    std::vector<BadRow> of_file;
    const std::string text = read_text_file(file, limit);
    refuse_what_is_no_table(text, file);
    auto rows = parse_observations(CsvTable(text, file, &of_file), &of_file);
    std::stable_sort(of_file.begin(), of_file.end(), [](const BadRow& a, const BadRow& b) { return a.line < b.line; });
    if (rows.empty() && !of_file.empty())
      throw InputError(Mark{std::make_shared<const std::string>(file), of_file.front().line, 0}, "",
                       of_file.front().what + "; no row of the file can be read");
    if (rows.empty()) throw InputError(file + ": holds no row");
    for (Observation& row : rows) all.push_back(std::move(row));
    for (BadRow& row : of_file) bad.push_back({file, row.line, std::move(row.what)});
  }
  return all;
}

std::optional<std::string> column_of(const Observation& row, std::string_view column) {
  const auto at = column_table().find(column);
  if (at == column_table().end()) return std::nullopt;
  return at->second(row);
}

const std::vector<std::string>& observation_columns() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const auto& [name, column] : column_table()) result.push_back(name);
    return result;
  }();
  return names;
}

}  // namespace silicast
