// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "cli/plot_option.h"
#include "cli/query_options.h"
#include "cli/serving_options.h"
#include "report/serving_report.h"

namespace silicast::cli {

namespace {

struct ServeSimOptions {
  ServingOptions serving;
  std::string timeline;
  std::string data;
  Format format = Format::text;
};

bool is_page(const std::string& file) { return lower(file).ends_with(".html"); }

void write_timeline(const ServeSimOptions& options, const serving::ServingAnswer& answer) {
  const serving::ServingQuestion& question = options.serving.question;
  if (is_page(options.timeline)) {
    write_plot(timeline_plot(question, answer), options.timeline, plot_folder());
    return;
  }
  write_whole(options.timeline, timeline_csv(question, answer));
}

std::string formatted(const serving::ServingQuestion& question, const serving::ServingAnswer& answer, Format format) {
  switch (format) {
    case Format::json: return serving_json(question, answer);
    case Format::csv: return serving_csv(question, answer);
    case Format::md: return serving_markdown(question, answer);
    case Format::text:
    case Format::yaml: break;
  }
  return serving_text(question, answer);
}

ExitCode run(const Command& command, ServeSimOptions& options) {
  apply_config(command, options.serving.config);
  complete(command, options.serving);
  const serving::ServingQuestion& question = options.serving.question;
  const Database database(data_folder(options.data));
  const serving::ServingAnswer answer = serve(question, database);
  print(formatted(question, answer, options.format));
  if (!answer.prediction.feasible) return ExitCode::no;
  if (!options.timeline.empty()) write_timeline(options, answer);
  const serving::Slo& slo = question.system.slo;
  return answer.stable() && (!slo.any() || answer.result.meets(slo)) ? ExitCode::done : ExitCode::no;
}

}  // namespace

void add_serve_sim(const Command& app, Action& action) {
  const auto options = std::make_shared<ServeSimOptions>();
  const Command command = app.add_command("serve-sim", "Simulates a serving system under traffic");
  add_query_options(command, options->serving.question.query);
  add_serving_options(command, options->serving);
  const auto read_timeline = [&target = options->timeline](const std::string& file) {
    if (!is_page(file) && !lower(file).ends_with(".csv"))
      throw UsageError("--timeline: a file that ends in .csv or .html is expected, got '" + file + "'");
    target = file;
  };
  command.add_option("--timeline", read_timeline, "Queue, batch, cache and power over time")
      .type_name("FILE.csv|.html")
      .group("Output");
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  add_data_option(command, options->data);
  command.examples(
      "silicast serve-sim --model llama-3.1-8b --quant BF16 --device h100-sxm --stack vllm --rate 10 --requests 5000\n"
      "silicast serve-sim --model llama-3.3-70b --quant Q4_K_M --device m3-ultra-80 --concurrency 4 --think 30s\n"
      "silicast serve-sim --model llama-3.1-8b --quant BF16 --device rtx-4090 --stack vllm --rate 2 --prompt 1000 "
      "--prompt-cv 1 --gen 200 --gen-cv 0.8 --slo-ttft 500ms --slo-tpot 50ms\n"
      "silicast serve-sim --model llama-3.1-8b --quant BF16 --device h100-sxm --stack vllm --trace azure.csv "
      "--replicas 4 --timeline day.html\n"
      "silicast serve-sim --model qwen3-8b --quant Q8_0 --device rtx-4090 --rate 0.5 --turns 5 --shared-prompt 800");
  command.when_asked([options, command, &action] { action = [options, command] { return run(command, *options); }; });
}

}  // namespace silicast::cli
