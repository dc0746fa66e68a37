// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <thread>

#include "base/text.h"
#include "cli/command.h"
#include "cli/plot_option.h"
#include "report/plan_report.h"

namespace silicast::cli {

namespace {

struct PlanOptions {
  std::string file;
  std::string plot;
  std::string data;
  int threads = 0;
  Format format = Format::text;
};

std::string formatted(const serving::Fleet& fleet, const serving::Plan& plan, Format format) {
  switch (format) {
    case Format::json: return plan_json(fleet, plan);
    case Format::csv: return plan_csv(fleet, plan);
    case Format::md: return plan_markdown(fleet, plan);
    case Format::text:
    case Format::yaml: break;
  }
  return plan_text(fleet, plan);
}

ExitCode run(const PlanOptions& options) {
  const Database database(data_folder(options.data));
  const serving::Fleet fleet = serving::read_fleet(options.file, database);
  const int threads =
      options.threads > 0 ? options.threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const serving::Plan plan = make_plan(fleet, database, threads);
  if (!options.plot.empty()) write_plot(plan_plot(fleet, plan), options.plot, plot_folder());
  print(formatted(fleet, plan, options.format));
  return plan.possible() ? ExitCode::done : ExitCode::no;
}

}  // namespace

void add_plan(const Command& app, Action& action) {
  const auto options = std::make_shared<PlanOptions>();
  const Command command = app.add_command("plan", "Which machines, how many, month by month, at what cost");
  command.add_option("FILE", options->file, "Workloads, machines and the site: YAML as in docs/serving.md")
      .required()
      .type_name("FLEET.yaml");
  const auto read_threads = [&target = options->threads](const std::string& text) {
    const auto value = parse_integer(text);
    constexpr std::int64_t most = 1024;
    if (!value || *value < 1 || *value > most)
      throw UsageError("--jobs: a number of threads from 1 on is expected, got '" + text + "'");
    target = static_cast<int>(*value);
  };
  command.add_option("-j,--jobs", read_threads, "Threads (default: every core)").type_name("N").group("How it runs");
  add_plot_option(command, options->plot);
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  add_data_option(command, options->data);
  command.examples(
      "silicast plan examples/clinic/fleet.yaml\n"
      "silicast plan examples/startup/fleet.yaml --format md --plot startup.html");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
