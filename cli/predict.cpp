// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "cli/command.h"
#include "cli/query_options.h"

namespace silicast::cli {

namespace {

struct PredictOptions {
  Query query;
  std::string data;
  Format format = Format::text;
};

std::string formatted(const Prediction& prediction, Format format) {
  switch (format) {
    case Format::json: return prediction_json(prediction);
    case Format::csv: return prediction_csv(prediction);
    case Format::md: return prediction_markdown(prediction);
    case Format::text:
    case Format::yaml: break;
  }
  return prediction_text(prediction, text_style());
}

ExitCode run(const PredictOptions& options) {
  const Database database(data_folder(options.data));
  const Prediction prediction = predict(options.query, database);
  print(formatted(prediction, options.format));
  return prediction.feasible ? ExitCode::done : ExitCode::no;
}

}  // namespace

void add_predict(const Command& app, Action& action) {
  const auto options = std::make_shared<PredictOptions>();
  const Command command = app.add_command("predict", "Speed, latency and memory of a model on a device");
  add_query_options(command, options->query);
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  add_data_option(command, options->data);
  command.examples(
      "silicast predict --model llama-3.1-8b --quant Q4_K_M --device rtx-4090\n"
      "silicast predict --model qwen3-30b-a3b --quant Q6_K --device m4-pro-20 --memory 48GiB --depth 16000\n"
      "silicast predict --model llama-3.3-70b --quant IQ3_XXS --device rtx-a6000 --kv-type q8_0 --format json\n"
      "silicast predict --model llama-3-8b --quant Q8_0 --device m2-ultra-76 --set memory.bandwidth=1000GB/s\n"
      "silicast predict --model ./config.json --quant F16 --device h100-sxm --prompt 4096 --concurrency 16");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
