// SPDX-License-Identifier: Apache-2.0
#include "planning/block.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace silicast {

namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

template <class T>
void put(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void put_text(std::string& bytes, const std::string& text) {
  put(bytes, static_cast<std::uint64_t>(text.size()));
  bytes += text;
}

template <class T>
T take(std::string_view& bytes) {
  T value;
  ensure(bytes.size() >= sizeof(T), "a message between ranks is whole");
  std::memcpy(&value, bytes.data(), sizeof(T));
  bytes.remove_prefix(sizeof(T));
  return value;
}

std::string take_text(std::string_view& bytes) {
  const auto size = take<std::uint64_t>(bytes);
  ensure(bytes.size() >= size, "a message between ranks is whole");
  std::string text(bytes.substr(0, size));
  bytes.remove_prefix(size);
  return text;
}

}  // namespace

BlockRunner::BlockRunner(const SweepTask& task) : task_(task) {
  const std::size_t axes = task.grid->axes().size();
  choices_.resize(axes);
  filtered_.choices.resize(axes);
  texts_.resize(axes);
}

// A combination of all but the shape.
void BlockRunner::start(const std::vector<std::uint64_t>& position) {
  const auto& axes = task_.grid->axes();
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].is_shape) continue;
    texts_[i] = axes[i].text(position[i]);
    choices_[i].cell = task_.format->cell(texts_[i]);
    filtered_.choices[i] = {texts_[i], axes[i].number(position[i])};
  }
  evaluated_ = position;
  evaluator_.reset();
  evaluator_ = std::make_unique<PointEvaluator>(task_.grid->query(position, task_.reader), *task_.database, cache_);
}

BlockResult BlockRunner::run(const PointRange& range) {
  const Grid& grid = *task_.grid;
  const auto& axes = grid.axes();
  BlockResult result{.range = range};
  result.rows.reserve(static_cast<std::size_t>(row_bytes_ * static_cast<double>(range.size())));
  ParetoFront front(task_.pareto);
  auto position = grid.position(range.first);
  bool same = evaluator_ != nullptr;
  for (std::size_t i = 0; same && i < axes.size(); ++i) same = axes[i].is_shape || position[i] == evaluated_[i];
  for (std::uint64_t point = range.first; point < range.last; ++point) {
    if (!same) start(position);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (!axes[i].is_shape) continue;
      choices_[i].number = axes[i].number(position[i]);
      choices_[i].whole = true;
      filtered_.choices[i] = {{}, choices_[i].number};
    }
    const Point& answer = (*evaluator_)(grid.shape(position));
    filtered_.feasible = answer.feasible;
    filtered_.figures = &answer.figures;
    filtered_.bound = answer.decode_bound.empty() ? answer.prefill_bound : answer.decode_bound;
    filtered_.evidence = answer.evidence;
    if (task_.filter(filtered_)) {
      if (task_.pareto.empty()) {
        task_.format->append(result.rows, choices_, answer);
        ++result.count;
      } else if (answer.feasible) {
        auto objectives = front.objectives_of(answer.figures);
        if (objectives.empty()) {
          ++result.incomparable;
        } else if (!front.beaten(objectives)) {
          row_.clear();
          task_.format->append(row_, choices_, answer);
          front.add({.point = point, .figures = std::move(objectives), .row = row_});
        }
      }
    }
    same = grid.advance(position);
  }
  constexpr double slack = 1.05;
  row_bytes_ = slack * static_cast<double>(result.rows.size()) / static_cast<double>(range.size());
  result.front = front.sorted();
  return result;
}

std::string packed(const BlockResult& result) {
  std::string bytes;
  put(bytes, result.range);
  put(bytes, result.count);
  put(bytes, result.incomparable);
  put_text(bytes, result.rows);
  put(bytes, static_cast<std::uint64_t>(result.front.size()));
  for (const ParetoFront::Member& member : result.front) {
    put(bytes, member.point);
    put(bytes, static_cast<std::uint64_t>(member.figures.size()));
    for (const double figure : member.figures) put(bytes, figure);
    put_text(bytes, member.row);
  }
  return bytes;
}

BlockResult unpacked(std::string_view bytes) {
  BlockResult result;
  result.range = take<PointRange>(bytes);
  result.count = take<std::uint64_t>(bytes);
  result.incomparable = take<std::uint64_t>(bytes);
  result.rows = take_text(bytes);
  const auto members = take<std::uint64_t>(bytes);
  for (std::uint64_t i = 0; i < members; ++i) {
    ParetoFront::Member member{.point = take<std::uint64_t>(bytes), .figures = {}, .row = {}};
    const auto figures = take<std::uint64_t>(bytes);
    for (std::uint64_t k = 0; k < figures; ++k) member.figures.push_back(take<double>(bytes));
    member.row = take_text(bytes);
    result.front.push_back(std::move(member));
  }
  return result;
}

}  // namespace silicast
