// SPDX-License-Identifier: Apache-2.0
// Consecutive points of a grid, evaluated, filtered and put as rows: what one thread does at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "planning/filter.h"
#include "planning/grid.h"
#include "planning/pareto.h"

namespace silicast {

// How a point becomes a line of a file (report/sweep_rows.h).
class RowFormat {
 public:
  struct Choice {
    std::string cell;  // as cell() has put it; empty: a number
    double number = 0;
    bool whole = false;
  };

  virtual ~RowFormat() = default;
  [[nodiscard]] virtual std::string header() const = 0;  // with its line break; may be empty
  [[nodiscard]] virtual std::string cell(std::string_view text) const = 0;
  // One line, of the choice on each axis and the answer.
  virtual void append(std::string& rows, const std::vector<Choice>& choices, const Point& point) const = 0;
};

// All that determines a sweep's rows.
struct SweepTask {
  const Grid* grid = nullptr;
  const Database* database = nullptr;
  OptionReader reader;
  Filter filter;
  std::vector<Figure> pareto;  // empty: every point that the filter lets through
  const RowFormat* format = nullptr;
};

struct PointRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // not included

  [[nodiscard]] std::uint64_t size() const { return last - first; }
};

struct BlockResult {
  PointRange range;
  std::string rows;                        // without --pareto
  std::uint64_t count = 0;                 // of the rows
  std::vector<ParetoFront::Member> front;  // of the range
  std::uint64_t incomparable = 0;          // points that lack an objective
};

class BlockRunner {
 public:
  explicit BlockRunner(const SweepTask& task);

  BlockResult run(const PointRange& range);

 private:
  void start(const std::vector<std::uint64_t>& position);
  void add_row(BlockResult& result, ParetoFront& front, std::uint64_t point);

  const SweepTask& task_;
  PhaseCache cache_;
  std::unique_ptr<PointEvaluator> evaluator_;  // of the combination of all but the shape
  std::vector<std::uint64_t> evaluated_;       // its position
  std::vector<RowFormat::Choice> choices_;
  FilteredPoint filtered_;
  std::vector<std::string> texts_;
  std::string row_;
  double row_bytes_ = 0;  // of a point, in the last range
};

// As bytes, for the way from one rank to another.
std::string packed(const BlockResult& result);
BlockResult unpacked(std::string_view bytes);

}  // namespace silicast
