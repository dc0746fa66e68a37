// SPDX-License-Identifier: Apache-2.0
// llama-bench: -o json, jsonl, csv and md (tools/llama-bench/llama-bench.cpp of llama.cpp). The Markdown names fewer
// columns, under shorter names, and its numbers are rounded; what llama.cpp logged around it names the device.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/csv.h"
#include "base/text.h"
#include "calibration/import_parts.h"

namespace silicast {

namespace {

// The stack of "CUDA", "Metal,BLAS", "MTL,BLAS", "Vulkan,RPC", "CPU", and of `silicast bench model`. The list holds
// what was compiled in, the accelerator first; `devices` ("CUDA0/CUDA1") tells which of two was used.
std::string backend_of(const std::string& backends, const std::string& devices) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> stacks{
      {{"cuda", "llama.cpp-cuda"},
       {"silicast-engine", "silicast-engine"},
       {"rocm", "llama.cpp-rocm"},
       {"hip", "llama.cpp-rocm"},
       {"metal", "llama.cpp-metal"},
       {"mtl", "llama.cpp-metal"},
       {"vulkan", "llama.cpp-vulkan"},
       {"sycl", "llama.cpp-sycl"},
       {"opencl", "llama.cpp-opencl"},
       {"musa", "llama.cpp-musa"},
       {"cann", "llama.cpp-cann"}}};
  const std::string chosen = devices.empty() || devices == "auto" ? backends : devices;
  const std::string all = lower(chosen);
  std::string best;
  std::size_t first = std::string::npos;
  for (const auto& [word, stack] : stacks) {
    const auto at = all.find(word);
    if (at == std::string::npos || (first != std::string::npos && at >= first)) continue;
    first = at;
    best = stack;
  }
  return best.empty() ? "llama.cpp-cpu" : best;
}

// "llama 8B Q4_K - Medium", "qwen3moe 30B.A3B Q8_0", "gpt-oss 20B MXFP4 MoE": architecture, size, type.
struct ModelType {
  std::string architecture;
  std::string type;
};

ModelType model_type_of(const std::string& text) {
  const auto first = text.find(' ');
  if (first == std::string::npos) return {text, ""};
  const auto second = text.find(' ', first + 1);
  if (second == std::string::npos) return {text.substr(0, first), text.substr(first + 1)};
  return {text.substr(0, first), text.substr(second + 1)};
}

// The number that a Markdown cell rounded, and by how much at most.
struct Parameters {
  double value = 0;
  double tolerance = 0;  // relative
};

std::optional<Parameters> parameters_of(const Record& record) {
  if (const auto exact_count = record.number("model_n_params")) {
    // The count of a GGUF holds rope frequencies and the like.
    constexpr double auxiliary = 2e-4;
    if (*exact_count <= 0) throw RecordError{"a value is not above 0", "model_n_params"};
    return Parameters{*exact_count, auxiliary};
  }
  const std::string text = record.text("params");  // "8.03 B", "494.03 M"
  if (text.empty()) return std::nullopt;
  const auto blank = text.find(' ');
  const auto number = parse_number(text.substr(0, blank));
  const std::string unit = blank == std::string::npos ? "" : text.substr(blank + 1);
  if (!number || *number <= 0 || (unit != "B" && unit != "M"))
    throw RecordError{"a value is no number", "params: '" + text + "'"};
  constexpr double rounding = 0.005;
  return Parameters{*number * (unit == "B" ? 1e9 : 1e6), rounding / *number + 1e-4};
}

std::optional<double> size_gib(const Record& record) {
  constexpr double gib = 1024.0 * 1024.0 * 1024.0;
  if (const auto bytes = record.number("model_size")) return *bytes > 0 ? std::optional(*bytes / gib) : std::nullopt;
  const std::string text = record.text("size");
  const auto bytes = parse_quantity<Bytes>(text);
  return bytes ? std::optional(*bytes / 1_GiB) : std::nullopt;
}

void set_model(Observation& row, const Record& record, ImportContext& context) {
  const ModelType type = model_type_of(record.text("model_type"));
  const std::string file = record.text("model_filename");
  const auto parameters = parameters_of(record);
  if (parameters) row.params_b = parameters->value / 1e9;
  if (!context.stated.model.empty()) {
    row.model = context.names.model_by_name(context.stated.model, std::nullopt).value_or(context.stated.model);
  } else if (auto named = file.empty() ? std::nullopt
                                       : context.names.model_by_name(
                                             file, parameters ? std::optional(parameters->value) : std::nullopt)) {
    row.model = *std::move(named);
  } else if (const auto found =
                 parameters ? context.names.model_by_size(type.architecture, parameters->value, parameters->tolerance)
                            : std::nullopt) {
    row.model = found->name;
    if (!found->others.empty())
      context.remark("'" + record.text("model_type") + "' was taken for " + found->name + ", whose shape is that of " +
                     join(found->others, ", ") + " as well");
  } else {
    row.model = file.empty() ? record.text("model_type") : model_file_stem(file);
    if (row.model.empty()) throw RecordError{"a field is missing", "model_type"};
  }
  row.quant = quant_of_llama_type(type.type);
  // The type of an Unsloth mix is that of most of its tensors.
  if (const auto in_name = context.names.quant_in_name(file); in_name && in_name->starts_with("UD-"))
    row.quant = *in_name;
  if (!context.stated.quant.empty()) row.quant = context.stated.quant;
  if (row.quant.empty()) throw RecordError{"the file does not tell the quantization; give --quant", ""};
}

std::optional<bool> flash_attention_of(const std::string& text) {
  const std::string value = lower(text);
  if (value == "1" || value == "true" || value == "on") return true;
  if (value == "0" || value == "false" || value == "off") return false;
  return std::nullopt;  // -1 and auto: llama.cpp decides
}

bool is_set(const std::string& flag) { return flag == "1" || flag == "true"; }

// Everything without a column of its own that changes the speed. query_of.cpp reads ub=, b=, ot=, n_cpu_moe=, nkvo=.
std::string notes_of(const Record& record) {
  std::vector<std::string> notes;
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) notes.push_back(std::string(key) + "=" + value);
  };
  add("b", record.text("n_batch"));
  add("ub", record.text("n_ubatch"));
  const std::string moe = record.text("n_cpu_moe");
  if (moe != "0") add("n_cpu_moe", moe);
  add("ot", record.text("tensor_buft_overrides"));
  if (is_set(record.text("no_kv_offload"))) add("nkvo", "1");
  if (record.text("split_mode") != "layer") add("sm", record.text("split_mode"));
  const std::string shares = record.text("tensor_split");
  if (!shares.empty() && parse_number(shares) != 0.0) add("ts", shares);
  if (is_set(record.text("no_op_offload"))) add("nopo", "1");
  if (record.text("use_mmap") == "0" || record.text("use_mmap") == "false") add("mmap", "0");
  if (!record.text("load_mode").empty() && record.text("load_mode") != "auto") add("lm", record.text("load_mode"));
  if (record.text("devices") != "auto") add("dev", record.text("devices"));
  return join(notes, "; ");
}

// llama-bench's command line without what is the default.
std::string command_of(const Record& record) {
  std::string command = "llama-bench";
  const auto add = [&](const char* option, const char* key) {
    if (const std::string value = record.text(key); !value.empty()) command += std::string(" ") + option + " " + value;
  };
  add("-m", "model_filename");
  add("-ngl", "n_gpu_layers");
  add("-t", "n_threads");
  add("-b", "n_batch");
  add("-ub", "n_ubatch");
  add("-ctk", "type_k");
  add("-ctv", "type_v");
  add("-fa", "flash_attn");
  add("-p", "n_prompt");
  add("-n", "n_gen");
  add("-d", "n_depth");
  return command;
}

// The mean and the spread of the repetitions, printed or from the samples.
void set_value(Observation& row, const Record& record) {
  std::vector<double> samples;
  const std::string listed = record.text("samples_ts");
  for (const auto part : split(listed, ','))
    if (const auto value = parse_number(trim(part)); value && *value > 0) samples.push_back(*value);
  if (record.has("avg_ts") || samples.empty()) {
    row.value = record.required_positive("avg_ts");
    row.stddev = record.number("stddev_ts");
  } else {
    double sum = 0;
    for (const double sample : samples) sum += sample;
    row.value = sum / static_cast<double>(samples.size());
  }
  if (!row.stddev && samples.size() > 1) {
    double squares = 0;
    for (const double sample : samples) squares += (sample - row.value) * (sample - row.value);
    row.stddev = std::sqrt(squares / static_cast<double>(samples.size() - 1));
  }
  if (row.stddev && *row.stddev < 0) throw RecordError{"a value is below 0", "stddev_ts"};
}

void set_test(Observation& row, const Record& record) {
  const std::int64_t prompt = record.count("n_prompt").value_or(0);
  const std::int64_t gen = record.count("n_gen").value_or(0);
  row.depth = record.count("n_depth").value_or(0);
  if (prompt < 0 || gen < 0 || *row.depth < 0 || prompt + gen < 1)
    throw RecordError{"the test is not pp, tg or pp+tg", ""};
  if (gen == 0) {
    row.metric = "pp_tps";
    row.prompt = prompt;
  } else if (prompt == 0) {
    row.metric = "tg_tps";
    row.gen = gen;
  } else {
    // Tokens of both over the time of both. The first generated token comes out of the prompt: one more than decoded.
    row.metric = "e2e_s";
    row.prompt = prompt;
    row.gen = gen + 1;
    if (row.stddev) row.stddev = static_cast<double>(prompt + gen) / row.value * (*row.stddev / row.value);
    row.value = static_cast<double>(prompt + gen) / row.value;
  }
}

std::string build_of(const Record& record) {
  const auto number = record.count("build_number");
  const std::string commit = record.text("build_commit");
  if (!number || *number <= 0) return commit == "unknown" ? "" : commit;
  return "b" + std::to_string(*number) + (commit.empty() || commit == "unknown" ? "" : " (" + commit + ")");
}

// Integrated GPUs report a name without a model; their processor has one.
std::string processor_of(const Record& record, bool cpu, const ImportContext& context) {
  std::string gpu = record.text("gpu_info");
  std::string host = record.text("cpu_info");
  if (cpu) return host;
  if (gpu.empty() || context.names.device(gpu, false) || !context.names.device(host, false)) return gpu;
  const auto device = context.database.device(context.names.device(host, false)->name);
  return device->device_class == DeviceClass::unified ? host : gpu;
}

void take_run(const Record& record, ImportContext& context) {
  Run run;
  Observation& row = run.observation;
  row.line = record.line;
  if (is_set(record.text("embeddings"))) throw RecordError{"an embedding run", ""};
  row.backend = backend_of(record.text("backends"), record.text("devices"));
  if (!context.stated.backend.empty()) row.backend = context.stated.backend;
  const bool cpu = row.backend == "llama.cpp-cpu" || row.backend == "silicast-engine";
  set_value(row, record);
  set_test(row, record);
  set_model(row, record, context);
  context.set_device(row, processor_of(record, cpu, context), cpu);
  row.build = build_of(record);
  row.source_date = record.text("test_time").substr(0, 10);
  row.flash_attention = flash_attention_of(record.text("flash_attn"));
  row.model_size_gib = size_gib(record);
  const std::string key = record.text("type_k");
  const std::string value = record.text("type_v");
  if (!key.empty() || !value.empty()) {
    const std::string k = key.empty() ? "f16" : key;
    const std::string v = value.empty() ? "f16" : value;
    row.kv_type = k == v ? k : k + "/" + v;
  }
  if (!cpu) row.gpu_layers = record.count("n_gpu_layers");
  if (row.gpu_layers && *row.gpu_layers < -1) row.gpu_layers = -1;
  row.threads = record.count("n_threads");
  if (row.threads && *row.threads < 1) throw RecordError{"a value is not above 0", "n_threads"};
  row.batch = 1;
  row.notes = notes_of(record);
  for (const char* key : {"gpu_info", "cpu_info"})
    if (const std::string processor = record.text(key); !processor.empty())
      run.machine += (run.machine.empty() ? "" : "; ") + processor;
  run.command = command_of(record);
  context.add(std::move(run));
}

// ---------------------------------------------------------------- Markdown

std::string field_of_heading(const std::string& heading) {
  static const std::map<std::string, std::string, std::less<>> names{
      {"model", "model_type"},  {"backend", "backends"},   {"ngl", "n_gpu_layers"},
      {"threads", "n_threads"}, {"ncmoe", "n_cpu_moe"},    {"sm", "split_mode"},
      {"mg", "main_gpu"},       {"nkvo", "no_kv_offload"}, {"fa", "flash_attn"},
      {"mmap", "use_mmap"},     {"embd", "embeddings"},    {"nopo", "no_op_offload"},
      {"dev", "devices"},       {"ts", "tensor_split"},    {"ot", "tensor_buft_overrides"}};
  const auto at = names.find(heading);
  return at == names.end() ? heading : at->second;
}

std::vector<std::string> cells_of(std::string_view line) {
  line = trim(line);
  line.remove_prefix(1);
  if (line.ends_with('|')) line.remove_suffix(1);
  std::vector<std::string> cells;
  for (const auto cell : split(line, '|')) {
    std::string_view text = trim(cell);
    while (text.size() > 1 && text.front() == '*' && text.back() == '*') text = trim(text.substr(1, text.size() - 2));
    cells.emplace_back(text);
  }
  return cells;
}

// Digits off the front of the text.
std::optional<std::string> take_digits(std::string_view& text) {
  text = trim(text);
  const auto end = std::min(text.find_first_not_of("0123456789"), text.size());
  if (end == 0) return std::nullopt;
  std::string digits(text.substr(0, end));
  text.remove_prefix(end);
  return digits;
}

bool take_word(std::string_view& text, std::string_view word) {
  text = trim(text);
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

// "pp512", "tg 128", "pp512+tg128", "tg128 @ d8192".
void read_test(Record& record) {
  const std::string test = record.text("test");
  std::string_view rest = test;
  const auto fail = [&] { throw RecordError{"the test is not pp, tg or pp+tg", "'" + test + "'"}; };
  const auto read_into = [&](const char* key) {
    const auto digits = take_digits(rest);
    if (!digits) fail();
    record.values[key] = *digits;
  };
  if (take_word(rest, "pp")) read_into("n_prompt");
  take_word(rest, "+");
  if (take_word(rest, "tg")) read_into("n_gen");
  if (take_word(rest, "@")) {
    if (!take_word(rest, "d")) fail();
    read_into("n_depth");
  }
  if (!trim(rest).empty() || (!record.has("n_prompt") && !record.has("n_gen"))) fail();
}

// "7340.20 ± 23.45"
void read_rate(Record& record) {
  const std::string cell = record.text("t/s");
  constexpr std::string_view plus_minus = "\xC2\xB1";
  auto at = cell.find(plus_minus);
  std::size_t width = plus_minus.size();
  if (at == std::string::npos) {
    at = cell.find("+/-");
    width = 3;
  }
  record.values["avg_ts"] = std::string(trim(cell.substr(0, at)));
  if (at != std::string::npos) record.values["stddev_ts"] = std::string(trim(cell.substr(at + width)));
}

// What llama.cpp says of the device before the table.
std::optional<std::string> logged_device(std::string_view line) {
  const auto between = [&](std::string_view begin, std::string_view end) -> std::optional<std::string> {
    const auto at = line.find(begin);
    if (at == std::string_view::npos) return std::nullopt;
    const auto from = at + begin.size();
    return std::string(trim(line.substr(from, line.find(end, from) - from)));
  };
  if (contains(line, ", compute capability") || contains(line, ", gfx")) {
    const auto device = line.find("Device ");
    const auto colon = line.find(": ", device);
    if (device != std::string_view::npos && colon != std::string_view::npos)
      return std::string(trim(line.substr(colon + 2, line.find(", ", colon) - colon - 2)));
  }
  if (line.starts_with("ggml_vulkan: ") && contains(line, " = ")) {
    auto name = between(" = ", " | ");
    if (name && name->ends_with(')')) name->resize(name->rfind('('));  // the driver
    return name;
  }
  if (contains(line, "ggml_metal") && contains(line, "found device:")) return between("found device:", "\n");
  if (contains(line, "ggml_metal") && contains(line, "GPU name:")) return between("GPU name:", "\n");
  return std::nullopt;
}

bool begins_device_list(std::string_view line) {
  return contains(line, "CUDA devices") || contains(line, "ROCm devices") || contains(line, "Vulkan devices");
}

// "build: 8cf427ff (5163)"
bool read_build(std::string_view line, std::string& commit, std::string& number) {
  if (!take_word(line, "build:")) return false;
  line = trim(line);
  const auto open = line.find('(');
  const auto close = line.find(')');
  commit = std::string(trim(line.substr(0, open)));
  if (open != std::string_view::npos && close != std::string_view::npos && close > open)
    number = std::string(line.substr(open + 1, close - open - 1));
  return true;
}

class MarkdownReader {
 public:
  Records read(std::string_view text) {
    int number = 0;
    const auto lines = split(text, '\n');
    for (const auto line : lines) {
      ++number;
      const bool last = static_cast<std::size_t>(number) == lines.size();
      if (trim(line).starts_with('|'))
        read_row(trim(line), number, last);
      else
        read_log(trim(line));
    }
    return std::move(result_);
  }

 private:
  void read_row(std::string_view line, int number, bool last) {
    const auto cells = cells_of(line);
    if (std::find(cells.begin(), cells.end(), "t/s") != cells.end()) {
      headings_.clear();
      for (const std::string& cell : cells) headings_.push_back(field_of_heading(cell));
      return;
    }
    const bool is_rule = std::all_of(cells.begin(), cells.end(), [](const std::string& cell) {
      return cell.find_first_not_of("-: ") == std::string::npos;
    });
    if (is_rule || headings_.empty()) return;
    if (cells.size() != headings_.size()) {
      result_.not_taken.push_back(
          {number, last ? "the file is cut off within a run" : "a row with other columns than its table",
           std::string(line.substr(0, 60))});
      return;
    }
    Record record{.line = number, .values = {}};
    for (std::size_t i = 0; i < cells.size(); ++i) record.values[headings_[i]] = cells[i];
    if (!devices_.empty()) record.values["gpu_info"] = join(devices_, ", ");
    result_.records.push_back(std::move(record));
  }

  void read_log(std::string_view line) {
    if (begins_device_list(line)) devices_.clear();
    if (const auto device = logged_device(line)) {
      // Metal names its one device on several lines.
      if (!contains(line, "ggml_metal") || devices_.empty()) devices_.push_back(*device);
    }
    std::string commit;
    std::string number;
    if (!read_build(line, commit, number)) return;
    // The line stands below the table that it belongs to.
    for (; built_ < result_.records.size(); ++built_) {
      result_.records[built_].values["build_commit"] = commit;
      if (!number.empty()) result_.records[built_].values["build_number"] = number;
    }
    headings_.clear();
  }

  Records result_;
  std::vector<std::string> headings_;
  std::vector<std::string> devices_;
  std::size_t built_ = 0;
};

}  // namespace

void import_llama_bench_json(std::string_view text, const std::string& file, ImportContext& context) {
  context.take_each(read_json_records(text, file), [&](const Record& record) { take_run(record, context); });
}

void import_llama_bench_csv(std::string_view text, const std::string& file, ImportContext& context) {
  context.take_each(read_csv_records(text, file), [&](const Record& record) { take_run(record, context); });
}

void import_llama_bench_md(std::string_view text, const std::string&, ImportContext& context) {
  context.take_each(MarkdownReader().read(text), [&](Record record) {
    read_test(record);
    read_rate(record);
    take_run(record, context);
  });
}

}  // namespace silicast
