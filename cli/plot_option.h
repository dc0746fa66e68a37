// SPDX-License-Identifier: Apache-2.0
// --plot, the same for every command that draws.
#pragma once

#include <filesystem>
#include <string>
#include "cli/command_line.h"

namespace silicast::cli {

// --plot FILE.html|.svg|.png; other endings are a UsageError.
void add_plot_option(const Command& command, std::string& file);

// The libraries that plots are drawn with: SILICAST_PLOT, else ../share/silicast/plot beside the executable, else what
// ./dev installed for the source tree. Not checked: writing a plot says what is missing.
std::filesystem::path plot_folder();

}  // namespace silicast::cli
