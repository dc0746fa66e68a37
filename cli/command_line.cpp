// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <utility>

namespace silicast::cli {

Option Option::type_name(const std::string& name) const { return Option(*option_->type_name(name)); }
Option Option::group(const std::string& name) const { return Option(*option_->group(name)); }
Option Option::required() const { return Option(*option_->required()); }
Option Option::expected(int count) const { return Option(*option_->expected(count)); }
Option Option::delimiter(char between) const { return Option(*option_->delimiter(between)); }
Option Option::one_of(const std::vector<std::string>& accepted) const {
  // Without its own list of them in --help, beside the one of type_name.
  return Option(*option_->check(CLI::IsMember(accepted).description("")));
}

Option Command::add_option(const std::string& name, std::string& target, const std::string& help) const {
  return Option(*app_->add_option(name, target, help));
}

Option Command::add_option(const std::string& name, std::vector<std::string>& target, const std::string& help) const {
  return Option(*app_->add_option(name, target, help));
}

Option Command::add_option(const std::string& name, const std::function<void(const std::string&)>& read,
                           const std::string& help) const {
  return Option(*app_->add_option_function<std::string>(name, read, help));
}

Option Command::add_repeatable(const std::string& name,
                               const std::function<void(const std::vector<std::string>&)>& read,
                               const std::string& help) const {
  return Option(*app_->add_option_function<std::vector<std::string>>(name, read, help)
                     ->type_size(1)
                     ->expected(1)
                     ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll));
}

Option Command::add_flag(const std::string& name, bool& target, const std::string& help) const {
  return Option(*app_->add_flag(name, target, help));
}

Option Command::add_flag(const std::string& name, std::function<void()> set, const std::string& help) const {
  return Option(*app_->add_flag_callback(name, std::move(set), help));
}

Command Command::add_command(const std::string& name, const std::string& help) const {
  return {*app_->add_subcommand(name, help)};
}

void Command::require_command() const { app_->require_subcommand(1); }
void Command::examples(const std::string& lines) const { app_->footer(lines); }
void Command::when_asked(std::function<void()> act) const { app_->callback(std::move(act)); }

}  // namespace silicast::cli
