// SPDX-License-Identifier: Apache-2.0
#include "base/document.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "base/text.h"

namespace silicast {

const Node* Node::find(std::string_view key) const {
  for (const auto& member : members)
    if (member.key == key) return &member.value;
  return nullptr;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

std::string read_text_file(const std::filesystem::path& path, Bytes limit) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) throw InputError(path.string() + ": is a folder, not a file");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw InputError(path.string() + ": cannot be opened");
  std::string text;
  constexpr std::size_t chunk = 1 << 16;
  while (stream) {
    const std::size_t size = text.size();
    text.resize(size + chunk);
    stream.read(text.data() + size, static_cast<std::streamsize>(chunk));
    text.resize(size + static_cast<std::size_t>(stream.gcount()));
    if (static_cast<double>(text.size()) > limit.value())
      throw InputError(path.string() + ": larger than " + human(limit) + ", the most that is read of such a file");
  }
  return text;
}

Node read_yaml_file(const std::filesystem::path& path) { return parse_yaml(read_text_file(path), path.string()); }
Node read_json_file(const std::filesystem::path& path) { return parse_json(read_text_file(path), path.string()); }

Node merged(Node base, const Node& delta) {
  if (base.kind != Node::Kind::map || delta.kind != Node::Kind::map) return delta;
  base.mark = delta.mark;
  for (const auto& member : delta.members) {
    const auto at = std::find_if(base.members.begin(), base.members.end(),
                                 [&](const Node::Member& m) { return m.key == member.key; });
    if (member.value.kind == Node::Kind::null) {
      if (at != base.members.end()) base.members.erase(at);
    } else if (at == base.members.end()) {
      base.members.push_back(member);
    } else {
      at->value = merged(std::move(at->value), member.value);
      at->mark = member.mark;
    }
  }
  return base;
}

void set_path(Node& root, std::string_view path, std::string_view value, const Mark& mark) {
  Node* node = &root;
  const auto parts = split(path, '.');
  if (parts.size() > deepest_nesting)
    throw InputError(mark, path, "deeper than " + std::to_string(deepest_nesting) + " levels");
  for (const auto part : parts) {
    if (part.empty()) throw InputError(mark, path, "an empty name in the path");
    if (node->kind == Node::Kind::null) *node = Node{.kind = Node::Kind::map, .mark = mark};
    if (node->kind != Node::Kind::map)
      throw InputError(mark, path,
                       "'" + std::string(part) + "' is not reached: what stands before it is a single value");
    Node* next = node->find(part);
    if (next == nullptr) {
      node->members.push_back({std::string(part), mark, Node{.mark = mark}});
      next = &node->members.back().value;
    }
    node = next;
  }
  *node = Node{.kind = Node::Kind::scalar, .mark = mark, .scalar = std::string(value)};
}

std::string shown(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null: return "nothing";
    case Node::Kind::list: return "a list";
    case Node::Kind::map: return "a map";
    case Node::Kind::scalar: break;
  }
  constexpr std::size_t longest = 60;
  return "'" + (node.scalar.size() > longest ? node.scalar.substr(0, longest) + "..." : node.scalar) + "'";
}

Section::Section(const Node& node, std::string path) : node_(&node), path_(std::move(path)) {
  if (node.kind != Node::Kind::map) throw InputError(node.mark, path_, "a map is expected, got " + shown(node));
}

std::string Section::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void Section::fail(std::string_view key, std::string_view what) const {
  const Node* node = node_->find(key);
  throw InputError(node != nullptr ? node->mark : node_->mark, path_of(key), what);
}

const Node* Section::optional(std::string_view key) const {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  const Node* node = node_->find(key);
  return node != nullptr && node->kind != Node::Kind::null ? node : nullptr;
}

bool Section::has(std::string_view key) const { return optional(key) != nullptr; }

const Node& Section::required(std::string_view key) const {
  const Node* node = optional(key);
  if (node == nullptr) fail(key, "required, but missing");
  return *node;
}

std::optional<Section> Section::section(std::string_view key) const {
  const Node* node = optional(key);
  if (node == nullptr) return std::nullopt;
  return Section(*node, path_of(key));
}

Section Section::required_section(std::string_view key) const { return Section(required(key), path_of(key)); }

std::vector<Section> Section::sections(std::string_view key) const {
  std::vector<Section> result;
  const Node* node = optional(key);
  if (node == nullptr) return result;
  if (node->kind != Node::Kind::list) fail(key, "a list is expected, got " + shown(*node));
  for (std::size_t i = 0; i < node->items.size(); ++i)
    result.emplace_back(node->items[i], path_of(key) + "[" + std::to_string(i) + "]");
  return result;
}

std::vector<std::pair<std::string, Section>> Section::named_sections(std::string_view key) const {
  std::vector<std::pair<std::string, Section>> result;
  const Node* node = optional(key);
  if (node == nullptr) return result;
  if (node->kind != Node::Kind::map) fail(key, "a map is expected, got " + shown(*node));
  for (const auto& member : node->members)
    result.emplace_back(member.key, Section(member.value, path_of(key) + "." + member.key));
  return result;
}

std::string_view Section::scalar_of(const Node& node, std::string_view key, std::string_view expected) const {
  if (node.kind != Node::Kind::scalar)
    throw InputError(node.mark, path_of(key), std::string(expected) + " is expected, got " + shown(node));
  return node.scalar;
}

std::string Section::text(std::string_view key) const {
  std::string value(scalar_of(required(key), key, "text"));
  if (value.empty()) fail(key, "must not be empty");
  return value;
}

std::optional<std::string> Section::optional_text(std::string_view key) const {
  if (!has(key)) return std::nullopt;
  return text(key);
}

std::string Section::text(std::string_view key, std::string_view fallback) const {
  return has(key) ? text(key) : std::string(fallback);
}

std::vector<std::string> Section::texts(std::string_view key) const {
  const Node* node = optional(key);
  if (node == nullptr) return {};
  if (node->kind != Node::Kind::list) return {text(key)};
  std::vector<std::string> result;
  for (const auto& item : node->items) result.emplace_back(scalar_of(item, key, "text"));
  return result;
}

namespace {
// For messages about numbers and flags, which a text in quotes never is.
std::string shown_number(const Node& node) { return shown(node) + (node.quoted ? " in quotes, which is text" : ""); }
}  // namespace

bool Section::flag(std::string_view key, bool fallback) const {
  const Node* node = optional(key);
  if (node == nullptr) return fallback;
  const auto value = scalar_of(*node, key, "true or false");
  if (value == "true" && !node->quoted) return true;
  if (value == "false" && !node->quoted) return false;
  fail(key, "true or false is expected, got " + shown_number(*node));
}

std::int64_t Section::count(std::string_view key, std::int64_t least, std::int64_t most) const {
  const Node& node = required(key);
  const auto value = parse_integer(scalar_of(node, key, "a whole number"));
  if (!value || node.quoted || *value < least || *value > most)
    fail(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most) + " is expected, got " +
                  shown_number(node));
  return *value;
}

std::int64_t Section::count_or(std::string_view key, std::int64_t fallback, std::int64_t least,
                               std::int64_t most) const {
  return has(key) ? count(key, least, most) : fallback;
}

double Section::number(std::string_view key, double least, double most) const {
  const Node& node = required(key);
  const auto value = parse_share(scalar_of(node, key, "a number"));
  if (!value || node.quoted || *value < least || *value > most)
    fail(key, "a number from " + exact(least) + " to " + exact(most) + " is expected, got " + shown_number(node));
  return *value;
}

std::optional<double> Section::optional_number(std::string_view key, double least, double most) const {
  if (!has(key)) return std::nullopt;
  return number(key, least, most);
}

double Section::share(std::string_view key, double fallback) const {
  if (!has(key)) return fallback;
  constexpr double least = 1e-6;
  return number(key, least, 1);
}

namespace {
template <class Q>
Q quantity_of(const Node& node, const std::string& path) {
  if (node.kind == Node::Kind::scalar) {
    if (const auto value = parse_quantity<Q>(node.scalar)) {
      if (value->value() > 0) return *value;
      throw InputError(node.mark, path, "must be above zero, got " + shown(node));
    }
    if (parse_number(node.scalar))
      throw InputError(node.mark, path, "the unit is missing in " + shown(node) + "; accepted: " + accepted_units<Q>());
  }
  throw InputError(node.mark, path,
                   "a quantity is expected, got " + shown(node) + "; accepted units: " + accepted_units<Q>());
}
}  // namespace

template <class Q>
Q Section::quantity(std::string_view key) const {
  return quantity_of<Q>(required(key), path_of(key));
}
template <class Q>
std::optional<Q> Section::optional_quantity(std::string_view key) const {
  if (!has(key)) return std::nullopt;
  return quantity<Q>(key);
}
template <class Q>
std::vector<Q> Section::quantities(std::string_view key) const {
  const Node& node = required(key);
  if (node.kind != Node::Kind::list) return {quantity<Q>(key)};
  if (node.items.empty()) fail(key, "at least one value is expected");
  std::vector<Q> result;
  for (const auto& item : node.items) result.push_back(quantity_of<Q>(item, path_of(key)));
  return result;
}

#define SILICAST_INSTANTIATE(Q)                                                    \
  template Q Section::quantity<Q>(std::string_view) const;                         \
  template std::optional<Q> Section::optional_quantity<Q>(std::string_view) const; \
  template std::vector<Q> Section::quantities<Q>(std::string_view) const;
SILICAST_INSTANTIATE(Bytes)
SILICAST_INSTANTIATE(BytesPerSecond)
SILICAST_INSTANTIATE(Hertz)
SILICAST_INSTANTIATE(FlopsPerSecond)
SILICAST_INSTANTIATE(Seconds)
SILICAST_INSTANTIATE(Watts)
SILICAST_INSTANTIATE(Joules)
#undef SILICAST_INSTANTIATE

std::size_t Section::choice(std::string_view key, const std::vector<std::string>& names) const {
  const Node& node = required(key);
  const auto value = scalar_of(node, key, "one of " + join(names, ", "));
  const auto at = std::find(names.begin(), names.end(), value);
  if (at == names.end())
    fail(key, "one of " + join(names, ", ") + " is expected, got " + shown(node) + did_you_mean(value, names));
  return static_cast<std::size_t>(at - names.begin());
}

std::size_t Section::choice(std::string_view key, const std::vector<std::string>& names, std::size_t fallback) const {
  return has(key) ? choice(key, names) : fallback;
}

std::vector<std::pair<std::string, const Node*>> Section::entries() const {
  std::vector<std::pair<std::string, const Node*>> result;
  for (const auto& member : node_->members) {
    known_.push_back(member.key);
    result.emplace_back(member.key, &member.value);
  }
  return result;
}

void Section::finish() const {
  std::string message;
  const Mark* first = nullptr;
  int unknown = 0;
  for (const auto& member : node_->members) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    if (first == nullptr) first = &member.mark;
    ++unknown;
    message += (message.empty() ? "'" : "; '") + path_of(member.key) + "'" + did_you_mean(member.key, known_);
  }
  if (unknown > 0) throw InputError(*first, "", (unknown == 1 ? "unknown key " : "unknown keys ") + message);
}

}  // namespace silicast
