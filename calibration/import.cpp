// SPDX-License-Identifier: Apache-2.0
#include "calibration/import.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/document.h"
#include "base/text.h"
#include "calibration/import_parts.h"

namespace silicast {

namespace {

using Importer = std::function<void(std::string_view, const std::string&, ImportContext&)>;

struct Format {
  std::string name;
  Importer import;
};

const std::vector<Format>& formats() {
  static const std::vector<Format> table{{"llama-bench-json", import_llama_bench_json},
                                         {"llama-bench-csv", import_llama_bench_csv},
                                         {"llama-bench-md", import_llama_bench_md},
                                         {"vllm-serve", import_vllm},
                                         {"vllm-latency", import_vllm},
                                         {"vllm-throughput", import_vllm},
                                         {"trtllm", import_trtllm},
                                         {"mlx", import_mlx},
                                         {"csv", import_measurements}};
  return table;
}

bool contains_all(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::all_of(parts.begin(), parts.end(), [&](std::string_view part) { return contains(text, part); });
}

std::string detected_json(std::string_view text) {
  if (contains(text, "\"avg_ts\"") || contains(text, "\"avg_ns\"") || contains(text, "\"model_type\""))
    return "llama-bench-json";
  if (contains_all(text, {"\"engine\"", "\"performance\""})) return "trtllm";
  if (contains_all(text, {"\"avg_latency\"", "\"latencies\""})) return "vllm-latency";
  if (contains_all(text, {"\"elapsed_time\"", "\"total_num_tokens\""})) return "vllm-throughput";
  if (contains_all(text, {"\"model_id\"", "\"output_throughput\""})) return "vllm-serve";
  return "";
}

// The first line that is not empty.
std::string_view first_line(std::string_view text) {
  for (const auto line : split(text, '\n'))
    if (!trim(line).empty()) return trim(line);
  return {};
}

std::string_view without_mark(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

// Times of single products: no run of a model, which is what a measurement is of.
void refuse_kernels(std::string_view text, const std::string& file) {
  for (const char* schema : {"silicast.kernels/", "silicast.limits/"})
    if (contains(text, schema))
      throw InputError(file +
                       ": is of `silicast bench kernels` or `bench limits`: times of this machine's products, which no "
                       "measurement of a model can hold; `silicast calibrate host` measures and fits them itself, and "
                       "`silicast bench model -o json` writes runs that are imported");
}

// Too little of it is there to tell the format.
void refuse_cut_off_json(std::string_view text, const std::string& file) {
  if (!is_cut_off_json(text)) return;
  const std::string_view content = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  const auto line = static_cast<int>(std::count(content.begin(), content.end(), '\n')) + 1;
  throw InputError(Mark{std::make_shared<const std::string>(file), line, 0}, "",
                   "the JSON is cut off here, before it tells what wrote it");
}

std::string detected(std::string_view text) {
  text = without_mark(text);
  const std::string_view first = first_line(text);
  if (is_printed_trtllm(text)) return "trtllm";
  if (first.starts_with('{') || first.starts_with('[')) return detected_json(text);
  if (contains_all(first, {"model_type", "avg_ts", ","})) return "llama-bench-csv";
  if (contains_all(first, {"metric", "value", ","})) return "csv";
  if (contains(text, "generation_tps=")) return "mlx";
  if (contains(text, "| t/s |") || (contains(text, "t/s |") && contains(text, "| model"))) return "llama-bench-md";
  return "";
}

// NAMExN
std::pair<std::string, std::int64_t> device_and_count(const std::string& text) {
  const auto x = text.find_last_of("xX");
  if (x == std::string::npos || x == 0) return {text, 1};
  const auto count = parse_integer(std::string_view(text).substr(x + 1));
  return count && *count > 0 && *count < 10'000 ? std::pair{text.substr(0, x), *count}
                                                : std::pair{text, std::int64_t{1}};
}

// The names must be right before a file is read.
void check(const Stated& stated, const Database& database) {
  if (!stated.device.empty() && !database.devices().try_find(stated.device))
    static_cast<void>(database.device(device_and_count(stated.device).first));
  if (!stated.model.empty()) static_cast<void>(database.architecture(stated.model));
  if (!stated.quant.empty()) static_cast<void>(database.quant(stated.quant));
}

// The parts of "A, A, B" or "A/A"; a slash between figures belongs to the name.
std::vector<std::string> processors_of(const std::string& reported) {
  std::vector<std::string> parts;
  std::string part;
  for (std::size_t i = 0; i < reported.size(); ++i) {
    const bool slash =
        reported[i] == '/' && i > 0 && i + 1 < reported.size() && lower(reported.substr(i - 1, 3)) != "w/ ";
    if (reported[i] != ',' && !slash) {
      part.push_back(reported[i]);
      continue;
    }
    parts.emplace_back(trim(part));
    part.clear();
  }
  parts.emplace_back(trim(part));
  std::erase(parts, "");
  return parts;
}

}  // namespace

std::string Record::text(std::string_view key) const {
  const auto at = values.find(key);
  if (at == values.end() || at->second == "none") return "";
  return std::string(trim(at->second));
}

std::optional<double> Record::number(std::string_view key) const {
  const std::string value = text(key);
  if (value.empty()) return std::nullopt;
  const auto number = parse_number(value);
  if (!number) throw RecordError{"a value is no number", std::string(key) + ": '" + value.substr(0, 60) + "'"};
  return number;
}

std::optional<std::int64_t> Record::count(std::string_view key) const {
  const auto value = number(key);
  constexpr double largest = 1e12;
  if (value && (*value != std::floor(*value) || std::abs(*value) > largest))
    throw RecordError{"a value is no whole number", std::string(key) + ": '" + text(key).substr(0, 60) + "'"};
  return value ? std::optional(static_cast<std::int64_t>(*value)) : std::nullopt;
}

double Record::required_positive(std::string_view key) const {
  const auto value = number(key);
  if (!value) throw RecordError{"a field is missing", std::string(key)};
  if (*value <= 0) throw RecordError{"a value is not above 0", std::string(key) + ": " + text(key)};
  return *value;
}

void ImportContext::set_device(Observation& row, const std::string& reported, bool cpu) {
  if (!stated.device.empty()) {
    const bool is_name = database.devices().try_find(stated.device).has_value();
    const auto [name, count] = is_name ? std::pair{stated.device, std::int64_t{1}} : device_and_count(stated.device);
    row.device = database.device(name)->id;
    row.device_count = count;
    remark_other_device(row.device, reported, cpu);
    return;
  }
  const auto processors = processors_of(reported);
  if (processors.empty()) throw RecordError{"the file does not tell the device; give --device", ""};
  const bool all_equal = std::all_of(processors.begin(), processors.end(),
                                     [&](const std::string& name) { return name == processors.front(); });
  row.device = processors.front();
  row.device_count = static_cast<std::int64_t>(processors.size());
  if (!all_equal) {
    row.device = join(processors, " + ");
    row.device_count = 1;
    return;
  }
  if (const auto match = names.device(row.device, cpu)) {
    if (!match->others.empty())
      remark("'" + row.device + "' was taken for " + match->name + "; it could be " + join(match->others, ", ") +
             " as well (--device says which)");
    row.device = match->name;
  }
}

void ImportContext::remark_other_device(const std::string& device, const std::string& reported, bool cpu) {
  const auto processors = processors_of(reported);
  if (processors.empty()) return;
  const auto match = names.device(processors.front(), cpu);
  if (!match || match->name == device ||
      std::find(match->others.begin(), match->others.end(), device) != match->others.end())
    return;
  remark("the file names '" + processors.front() + "', --device " + device + " was taken all the same");
}

void ImportContext::set_checkpoint(Observation& row, const std::string& repository, const std::string& dtype) {
  const std::string& name = stated.model.empty() ? repository : stated.model;
  if (name.empty()) throw RecordError{"the file does not tell the model; give --model", ""};
  row.model = names.model_by_name(name, std::nullopt).value_or(model_file_stem(name));
  if (!stated.quant.empty()) {
    row.quant = stated.quant;
    return;
  }
  if (auto quant = names.quant_in_name(repository)) {
    row.quant = *std::move(quant);
  } else if (!dtype.empty()) {
    row.quant = names.has_quant(dtype) ? lower(dtype).starts_with("float") ? "F16" : dtype : dtype;
    if (canonical_name(dtype) == "bfloat16") row.quant = "BF16";
  } else {
    row.quant = "BF16";
    remark("the file does not tell the weights' type: BF16 was taken (--quant says otherwise)");
  }
}

const std::vector<std::string>& import_formats() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Format& format : formats()) result.push_back(format.name);
    return result;
  }();
  return names;
}

Imported import_runs(std::string_view text, const std::string& file, const Stated& stated, const Database& database,
                     const std::string& format) {
  const std::string name = format.empty() ? detected(text) : format;
  for (const Format& known : formats()) {
    if (known.name != name) continue;
    check(stated, database);
    ImportContext context(stated, database);
    context.result.format = name;
    known.import(text, file, context);
    return std::move(context.result);
  }
  if (!format.empty())
    throw UsageError("--from: one of " + join(import_formats(), ", ") + " is expected, got '" + format + "'");
  if (trim(without_mark(text)).empty()) throw InputError(file + ": is empty");
  refuse_kernels(text, file);
  refuse_cut_off_json(without_mark(text), file);
  const std::string_view first = first_line(without_mark(text));
  if (!first.starts_with('{') && !first.starts_with('[')) {
    refuse_what_is_no_table(text, file);
    if (contains(first, ",")) static_cast<void>(parse_observations(text, file));  // says which column is missing
  }
  throw InputError(file + ": is in none of the formats that are read; these are " + join(import_formats(), ", "));
}

}  // namespace silicast
