// SPDX-License-Identifier: Apache-2.0
// silicast bench model: whole models, with llama-bench's tests and fields (tools/llama-bench of llama.cpp), so that
// what reads the one reads the other.
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <memory>

#include "base/text.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "engine/measure/model_bench.h"
#include "engine/synthesize.h"
#include "engine/topology.h"
#include "model/database.h"

namespace silicast::cli {

namespace {

struct BenchModelOptions {
  std::string file;
  std::string architecture;
  std::string quant;
  std::string prompts = "512";
  std::string gens = "128";
  std::string depths = "0";
  std::string threads;
  std::string repetitions = "5";
  std::string ubatch = "512";
  std::string kv_type = "f16";
  std::string isa;
  std::optional<bool> map;
  std::string output;
  std::string data;
};

enum class Form { text, json, jsonl, csv, md };

struct Bench {
  std::shared_ptr<const engine::Model> model;
  std::string file;   // as it is named in the output
  std::string quant;  // Q4_K_M
  std::int64_t ubatch = 512;
  std::string kv_type;
};

std::string now_utc() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

// Numbers from 0 on.
std::vector<std::int64_t> list_of(const std::string& option, const std::string& text) {
  std::vector<std::int64_t> values;
  for (const auto part : split(text, ',')) {
    const auto value = parse_integer(trim(part));
    if (!value || *value < 0 || *value > (1 << 24))
      throw UsageError(option + ": whole numbers from 0 on, separated by commas, are expected, got '" + text + "'");
    values.push_back(*value);
  }
  return values;
}

std::vector<engine::ModelTest> tests_of(const BenchModelOptions& options) {
  std::vector<engine::ModelTest> tests;
  for (const std::int64_t depth : list_of("-d", options.depths)) {
    for (const std::int64_t prompt : list_of("-p", options.prompts))
      if (prompt > 0) tests.push_back({.prompt = prompt, .gen = 0, .depth = depth});
    for (const std::int64_t gen : list_of("-n", options.gens))
      if (gen > 0) tests.push_back({.prompt = 0, .gen = gen, .depth = depth});
  }
  if (tests.empty()) throw UsageError("neither -p nor -n asks for a test");
  return tests;
}

Bench bench_of(const BenchModelOptions& options) {
  const Database database(data_folder(options.data));
  Bench bench{.model = nullptr, .file = {}, .quant = {}, .ubatch = 512, .kv_type = options.kv_type};
  bench.ubatch = counts_of("--ubatch", options.ubatch).front();
  if (options.file.empty() == options.architecture.empty())
    throw UsageError("a GGUF or --arch NAME is expected; see silicast bench model --help");
  if (!options.file.empty()) {
    bench.model = engine::load_model(options.file, database.types(), {.map = options.map});
    bench.file = options.file;
    bench.quant = bench.model->quantization;
    return bench;
  }
  const QuantName name = parse_quant_name(options.quant.empty() ? "Q4_K_M" : options.quant);
  const Workload workload = make_workload(*database.architecture(options.architecture), *database.quant(name.scheme),
                                          name.options, database.types());
  progress_line("making " + workload.architecture.name + ", " + workload.quantization);
  bench.model = engine::synthesize_model(workload);
  bench.quant = workload.quantization;
  bench.file = workload.architecture.id + "-" + bench.quant + ".gguf";
  return bench;
}

engine::KvType kv_type_of(const std::string& text) {
  if (lower(text) == "f16") return engine::KvType::f16;
  if (lower(text) == "q8_0") return engine::KvType::q8_0;
  throw UsageError("--kv-type: f16 or q8_0 is expected, got '" + text + "'");
}

// "llama 1.10B Q4_K - Medium"
std::string model_type(const Bench& bench) {
  std::string type = bench.quant;
  if (type.ends_with("_K_S")) type.replace(type.size() - 2, 2, " - Small");
  if (type.ends_with("_K_M")) type.replace(type.size() - 2, 2, " - Medium");
  if (type.ends_with("_K_L")) type.replace(type.size() - 2, 2, " - Large");
  return bench.model->architecture.gguf_architecture + " " +
         rounded(static_cast<double>(bench.model->parameters_count()) / 1e9, 3) + "B " + type;
}

// llama-bench's fields, in its order as far as they mean something here.
std::vector<Field> fields_of(const Bench& bench, const engine::ModelRun& run) {
  std::vector<std::int64_t> nanoseconds;
  std::string rates;
  double mean = 0;
  for (const double s : run.seconds) {
    nanoseconds.push_back(static_cast<std::int64_t>(std::llround(1e9 * s)));
    mean += 1e9 * s / static_cast<double>(run.seconds.size());
    rates += (rates.empty() ? "" : ", ") + exact(static_cast<double>(run.test.tokens()) / s);
  }
  double squares = 0;
  for (const double s : run.seconds) squares += std::pow(1e9 * s - mean, 2);
  const auto count = static_cast<double>(run.seconds.size());
  const std::string& processor = engine::topology().processor_name;
  return {{"build_commit", std::string(SILICAST_VERSION)},
          {"build_number", std::int64_t{0}},
          {"cpu_info", processor.empty() ? "unknown processor" : processor},
          {"gpu_info", std::string()},
          {"backends", std::string("silicast-engine")},
          {"model_filename", bench.file},
          {"model_type", model_type(bench)},
          {"model_size", static_cast<std::int64_t>(bench.model->tensor_bytes())},
          {"model_n_params", bench.model->parameters_count()},
          {"n_batch", bench.ubatch},
          {"n_ubatch", bench.ubatch},
          {"n_threads", static_cast<std::int64_t>(run.threads)},
          {"type_k", bench.kv_type},
          {"type_v", bench.kv_type},
          {"n_gpu_layers", std::int64_t{0}},
          {"flash_attn", true},
          {"n_prompt", run.test.prompt},
          {"n_gen", run.test.gen},
          {"n_depth", run.test.depth},
          {"test_time", now_utc()},
          {"avg_ns", static_cast<std::int64_t>(std::llround(mean))},
          {"stddev_ns", static_cast<std::int64_t>(std::llround(count > 1 ? std::sqrt(squares / (count - 1)) : 0))},
          {"avg_ts", run.tokens_per_second()},
          {"stddev_ts", run.deviation()},
          {"samples_ns", nanoseconds},
          {"samples_ts", rates},
          {"undisturbed_ts", run.undisturbed_tokens_per_second()},
          {"disturbed", run.sample.is_disturbed()}};
}

// A list of numbers as llama-bench writes it: fields_json knows lists of whole numbers.
std::string json_of(const std::vector<Field>& fields) {
  std::string text;
  for (const Field& field : fields) {
    std::string value;
    if (field.key == "samples_ts") {
      value = "[" + std::get<std::string>(field.value) + "]";
    } else {
      const std::string whole = fields_json({field});  // {"key": value}
      const auto colon = whole.find(':');
      value = std::string(trim(whole.substr(colon + 1, whole.rfind('}') - colon - 1)));
      for (auto at = value.find('\n'); at != std::string::npos; at = value.find('\n')) value.replace(at, 1, " ");
    }
    text += (text.empty() ? "" : ", ") + ("\"" + field.key + "\": ") + value;
  }
  return "{" + text + "}";
}

Table markdown_of(const Bench& bench, const std::vector<engine::ModelRun>& runs) {
  Table table{.columns = {{"model", "model"},
                          {"size", "size", true},
                          {"params", "params", true},
                          {"backend", "backend"},
                          {"threads", "threads", true},
                          {"test", "test", true},
                          {"t/s", "t/s", true}},
              .rows = {}};
  for (const auto& run : runs)
    table.rows.push_back({{model_type(bench)},
                          {human(Bytes(static_cast<double>(bench.model->tensor_bytes())))},
                          {rounded(static_cast<double>(bench.model->parameters_count()) / 1e9, 3) + " B"},
                          {std::string("silicast-engine")},
                          {static_cast<std::int64_t>(run.threads)},
                          {run.test.name()},
                          {rounded(run.tokens_per_second(), 5) + " ± " + rounded(run.deviation(), 2)}});
  return table;
}

std::string text_of(Form form, const Bench& bench, const std::vector<engine::ModelRun>& runs) {
  if (form == Form::md) return table_markdown(markdown_of(bench, runs));
  if (form == Form::text) return table_text(markdown_of(bench, runs));
  std::string text;
  for (const auto& run : runs) {
    const auto fields = fields_of(bench, run);
    if (form == Form::csv) {
      std::string keys;
      std::string values;
      for (const Field& field : fields) {
        keys += (keys.empty() ? "" : ",") + field.key;
        values += (values.empty() ? "" : ",") + csv_cell(plain(field.value));
      }
      text += (text.empty() ? keys + "\n" : "") + values + "\n";
    } else if (form == Form::jsonl) {
      text += json_of(fields) + "\n";
    } else {
      text += (text.empty() ? "  " : ",\n  ") + json_of(fields);
    }
  }
  return form == Form::json ? "[\n" + text + "\n]\n" : text;
}

Form form_of(const std::string& name) {
  static const std::vector<std::string> names{"text", "json", "jsonl", "csv", "md"};
  const auto at = std::find(names.begin(), names.end(), name.empty() ? "text" : lower(name));
  if (at == names.end())
    throw UsageError("-o: one of " + join(names, ", ") + " is expected, got '" + name + "'" +
                     did_you_mean(name, names));
  return static_cast<Form>(at - names.begin());
}

ExitCode run(const BenchModelOptions& options) {
  const Form form = form_of(options.output);
  const auto tests = tests_of(options);
  const engine::Isa isa = isa_of(options.isa);
  const auto repetitions = counts_of("-r", options.repetitions);
  auto threads = counts_of("--threads", options.threads);
  if (threads.empty()) threads.push_back(static_cast<std::int64_t>(engine::topology().processors.size()));
  const engine::KvType kv_type = kv_type_of(options.kv_type);
  const Bench bench = bench_of(options);
  std::int64_t context = 1;
  for (const auto& test : tests) context = std::max(context, test.depth + test.prompt + test.gen);
  std::vector<engine::ModelRun> runs;
  for (const std::int64_t count : threads) {
    engine::Session session(bench.model, {.threads = static_cast<int>(count),
                                          .pin = true,
                                          .context = context,
                                          .sequences = 1,
                                          .ubatch = bench.ubatch,
                                          .kv_type = kv_type,
                                          .isa = isa});
    for (const auto& test : tests) {
      progress_line(test.name() + ", " + std::to_string(count) + " threads");
      runs.push_back(engine::measure_model(session, test, static_cast<int>(repetitions.front())));
    }
  }
  print(text_of(form, bench, runs));
  for (const auto& one : runs)
    if (one.sample.is_disturbed())
      progress_line(one.test.name() + ": disturbed by other programs; undisturbed about " +
                    rounded(one.undisturbed_tokens_per_second(), 4) + " t/s");
  return ExitCode::done;
}

}  // namespace

void add_bench_model(const Command& bench, Action& action) {
  const auto options = std::make_shared<BenchModelOptions>();
  const Command command = bench.add_command("model", "Whole models, with llama-bench's tests and fields");
  command.add_option("FILE,-m,--model", options->file, "A GGUF").type_name("FILE.gguf");
  command.add_option("--arch", options->architecture, "A model of the catalogue, with random weights")
      .type_name("NAME");
  command.add_option("--quant", options->quant, "Its quantization (default Q4_K_M)").type_name("NAME");
  command.add_option("-p,--prompt", options->prompts, "Tokens of a prompt (default 512; 0: none)").type_name("N,...");
  command.add_option("-n,--gen", options->gens, "Tokens decoded (default 128; 0: none)").type_name("N,...");
  command.add_option("-d,--depth", options->depths, "Tokens in the cache before (default 0)").type_name("N,...");
  command.add_option("-t,--threads", options->threads, "Thread counts (default: all)").type_name("N,...");
  command.add_option("-r,--repetitions", options->repetitions, "Of each test (default 5)").type_name("N");
  command.add_option("--ubatch", options->ubatch, "Most tokens of a prefill step (default 512)").type_name("N");
  command.add_option("--kv-type", options->kv_type, "Type of the KV cache: f16 (default) or q8_0").type_name("TYPE");
  command.add_option("--isa", options->isa, "The instruction set (default: the best this machine has)")
      .type_name("NAME");
  command.add_flag(
      "--mmap", [options] { options->map = true; },
      "Read the file where it is mapped (default: copied where memory is ample)");
  command.add_flag(
      "--no-mmap", [options] { options->map = false; }, "Copy the file into memory, in huge pages");
  command.add_option("-o,--output,--format", options->output, "text (default), json, jsonl, csv or md")
      .type_name("FORM")
      .group("Output");
  add_data_option(command, options->data);
  command.examples(
      "silicast bench model model.gguf -p 512 -n 128 -o json > run.json; silicast calibrate import run.json\n"
      "silicast bench model --arch tinyllama-1.1b --quant Q4_0 -t 1,2 -r 3 -o md");
  command.when_asked([&action, options] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
