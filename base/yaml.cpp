// SPDX-License-Identifier: Apache-2.0
// YAML text to a Node tree, by yaml-cpp's events: positions kept, duplicates and anchors refused while reading.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <unordered_set>

#include "base/document.h"

namespace silicast {

namespace {

constexpr std::size_t deepest = 64;

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(Node& root, std::shared_ptr<const std::string> file) : root_(root), file_(std::move(file)) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override { refuse_anchor(mark, name); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw InputError(place(mark), "", "YAML aliases are not accepted in data files");
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { take(Node{.mark = place(mark)}); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    const bool quoted = tag == "!";
    if (!quoted) refuse_tag(mark, tag);
    Node node{.kind = Node::Kind::scalar, .quoted = quoted, .mark = place(mark), .scalar = value};
    if (!quoted && (value == "~" || value == "null")) node = Node{.mark = place(mark)};
    take(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    open(Node{.kind = Node::Kind::list, .mark = place(mark)}, mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    open(Node{.kind = Node::Kind::map, .mark = place(mark)}, mark);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Node node;
    std::optional<Node> key;
    std::unordered_set<std::string> keys;  // seen so far
  };

  [[nodiscard]] Mark place(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }
  void refuse_anchor(const YAML::Mark& mark, const std::string& name) const {
    throw InputError(place(mark), "", "YAML anchors are not accepted in data files ('&" + name + "')");
  }
  // yaml-cpp says "?" where the file says nothing.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag != "?" && !tag.empty()) throw InputError(place(mark), "", "the YAML tag '" + tag + "' is not accepted");
  }
  void open(Node node, const YAML::Mark& mark) {
    if (levels_.size() >= deepest)
      throw InputError(place(mark), "", "nested deeper than " + std::to_string(deepest) + " levels");
    levels_.push_back({std::move(node), std::nullopt, {}});
  }
  void close() {
    Node node = std::move(levels_.back().node);
    levels_.pop_back();
    take(std::move(node));
  }
  void take(Node node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == Node::Kind::list) {
      level.node.items.push_back(std::move(node));
    } else if (!level.key) {
      if (node.kind != Node::Kind::scalar) throw InputError(node.mark, "", "a key must be plain text");
      if (!level.keys.insert(node.scalar).second) throw InputError(node.mark, node.scalar, "duplicate key");
      level.key = std::move(node);
    } else {
      level.node.members.push_back({std::move(level.key->scalar), level.key->mark, std::move(node)});
      level.key.reset();
    }
  }

  Node& root_;
  std::shared_ptr<const std::string> file_;
  std::vector<Level> levels_;
};

}  // namespace

Node parse_yaml(std::string_view text, const std::string& file) {
  const auto shared_name = std::make_shared<const std::string>(file);
  if (text.find('\0') != std::string_view::npos)
    throw InputError(Mark{shared_name}, "", "holds a NUL byte: not a text file");
  Node root;
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    TreeBuilder builder(root, shared_name);
    if (!parser.HandleNextDocument(builder)) throw InputError(Mark{shared_name}, "", "is empty");
    Node second;
    TreeBuilder rest(second, shared_name);
    if (parser.HandleNextDocument(rest))
      throw InputError(second.mark, "", "one document a file is accepted, a second one begins here");
  } catch (const YAML::Exception& e) {
    throw InputError(Mark{shared_name, e.mark.line + 1, e.mark.column + 1}, "", "not valid YAML: " + e.msg);
  }
  return root;
}

}  // namespace silicast
