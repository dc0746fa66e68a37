// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "cli/command.h"
#include "cli/plot_option.h"
#include "cli/query_options.h"
#include "report/explain.h"

namespace silicast::cli {

namespace {

struct ExplainOptions {
  Query query;
  std::string data;
  std::string plot;
  Format format = Format::text;
};

std::string formatted(const Explanation& explanation, Format format) {
  switch (format) {
    case Format::json: return explain_json(explanation);
    case Format::csv: return explain_csv(explanation);
    case Format::md: return explain_markdown(explanation);
    case Format::text:
    case Format::yaml: break;
  }
  return explain_text(explanation, text_style());
}

ExitCode run(const ExplainOptions& options) {
  const Database database(data_folder(options.data));
  const Explanation explanation = explain(options.query, database);
  if (!options.plot.empty()) write_plot(explain_plot(explanation), options.plot, plot_folder());
  print(formatted(explanation, options.format));
  return explanation.prediction.feasible ? ExitCode::done : ExitCode::no;
}

}  // namespace

void add_explain(const Command& app, Action& action) {
  const auto options = std::make_shared<ExplainOptions>();
  const Command command =
      app.add_command("explain", "Why: every operation, what bounds it, what better hardware would buy");
  add_query_options(command, options->query);
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  add_plot_option(command, options->plot);
  add_data_option(command, options->data);
  command.examples(
      "silicast explain --model llama-3.1-8b --quant Q4_K_M --device rtx-4090\n"
      "silicast explain --model llama-3.1-8b --quant Q3_K_M --device m2-ultra-76 --depth 8000 --plot why.html\n"
      "silicast explain --model gpt-oss-120b --quant MXFP4_MOE --device dgx-spark --format json");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
