// SPDX-License-Identifier: Apache-2.0
// Reads the command line, runs the command, turns failures into one line and an exit code.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "base/text.h"
#include "cli/command.h"
#include "cli/help.h"

namespace silicast::cli {

namespace {

void add_commands(const Command& app, Action& action) {
  add_predict(app, action);
  add_explain(app, action);
  add_compare(app, action);
  add_curve(app, action);
  add_sweep(app, action);
  add_recommend(app, action);
  add_list(app, action);
  add_show(app, action);
  add_check(app, action);
  add_serve_sim(app, action);
  add_plan(app, action);
  add_validate(app, action);
  add_calibrate(app, action);
  add_bench(app, action);
  add_engine(app, action);
}

std::vector<std::string> command_names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

// The command that was asked for, or the program itself.
const CLI::App& asked(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : asked(*parsed.front());
}

[[noreturn]] void refuse_unknown(const CLI::App& app) {
  const auto rest = app.remaining(true);
  const std::string first = rest.empty() ? "" : rest.front();
  const CLI::App& command = asked(app);
  if (!first.starts_with('-'))
    throw UsageError("unexpected argument '" + first + "'; see silicast " + full_name(command) + " --help");
  const std::string name = first.substr(0, first.find('='));
  std::vector<std::string> known;
  for (const CLI::Option* option : command.get_options())
    for (const auto& l : option->get_lnames()) known.push_back("--" + l);
  throw UsageError("unknown option '" + name + "'" + did_you_mean(name, known) + "; see silicast " +
                   full_name(command) + " --help");
}

// Of the program's commands, and of those of a command that has some.
void check_commands(const CLI::App& app, int argc, char** argv) {
  const CLI::App* command = &app;
  for (int i = 1; i < argc && argv[i][0] != '-'; ++i) {
    const auto names = command_names_of(*command);
    if (names.empty()) return;
    if (std::find(names.begin(), names.end(), argv[i]) == names.end())
      throw UsageError("unknown command '" + std::string(argv[i]) + "'" + did_you_mean(argv[i], names) +
                       "; there are " + join(names, ", "));
    command = command->get_subcommand(argv[i]);
  }
}

void parse(CLI::App& app, int argc, char** argv) {
  check_commands(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    refuse_unknown(app);
  }
}

// A message of several lines would hide what comes first.
int failed(ExitCode code, const char* message) {
  std::fflush(stdout);
  std::fprintf(stderr, "silicast: %s\n", message);
  return static_cast<int>(code);
}

int run(int argc, char** argv) {
  CLI::App app("predicts how fast a language model runs on a machine, and whether it fits", "silicast");
  Action action;
  app.set_help_flag("-h,--help", "This text");
  app.set_version_flag("--version", std::string("silicast ") + SILICAST_VERSION, "The version");
  app.footer(
      "silicast predict --model llama-3.1-8b --quant Q4_K_M --device rtx-4090\n"
      "silicast list devices m2\n"
      "silicast show model llama-3.1-8b --quant Q4_K_M");
  add_commands(Command(app), action);
  try {
    parse(app, argc, argv);
    if (!action) {
      std::fputs(program_help(app).c_str(), stderr);
      return static_cast<int>(ExitCode::usage);
    }
    return static_cast<int>(action());
  } catch (const CLI::CallForHelp&) {
    const CLI::App& command = asked(app);
    print(&command == &app ? program_help(app) : command_help(command));
    return static_cast<int>(ExitCode::done);
  } catch (const CLI::CallForVersion& version) {
    print(std::string(version.what()) + "\n");
    return static_cast<int>(ExitCode::done);
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string text = error.what();
    return failed(ExitCode::usage, (text.substr(0, text.find(':')) + ": exactly one value is expected").c_str());
  } catch (const CLI::ParseError& error) {
    return failed(ExitCode::usage, error.what());
  } catch (const Error& error) {
    return failed(error.exit_code(), error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    return failed(ExitCode::bad_input, (error.path1().string() + ": " + error.code().message()).c_str());
  } catch (const std::exception& error) {
    return failed(ExitCode::internal, (std::string("internal error: ") + error.what()).c_str());
  }
}

}  // namespace

}  // namespace silicast::cli

int main(int argc, char** argv) { return silicast::cli::run(argc, argv); }
