// SPDX-License-Identifier: Apache-2.0
// vLLM (vllm/benchmarks/serve.py, latency.py, throughput.py): latencies as a client sees them, what all clients
// together get, and the concurrency at which they did.
#include "base/text.h"
#include "calibration/import_parts.h"
#include "calibration/served.h"

namespace silicast {

namespace {

// "20251120-142233" -> "2025-11-20"
std::string date_of(const std::string& text) {
  if (text.size() < 8 || !parse_integer(text.substr(0, 8))) return text.substr(0, 10);
  return text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 2);
}

// Keys by which people say the device and the degree of parallelism with --metadata.
std::string first_of(const Record& record, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (std::string value = record.text(key); !value.empty()) return value;
  return "";
}

// vllm bench serve measures other servers as well; "openai" is the interface that vLLM's own has.
std::string served_by(const std::string& backend) {
  std::string name = canonical_name(backend);
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
  ServedRequest request{.prompt = mean_length(record.required_positive("total_input_tokens"), completed, "prompt"),
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
  const bool timed =
      add_figures(run, request,
                  {{"ttft_s", scaled(record.number("mean_ttft_ms"), ms), scaled(record.number("std_ttft_ms"), ms)},
                   {"tpot_s", scaled(record.number("mean_tpot_ms"), ms), scaled(record.number("std_tpot_ms"), ms)},
                   {"e2e_s", scaled(record.number("mean_e2el_ms"), ms), scaled(record.number("std_e2el_ms"), ms)}},
                  context);
  const Throughput all{record.number("output_throughput"), record.number("total_token_throughput")};
  bool counted = false;
  const std::string rate = lower(first_of(record, {"request_rate"}));
  if (!rate.empty() && rate != "inf")
    counted =
        leave_out_throughput(run, all, "clients that ask at a rate of their own", "request_rate " + rate, context);
  else
    counted = add_throughput(run, request, all, completed, context);
  if (!timed && !counted) refuse_without_figures();
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
  if (!add_figures(
          run, {.prompt = *stated.prompt, .gen = *stated.gen, .concurrency = static_cast<double>(*stated.concurrency)},
          {{"e2e_s", record.number("avg_latency"), record.number("std_latency")}}, context))
    refuse_without_figures();
}

// Tokens of prompts and answers together, of requests that were all there from the beginning.
void take_vllm_throughput(const Record& record, ImportContext& context) {
  const Stated& stated = context.stated;
  if (!stated.prompt || !stated.gen || !stated.concurrency)
    throw RecordError{
        "vllm bench throughput does not tell the requests nor how many ran at once: give --prompt, --gen and "
        "--concurrency (its --input-len, --output-len and --max-num-seqs)",
        ""};
  Run run = vllm_run(record, context);
  context.set_checkpoint(run.observation, record.text("model_id"), "");
  run.observation.notes = "vllm bench throughput";
  run.command = "vllm bench throughput";
  const ServedRequest request{
      .prompt = *stated.prompt, .gen = *stated.gen, .concurrency = static_cast<double>(*stated.concurrency)};
  add_throughput(run, request, {{}, record.required_positive("tokens_per_second")},
                 record.required_positive("num_requests"), context);
}

void take_vllm(const Record& record, ImportContext& context) {
  if (record.has("avg_latency")) return take_vllm_latency(record, context);
  if (record.has("elapsed_time")) return take_vllm_throughput(record, context);
  take_vllm_serve(record, context);
}

}  // namespace

void import_vllm(std::string_view text, const std::string& file, ImportContext& context) {
  context.take_each(read_json_records(text, file), [&](const Record& record) { take_vllm(record, context); });
}

}  // namespace silicast
