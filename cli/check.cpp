// SPDX-License-Identifier: Apache-2.0
// silicast check: the lint of data files.
#include <memory>

#include "cli/command.h"
#include "cli/lint.h"
#include "report/table.h"

namespace silicast::cli {

namespace {

struct CheckOptions {
  std::vector<std::string> files;
  std::string data;
  Format format = Format::text;
};

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

ExitCode run(const CheckOptions& options) {
  const Database database(data_folder(options.data));
  std::vector<std::filesystem::path> files(options.files.begin(), options.files.end());
  if (files.empty()) files = data_files(database.folder());
  Findings findings;
  for (const auto& file : files)
    for (auto& finding : lint_file(file, database)) findings.push_back(std::move(finding));
  for (auto& finding : lint_names(files, database)) findings.push_back(std::move(finding));

  if (options.format == Format::json) {
    print(document_json({{"schema", std::string("silicast.check/1")},
                         {"files", static_cast<std::int64_t>(files.size())},
                         {"findings", findings}},
                        {}));
  } else {
    std::string text;
    for (const std::string& finding : findings) text += finding + "\n";
    print(text + counted(files.size(), "file") + ", " +
          (findings.empty() ? "nothing found" : counted(findings.size(), "finding")) + "\n");
  }
  return findings.empty() ? ExitCode::done : ExitCode::bad_input;
}

}  // namespace

void add_check(const Command& app, Action& action) {
  const auto options = std::make_shared<CheckOptions>();
  const Command command =
      app.add_command("check", "Lint of data files: readable, consistent, every figure with its source");
  command.add_option("FILE", options->files,
                     "YAML files of devices, models, quants, stacks or workloads, CSV files of measurements (default: "
                     "the data folder)");
  add_format_option(command, options->format, {Format::text, Format::json});
  add_data_option(command, options->data);
  command.examples(
      "silicast check\n"
      "silicast check my-machine.yaml my-model.yaml");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
