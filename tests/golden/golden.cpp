// SPDX-License-Identifier: Apache-2.0
// Golden tests of the command line. A case file is what one would see in a terminal:
//
//   $ silicast list devices 4090         the command; every case begins with one
//   rtx-4090  NVIDIA GeForce RTX 4090    its stdout, line by line
//   ~ \d+ files, nothing found           a line that need only match this regular expression, for figures that change
//   ...                                  any number of lines
//   ! silicast: unknown device 'x'       its stderr
//   ? 3                                  its exit code, where it is not 0
//
// Commands run in the root of the source tree. Usage: golden_tests SILICAST FILE... [--update]; an update keeps the
// lines with '~' and '...' that still match.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Lines = std::vector<std::string>;

struct Case {
  std::string command;  // without "$ silicast "
  Lines expected;
};

constexpr std::string_view prompt = "$ silicast";

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string content(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Lines before the first case are a comment.
std::pair<Lines, std::vector<Case>> read_cases(const std::filesystem::path& file) {
  Lines head;
  std::vector<Case> cases;
  for (const std::string& line : lines_of(content(file))) {
    if (line.starts_with(prompt))
      cases.push_back({line.substr(prompt.size()), {}});
    else
      (cases.empty() ? head : cases.back().expected).push_back(line);
  }
  // An empty line parts one case from the next.
  for (Case& c : cases)
    while (!c.expected.empty() && c.expected.back().empty()) c.expected.pop_back();
  return {head, cases};
}

Lines run(const std::string& program, const std::string& command) {
  const auto folder = std::filesystem::temp_directory_path() / ("silicast-golden-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string line = "cd '" SILICAST_SOURCE_ROOT "' && SILICAST_DATA=data '" + program + "'" + command + " >'" +
                           (folder / "out").string() + "' 2>'" + (folder / "err").string() + "'";
  const int status = std::system(line.c_str());
  Lines lines = lines_of(content(folder / "out"));
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (const std::string& error : lines_of(content(folder / "err"))) lines.push_back("! " + error);
  std::filesystem::remove_all(folder);
  if (!WIFEXITED(status))
    lines.emplace_back("? killed");
  else if (WEXITSTATUS(status) != 0)
    lines.push_back("? " + std::to_string(WEXITSTATUS(status)));
  return lines;
}

bool line_matches(const std::string& expected, const std::string& actual) {
  if (expected.starts_with("~ ")) return std::regex_match(actual, std::regex(expected.substr(2)));
  return expected == actual;
}

// Whether the expected lines from i on match the actual ones from j on.
bool match(const Lines& expected, std::size_t i, const Lines& actual, std::size_t j) {
  for (; i < expected.size(); ++i, ++j) {
    if (expected[i] == "...") {
      for (std::size_t rest = j; rest <= actual.size(); ++rest)
        if (match(expected, i + 1, actual, rest)) return true;
      return false;
    }
    if (j >= actual.size() || !line_matches(expected[i], actual[j])) return false;
  }
  return j == actual.size();
}

void show_difference(const Case& c, const Lines& actual) {
  std::cout << "$ silicast" << c.command << "\n";
  for (std::size_t i = 0; i < std::max(c.expected.size(), actual.size()); ++i) {
    const bool same = i < c.expected.size() && i < actual.size() && line_matches(c.expected[i], actual[i]);
    if (same) continue;
    if (i < c.expected.size()) std::cout << "  expected: " << c.expected[i] << "\n";
    if (i < actual.size()) std::cout << "  actual:   " << actual[i] << "\n";
  }
}

bool has_patterns(const Case& c) {
  return std::any_of(c.expected.begin(), c.expected.end(),
                     [](const std::string& line) { return line == "..." || line.starts_with("~ "); });
}

// Keeps patterns line by line where they still hold; a case with "..." is left to its author.
Lines updated(const Case& c, const Lines& actual) {
  Lines lines = actual;
  for (std::size_t i = 0; i < lines.size() && i < c.expected.size(); ++i)
    if (c.expected[i].starts_with("~ ") && line_matches(c.expected[i], lines[i])) lines[i] = c.expected[i];
  return lines;
}

int check(const std::string& program, const std::filesystem::path& file, bool update) {
  auto [head, cases] = read_cases(file);
  int failures = 0;
  std::string text;
  for (const std::string& line : head) text += line + "\n";
  for (Case& c : cases) {
    const Lines actual = run(program, c.command);
    if (!match(c.expected, 0, actual, 0)) {
      ++failures;
      if (!update || has_patterns(c)) show_difference(c, actual);
      if (update) c.expected = updated(c, actual);
    }
    text += std::string(prompt) + c.command + "\n";
    for (const std::string& line : c.expected) text += line + "\n";
    text += "\n";
  }
  if (update && failures > 0) std::ofstream(file, std::ios::binary) << text.substr(0, text.size() - 1);
  std::cout << file.filename().string() << ": " << cases.size() << " cases, " << failures
            << (update ? " updated\n" : " failed\n");
  return cases.empty() || (!update && failures > 0) ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool update = std::erase(arguments, "--update") > 0 || std::getenv("SILICAST_UPDATE") != nullptr;
  if (arguments.size() < 2) {
    std::cerr << "usage: golden_tests SILICAST FILE... [--update]\n";
    return 2;
  }
  const std::string program = std::filesystem::absolute(arguments.front()).string();
  int failed = 0;
  for (std::size_t i = 1; i < arguments.size(); ++i) failed |= check(program, arguments[i], update);
  return failed;
}
