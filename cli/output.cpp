// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/text.h"
#include "cli/command.h"

namespace silicast::cli {

namespace {

constexpr std::array<const char*, 5> format_names{"text", "json", "csv", "md", "yaml"};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = lower(environment(name));
    if (!value.empty()) return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

void add_format_option(const Command& command, Format& format, std::vector<Format> accepted) {
  std::vector<std::string> names;
  for (const Format f : accepted) names.emplace_back(format_names[static_cast<std::size_t>(f)]);
  format = accepted.front();
  const std::string text = join(names, "|");
  const auto read = [&format, accepted = std::move(accepted), names](const std::string& name) {
    const auto at = std::find(names.begin(), names.end(), lower(name));
    if (at == names.end())
      throw UsageError("--format: one of " + join(names, ", ") + " is expected, got '" + name + "'" +
                       did_you_mean(name, names));
    format = accepted[static_cast<std::size_t>(at - names.begin())];
  };
  command.add_option("--format", read, "How the result is printed (default " + names.front() + ")")
      .type_name(text)
      .group("Output");
}

void add_data_option(const Command& command, std::string& folder) {
  command.add_option("--data", folder, "The folder of devices, models, quants and stacks")
      .type_name("DIR")
      .group("Output");
}

void progress_line(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw InputError(std::string("cannot write to stdout: ") + std::strerror(errno));
}

TextStyle text_style() {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  return {.colour = terminal && environment("NO_COLOR").empty() && environment("TERM") != "dumb",
          .blocks = terminal && utf8_locale()};
}

void write_whole(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path draft = path.string() + ".part";
  std::ofstream file(draft, std::ios::binary);
  file << text;
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(draft, path, error);
  if (!file || error) {
    std::filesystem::remove(draft, error);
    throw InputError(path.string() + ": cannot be written");
  }
}

}  // namespace silicast::cli
