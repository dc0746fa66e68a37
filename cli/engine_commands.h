// SPDX-License-Identifier: Apache-2.0
// The commands of `silicast engine`, one file each.
#pragma once

#include "cli/command.h"
#include "cli/command_line.h"

namespace silicast::cli {

void add_engine_run(const Command& engine, Action& action);
void add_engine_logits(const Command& engine, Action& action);
void add_engine_synthesize(const Command& engine, Action& action);
void add_engine_quantize(const Command& engine, Action& action);

}  // namespace silicast::cli
