// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.h"
#include "report/table.h"

namespace silicast::cli {

namespace {

constexpr std::size_t width = 100;
constexpr std::size_t indent = 2;
constexpr std::size_t option_column = 28;

// "  --prompt N              Tokens of the prompt", the text wrapped in its column.
std::string entry(const std::string& name, const std::string& text) {
  const std::string left = std::string(indent, ' ') + name;
  if (left.size() + 2 > option_column)
    return left + "\n" + std::string(option_column, ' ') + wrapped(text, width - option_column, option_column) + "\n";
  std::string line = left + std::string(option_column - left.size(), ' ');
  const std::string whole = wrapped(std::string(option_column, 'x') + text, width, option_column);
  return line + whole.substr(option_column) + "\n";
}

std::string name_of(const CLI::Option& option) {
  std::string name;
  for (const auto& s : option.get_snames()) name += (name.empty() ? "-" : ", -") + s;
  for (const auto& l : option.get_lnames()) name += (name.empty() ? "--" : ", --") + l;
  if (name.empty()) return option.get_name(true);
  if (option.get_items_expected_max() > 0 && option.get_type_size() != 0) name += " " + option.get_type_name();
  return name;
}

std::string options_of(const CLI::App& command) {
  std::vector<std::string> groups;
  for (const CLI::Option* option : command.get_options())
    if (option->nonpositional() && std::find(groups.begin(), groups.end(), option->get_group()) == groups.end())
      groups.push_back(option->get_group());
  // The help flag is the first option that CLI11 knows; it reads better as the last.
  std::stable_partition(groups.begin(), groups.end(), [](const std::string& group) { return group != "Options"; });
  std::string text;
  for (const std::string& group : groups) {
    text += "\n" + group + ":\n";
    for (const CLI::Option* option : command.get_options())
      if (option->nonpositional() && option->get_group() == group)
        text += entry(name_of(*option), option->get_description());
  }
  return text;
}

std::string arguments_of(const CLI::App& command) {
  std::string text;
  for (const CLI::Option* option : command.get_options())
    if (option->get_positional()) text += entry(option->get_name(true), option->get_description());
  return text.empty() ? text : "\nArguments:\n" + text;
}

std::vector<const CLI::App*> commands_of(const CLI::App& command) {
  return command.get_subcommands([](const CLI::App*) { return true; });
}

std::string subcommands_of(const CLI::App& command) {
  std::string text;
  for (const CLI::App* subcommand : commands_of(command))
    text += entry(subcommand->get_name(), subcommand->get_description());
  return text.empty() ? text : "\nCommands:\n" + text;
}

std::string usage_of(const CLI::App& command) {
  std::string text = "silicast " + full_name(command);
  if (!commands_of(command).empty()) return text + " COMMAND [OPTIONS]";
  for (const CLI::Option* option : command.get_options())
    if (option->get_positional()) {
      const std::string name = option->get_name(true) + (option->get_expected_max() > 1 ? "..." : "");
      text += option->get_required() ? " " + name : " [" + name + "]";
    }
  return text + " [OPTIONS]";
}

constexpr const char* exit_codes =
    "\nExit codes:\n"
    "  0  done\n"
    "  1  the answer is no: it does not fit, or is not as required\n"
    "  2  a command line that makes no sense\n"
    "  3  a name or a file that is not right\n"
    "  4  a question outside of what the model knows\n"
    "  70 an error in silicast itself\n";

std::string examples_of(const CLI::App& command) {
  const std::string lines = command.get_footer();
  if (lines.empty()) return "";
  std::string text = "\nExamples:\n";
  for (const auto line : split(lines, '\n')) text.append(indent, ' ').append(line).append("\n");
  return text;
}

}  // namespace

std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  const bool below_program = parent == nullptr || parent->get_parent() == nullptr;
  return (below_program ? "" : full_name(*parent) + " ") + command.get_name();
}

std::string program_help(const CLI::App& app) {
  return "silicast: " + app.get_description() + "\n\nUsage:\n  silicast COMMAND [OPTIONS]\n" + subcommands_of(app) +
         options_of(app) + "\n'silicast COMMAND --help' explains a command.\n" + examples_of(app) + exit_codes;
}

std::string command_help(const CLI::App& command) {
  return "silicast " + full_name(command) + ": " + command.get_description() + "\n\nUsage:\n  " + usage_of(command) +
         "\n" + arguments_of(command) + subcommands_of(command) + options_of(command) + examples_of(command) +
         exit_codes;
}

}  // namespace silicast::cli
