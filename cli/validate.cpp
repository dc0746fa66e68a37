// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "report/validation_report.h"

namespace silicast::cli {

namespace {

struct Options {
  std::string file;
  std::string predictions;
  std::string data;
  std::vector<std::string> group_by;
  Format format = Format::text;
};

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw InputError(path + ": cannot be written");
}

ExitCode run(const Options& options) {
  const Database database(data_folder(options.data));
  const Validation validation = validate(read_observations(options.file), database, {.group_by = options.group_by});
  if (!options.predictions.empty()) write(options.predictions, predictions_csv(validation));
  print(options.format == Format::json ? validation_json(validation) : validation_text(validation));
  return ExitCode::done;
}

}  // namespace

void add_validate(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *app.add_subcommand("validate", "Predictions against measurements, beside naive predictors");
  command.add_option("FILE", options->file, "Measurements, one a row: CSV with the columns of docs/data-format.md")
      ->required()
      ->type_name("FILE.csv");
  command
      .add_option("--group-by", options->group_by, "Errors by these columns as well: " + join(grouping_columns(), ", "))
      ->delimiter(',')
      ->type_name("COLUMN,...");
  command.add_option("--predictions", options->predictions, "Writes the prediction of every row")
      ->type_name("OUT.csv")
      ->group("Output");
  add_format_option(command, options->format, {Format::text, Format::json});
  add_data_option(command, options->data);
  command.footer(
      "silicast validate tests/accuracy/record.csv\n"
      "silicast validate my.csv --group-by device,quant --predictions out.csv --format json");
  command.callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
