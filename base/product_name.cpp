// SPDX-License-Identifier: Apache-2.0
#include "base/product_name.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "base/text.h"

namespace silicast {

namespace {

constexpr std::array<std::string_view, 29> telling_nothing{
    "nvidia",    "amd",  "intel", "apple", "qualcomm", "corporation", "geforce", "radeon", "gpu",  "graphics",
    "processor", "tm",   "r",     "gen",   "11th",     "12th",        "13th",    "14th",   "meta", "instruct",
    "it",        "chat", "hf",    "gguf",  "mlx",      "latest",      "text",    "with",   "the"};

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// Runs of letters and digits; a new part begins where digits follow letters: "rtx4090" is two.
std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> parts(1);
  char before = ' ';
  for (const char c : text) {
    const bool part_of_word = is_letter(c) || is_digit(c) || c == '+';
    if (!part_of_word || (is_digit(c) && is_letter(before))) parts.emplace_back();
    if (part_of_word) parts.back() += c;
    before = c;
  }
  std::erase(parts, std::string());
  return parts;
}

// "12 GB" -> "12gb"; "16-Core Processor" -> nothing, as AMD's drivers add it.
void join_sizes(std::vector<std::string>& parts) {
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const bool after_number = std::all_of(parts[i - 1].begin(), parts[i - 1].end(), is_digit);
    if (after_number && (parts[i] == "gb" || parts[i] == "gib")) {
      parts[i - 1] += "gb";
      parts[i].clear();
    }
    if (after_number && parts[i] == "core" && i + 1 < parts.size() && parts[i + 1] == "processor") {
      parts[i - 1].clear();
      parts[i].clear();
    }
  }
  std::erase(parts, std::string());
}

}  // namespace

std::string product_name(std::string_view name) {
  std::string text = lower(name);
  if (const auto clock = text.find(" cpu @"); clock != std::string::npos) text.resize(clock);  // "... CPU @ 3.70GHz"
  if (const auto slash = text.rfind('/'); slash != std::string::npos) text.erase(0, slash + 1);
  std::vector<std::string> parts = parts_of(text);
  join_sizes(parts);
  std::replace(parts.begin(), parts.end(), std::string("mobile"), std::string("laptop"));
  std::erase_if(parts, [](const std::string& part) {
    return std::find(telling_nothing.begin(), telling_nothing.end(), part) != telling_nothing.end();
  });
  return join(parts, "-");
}

}  // namespace silicast
