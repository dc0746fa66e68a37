// SPDX-License-Identifier: Apache-2.0
#include "planning/filter.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/quantity.h"
#include "base/text.h"

namespace silicast {

namespace {

constexpr int deepest = 100;

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
}

std::optional<double> number_in(std::string_view text, FigureUnit unit) {
  if (const auto plain = parse_number(text)) return plain;
  const auto value = [](auto quantity) { return quantity ? std::optional(quantity->value()) : std::nullopt; };
  switch (unit) {
    case FigureUnit::bytes: return value(parse_quantity<Bytes>(text));
    case FigureUnit::seconds: return value(parse_quantity<Seconds>(text));
    case FigureUnit::watts: return value(parse_quantity<Watts>(text));
    case FigureUnit::none: break;
  }
  return std::nullopt;
}

std::string expected_value(FigureUnit unit) {
  switch (unit) {
    case FigureUnit::bytes: return "a size such as 64GiB (" + accepted_units<Bytes>() + ")";
    case FigureUnit::seconds: return "a time such as 500ms (" + accepted_units<Seconds>() + ")";
    case FigureUnit::watts: return "a power such as 300W (" + accepted_units<Watts>() + ")";
    case FigureUnit::none: break;
  }
  return "a number";
}

}  // namespace

class FilterParser {
 public:
  FilterParser(std::string_view text, const std::vector<std::string>& options, Filter& filter)
      : text_(text), options_(options), filter_(filter) {}

  void parse() {
    filter_.root_ = any_of(0);
    skip_blanks();
    if (at_ < text_.size()) fail("'and', 'or' or the end is expected");
  }

 private:
  using Kind = Filter::Kind;
  using Comparison = Filter::Comparison;

  [[noreturn]] void fail(const std::string& what) const {
    const std::string seen = at_ < text_.size() ? "'" + std::string(text_.substr(at_)) + "'" : "the end";
    throw UsageError("--filter: column " + std::to_string(at_ + 1) + ": " + what + ", got " + seen);
  }

  void skip_blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }

  [[nodiscard]] std::string_view word() const {
    std::size_t end = at_;
    while (end < text_.size() && is_name_character(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }

  bool take(std::string_view symbol) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }

  bool take_word(std::string_view expected) {
    skip_blanks();
    if (lower(word()) != expected) return false;
    at_ += expected.size();
    return true;
  }

  std::size_t add(Filter::Node node) {
    filter_.nodes_.push_back(std::move(node));
    return filter_.nodes_.size() - 1;
  }

  std::size_t any_of(int depth) {
    std::size_t left = all_of(depth);
    while (take_word("or") || take("||")) {
      const std::size_t right = all_of(depth);
      left = add({.kind = Kind::any_of, .left = left, .right = right});
    }
    return left;
  }

  std::size_t all_of(int depth) {
    std::size_t left = term(depth);
    while (take_word("and") || take("&&")) {
      const std::size_t right = term(depth);
      left = add({.kind = Kind::all_of, .left = left, .right = right});
    }
    return left;
  }

  std::size_t term(int depth) {
    if (depth > deepest) fail("fewer parentheses and negations are expected");
    if (take_word("not") || take("!")) return add({.kind = Kind::none_of, .left = term(depth + 1)});
    if (take("(")) {
      const std::size_t inner = any_of(depth + 1);
      if (!take(")")) fail("')' is expected");
      return inner;
    }
    return comparison();
  }

  std::size_t comparison() {
    skip_blanks();
    const std::size_t start = at_;
    const std::string name(word());
    if (name.empty()) fail("a figure or an option is expected");
    Filter::Node node;
    FigureUnit unit = FigureUnit::none;
    bool is_text = false;
    // A figure comes before an option of the same name ("memory" is what is used); the option is then --memory.
    const std::string plain = name.starts_with("--") ? name.substr(2) : name;
    const auto option = std::find(options_.begin(), options_.end(), plain);
    if (name == "feasible") {
      node.kind = Kind::feasible;
    } else if (name == "bound" || name == "evidence") {
      node.kind = name == "bound" ? Kind::bound : Kind::evidence;
      is_text = true;
    } else if (const auto figure = figure_of_name(name)) {
      node.kind = Kind::figure;
      node.index = static_cast<std::size_t>(*figure);
      unit = traits(*figure).unit;
    } else if (option != options_.end()) {
      node.kind = Kind::option;
      node.index = static_cast<std::size_t>(option - options_.begin());
      is_text = true;
    } else {
      std::vector<std::string> known = figure_names();
      for (const char* other : {"feasible", "bound", "evidence"}) known.emplace_back(other);
      known.insert(known.end(), options_.begin(), options_.end());
      fail("one of " + join(known, ", ") + " is expected" + did_you_mean(name, known));
    }
    at_ = start + name.size();
    if (node.kind == Kind::feasible) return add(node);
    node.comparison = operation(name);
    read_value(node, unit, is_text);
    return add(node);
  }

  Comparison operation(const std::string& name) {
    struct Symbol {
      std::string_view text;
      Comparison comparison;
    };
    constexpr std::array<Symbol, 7> symbols{{{"<=", Comparison::at_most},
                                             {">=", Comparison::at_least},
                                             {"==", Comparison::equal},
                                             {"!=", Comparison::unequal},
                                             {"<", Comparison::less},
                                             {">", Comparison::more},
                                             {"=", Comparison::equal}}};
    for (const Symbol& symbol : symbols)
      if (take(symbol.text)) return symbol.comparison;
    fail("a comparison (<, <=, >, >=, ==, !=) after '" + name + "' is expected");
  }

  // Up to a blank, a parenthesis or an operator; a unit may stand apart: "64 GiB".
  std::string value() {
    skip_blanks();
    if (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"')) {
      const auto end = text_.find(text_[at_], at_ + 1);
      if (end == std::string_view::npos) fail("a closing quote is expected");
      std::string text(text_.substr(at_ + 1, end - at_ - 1));
      at_ = end + 1;
      return text;
    }
    const auto end = std::min(text_.find_first_of(" \t\n()&|!<>=", at_), text_.size());
    std::string text(text_.substr(at_, end - at_));
    at_ = end;
    if (!parse_number(text)) return text;
    const std::size_t after = at_;
    skip_blanks();
    const std::string unit = lower(word());
    if (unit.empty() || unit == "and" || unit == "or" || unit == "not") {
      at_ = after;
      return text;
    }
    text += word();
    at_ += unit.size();
    return text;
  }

  void read_value(Filter::Node& node, FigureUnit unit, bool is_text) {
    skip_blanks();
    const std::size_t start = at_;
    const std::string text = value();
    const auto number = number_in(text, unit);
    node.number = number.value_or(std::numeric_limits<double>::quiet_NaN());
    node.text = canonical_name(text);
    const bool orders = node.comparison != Comparison::equal && node.comparison != Comparison::unequal;
    if (!text.empty() && (number || (is_text && !orders))) return;
    at_ = start;
    fail((is_text && !orders ? "a value" : expected_value(unit)) + " is expected");
  }

  std::string_view text_;
  const std::vector<std::string>& options_;
  Filter& filter_;
  std::size_t at_ = 0;
};

Filter::Filter(std::string_view text, const std::vector<std::string>& options) {
  FilterParser(text, options, *this).parse();
}

bool Filter::operator()(const FilteredPoint& point) const { return nodes_.empty() || holds(root_, point); }

bool Filter::compared(Comparison comparison, double value, double limit) {
  if (std::isnan(value)) return false;
  switch (comparison) {
    case Comparison::less: return value < limit;
    case Comparison::at_most: return value <= limit;
    case Comparison::more: return value > limit;
    case Comparison::at_least: return value >= limit;
    case Comparison::equal: return value == limit;
    case Comparison::unequal: return value != limit;
  }
  return false;
}

bool Filter::holds(std::size_t at, const FilteredPoint& point) const {
  const Node& node = nodes_[at];
  const auto is_text = [&](std::string_view text) {
    return (canonical_name(text) == node.text) == (node.comparison == Comparison::equal);
  };
  switch (node.kind) {
    case Kind::all_of: return holds(node.left, point) && holds(node.right, point);
    case Kind::any_of: return holds(node.left, point) || holds(node.right, point);
    case Kind::none_of: return !holds(node.left, point);
    case Kind::feasible: return point.feasible;
    case Kind::figure: return compared(node.comparison, (*point.figures)[static_cast<Figure>(node.index)], node.number);
    case Kind::bound: return is_text(point.bound);
    case Kind::evidence: return is_text(point.evidence);
    case Kind::option: {
      const FilteredPoint::Choice& choice = point.choices[node.index];
      const bool numbers = !std::isnan(choice.number) && !std::isnan(node.number);
      return numbers ? compared(node.comparison, choice.number, node.number)
                     : (node.comparison == Comparison::equal || node.comparison == Comparison::unequal) &&
                           is_text(choice.text);
    }
  }
  return false;
}

}  // namespace silicast
