// SPDX-License-Identifier: Apache-2.0
#include "planning/grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/text.h"
#include "model/machine.h"
#include "workloads/quantization.h"

namespace silicast {

namespace {

constexpr std::array<std::string_view, 4> shape_options{"prompt", "gen", "depth", "concurrency"};
constexpr std::uint64_t beyond = std::numeric_limits<std::uint64_t>::max();
constexpr double largest_exact = 9007199254740992.0;  // 2^53
constexpr int digits = 12;                            // of a progression's values that are no integers

bool is_whole(double value) { return std::floor(value) == value && std::abs(value) <= largest_exact; }

// Without the last digits, in which steps such as 0.1 add up to noise.
std::string short_text(double value) { return exact(parse_number(rounded(value, digits)).value_or(value)); }

[[noreturn]] void fail(const Node& node, const std::string& key, const std::string& expected) {
  throw InputError(node.mark, key, expected + " is expected, got " + shown(node));
}

double number_of(const Section& range, const std::string& key) {
  return range.number(key, -largest_exact, largest_exact);
}

// {from, to, step} or {from, to, factor}.
void read_range(Axis& axis, const Node& node, const std::string& key) {
  const Section range(node, key);
  const double from = number_of(range, "from");
  const double to = number_of(range, "to");
  if (range.has("factor") && range.has("step")) range.fail("factor", "a range has a step or a factor, not both");
  const std::string stride = range.has("factor") ? "factor" : "step";
  const double by = range.has(stride) ? number_of(range, stride) : 1;
  range.finish();
  if (to < from) throw InputError(node.mark, key, "the range is empty: from " + exact(from) + " to " + exact(to));
  constexpr double slack = 1e-9;  // of a step, for steps such as 0.1
  if (stride == "step") {
    if (by <= 0) range.fail("step", "a step above zero is expected, got " + exact(by));
    axis.progression = Progression{.from = from,
                                   .step = by,
                                   .size = static_cast<std::uint64_t>(std::floor((to - from) / by + slack)) + 1,
                                   .whole = is_whole(from) && is_whole(by)};
    return;
  }
  if (by <= 1) range.fail("factor", "a factor above 1 is expected, got " + exact(by));
  if (from <= 0) range.fail("from", "above zero is expected with a factor, got " + exact(from));
  constexpr std::size_t most = 100'000;
  for (double value = from; value <= to * (1 + slack); value *= by) {
    if (axis.values.size() == most) range.fail("factor", "a larger factor is expected, got " + exact(by));
    axis.values.push_back(is_whole(value) ? std::to_string(std::llround(value)) : short_text(value));
  }
}

std::string text_of(const Node& node, const std::string& key) {
  if (node.kind != Node::Kind::scalar || trim(node.scalar).empty()) fail(node, key, "a value");
  return node.scalar;
}

std::uint64_t product(std::uint64_t a, std::uint64_t b) { return a != 0 && b > beyond / a ? beyond : a * b; }

bool is_file(const std::string& value) {
  const std::string ending = lower(std::filesystem::path(value).extension().string());
  return ending == ".gguf" || ending == ".json" || ending == ".yaml" || ending == ".yml";
}

}  // namespace

std::string Axis::text(std::uint64_t i) const {
  if (progression) {
    const double value = (*progression)[i];
    return progression->whole ? std::to_string(std::llround(value)) : short_text(value);
  }
  const std::string& value = values[i];
  return option != name ? std::string(trim(std::string_view(value).substr(value.find('=') + 1))) : value;
}

void Axis::apply(Query& query, std::uint64_t i, const OptionReader& reader) const {
  if (is_flag) {
    if (values[i] == "true") reader(query, option, "");
    return;
  }
  reader(query, option, progression ? text(i) : values[i]);
}

Grid::Grid(const Node& root, const std::vector<GridOption>& options, const OptionReader& reader) {
  if (root.kind != Node::Kind::map || root.members.empty())
    throw InputError(root.mark, "", "the grid is empty; a map of query options to values, lists or ranges is expected");
  std::vector<std::string> known;
  for (const GridOption& option : options) known.push_back(option.name);
  for (const Node::Member& member : root.members) {
    const std::string key = member.key.starts_with("--") ? member.key.substr(2) : member.key;
    const auto option = std::find_if(options.begin(), options.end(), [&](const auto& o) { return o.name == key; });
    if (option == options.end())
      throw InputError(
          member.mark, member.key,
          "unknown option" + did_you_mean(key, known) + "; a grid takes the options of a query: " + join(known, ", "));
    add_axes(key, member.mark, member.value, *option);
  }
  for (Axis& axis : axes_) {
    check(axis, reader);
    if (axis.progression) continue;
    for (std::size_t i = 0; i < axis.values.size(); ++i)
      axis.numbers.push_back(parse_number(axis.text(i)).value_or(std::numeric_limits<double>::quiet_NaN()));
  }
  count();
}

void Grid::add_axes(const std::string& key, const Mark& mark, const Node& node, const GridOption& option) {
  if (option.kind == GridOption::Kind::assignment) return add_assignments(key, node);
  Axis axis{.name = key, .option = key, .mark = mark, .is_flag = option.kind == GridOption::Kind::flag};
  axis.is_shape = std::find(shape_options.begin(), shape_options.end(), key) != shape_options.end();
  switch (node.kind) {
    case Node::Kind::null: fail(node, key, "a value, a list or a range {from, to, step}");
    case Node::Kind::scalar: axis.values.push_back(text_of(node, key)); break;
    case Node::Kind::list:
      if (node.items.empty()) throw InputError(node.mark, key, "the list is empty: the grid has no points");
      for (const Node& item : node.items) axis.values.push_back(text_of(item, key));
      break;
    case Node::Kind::map: read_range(axis, node, key); break;
  }
  if (node.kind == Node::Kind::map && axis.is_flag) fail(node, key, "true, false or both");
  for (std::string& value : axis.values) {
    if (!axis.is_flag) continue;
    value = lower(value);
    if (value != "true" && value != "false") fail(node, key, "true, false or both");
  }
  axes_.push_back(std::move(axis));
}

// "PATH=VALUE", a list of those, or a map of fields to values.
void Grid::add_assignments(const std::string& key, const Node& node) {
  const auto add = [&](const std::string& field, const Node& at, const std::string& value) {
    const auto same = std::find_if(axes_.begin(), axes_.end(),
                                   [&](const Axis& axis) { return axis.option == key && axis.name == field; });
    Axis& axis = same != axes_.end() ? *same : axes_.emplace_back(Axis{.name = field, .option = key, .mark = at.mark});
    axis.values.push_back(field + "=" + value);
  };
  const auto add_text = [&](const Node& at) {
    const std::string text = text_of(at, key);
    const auto equals = text.find('=');
    if (equals == std::string::npos) fail(at, key, "PATH=VALUE such as memory.bandwidth=900GB/s");
    add(std::string(trim(text.substr(0, equals))), at, std::string(trim(text.substr(equals + 1))));
  };
  const auto refuse_empty = [&](bool empty, const Node& at) {
    if (empty) throw InputError(at.mark, key, "the list is empty: the grid has no points");
  };
  if (node.kind == Node::Kind::map) {
    refuse_empty(node.members.empty(), node);
    for (const Node::Member& member : node.members) {
      const std::string path = key + "." + member.key;
      if (member.value.kind == Node::Kind::list) {
        refuse_empty(member.value.items.empty(), member.value);
        for (const Node& item : member.value.items) add(member.key, item, text_of(item, path));
      } else {
        add(member.key, member.value, text_of(member.value, path));
      }
    }
  } else if (node.kind == Node::Kind::list) {
    refuse_empty(node.items.empty(), node);
    for (const Node& item : node.items) add_text(item);
  } else {
    add_text(node);
  }
}

// Every value of a list, and both ends of a range, are what the option takes.
void Grid::check(const Axis& axis, const OptionReader& reader) const {
  const auto try_value = [&](std::uint64_t i) {
    Query query;
    try {
      axis.apply(query, i, reader);
    } catch (const Error& error) {
      std::string what = error.what();
      const std::string prefix = "--" + axis.option + ": ";
      if (what.starts_with(prefix)) what = what.substr(prefix.size());
      throw InputError(axis.mark, axis.name, what);
    }
  };
  if (axis.progression) {
    if (axis.is_shape && !axis.progression->whole)
      throw InputError(axis.mark, axis.name, "whole numbers are expected in from and step or factor");
    try_value(0);
    try_value(axis.size() - 1);
    return;
  }
  for (std::uint64_t i = 0; i < axis.values.size(); ++i) try_value(i);
}

void Grid::count() {
  for (const bool shape : {false, true})
    for (std::size_t i = 0; i < axes_.size(); ++i)
      if (axes_[i].is_shape == shape) order_.push_back(i);
  points_ = 1;
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    points_ = product(points_, axes_[i].size());
    if (!axes_[i].is_shape) continue;
    shapes_ = product(shapes_, axes_[i].size());
    const auto at = std::find(shape_options.begin(), shape_options.end(), axes_[i].option);
    shape_axes_[static_cast<std::size_t>(at - shape_options.begin())] = i;
  }
}

std::vector<std::string> Grid::names() const {
  std::vector<std::string> names;
  for (const Axis& axis : axes_) names.push_back(axis.name);
  return names;
}

std::vector<std::uint64_t> Grid::position(std::uint64_t point) const {
  std::vector<std::uint64_t> position(axes_.size());
  for (std::size_t i = order_.size(); i-- > 0;) {
    const std::uint64_t size = axes_[order_[i]].size();
    position[order_[i]] = point % size;
    point /= size;
  }
  return position;
}

bool Grid::advance(std::vector<std::uint64_t>& position) const {
  for (std::size_t i = order_.size(); i-- > 0;) {
    const Axis& axis = axes_[order_[i]];
    if (++position[order_[i]] < axis.size()) return axis.is_shape;
    position[order_[i]] = 0;
  }
  return false;
}

Query Grid::query(const std::vector<std::uint64_t>& position, const OptionReader& reader) const {
  Query query;
  for (std::size_t i = 0; i < axes_.size(); ++i)
    if (!axes_[i].is_shape) axes_[i].apply(query, position[i], reader);
  return query;
}

Shape Grid::shape(const std::vector<std::uint64_t>& position) const {
  Shape shape;
  const std::array<std::int64_t*, 4> fields{&shape.prompt, &shape.gen, &shape.depth, &shape.concurrency};
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (shape_axes_[i]) *fields[i] = std::llround(axes_[*shape_axes_[i]].number(position[*shape_axes_[i]]));
  return shape;
}

void check_names(const Grid& grid, const Database& database) {
  for (const Axis& axis : grid.axes())
    for (const std::string& value : axis.values) try {
        if (axis.option == "model" && !is_file(value)) static_cast<void>(database.architecture(value));
        if (axis.option == "device") static_cast<void>(database.device(split_device_count(value, database).first));
        if (axis.option == "host") static_cast<void>(database.device(value));
        if (axis.option == "quant") static_cast<void>(database.quant(parse_quant_name(value).scheme));
        if (axis.option == "stack" && canonical_name(value) != "llama.cpp") static_cast<void>(database.stack(value));
      } catch (const Error& error) {
        throw InputError(axis.mark, axis.name, error.what());
      }
}

}  // namespace silicast
