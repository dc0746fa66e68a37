// SPDX-License-Identifier: Apache-2.0
// silicast calibrate: measured runs into a store, and out of it.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/document.h"
#include "base/text.h"
#include "calibration/intake.h"
#include "cli/calibrate.h"
#include "report/import_report.h"

namespace silicast::cli {

namespace {

struct CalibrateOptions {
  std::vector<std::string> files;
  Stated stated;
  std::string from;
  std::string store;
  std::string data;
  Format format = Format::text;
};

std::filesystem::path store_file(const CalibrateOptions& options) {
  return options.store.empty() ? Store::default_file() : std::filesystem::path(options.store);
}

ExitCode import_files(const CalibrateOptions& options) {
  const Database database(data_folder(options.data));
  Store store(store_file(options), Store::Mode::write);
  ImportReport report{.store = store.file().string(), .files = {}, .unreadable = {}};
  for (const std::string& file : options.files) {
    try {
      constexpr Bytes limit = 512_MiB;
      report.files.push_back(take_in(read_text_file(file, limit), file, options.stated, options.from, database, store));
    } catch (const InputError& error) {
      report.unreadable.emplace_back(error.what());
    }
  }
  const bool some_gave_nothing =
      std::any_of(report.files.begin(), report.files.end(), [](const Intake& intake) { return intake.taken == 0; });
  print(options.format == Format::json ? import_json(report) : import_text(report));
  if (report.unreadable.empty() && !some_gave_nothing) return ExitCode::done;
  std::fflush(stdout);
  for (const std::string& message : report.unreadable) std::fprintf(stderr, "silicast: %s\n", message.c_str());
  for (const Intake& intake : report.files)
    if (intake.taken == 0)
      std::fprintf(stderr, "silicast: %s: holds no run that could be taken\n", intake.file.c_str());
  return ExitCode::bad_input;
}

ExitCode list_runs(const CalibrateOptions& options) {
  const Store store(store_file(options), Store::Mode::read);
  const Table table = runs_table(store.runs());
  switch (options.format) {
    case Format::json: print(table_json(table)); break;
    case Format::csv: print(table_csv(table)); break;
    case Format::md: print(table_markdown(table)); break;
    case Format::text:
    case Format::yaml: print(table_text(table)); break;
  }
  return ExitCode::done;
}

ExitCode export_runs(const CalibrateOptions& options) {
  const Store store(store_file(options), Store::Mode::read);
  const auto runs = store.runs();
  const std::string& target = options.files.front();
  if (target == "-") {
    print(runs_csv(runs));
    return ExitCode::done;
  }
  write_whole(target, runs_csv(runs));
  print(std::to_string(runs.size()) + (runs.size() == 1 ? " run" : " runs") + " written to " + target + "\n");
  return ExitCode::done;
}

void add_store_option(const Command& command, CalibrateOptions& options) {
  command
      .add_option("--store", options.store,
                  "Where the runs are kept (default: silicast/observations.sqlite in the user's data folder)")
      .type_name("FILE");
}

constexpr const char* what_files_lack = "What the file does not tell";

// A whole number from 1 on.
void add_count(const Command& command, const std::string& name, const std::string& help,
               std::optional<std::int64_t>& target) {
  const auto read = [name, &target](const std::string& text) {
    const auto value = parse_integer(text);
    if (!value || *value < 1 || *value > 1'000'000'000)
      throw UsageError(name + ": a whole number from 1 on is expected, got '" + text + "'");
    target = value;
  };
  command.add_option(name, read, help).type_name("N").group(what_files_lack);
}

void add_import(const Command& calibrate, Action& action) {
  const auto options = std::make_shared<CalibrateOptions>();
  const Command command = calibrate.add_command("import", "Measured runs of other programs into the store");
  command
      .add_option("FILE", options->files,
                  "What llama-bench (json, jsonl, csv, md), vllm bench, trtllm-bench or mlx_lm.benchmark wrote, or a "
                  "CSV of measurements")
      .required();
  add_stated_options(command, options->stated);
  command
      .add_option("--from", options->from,
                  "The files' format: " + join(import_formats(), ", ") + " (default: by what they hold)")
      .type_name("FORMAT");
  add_store_option(command, *options);
  add_format_option(command, options->format, {Format::text, Format::json});
  add_data_option(command, options->data);
  command.examples(
      "llama-bench -m model.gguf -o json > run.json; silicast calibrate import run.json\n"
      "silicast calibrate import table.md --device m2-ultra-76\n"
      "silicast calibrate import serve.json --device h100-sxmx2 --quant FP8\n"
      "silicast calibrate import mlx.txt --device m4-max-40 --model llama-3.1-8b --quant MLX-4bit");
  command.when_asked([options, &action] { action = [options] { return import_files(*options); }; });
}

void add_list_runs(const Command& calibrate, Action& action) {
  const auto options = std::make_shared<CalibrateOptions>();
  const Command command = calibrate.add_command("list", "The runs in the store");
  add_store_option(command, *options);
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  command.examples(
      "silicast calibrate list\n"
      "silicast calibrate list --store lab.sqlite --format csv");
  command.when_asked([options, &action] { action = [options] { return list_runs(*options); }; });
}

void add_export(const Command& calibrate, Action& action) {
  const auto options = std::make_shared<CalibrateOptions>();
  const Command command = calibrate.add_command("export", "The runs in the store as a CSV of measurements");
  command.add_option("FILE", options->files, "Where to; - is the standard output")
      .required()
      .expected(1)
      .type_name("FILE.csv");
  add_store_option(command, *options);
  command.examples(
      "silicast calibrate export runs.csv\n"
      "silicast calibrate export - | head");
  command.when_asked([options, &action] { action = [options] { return export_runs(*options); }; });
}

}  // namespace

void add_stated_options(const Command& command, Stated& stated) {
  command.add_option("--device", stated.device, "The device that the runs were made on; several of it: NAMExN")
      .type_name("NAME")
      .group(what_files_lack);
  command.add_option("--model", stated.model, "The model").type_name("NAME").group(what_files_lack);
  command.add_option("--quant", stated.quant, "Its quantization").type_name("NAME").group(what_files_lack);
  command.add_option("--backend", stated.backend, "The software, such as llama.cpp-cuda")
      .type_name("NAME")
      .group(what_files_lack);
  add_count(command, "--prompt", "Tokens of each prompt", stated.prompt);
  add_count(command, "--gen", "Tokens generated for each", stated.gen);
  add_count(command, "--concurrency", "Requests at once", stated.concurrency);
}

void add_calibrate(const Command& app, Action& action) {
  const Command command =
      app.add_command("calibrate", "Measured runs: of this machine, imported, listed, exported, fitted");
  command.require_command();
  add_import(command, action);
  add_list_runs(command, action);
  add_export(command, action);
  add_fit(command, action);
  add_host(command, action);
  command.examples(
      "silicast calibrate host --quick\n"
      "silicast calibrate import run.json\n"
      "silicast calibrate list\n"
      "silicast calibrate export runs.csv");
}

}  // namespace silicast::cli
