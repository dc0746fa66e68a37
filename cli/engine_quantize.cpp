// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "base/text.h"
#include "cli/engine_commands.h"
#include "cli/engine_options.h"
#include "cli/engine_progress.h"
#include "engine/requantize.h"
#include "model/database.h"

namespace silicast::cli {

namespace {

struct EngineQuantizeOptions {
  std::string in;
  std::string quant;
  std::string out;
  std::string data;
  std::optional<std::int64_t> threads;
};

ExitCode run(const EngineQuantizeOptions& options) {
  const Database database(data_folder(options.data));
  const QuantName name = parse_quant_name(options.quant);
  const auto scheme = database.quant(name.scheme);
  if (scheme->format != QuantFormat::gguf) throw RefusedError(options.quant + ": is no format of a GGUF");
  Progress progress(options.out);
  engine::requantize_file(options.in, *scheme, name.options, options.out, database.types(),
                          static_cast<int>(options.threads.value_or(0)),
                          [&](std::uint64_t done, std::uint64_t total) { progress.show(done, total); });
  print(options.out + ": " + human(Bytes(static_cast<double>(std::filesystem::file_size(options.out)))) + "\n");
  return ExitCode::done;
}

}  // namespace

void add_engine_quantize(const Command& engine, Action& action) {
  const auto options = std::make_shared<EngineQuantizeOptions>();
  const Command command = engine.add_command("quantize", "The same model in another quantization");
  command.add_option("in", options->in, "A GGUF, best in F32, F16 or BF16").required().type_name("IN.gguf");
  command.add_option("quant", options->quant, "As llama.cpp spells it: Q4_K_M, IQ3_XXS, ...").required();
  command.add_option("out", options->out, "The new file").required().type_name("OUT.gguf");
  add_count_option(command, "--threads", 1, "Threads (default: all)", "How it runs", options->threads);
  add_data_option(command, options->data);
  command.examples("silicast engine quantize model-f16.gguf Q4_K_M model-q4.gguf");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
