// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace silicast {

std::string Mark::text() const {
  std::string result = file ? *file : std::string();
  if (line > 0) result += ":" + std::to_string(line);
  if (line > 0 && column > 0) result += ":" + std::to_string(column);
  return result;
}

namespace {
std::string message_at(const Mark& mark, std::string_view key_path, std::string_view what) {
  std::string message = mark.text();
  if (!message.empty()) message += ": ";
  if (!key_path.empty()) message += std::string(key_path) + ": ";
  return message + std::string(what);
}
}  // namespace

InputError::InputError(const Mark& mark, std::string_view key_path, std::string_view what)
    : Error(ExitCode::bad_input, message_at(mark, key_path, what)) {}

std::string without_place(std::string_view message, const Mark& mark) {
  const std::string place = mark.text() + ": ";
  return std::string(message.starts_with(place) ? message.substr(place.size()) : message);
}

std::string did_you_mean(std::string_view unknown, const std::vector<std::string>& known) {
  const std::string wanted = canonical_name(unknown);
  if (wanted.size() > 100) return {};
  struct Candidate {
    int distance;
    std::string name;
  };
  std::vector<Candidate> candidates;
  for (const auto& name : known) {
    const std::string canonical = canonical_name(name);
    const bool contains = wanted.size() >= 3 && canonical.find(wanted) != std::string::npos;
    const int distance = edit_distance(wanted, canonical);
    const int tolerance = std::max(1, static_cast<int>(wanted.size()) / 3);
    if (contains || distance <= tolerance) candidates.push_back({contains ? std::min(distance, 1) : distance, name});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
  if (candidates.size() > 3) candidates.resize(3);
  std::string result;
  for (const auto& candidate : candidates) result += (result.empty() ? " (did you mean '" : "', '") + candidate.name;
  return result.empty() ? result : result + "'?)";
}

void ensure(bool condition, std::string_view sentence, const char* file, int line) {
  if (condition) return;
  std::fprintf(stderr, "silicast: internal error: %.*s (%s:%d)\n", static_cast<int>(sentence.size()), sentence.data(),
               file, line);
  std::abort();
}

}  // namespace silicast
