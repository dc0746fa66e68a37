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

namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse_to_write(const fs::path& path, const std::string& why) {
  throw InputError(path.string() + ": cannot be written" + (why.empty() ? "" : ": " + why));
}

// False with the reason in errno.
bool is_written(const fs::path& path, const std::string& text) {
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return !file.fail();
}

// Where symbolic links lead, to a file that need not be there yet.
fs::path without_links(fs::path path) {
  constexpr int most_links = 40;
  std::error_code error;
  for (int i = 0; i < most_links && fs::is_symlink(fs::symlink_status(path, error)); ++i)
    path = path.parent_path() / fs::read_symlink(path, error);
  return path;
}

}  // namespace

void write_whole(const fs::path& path, const std::string& text) {
  std::error_code error;
  const fs::file_status there = fs::status(path, error);
  if (fs::is_directory(there)) refuse_to_write(path, "it is a folder");
  if (fs::exists(there) && !fs::is_regular_file(there)) {  // a device, a pipe: nothing that can be replaced
    if (!is_written(path, text)) refuse_to_write(path, std::strerror(errno));
    return;
  }
  const fs::path target = without_links(path);
  const fs::path draft = target.string() + ".part";
  std::string why;
  if (is_written(draft, text)) {
    fs::rename(draft, target, error);
    if (!error) return;
    why = error.message();
  } else {
    why = std::strerror(errno);
  }
  fs::remove(draft, error);
  refuse_to_write(path, why);
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw InputError(folder.string() + ": the folder cannot be created: " + error.message());
  if (!fs::is_directory(folder, error)) throw InputError(folder.string() + ": is not a folder");
  if (access(folder.c_str(), W_OK | X_OK) != 0)
    throw InputError(folder.string() + ": the folder cannot be written to: " + std::strerror(errno));
}

}  // namespace silicast::cli
