// SPDX-License-Identifier: Apache-2.0
// A grid of queries: for each query option one value, a list, or a range. Files: docs/planning.md.
//
//   model: [llama-3.1-8b, qwen3-8b]
//   device: [rtx-4090, m2-ultra-76]
//   depth: {from: 0, to: 16000, step: 250}          # 0, 250, ..., 16000
//   concurrency: {from: 1, to: 64, factor: 2}       # 1, 2, 4, ..., 64
//   set: {memory.bandwidth: [900GB/s, 1008GB/s]}    # what-ifs: one axis a field
//
// Points are numbered: the options of the request's shape (prompt, gen, depth, concurrency) vary fastest, and of those
// and of the others the file's last one; so that what has to be compiled anew changes least often.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/document.h"
#include "model/prediction.h"
#include "planning/point.h"

namespace silicast {

struct GridOption {
  enum class Kind : std::uint8_t { value, flag, assignment };
  std::string name;  // without dashes
  Kind kind = Kind::value;
};

// Reads the text of an option into the query as the command line does. Throws UsageError "--OPTION: ...". Called from
// several threads.
using OptionReader = std::function<void(Query& query, const std::string& option, const std::string& text)>;

// from, from + step, ...: not kept value by value.
struct Progression {
  double from = 0;
  double step = 1;
  std::uint64_t size = 0;
  bool whole = true;  // all values are integers

  [[nodiscard]] double operator[](std::uint64_t i) const { return from + static_cast<double>(i) * step; }
};

class Axis {
 public:
  std::string name;    // of its column: the option, or the field of a what-if
  std::string option;  // "depth", "set"
  Mark mark;
  bool is_flag = false;
  bool is_shape = false;
  std::vector<std::string> values;         // texts, as the option takes them
  std::vector<double> numbers;             // of the values; NaN where one is none
  std::optional<Progression> progression;  // instead of values

  [[nodiscard]] std::uint64_t size() const { return progression ? progression->size : values.size(); }
  [[nodiscard]] std::string text(std::uint64_t i) const;  // as it stands in a column
  [[nodiscard]] double number(std::uint64_t i) const {    // NaN where it is none
    return progression ? (*progression)[i] : numbers[i];
  }
  void apply(Query& query, std::uint64_t i, const OptionReader& reader) const;
};

class Grid {
 public:
  // Throws InputError with file, line and key: unknown options (with a suggestion), values that the options do not
  // take, empty lists and ranges.
  Grid(const Node& root, const std::vector<GridOption>& options, const OptionReader& reader);

  [[nodiscard]] const std::vector<Axis>& axes() const { return axes_; }  // in the file's order
  [[nodiscard]] std::vector<std::string> names() const;
  // 2^64 - 1 stands for anything beyond.
  [[nodiscard]] std::uint64_t points() const { return points_; }
  // Points that differ in the shape of the request alone.
  [[nodiscard]] std::uint64_t shapes() const { return shapes_; }

  // The position on each axis of a point.
  [[nodiscard]] std::vector<std::uint64_t> position(std::uint64_t point) const;
  // To that of the next point. Returns whether only the shape changes.
  bool advance(std::vector<std::uint64_t>& position) const;
  // All but the shape is read by the options' reader; throws what it throws.
  [[nodiscard]] Query query(const std::vector<std::uint64_t>& position, const OptionReader& reader) const;
  [[nodiscard]] Shape shape(const std::vector<std::uint64_t>& position) const;

 private:
  void add_axes(const std::string& key, const Mark& mark, const Node& node, const GridOption& option);
  void add_assignments(const std::string& key, const Node& node);
  void check(const Axis& axis, const OptionReader& reader) const;
  void count();

  std::vector<Axis> axes_;
  std::vector<std::size_t> order_;  // of the axes, slowest first
  std::array<std::optional<std::size_t>, 4> shape_axes_;
  std::uint64_t points_ = 0;
  std::uint64_t shapes_ = 1;
};

// A name of the catalogue that is not known is an error with its place, however many others are known.
void check_names(const Grid& grid, const Database& database);

}  // namespace silicast
