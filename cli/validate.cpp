// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>

#include "base/text.h"
#include "calibration/requirement.h"
#include "cli/command.h"
#include "cli/validate_cross.h"
#include "cli/validate_served.h"
#include "report/validation_report.h"

namespace silicast::cli {

namespace {

struct ValidateOptions {
  std::vector<std::string> files;
  std::string predictions;
  std::string data;
  std::vector<std::string> group_by;
  std::vector<std::string> by;
  bool cross = false;
  std::vector<std::string> require;
  bool served = false;
  std::string profile = "auto";
  Format format = Format::text;
};

// What is asked wrongly is refused before the long work.
void refuse_wrong_questions(const ValidateOptions& options) {
  if (!options.cross && (options.format == Format::csv || options.format == Format::md))
    throw UsageError("--format csv|md: for --cross; the rows of a validation are written by --predictions");
  if (options.cross && options.served) throw UsageError("--cross and --served exclude each other");
  if (!options.cross && !options.by.empty()) throw UsageError("--by: for --cross, which holds out by it");
  const std::string_view other = options.cross ? "--cross" : "--served";
  const auto refuse = [&](bool is_given, const char* option) {
    if (is_given)
      throw UsageError(std::string(option) + ": not with " + std::string(other) + ", which does not use it");
  };
  if (options.cross || options.served) {
    refuse(!options.require.empty(), "--require");
    refuse(!options.group_by.empty(), "--group-by");
    refuse(options.profile != "auto", "--profile");
  }
  refuse(options.served && !options.predictions.empty(), "--predictions");
  refuse(options.served && options.format != Format::text, "--format");
  for (const std::string& require : options.require) check_requirement(require);
}

ExitCode run(const ValidateOptions& options) {
  refuse_wrong_questions(options);
  const Database database(data_folder(options.data));
  if (options.cross) {
    print(cross_validated({options.files, options.by, options.predictions, options.format}, database));
    return ExitCode::done;
  }
  if (options.served) {
    print(served_accuracy(options.files, database));
    return ExitCode::done;
  }
  std::vector<BadRowOfFile> unread;
  Validation validation = validate(read_what_can_be_read(options.files, unread), database,
                                   {.group_by = options.group_by, .calibrated = options.profile == "auto"});
  validation.unread = std::move(unread);
  if (!options.predictions.empty()) write_whole(options.predictions, predictions_csv(validation));
  print(options.format == Format::json ? validation_json(validation) : validation_text(validation));
  std::vector<Shortfall> shortfalls;
  for (const std::string& require : options.require) {
    const auto found = shortfalls_of(require, validation);
    shortfalls.insert(shortfalls.end(), found.begin(), found.end());
  }
  if (shortfalls.empty()) return ExitCode::done;
  std::fflush(stdout);
  std::fputs(shortfalls_text(shortfalls).c_str(), stderr);
  return ExitCode::no;
}

}  // namespace

void add_validate(const Command& app, Action& action) {
  auto options = std::make_shared<ValidateOptions>();
  const Command command = app.add_command("validate", "Predictions against measurements, beside naive predictors");
  command
      .add_option("FILE", options->files,
                  "Measurements, one a row: CSV with the columns of docs/data-format.md; lines that are none are named "
                  "and left "
                  "out")
      .required()
      .type_name("FILE.csv");
  command
      .add_option("--group-by", options->group_by, "Errors by these columns as well: " + join(grouping_columns(), ", "))
      .delimiter(',')
      .type_name("COLUMN,...");
  command.add_flag(
      "--cross", options->cross,
      "Fits to nine tenths and predicts the rest, by device, model, source and at random; prints Markdown");
  command.add_option("--by", options->by, "What --cross holds out (default: all of them)")
      .delimiter(',')
      .one_of({"cell", "device", "model", "source"})
      .type_name("cell|device|model|source,...");
  command
      .add_option(
          "--require", options->require,
          "Fails (exit code 1) and says what moved unless this holds: 'tg_tps[stack=mlx] median <= 5 %' (or 0.05), "
          "or no worse than an earlier --predictions file")
      .type_name("EXPR|FILE.csv");
  command.add_flag("--served", options->served,
                   "Throughputs of several sequences by simulating how they were measured, by concurrency; prints "
                   "Markdown");
  command.add_option("--profile", options->profile, "Corrections fitted to measurements (default auto), or none")
      .one_of({"auto", "none"})
      .type_name("auto|none");
  command.add_option("--predictions", options->predictions, "Writes the prediction of every row")
      .type_name("OUT.csv")
      .group("Output");
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  add_data_option(command, options->data);
  command.examples(
      "silicast validate tests/accuracy/record.csv\n"
      "silicast validate tests/accuracy/record.csv --cross --by device --predictions held-out.csv > accuracy.md\n"
      "silicast validate my.csv --require 'tg_tps median <= 10 %' --require 'tg_tps coverage >= 70 %'\n"
      "silicast validate my.csv --group-by device,quant --predictions out.csv --format json");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
