// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/plot_option.h"
#include "cli/query_options.h"
#include "report/curve.h"

namespace silicast::cli {

namespace {

constexpr std::int64_t usual_most = 256;

struct CurveOptions {
  Query query;
  std::string data;
  std::string plot;
  Format format = Format::text;
};

std::string formatted(const ThroughputCurve& curve, Format format) {
  switch (format) {
    case Format::json: return curve_json(curve);
    case Format::csv: return curve_csv(curve);
    case Format::md: return curve_markdown(curve);
    case Format::text:
    case Format::yaml: break;
  }
  return curve_text(curve, text_style());
}

ExitCode run(const CurveOptions& options) {
  const Database database(data_folder(options.data));
  if (!options.query.depths.empty() || options.query.depth_range)
    throw UsageError("--depths: a curve spreads the sequences itself; --depth says what all have in the cache");
  const ThroughputCurve curve = throughput_curve(options.query, options.query.concurrency, database);
  if (!options.plot.empty()) write_plot(curve_plot(curve), options.plot, plot_folder());
  print(formatted(curve, options.format));
  const bool any = std::any_of(curve.points.begin(), curve.points.end(), [](const auto& p) { return p.steady; });
  return any ? ExitCode::done : ExitCode::no;
}

}  // namespace

void add_curve(const Command& app, Action& action) {
  const auto options = std::make_shared<CurveOptions>();
  options->query.concurrency = usual_most;
  const Command command = app.add_command(
      "curve", "Continuous batching: throughput against latency from one sequence to --concurrency (default 256)");
  add_query_options(command, options->query);
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  add_plot_option(command, options->plot);
  add_data_option(command, options->data);
  command.examples(
      "silicast curve --model llama-3.1-8b --quant BF16 --device h100-sxm --stack vllm --prompt 1024 --gen 256\n"
      "silicast curve --model qwen3-30b-a3b --quant Q4_K_M --device rtx-4090 --concurrency 64 --kv-unified\n"
      "silicast curve --model llama-3.3-70b --quant Q4_K_M --device m2-ultra-76 --plot curve.html");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
