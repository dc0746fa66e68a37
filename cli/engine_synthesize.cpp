// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <memory>

#include "base/text.h"
#include "cli/engine_commands.h"
#include "cli/engine_options.h"
#include "cli/engine_progress.h"
#include "engine/synthesize.h"
#include "model/database.h"
#include "workloads/resize.h"

namespace silicast::cli {

namespace {

struct EngineSynthesizeOptions {
  std::string architecture;
  std::string quant;
  std::string out;
  std::string data;
  std::optional<std::int64_t> seed;
  std::optional<std::int64_t> threads;
  Sizes sizes;
};

ExitCode run(const EngineSynthesizeOptions& options) {
  const Database database(data_folder(options.data));
  const QuantName name = parse_quant_name(options.quant);
  const auto scheme = database.quant(name.scheme);
  const Architecture architecture = resized(*database.architecture(options.architecture), options.sizes);
  const Workload workload = make_workload(architecture, *scheme, name.options, database.types());
  if (workload.format != QuantFormat::gguf) throw RefusedError("--quant " + options.quant + ": is no format of a GGUF");
  Progress progress(options.out);
  engine::synthesize_file(workload, options.out,
                          {.seed = static_cast<std::uint64_t>(options.seed.value_or(1)),
                           .threads = static_cast<int>(options.threads.value_or(0))},
                          [&](std::uint64_t done, std::uint64_t total) { progress.show(done, total); });
  print(options.out + ": " + architecture.name + ", " + workload.quantization + ", " + human(workload.tensor_bytes()) +
        " of weights\n");
  return ExitCode::done;
}

}  // namespace

void add_engine_synthesize(const Command& engine, Action& action) {
  const auto options = std::make_shared<EngineSynthesizeOptions>();
  const Command command = engine.add_command("synthesize", "A GGUF of any architecture with random weights");
  constexpr const char* what = "What is made";
  constexpr const char* sizes = "Other sizes than the architecture's";
  command.add_option("--arch", options->architecture, "A model of the catalogue, or a .yaml file")
      .required()
      .type_name("NAME|FILE")
      .group(what);
  command.add_option("--quant", options->quant, "Quantization as llama.cpp spells it: Q4_K_M, IQ3_XXS, F16, ...")
      .required()
      .type_name("NAME")
      .group(what);
  command.add_option("--out", options->out, "Where it goes").required().type_name("FILE.gguf").group(what);
  add_count_option(command, "--seed", 0, "Of the random weights (default 1)", what, options->seed);
  add_count_option(command, "--threads", 1, "Threads (default: all)", what, options->threads);
  add_count_option(command, "--layers", 1, "Layers; the pattern of their kinds goes on", sizes, options->sizes.layers);
  add_count_option(command, "--hidden", 1, "Width of the residual stream", sizes, options->sizes.hidden);
  add_count_option(command, "--vocabulary", 1, "Tokens", sizes, options->sizes.vocabulary);
  add_count_option(command, "--max-context", 1, "Positions that the model states", sizes, options->sizes.context);
  add_count_option(command, "--heads", 1, "Query heads", sizes, options->sizes.heads);
  add_count_option(command, "--kv-heads", 1, "Heads of keys and values", sizes, options->sizes.kv_heads);
  add_count_option(command, "--head-dim", 1, "Width of a head", sizes, options->sizes.head_dim);
  add_count_option(command, "--intermediate", 1, "Width of the feed-forward", sizes, options->sizes.intermediate);
  add_count_option(command, "--experts", 1, "Experts", sizes, options->sizes.experts);
  add_count_option(command, "--experts-used", 1, "Experts of a token", sizes, options->sizes.experts_used);
  add_count_option(command, "--expert-intermediate", 1, "Width of an expert", sizes,
                   options->sizes.expert_intermediate);
  add_data_option(command, options->data);
  command.examples(
      "silicast engine synthesize --arch tinyllama-1.1b --quant Q4_K_M --out tiny.gguf\n"
      "silicast engine synthesize --arch qwen3-30b-a3b --quant Q8_0 --layers 4 --experts 16 --out moe.gguf --seed 7");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
