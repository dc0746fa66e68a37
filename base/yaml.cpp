// SPDX-License-Identifier: Apache-2.0
// YAML text to a Node tree, by libyaml's events: positions kept, duplicates and anchors refused while reading.
#include <yaml.h>

#include <unordered_set>

#include "base/document.h"

namespace silicast {

namespace {

class YamlBuilder {
 public:
  explicit YamlBuilder(std::shared_ptr<const std::string> file) : file_(std::move(file)) {}

  void take(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        if (done_) refuse(event, "one document a file is accepted, a second one begins here");
        break;
      case YAML_DOCUMENT_END_EVENT: done_ = true; break;
      case YAML_ALIAS_EVENT: refuse(event, "YAML aliases are not accepted in data files"); break;
      case YAML_SCALAR_EVENT: take_scalar(event); break;
      case YAML_SEQUENCE_START_EVENT:
        open(event, event.data.sequence_start.anchor, event.data.sequence_start.tag, Node::Kind::list);
        break;
      case YAML_MAPPING_START_EVENT:
        open(event, event.data.mapping_start.anchor, event.data.mapping_start.tag, Node::Kind::map);
        break;
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT: close(); break;
      default: break;
    }
  }

  // Of the only document.
  Node root() && {
    if (!done_) throw InputError(Mark{file_}, "", "is empty");
    return std::move(root_);
  }

  [[nodiscard]] Mark place(const yaml_mark_t& mark) const {
    return {file_, static_cast<int>(mark.line) + 1, static_cast<int>(mark.column) + 1};
  }

 private:
  struct Level {
    Node node;
    std::optional<Node> key;
    std::unordered_set<std::string> keys;  // seen so far
  };

  [[noreturn]] void refuse(const yaml_event_t& event, const std::string& what) const {
    throw InputError(place(event.start_mark), "", what);
  }
  static std::string text(const yaml_char_t* characters) { return reinterpret_cast<const char*>(characters); }
  void refuse_properties(const yaml_event_t& event, const yaml_char_t* anchor, const yaml_char_t* tag) const {
    if (anchor != nullptr) refuse(event, "YAML anchors are not accepted in data files ('&" + text(anchor) + "')");
    if (tag != nullptr) refuse(event, "the YAML tag '" + text(tag) + "' is not accepted");
  }
  void take_scalar(const yaml_event_t& event) {
    const auto& scalar = event.data.scalar;
    refuse_properties(event, scalar.anchor, scalar.tag);
    const bool quoted = scalar.style != YAML_PLAIN_SCALAR_STYLE;
    std::string value(reinterpret_cast<const char*>(scalar.value), scalar.length);
    if (!quoted && (value.empty() || value == "~" || value == "null"))
      add(Node{.mark = place(event.start_mark)});
    else
      add(Node{
          .kind = Node::Kind::scalar, .quoted = quoted, .mark = place(event.start_mark), .scalar = std::move(value)});
  }
  void open(const yaml_event_t& event, const yaml_char_t* anchor, const yaml_char_t* tag, Node::Kind kind) {
    refuse_properties(event, anchor, tag);
    if (levels_.size() >= deepest_nesting)
      refuse(event, "nested deeper than " + std::to_string(deepest_nesting) + " levels");
    levels_.push_back({Node{.kind = kind, .mark = place(event.start_mark)}, std::nullopt, {}});
  }
  void close() {
    Node node = std::move(levels_.back().node);
    levels_.pop_back();
    add(std::move(node));
  }
  void add(Node node) {
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

  std::shared_ptr<const std::string> file_;
  Node root_;
  bool done_ = false;
  std::vector<Level> levels_;
};

// libyaml's parser and the event that it gave last, released with it.
class Events {
 public:
  explicit Events(std::string_view text) {
    if (yaml_parser_initialize(&parser_) == 0) throw std::bad_alloc();
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events() {
    yaml_event_delete(&event_);
    yaml_parser_delete(&parser_);
  }

  // Null: the text is not YAML, as parser() says.
  const yaml_event_t* next() {
    yaml_event_delete(&event_);
    return yaml_parser_parse(&parser_, &event_) == 0 ? nullptr : &event_;
  }
  [[nodiscard]] const yaml_parser_t& parser() const { return parser_; }

 private:
  yaml_parser_t parser_{};
  yaml_event_t event_{};
};

}  // namespace

Node parse_yaml(std::string_view text, const std::string& file) {
  const auto shared_name = std::make_shared<const std::string>(file);
  if (text.find('\0') != std::string_view::npos)
    throw InputError(Mark{shared_name}, "", "holds a NUL byte: not a text file");
  YamlBuilder builder(shared_name);
  Events events(text);
  for (const yaml_event_t* event = events.next();; event = events.next()) {
    if (event == nullptr) {
      const yaml_parser_t& parser = events.parser();
      if (parser.error == YAML_MEMORY_ERROR) throw std::bad_alloc();
      // A reader's error (an invalid character) is told by the place that was reached.
      const yaml_mark_t& mark = parser.error == YAML_READER_ERROR ? parser.mark : parser.problem_mark;
      throw InputError(builder.place(mark), "", std::string("not valid YAML: ") + parser.problem);
    }
    if (event->type == YAML_STREAM_END_EVENT) break;
    builder.take(*event);
  }
  return std::move(builder).root();
}

}  // namespace silicast
