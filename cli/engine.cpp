// SPDX-License-Identifier: Apache-2.0
// silicast engine: the reference engine by itself.

#include "cli/command.h"
#include "cli/engine_commands.h"

namespace silicast::cli {

void add_engine(const Command& app, Action& action) {
  const Command command =
      app.add_command("engine", "The reference engine: synthesize, quantize and run models on this CPU");
  command.require_command();
  command.examples(
      "silicast engine synthesize --arch tinyllama-1.1b --quant Q4_K_M --out tiny.gguf\n"
      "silicast engine run tiny.gguf --tokens 1,2,3 --gen 32\n"
      "silicast engine quantize f16.gguf Q8_0 q8.gguf\n"
      "silicast engine logits tiny.gguf --tokens 1,2,3 --out logits.npy");
  add_engine_run(command, action);
  add_engine_logits(command, action);
  add_engine_synthesize(command, action);
  add_engine_quantize(command, action);
}

}  // namespace silicast::cli
