// SPDX-License-Identifier: Apache-2.0
// A command and its options, as the files of this folder state them. CLI11 does the work; its header takes seconds to
// compile, so only those include it that look into what was parsed.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace silicast::cli {

// An option that was added. A handle: the command owns what it stands for.
class Option {
 public:
  explicit Option(CLI::Option& option) : option_(&option) {}

  // What --help shows for its value, and under which heading it stands.
  Option type_name(const std::string& name) const;  // NOLINT(modernize-use-nodiscard): options are stated in chains
  Option group(const std::string& name) const;      // NOLINT(modernize-use-nodiscard)
  Option required() const;                          // NOLINT(modernize-use-nodiscard)
  // Of an option with several values: how many it takes, what stands between them in one word, which there are.
  Option expected(int count) const;                               // NOLINT(modernize-use-nodiscard)
  Option delimiter(char between) const;                           // NOLINT(modernize-use-nodiscard)
  Option one_of(const std::vector<std::string>& accepted) const;  // NOLINT(modernize-use-nodiscard)

 private:
  CLI::Option* option_;
};

// A command of the program, or the program itself. A handle as well.
class Command {
 public:
  Command(CLI::App& app) : app_(&app) {}  // NOLINT(google-explicit-constructor): one stands for the other

  // "--name", "-n,--name", or "NAME" for an argument without dashes.
  Option add_option(const std::string& name, std::string& target, const std::string& help) const;
  Option add_option(const std::string& name, std::vector<std::string>& target, const std::string& help) const;
  Option add_option(const std::string& name, const std::function<void(const std::string&)>& read,
                    const std::string& help) const;
  // May be given several times; `read` gets all texts at once.
  Option add_repeatable(const std::string& name, const std::function<void(const std::vector<std::string>&)>& read,
                        const std::string& help) const;
  Option add_flag(const std::string& name, bool& target, const std::string& help) const;
  Option add_flag(const std::string& name, std::function<void()> set, const std::string& help) const;

  Command add_command(const std::string& name, const std::string& help) const;  // NOLINT(modernize-use-nodiscard)
  void require_command() const;
  // The examples that --help ends with, one a line.
  void examples(const std::string& lines) const;
  // What happens when the command line names this command.
  void when_asked(std::function<void()> act) const;

  [[nodiscard]] CLI::App& app() const { return *app_; }

 private:
  CLI::App* app_;
};

}  // namespace silicast::cli
