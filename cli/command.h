// SPDX-License-Identifier: Apache-2.0
// What the commands share: how one is registered, how its result is printed, where the data folder is.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>
#include "cli/command_line.h"

#include "base/error.h"
#include "report/prediction.h"

namespace silicast::cli {

// What main() runs once the command line has been read; its result is the process's exit code.
using Action = std::function<ExitCode()>;

// Each of these adds one command, which sets the action when it is the one asked for.
void add_predict(const Command& app, Action& action);
void add_explain(const Command& app, Action& action);
void add_compare(const Command& app, Action& action);
void add_curve(const Command& app, Action& action);
void add_list(const Command& app, Action& action);
void add_show(const Command& app, Action& action);
void add_check(const Command& app, Action& action);
void add_serve_sim(const Command& app, Action& action);
void add_plan(const Command& app, Action& action);
void add_validate(const Command& app, Action& action);
void add_calibrate(const Command& app, Action& action);
void add_bench(const Command& app, Action& action);
// Of `silicast bench`.
void add_bench_limits(const Command& bench, Action& action);
void add_bench_kernels(const Command& bench, Action& action);
void add_engine(const Command& app, Action& action);
void add_bench_model(const Command& bench, Action& action);
void add_sweep(const Command& app, Action& action);
void add_recommend(const Command& app, Action& action);
// Of `silicast calibrate`.
void add_fit(const Command& calibrate, Action& action);
void add_host(const Command& calibrate, Action& action);

enum class Format { text, json, csv, md, yaml };
// --format, one of those named; the first is the default.
void add_format_option(const Command& command, Format& format, std::vector<Format> accepted);
// --data DIR
void add_data_option(const Command& command, std::string& folder);

// Where the program stands; empty where the system does not tell.
std::filesystem::path executable_folder();

// What the command line says, else SILICAST_DATA, else ../share/silicast/data beside the executable, else the data of
// the source tree it was built from. Throws InputError where there is none.
std::filesystem::path data_folder(const std::string& asked);

// To stderr, for who waits.
void progress_line(const std::string& text);
// To stdout, whole. Throws std::runtime_error when it cannot be written.
void print(const std::string& text);
// To a file, whole: beside it first, so that one that was there stays until the new one is. Symbolic links are
// followed; devices and pipes are written to. Throws InputError.
void write_whole(const std::filesystem::path& path, const std::string& text);
// With those above it. Throws InputError where it cannot be made or written to.
void make_folder(const std::filesystem::path& folder);
// Colour and blocks where stdout is a terminal that shows them; NO_COLOR (https://no-color.org) is respected.
TextStyle text_style();

}  // namespace silicast::cli
