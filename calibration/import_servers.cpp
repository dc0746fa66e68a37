// SPDX-License-Identifier: Apache-2.0
// vLLM (vllm/benchmarks/serve.py, latency.py, throughput.py) and TensorRT-LLM (tensorrt_llm/bench/dataclasses/
// reporting.py): latencies as a client sees them, and the concurrency at which it saw them.
#include <cmath>

#include "base/text.h"
#include "calibration/import_parts.h"

namespace silicast {

namespace {

constexpr double ms = 1e-3;

struct Request {
  std::int64_t prompt = 0;
  std::int64_t gen = 0;
  std::optional<double> concurrency;
};

struct Latency {
  const char* metric;
  std::optional<double> seconds;
  std::optional<double> stddev;
};

// "20251120-142233" -> "2025-11-20"
std::string date_of(const std::string& text) {
  if (text.size() < 8 || !parse_integer(text.substr(0, 8))) return text.substr(0, 10);
  return text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 2);
}

// One run for each latency that the record has.
void add_latencies(const Run& base, const Request& request, const std::vector<Latency>& latencies,
                   ImportContext& context) {
  bool any = false;
  for (const Latency& latency : latencies) {
    if (latency.seconds && *latency.seconds < 0)
      context.result.not_taken.push_back({base.observation.line, "a value is not above 0",
                                          std::string(latency.metric) + ": " + exact(*latency.seconds)});
    if (!latency.seconds || *latency.seconds <= 0) continue;
    Run run = base;
    Observation& row = run.observation;
    row.metric = latency.metric;
    row.value = *latency.seconds;
    if (latency.stddev && *latency.stddev >= 0) row.stddev = latency.stddev;
    row.prompt = request.prompt;
    row.gen = request.gen;
    row.batch = request.concurrency;
    context.add(std::move(run));
    any = true;
  }
  if (!any) throw RecordError{"no latency above 0", ""};
}

std::optional<double> scaled(std::optional<double> value, double factor) {
  return value ? std::optional(*value * factor) : std::nullopt;
}

std::int64_t mean_length(double tokens, double requests, const char* what) {
  const auto length = std::llround(tokens / requests);
  if (length < 1) throw RecordError{std::string("no ") + what + " tokens", ""};
  return length;
}

// Keys by which people say the device and the degree of parallelism with --metadata.
std::string first_of(const Record& record, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (std::string value = record.text(key); !value.empty()) return value;
  return "";
}

// vllm bench serve measures other servers as well; "openai" is the interface that vLLM's own has.
std::string served_by(const std::string& backend) {
  const std::string name = canonical_name(backend);
  if (name.empty() || name.starts_with("vllm") || name.starts_with("openai")) return "vllm";
  if (name.starts_with("sglang")) return "sglang";
  return name;
}

Run vllm_run(const Record& record, ImportContext& context) {
  Run run;
  run.observation.line = record.line;
  run.observation.backend = context.stated.backend.empty() ? served_by(record.text("backend")) : context.stated.backend;
  run.machine = first_of(record, {"gpu_name", "gpu", "device", "hardware", "gpu_type"});
  context.set_device(run.observation, run.machine, false);
  const std::string parallel = first_of(record, {"tensor_parallel_size", "tp", "tp_size"});
  if (const auto count = parse_integer(parallel); count && *count > 1 && run.observation.device_count == 1)
    run.observation.device_count = *count;
  return run;
}

void take_vllm_serve(const Record& record, ImportContext& context) {
  Run run = vllm_run(record, context);
  Observation& row = run.observation;
  context.set_checkpoint(row, record.text("model_id"), first_of(record, {"quantization", "dtype"}));
  row.source_date = date_of(record.text("date"));
  row.build = first_of(record, {"vllm_version", "version"});
  const double completed = record.required_positive("completed");
  Request request{.prompt = mean_length(record.required_positive("total_input_tokens"), completed, "prompt"),
                  .gen = mean_length(record.required_positive("total_output_tokens"), completed, "generated"),
                  .concurrency = record.number("max_concurrency")};
  if (request.concurrency && *request.concurrency < 1) throw RecordError{"a value is not above 0", "max_concurrency"};
  if (request.concurrency && *request.concurrency > completed) request.concurrency = completed;
  if (context.stated.concurrency) request.concurrency = static_cast<double>(*context.stated.concurrency);
  row.notes = "vllm bench serve, means; request_rate=" + first_of(record, {"request_rate"});
  if (const auto failed = record.number("failed"); failed && *failed > 0) {
    row.notes += "; failed=" + record.text("failed");
    context.remark("requests failed: the means are of those that were answered");
  }
  run.command = "vllm bench serve --model " + record.text("model_id") + " --num-prompts " + record.text("num_prompts") +
                " --request-rate " + record.text("request_rate") + " --max-concurrency " +
                record.text("max_concurrency");
  if (!request.concurrency)
    context.remark("max_concurrency is not stated: kept, but nothing can be predicted for it (--concurrency says it)");
  add_latencies(run, request,
                {{"ttft_s", scaled(record.number("mean_ttft_ms"), ms), scaled(record.number("std_ttft_ms"), ms)},
                 {"tpot_s", scaled(record.number("mean_tpot_ms"), ms), scaled(record.number("std_tpot_ms"), ms)},
                 {"e2e_s", scaled(record.number("mean_e2el_ms"), ms), scaled(record.number("std_e2el_ms"), ms)}},
                context);
}

// One batch from its first prompt token to its last generated one. The file says nothing of what was asked.
void take_vllm_latency(const Record& record, ImportContext& context) {
  const Stated& stated = context.stated;
  if (!stated.prompt || !stated.gen || !stated.concurrency)
    throw RecordError{
        "vllm bench latency does not tell the request: give --prompt, --gen and --concurrency "
        "(its --input-len, --output-len and --batch-size)",
        ""};
  Run run = vllm_run(record, context);
  context.set_checkpoint(run.observation, record.text("model_id"), "");
  run.observation.notes = "vllm bench latency, mean";
  run.command = "vllm bench latency";
  add_latencies(run,
                {.prompt = *stated.prompt, .gen = *stated.gen, .concurrency = static_cast<double>(*stated.concurrency)},
                {{"e2e_s", record.number("avg_latency"), record.number("std_latency")}}, context);
}

std::string trtllm_dtype(const Record& record) {
  const std::string quantization = record.text("engine.quantization");
  if (canonical_name(quantization) == "w4a16-awq") return "AWQ";
  if (canonical_name(quantization) == "w4a16-gptq") return "GPTQ";
  return quantization.empty() || quantization == "None" ? record.text("engine.dtype") : quantization;
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
  if (const auto world = record.count("world_info.world_size"); world && *world > 1 && row.device_count == 1)
    row.device_count = *world;
  context.set_checkpoint(row, record.text("engine.model"), trtllm_dtype(record));
  const std::string cache = lower(record.text("engine.kv_cache_dtype"));
  if (cache == "fp8") row.kv_type = "fp8";
  Request request{.prompt = mean_length(record.required_positive("request_info.avg_input_length"), 1, "prompt"),
                  .gen = mean_length(record.required_positive("request_info.avg_output_length"), 1, "generated"),
                  .concurrency = record.number("request_info.avg_num_concurrent_requests")};
  if (context.stated.concurrency) request.concurrency = static_cast<double>(*context.stated.concurrency);
  if (request.concurrency && *request.concurrency <= 0) request.concurrency.reset();
  const std::string sizes = "; tp=" + record.text("world_info.tp_size") + "; pp=" + record.text("world_info.pp_size") +
                            "; ep=" + record.text("world_info.ep_size");
  row.notes = "trtllm-bench, means of " + record.text("request_info.num_requests") + " requests" + sizes;
  run.command = "trtllm-bench --model " + record.text("engine.model");
  add_latencies(run, request,
                {{"ttft_s", scaled(record.number("streaming_metrics.avg_ttft_ms"), ms), {}},
                 {"tpot_s", scaled(record.number("streaming_metrics.avg_tpot_ms"), ms), {}},
                 {"e2e_s", scaled(record.number("performance.avg_request_latency_ms"), ms), {}}},
                context);
}

void take_vllm(const Record& record, ImportContext& context) {
  if (record.has("avg_latency")) return take_vllm_latency(record, context);
  if (record.has("elapsed_time"))
    throw RecordError{
        "vllm bench throughput gives tokens of prompts and answers together, at a concurrency that it does not state",
        ""};
  take_vllm_serve(record, context);
}

}  // namespace

void import_vllm(std::string_view text, const std::string& file, ImportContext& context) {
  context.take_each(read_json_records(text, file), [&](const Record& record) { take_vllm(record, context); });
}

void import_trtllm(std::string_view text, const std::string& file, ImportContext& context) {
  context.take_each(read_json_records(text, file), [&](const Record& record) { take_trtllm(record, context); });
}

}  // namespace silicast
