// SPDX-License-Identifier: Apache-2.0
// --help in the manner of a manual page, independent of the version of CLI11.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace silicast::cli {

// Of the program, or of one of its commands, whose footer holds its examples, one a line.
std::string program_help(const CLI::App& app);
std::string command_help(const CLI::App& command);
// As it is typed: "predict", "calibrate import".
std::string full_name(const CLI::App& command);

}  // namespace silicast::cli
