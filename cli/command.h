// SPDX-License-Identifier: Apache-2.0
// What the commands share: how one is registered, how its result is printed, where the data folder is.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "report/prediction.h"

namespace CLI {
class App;
}

namespace silicast::cli {

// What main() runs once the command line has been read; its result is the process's exit code.
using Action = std::function<ExitCode()>;

// Each of these adds one command, which sets the action when it is the one asked for.
void add_predict(CLI::App& app, Action& action);
void add_explain(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_curve(CLI::App& app, Action& action);
void add_list(CLI::App& app, Action& action);
void add_show(CLI::App& app, Action& action);
void add_check(CLI::App& app, Action& action);
void add_serve_sim(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_validate(CLI::App& app, Action& action);
void add_calibrate(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
// Of `silicast bench`.
void add_bench_limits(CLI::App& bench, Action& action);
void add_bench_kernels(CLI::App& bench, Action& action);
void add_engine(CLI::App& app, Action& action);
void add_bench_model(CLI::App& bench, Action& action);
void add_sweep(CLI::App& app, Action& action);
void add_recommend(CLI::App& app, Action& action);
// Of `silicast calibrate`.
void add_fit(CLI::App& calibrate, Action& action);
void add_host(CLI::App& calibrate, Action& action);

enum class Format { text, json, csv, md, yaml };
// --format, one of those named; the first is the default.
void add_format_option(CLI::App& command, Format& format, std::vector<Format> accepted);
// --data DIR
void add_data_option(CLI::App& command, std::string& folder);

// Where the program stands; empty where the system does not tell.
std::filesystem::path executable_folder();

// What the command line says, else SILICAST_DATA, else ../share/silicast/data beside the executable, else the data of
// the source tree it was built from. Throws InputError where there is none.
std::filesystem::path data_folder(const std::string& asked);

// To stderr, for who waits.
void progress_line(const std::string& text);
// To stdout, whole. Throws std::runtime_error when it cannot be written.
void print(const std::string& text);
// To a file, whole: beside it first, so that one that was there stays until the new one is. Throws InputError.
void write_whole(const std::filesystem::path& path, const std::string& text);
// Colour and blocks where stdout is a terminal that shows them; NO_COLOR (https://no-color.org) is respected.
TextStyle text_style();

}  // namespace silicast::cli
