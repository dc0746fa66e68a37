// SPDX-License-Identifier: Apache-2.0
// JSON text to a Node tree, by nlohmann-json's SAX events; duplicates refused. Positions are not kept by the library,
// so a Mark names the file only; syntax errors carry line and column.
#include <nlohmann/json.hpp>

#include <unordered_set>

#include "base/document.h"
#include "base/text.h"

namespace silicast {

namespace {

class JsonBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonBuilder(Node& root, std::shared_ptr<const std::string> file, std::string_view text)
      : root_(root), file_(std::move(file)), text_(text) {}

  bool null() override { return take(Node{.mark = place()}); }
  bool boolean(bool value) override { return scalar(value ? "true" : "false", false); }
  bool number_integer(number_integer_t value) override { return scalar(std::to_string(value), false); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(std::to_string(value), false); }
  bool number_float(number_float_t, const string_t& text) override { return scalar(text, false); }
  bool string(string_t& value) override { return scalar(value, true); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Node::Kind::map); }
  bool start_array(std::size_t) override { return open(Node::Kind::list); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (!levels_.back().keys.insert(name).second) throw InputError(place(), name, "duplicate key");
    levels_.back().key = name;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    Mark mark = place();
    mark.line = 1;
    mark.column = 1;
    for (std::size_t i = 0; i + 1 < position && i < text_.size(); ++i) {
      ++mark.column;
      if (text_[i] == '\n') ++mark.line, mark.column = 1;
    }
    std::string what = e.what();
    const auto colon = what.find(": ", what.find("parse error"));
    throw InputError(mark, "", "not valid JSON: " + (colon == std::string::npos ? what : what.substr(colon + 2)));
  }

 private:
  struct Level {
    Node node;
    std::string key;
    std::unordered_set<std::string> keys;  // seen so far
  };

  [[nodiscard]] Mark place() const { return {file_, 0, 0}; }
  bool scalar(std::string value, bool quoted) {
    return take(Node{.kind = Node::Kind::scalar, .quoted = quoted, .mark = place(), .scalar = std::move(value)});
  }
  bool open(Node::Kind kind) {
    if (levels_.size() >= deepest_nesting)
      throw InputError(place(), "", "nested deeper than " + std::to_string(deepest_nesting) + " levels");
    levels_.push_back({Node{.kind = kind, .mark = place()}, {}, {}});
    return true;
  }
  bool close() {
    Node node = std::move(levels_.back().node);
    levels_.pop_back();
    return take(std::move(node));
  }
  bool take(Node node) {
    if (levels_.empty())
      root_ = std::move(node);
    else if (levels_.back().node.kind == Node::Kind::list)
      levels_.back().node.items.push_back(std::move(node));
    else
      levels_.back().node.members.push_back({levels_.back().key, place(), std::move(node)});
    return true;
  }

  Node& root_;
  std::shared_ptr<const std::string> file_;
  std::string_view text_;
  std::vector<Level> levels_;
};

// Reads and keeps nothing but the place of the first error.
class JsonSkimmer : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_object() override { return true; }
  bool end_array() override { return true; }
  bool key(string_t&) override { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    failed_at = position;
    return false;
  }

  std::optional<std::size_t> failed_at;
};

}  // namespace

bool is_cut_off_json(std::string_view text) {
  const std::string_view content = trim(text);
  if (!content.starts_with('{') && !content.starts_with('[')) return false;
  JsonSkimmer skimmer;
  constexpr bool more_may_follow = false;
  nlohmann::json::sax_parse(content, &skimmer, nlohmann::json::input_format_t::json, more_may_follow);
  return skimmer.failed_at && *skimmer.failed_at > content.size();
}

Node parse_json(std::string_view text, const std::string& file) {
  const auto shared_name = std::make_shared<const std::string>(file);
  Node root;
  JsonBuilder builder(root, shared_name, text);
  nlohmann::json::sax_parse(text, &builder);
  return root;
}

}  // namespace silicast
