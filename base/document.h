// SPDX-License-Identifier: Apache-2.0
// A structured text file as a tree in which every value knows its place, and a reader that accounts for every key.
//
// Goals: one representation for YAML and JSON; hostile input is refused (duplicate keys, anchors, aliases, tags, depth
// beyond 64, files beyond 64 MiB); a wrong value is reported with file:line:column, key path, value and rule.
// Non-goals: writing, preserving comments, streaming.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/quantity.h"

namespace silicast {

struct Node {
  enum class Kind { null, scalar, list, map };
  struct Member;

  Kind kind = Kind::null;
  bool quoted = false;  // a scalar written in quotes: text, never a number or null
  Mark mark;
  std::string scalar;
  std::vector<Node> items;
  std::vector<Member> members;

  [[nodiscard]] const Node* find(std::string_view key) const;
  [[nodiscard]] Node* find(std::string_view key);
};

struct Node::Member {
  std::string key;
  Mark mark;
  Node value;
};

// Levels of lists and maps that a file may have.
constexpr std::size_t deepest_nesting = 64;

// Throws InputError with the place. `file` names the text in messages.
Node parse_yaml(std::string_view text, const std::string& file);
Node parse_json(std::string_view text, const std::string& file);
// Begins like an object or an array and ends before it does, without an error until there.
bool is_cut_off_json(std::string_view text);
Node read_yaml_file(const std::filesystem::path& path);
Node read_json_file(const std::filesystem::path& path);
// The whole file as text; InputError when it cannot be read or exceeds `limit`.
std::string read_text_file(const std::filesystem::path& path, Bytes limit = 64_MiB);

// `delta` over `base`: maps merge key by key, a null value removes the key, everything else replaces.
Node merged(Node base, const Node& delta);

// The path "memory.bandwidth" in a tree of maps; creates what is missing and sets a scalar.
void set_path(Node& root, std::string_view path, std::string_view value, const Mark& mark);

// Reads the members of one map. Each accessor marks its key as known; `finish` rejects every other key at once.
class Section {
 public:
  // `path` is the key path of the node itself, empty for a file's root.
  explicit Section(const Node& node, std::string path = {});

  [[nodiscard]] const Mark& mark() const { return node_->mark; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // Present and not null; marks the key as known.
  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] const Node& required(std::string_view key) const;
  [[nodiscard]] const Node* optional(std::string_view key) const;
  [[nodiscard]] std::optional<Section> section(std::string_view key) const;
  [[nodiscard]] Section required_section(std::string_view key) const;
  [[nodiscard]] std::vector<Section> sections(std::string_view key) const;  // a list of maps; empty when absent
  [[nodiscard]] std::vector<std::pair<std::string, Section>> named_sections(
      std::string_view key) const;  // a map of maps

  [[nodiscard]] std::string text(std::string_view key) const;
  [[nodiscard]] std::string text(std::string_view key, std::string_view fallback) const;
  [[nodiscard]] std::optional<std::string> optional_text(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;  // a list, or one text; empty when absent
  [[nodiscard]] bool flag(std::string_view key, bool fallback) const;

  // Counts: integers in [least, most].
  [[nodiscard]] std::int64_t count(std::string_view key, std::int64_t least = 1, std::int64_t most = count_limit) const;
  [[nodiscard]] std::int64_t count_or(std::string_view key, std::int64_t fallback, std::int64_t least = 0,
                                      std::int64_t most = count_limit) const;
  // Plain numbers and shares such as 0.92 or 2/3; `least` and `most` are inclusive, a number must be finite.
  [[nodiscard]] double number(std::string_view key, double least, double most) const;
  [[nodiscard]] std::optional<double> optional_number(std::string_view key, double least, double most) const;
  [[nodiscard]] double share(std::string_view key, double fallback) const;  // in (0, 1]

  // Quantities with their unit: positive and finite.
  template <class Q>
  [[nodiscard]] Q quantity(std::string_view key) const;
  template <class Q>
  [[nodiscard]] std::optional<Q> optional_quantity(std::string_view key) const;
  template <class Q>
  [[nodiscard]] std::vector<Q> quantities(std::string_view key) const;  // a list, or one; at least one

  // One of the names, by position; the message lists them all.
  [[nodiscard]] std::size_t choice(std::string_view key, const std::vector<std::string>& names) const;
  [[nodiscard]] std::size_t choice(std::string_view key, const std::vector<std::string>& names,
                                   std::size_t fallback) const;

  void ignore(std::string_view key) const { static_cast<void>(optional(key)); }
  // Keys in file order with their nodes, marking all as known: for maps whose keys are data.
  [[nodiscard]] std::vector<std::pair<std::string, const Node*>> entries() const;
  // Throws one InputError that names every unknown key, with suggestions.
  void finish() const;

  [[noreturn]] void fail(std::string_view key, std::string_view what) const;
  [[nodiscard]] std::string path_of(std::string_view key) const;

  static constexpr std::int64_t count_limit = 1'000'000'000'000;

 private:
  [[nodiscard]] std::string_view scalar_of(const Node& node, std::string_view key, std::string_view expected) const;

  const Node* node_;
  std::string path_;
  mutable std::vector<std::string> known_;
};

// Text of a value for a message: 'fast', a list, a map, nothing.
std::string shown(const Node& node);

}  // namespace silicast
