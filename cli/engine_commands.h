// SPDX-License-Identifier: Apache-2.0
// The commands of `silicast engine`, one file each.
#pragma once

#include "cli/command.h"

namespace silicast::cli {

void add_engine_run(CLI::App& engine, Action& action);
void add_engine_logits(CLI::App& engine, Action& action);
void add_engine_synthesize(CLI::App& engine, Action& action);
void add_engine_quantize(CLI::App& engine, Action& action);

}  // namespace silicast::cli
