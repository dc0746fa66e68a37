// SPDX-License-Identifier: Apache-2.0
#include "tests/structure/rules.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/document.h"
#include "base/text.h"

namespace silicast::structure {

namespace {

// What each folder may include besides itself.
const std::map<std::string, std::set<std::string>, std::less<>>& allowed() {
  static const std::map<std::string, std::set<std::string>, std::less<>> table{
      {"base", {}},
      {"hardware", {"base"}},
      {"workloads", {"base"}},
      {"model", {"base", "hardware", "workloads"}},
      {"engine", {"base", "workloads"}},
      {"calibration", {"base", "hardware", "workloads", "model"}},
      {"planning", {"base", "hardware", "workloads", "model"}},
      {"report", {"base", "hardware", "workloads", "model", "calibration", "planning"}},
      {"cli", {"base", "hardware", "workloads", "model", "engine", "calibration", "planning", "report"}},
      {"bench", {"base", "hardware", "workloads", "model", "engine", "calibration", "planning", "report"}},
      {"tests", {"base", "hardware", "workloads", "model", "engine", "calibration", "planning", "report", "cli"}},
  };
  return table;
}

const std::set<std::string, std::less<>> public_folders{"base",        "hardware", "workloads", "model",
                                                        "calibration", "planning", "engine",    "report"};

std::string folder_of(const std::string& path) {
  const auto slash = path.find('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

bool is_source(const std::string& path) { return path.ends_with(".h") || path.ends_with(".cpp"); }

template <class Action>  // action(line number, line)
void for_each_line(const std::string& text, Action action) {
  int number = 0;
  for (const auto line : split(text, '\n')) action(++number, line);
}

std::string at(const std::string& path, int line, const std::string& what) {
  return path + ":" + std::to_string(line) + ": " + what;
}

// The file that the line includes, with its delimiters: "base/text.h" or <vector>; else empty.
std::string_view included(std::string_view line) {
  line = trim(line);
  if (!line.starts_with('#')) return {};
  line = trim(line.substr(1));
  if (!line.starts_with("include")) return {};
  line = trim(line.substr(std::string_view("include").size()));
  const auto end = line.size() < 2 ? std::string_view::npos : line.find(line.front() == '<' ? '>' : '"', 1);
  return end == std::string_view::npos ? std::string_view() : line.substr(0, end + 1);
}

}  // namespace

Complaints includes_to_the_right(const Files& files) {
  Complaints complaints;
  for (const auto& [path, text] : files) {
    if (!is_source(path)) continue;
    const std::string folder = folder_of(path);
    const auto row = allowed().find(folder);
    if (row == allowed().end()) {
      complaints.push_back(at(path, 1, "the folder has no place in the include rule (tests/structure/rules.cpp)"));
      continue;
    }
    for_each_line(text, [&, &path = path](int number, std::string_view line) {
      const auto file = included(line);
      if (!file.starts_with('"')) return;
      const std::string target(file.substr(1, file.size() - 2));
      const std::string target_folder = folder_of(target);
      if (!files.contains(target))
        complaints.push_back(at(path, number, "includes \"" + target + "\", which is no file seen from the root"));
      else if (target_folder != folder && !row->second.contains(target_folder))
        complaints.push_back(at(path, number, folder + " must not include " + target_folder + " (\"" + target + "\")"));
    });
  }
  return complaints;
}

Complaints third_party_in_headers(const Files& files) {
  Complaints complaints;
  for (const auto& [path, text] : files) {
    if (!path.ends_with(".h") || !public_folders.contains(folder_of(path))) continue;
    for_each_line(text, [&, &path = path](int number, std::string_view line) {
      const auto file = included(line);
      // Headers of the standard library have neither a folder nor an ending; intrinsics come with the compiler.
      if (file == "<immintrin.h>" || file == "<arm_neon.h>") return;
      if (file.starts_with('<') && file.find_first_of("./") != std::string_view::npos)
        complaints.push_back(at(path, number, "a public header includes " + std::string(file)));
    });
  }
  return complaints;
}

Complaints too_long(const Files& files) {
  Complaints complaints;
  for (const auto& [path, text] : files) {
    const bool folder_readme = path.ends_with("/README.md") && allowed().contains(folder_of(path));
    if (!is_source(path) && !folder_readme && path != "CONTRIBUTING.md") continue;
    const long most = folder_readme ? 40 : path == "CONTRIBUTING.md" ? 100 : 600;
    const long lines = std::count(text.begin(), text.end(), '\n');
    if (lines > most)
      complaints.push_back(at(path, static_cast<int>(most),
                              "is " + std::to_string(lines) + " lines long; at most " + std::to_string(most)));
  }
  return complaints;
}

Complaints without_licence(const Files& files) {
  Complaints complaints;
  for (const auto& [path, text] : files) {
    if (!is_source(path) && !path.ends_with("CMakeLists.txt") && !path.ends_with(".cmake") && path != "dev") continue;
    bool found = false;
    for_each_line(text, [&](int number, std::string_view line) {
      found = found || (number <= 3 && line.find("SPDX-License-Identifier: Apache-2.0") != std::string_view::npos);
    });
    if (!found) complaints.push_back(at(path, 1, "the line 'SPDX-License-Identifier: Apache-2.0' is missing"));
  }
  return complaints;
}

namespace {

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '/' || c == '.';
}

bool holds_word(const std::string& text, const std::string& word) {
  for (auto begin = text.find(word); begin != std::string::npos; begin = text.find(word, begin + 1)) {
    const auto end = begin + word.size();
    if ((begin == 0 || !is_word_character(text[begin - 1])) && (end == text.size() || !is_word_character(text[end])))
      return true;
  }
  return false;
}

std::string without_comments(const std::string& cmake) {
  std::string result;
  for_each_line(cmake, [&](int, std::string_view line) { result.append(line.substr(0, line.find('#'))).append("\n"); });
  return result;
}

bool is_listed(const std::string& path, const Files& files) {
  for (auto slash = path.rfind('/'); slash != std::string::npos; slash = path.rfind('/', slash - 1)) {
    const auto lists = files.find(path.substr(0, slash) + "/CMakeLists.txt");
    if (lists == files.end()) continue;
    const std::string text = without_comments(lists->second);
    const std::string relative = path.substr(slash + 1);
    const std::string stem = relative.substr(0, relative.size() - std::string_view(".cpp").size());
    // silicast_benchmark(NAME) and silicast_fuzz(NAME) name a source without its ending.
    return holds_word(text, relative) || holds_word(text, "silicast_benchmark(" + stem) ||
           holds_word(text, "silicast_fuzz(" + stem);
  }
  return false;
}

}  // namespace

Complaints not_built(const Files& files) {
  Complaints complaints;
  for (const auto& [path, text] : files)
    if (path.ends_with(".cpp") && !is_listed(path, files))
      complaints.push_back(at(path, 1, "no CMakeLists.txt lists this file"));
  return complaints;
}

Complaints unreadable_data(const Files& files) {
  Complaints complaints;
  for (const auto& [path, text] : files) {
    if (folder_of(path) != "data" || !(path.ends_with(".yaml") || path.ends_with(".yml"))) continue;
    try {
      parse_yaml(text, path);
    } catch (const InputError& error) {
      complaints.emplace_back(error.what());
    }
  }
  return complaints;
}

}  // namespace silicast::structure
