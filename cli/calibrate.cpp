// SPDX-License-Identifier: Apache-2.0
// silicast calibrate: what measurements tell.
#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace silicast::cli {

void add_calibrate(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("calibrate", "Measured runs in, corrections out");
  command.require_subcommand(1);
  add_fit(command, action);
}

}  // namespace silicast::cli
