// SPDX-License-Identifier: Apache-2.0
// TensorRT-LLM's trtllm-bench (tensorrt_llm/bench/dataclasses/reporting.py): its --report_json, and the report that it
// prints, which has the same figures under other names:
//
//   ===========================================================
//   = PERFORMANCE OVERVIEW
//   ===========================================================
//   Total Output Throughput (tokens/sec):             5530.7382
//   Average request latency (ms):                     75903.4456
#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "calibration/import_parts.h"
#include "calibration/served.h"

namespace silicast {

namespace {

std::string trtllm_dtype(const Record& record) {
  const std::string quantization = record.text("engine.quantization");
  if (canonical_name(quantization) == "w4a16-awq") return "AWQ";
  if (canonical_name(quantization) == "w4a16-gptq") return "GPTQ";
  return quantization.empty() || quantization == "None" ? record.text("engine.dtype") : quantization;
}

// The report for people does not have it.
std::optional<std::int64_t> world_of(const Record& record) {
  if (const auto world = record.count("world_info.world_size")) return world;
  const auto tensor = record.count("world_info.tp_size");
  return tensor ? std::optional(*tensor * record.count("world_info.pp_size").value_or(1)) : std::nullopt;
}

void take_trtllm(const Record& record, ImportContext& context) {
  for (const auto& [key, value] : record.values)
    if (key.starts_with("decoding_stats."))
      throw RecordError{"speculative decoding", record.text("decoding_stats.mode")};
  Run run;
  Observation& row = run.observation;
  row.line = record.line;
  row.backend = context.stated.backend.empty() ? "tensorrt-llm" : context.stated.backend;
  row.build = record.text("engine.version");
  run.machine = record.text("machine.name");
  context.set_device(row, run.machine, false);
  if (const auto world = world_of(record); world && *world > 1 && row.device_count == 1) row.device_count = *world;
  context.set_checkpoint(row, record.text("engine.model"), trtllm_dtype(record));
  const std::string cache = lower(record.text("engine.kv_cache_dtype"));
  if (cache == "fp8") row.kv_type = "fp8";
  const auto length_of = [&](const char* key, const std::optional<std::int64_t>& stated, const char* what) {
    return stated ? *stated : mean_length(record.required_positive(key), 1, what);
  };
  ServedRequest request{.prompt = length_of("request_info.avg_input_length", context.stated.prompt, "prompt"),
                        .gen = length_of("request_info.avg_output_length", context.stated.gen, "generated"),
                        .concurrency = record.number("request_info.avg_num_concurrent_requests")};
  if (context.stated.concurrency) request.concurrency = static_cast<double>(*context.stated.concurrency);
  if (request.concurrency && *request.concurrency <= 0) request.concurrency.reset();
  const std::string sizes = "; tp=" + record.text("world_info.tp_size") + "; pp=" + record.text("world_info.pp_size") +
                            "; ep=" + record.text("world_info.ep_size");
  row.notes = "trtllm-bench, means of " + record.text("request_info.num_requests") + " requests" + sizes;
  if (!request.concurrency) row.notes += "; max load";
  run.command = "trtllm-bench --model " + record.text("engine.model");
  const bool timed = add_figures(run, request,
                                 {{"ttft_s", scaled(record.number("streaming_metrics.avg_ttft_ms"), ms), {}},
                                  {"tpot_s", scaled(record.number("streaming_metrics.avg_tpot_ms"), ms), {}},
                                  {"e2e_s", scaled(record.number("performance.avg_request_latency_ms"), ms), {}}},
                                 context);
  if (timed && !request.concurrency)
    context.remark("concurrent requests are not stated: kept, but nothing can be predicted (--concurrency says it)");
  // More requests than the engine takes at once wait: they are part of a latency, but not of a batch.
  if (const auto most = record.number("world_info.max_batch_size"); most && *most > 0 && request.concurrency)
    request.concurrency = std::min(*request.concurrency, *most);
  const bool counted = add_throughput(run, request,
                                      {record.number("performance.system_output_throughput_tok_s"),
                                       record.number("performance.system_total_throughput_tok_s")},
                                      record.number("request_info.num_requests").value_or(HUGE_VAL), context);
  if (!timed && !counted) refuse_without_figures();
}

// ---------------------------------------------------------------- the printed report

struct PrintedName {
  std::string_view printed;
  const char* key;  // in the JSON
};

constexpr std::array printed_names{
    PrintedName{"Model", "engine.model"},
    PrintedName{"TensorRT LLM Version", "engine.version"},
    PrintedName{"TensorRT-LLM Version", "engine.version"},
    PrintedName{"Dtype", "engine.dtype"},
    PrintedName{"KV Cache Dtype", "engine.kv_cache_dtype"},
    PrintedName{"Quantization", "engine.quantization"},
    PrintedName{"TP Size", "world_info.tp_size"},
    PrintedName{"PP Size", "world_info.pp_size"},
    PrintedName{"EP Size", "world_info.ep_size"},
    PrintedName{"Max Runtime Batch Size", "world_info.max_batch_size"},
    PrintedName{"Number of requests", "request_info.num_requests"},
    PrintedName{"Number of concurrent requests", "request_info.avg_num_concurrent_requests"},
    PrintedName{"Average Input Length (tokens)", "request_info.avg_input_length"},
    PrintedName{"Average Output Length (tokens)", "request_info.avg_output_length"},
    PrintedName{"Total Output Throughput (tokens/sec)", "performance.system_output_throughput_tok_s"},
    PrintedName{"Token Throughput (tokens/sec)", "performance.system_output_throughput_tok_s"},  // before 0.18
    PrintedName{"Total Token Throughput (tokens/sec)", "performance.system_total_throughput_tok_s"},
    PrintedName{"Average request latency (ms)", "performance.avg_request_latency_ms"},
    PrintedName{"Average time-to-first-token [TTFT] (ms)", "streaming_metrics.avg_ttft_ms"},
    PrintedName{"Average time-per-output-token [TPOT] (ms)", "streaming_metrics.avg_tpot_ms"}};

// Reports within a log, each from the section of its engine on.
class ReportReader {
 public:
  explicit ReportReader(std::string_view text) {
    const auto lines = split(text, '\n');
    for (std::size_t i = 0; i < lines.size(); ++i) {
      ++line_;
      read(trim(lines[i]), i + 1 == lines.size());
    }
    finish();
  }

  [[nodiscard]] const Records& records() const { return result_; }

 private:
  void read(std::string_view line, bool is_last) {
    if (line.empty() || line.find_first_not_of('=') == std::string_view::npos) return;
    if (line.starts_with("= ")) return begin_section(trim(line.substr(2)));
    if (!is_of_report_) return;
    if (section_ == "MACHINE DETAILS" && !record_.has("machine.name") && line.find(", memory ") != line.npos) {
      record_.values["machine.name"] = line.substr(0, line.find(", memory "));
      return;
    }
    const auto colon = line.find(": ");
    const std::string_view name = line.substr(0, std::min(line.find(':'), line.size()));
    const auto at = std::find_if(printed_names.begin(), printed_names.end(),
                                 [&](const PrintedName& known) { return known.printed == name; });
    if (at == printed_names.end()) return;
    // A figure that the text ends with may have lost digits.
    if (is_last) {
      result_.not_taken.push_back({line_, "the file is cut off within a run", std::string(line.substr(0, 60))});
      return;
    }
    std::string_view value = colon == line.npos ? line.substr(name.size() + 1) : line.substr(colon + 1);
    value = trim(value);
    if (value != "None") record_.values[at->key] = value;
    if (section_.starts_with("PERFORMANCE") || section_.starts_with("STREAMING")) has_figures_ = true;
  }

  void begin_section(std::string_view name) {
    section_ = name;
    const bool is_first = name == "ENGINE DETAILS" || name == "PYTORCH BACKEND";
    if (is_first || (name == "PERFORMANCE OVERVIEW" && has_figures_)) finish();
    if (name.starts_with("DECODING STATISTICS")) {
      const auto open = name.find('(');
      record_.values["decoding_stats.mode"] =
          open == name.npos ? "" : std::string(name.substr(open + 1, name.size() - open - 2));
    }
    is_of_report_ = is_first || name == "MACHINE DETAILS" || name == "WORLD + RUNTIME INFORMATION" ||
                    name == "REQUEST DETAILS" || name == "PERFORMANCE OVERVIEW" || name == "STREAMING STATISTICS";
    if (is_of_report_ && record_.line == 0) record_.line = line_;
  }

  void finish() {
    if (has_figures_)
      result_.records.push_back(std::move(record_));
    else if (record_.line > 0)
      result_.not_taken.push_back({record_.line, "the report ends before its figures: cut off", ""});
    record_ = {};
    has_figures_ = false;
  }

  int line_ = 0;
  std::string section_;
  bool is_of_report_ = false;
  bool has_figures_ = false;
  Record record_;
  Records result_;
};

}  // namespace

bool is_printed_trtllm(std::string_view text) {
  for (const char* heading : {"\n= PERFORMANCE OVERVIEW", "\n= ENGINE DETAILS", "\n= PYTORCH BACKEND"})
    if (contains(text, heading)) return true;
  return false;
}

void import_trtllm(std::string_view text, const std::string& file, ImportContext& context) {
  const Records records = is_printed_trtllm(text) ? ReportReader(text).records() : read_json_records(text, file);
  context.take_each(records, [&](const Record& record) { take_trtllm(record, context); });
}

}  // namespace silicast
