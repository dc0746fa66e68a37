// SPDX-License-Identifier: Apache-2.0
// Objects out of JSON text that may be cut off or damaged.
#include <algorithm>

#include "base/document.h"
#include "base/error.h"
#include "base/text.h"
#include "calibration/import_parts.h"

namespace silicast {

namespace {

void flatten(const Node& node, const std::string& path, Record& record) {
  switch (node.kind) {
    case Node::Kind::scalar: record.values[path] = node.scalar; break;
    case Node::Kind::null: break;
    case Node::Kind::list: {
      // Only lists of plain values: repetitions.
      std::vector<std::string> items;
      for (const Node& item : node.items)
        if (item.kind == Node::Kind::scalar) items.push_back(item.scalar);
      if (items.size() == node.items.size()) record.values[path] = join(items, ",");
      break;
    }
    case Node::Kind::map:
      for (const auto& member : node.members)
        flatten(member.value, path.empty() ? member.key : path + "." + member.key, record);
      break;
  }
}

// Cuts a text into objects of the outermost level without reading what is in them.
class ObjectScanner {
 public:
  explicit ObjectScanner(std::string_view text) : text_(text) {}

  struct Piece {
    std::string_view text;
    int line = 0;
    bool whole = false;
    bool is_object = false;
  };

  // False at the end.
  bool next(Piece& piece) {
    while (at_ < text_.size() && is_between(text_[at_])) step();
    if (at_ >= text_.size()) return false;
    const std::size_t begin = at_;
    piece.line = line_;
    piece.is_object = text_[at_] == '{';
    piece.whole = piece.is_object ? skip_object() : skip_stray();
    piece.text = text_.substr(begin, at_ - begin);
    return true;
  }

 private:
  static bool is_between(char c) { return std::string_view(" \t\r\n,[]").find(c) != std::string_view::npos; }

  void step() {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }

  bool skip_object() {
    int depth = 0;
    bool in_string = false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (in_string) {
        if (c == '\\' && at_ + 1 < text_.size())
          step();
        else if (c == '"')
          in_string = false;
      } else if (c == '"') {
        in_string = true;
      } else if (c == '{') {
        ++depth;
      } else if (c == '}') {
        --depth;
      }
      step();
      if (depth == 0 && !in_string) return true;
    }
    return false;
  }

  bool skip_stray() {
    while (at_ < text_.size() && text_[at_] != '{' && text_[at_] != '\n') step();
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
};

// "FILE:2:5: what" -> "what": the line is reported beside it, counted in the whole file.
std::string without_place(const std::string& message, const std::string& file) {
  if (!message.starts_with(file)) return message;
  const auto end = message.find(": ", file.size());
  return end == std::string::npos ? message : message.substr(end + 2);
}

}  // namespace

Records read_json_records(std::string_view text, const std::string& file) {
  Records result;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  ObjectScanner scanner(text);
  for (ObjectScanner::Piece piece; scanner.next(piece);) {
    std::string shown(trim(piece.text.substr(0, 60)));
    for (char& c : shown)
      if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    if (!piece.is_object) {
      result.not_taken.push_back({piece.line, "not JSON", "'" + shown + "'"});
    } else if (!piece.whole) {
      result.not_taken.push_back({piece.line, "the file is cut off within a run", shown + "..."});
    } else {
      try {
        Record record{.line = piece.line, .values = {}};
        flatten(parse_json(piece.text, file), "", record);
        result.records.push_back(std::move(record));
      } catch (const InputError& error) {
        result.not_taken.push_back({piece.line, "not JSON", without_place(error.what(), file)});
      }
    }
  }
  return result;
}

}  // namespace silicast
