// SPDX-License-Identifier: Apache-2.0
// One query asked for many shapes of the request: what predict() says of each, at a fraction of its time, because
// names, tensors, placement and prices are worked out once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/database.h"
#include "model/model_source.h"
#include "model/prediction.h"
#include "model/running.h"
#include "planning/figures.h"

namespace silicast {

struct Shape {
  std::int64_t prompt = 512;
  std::int64_t gen = 128;
  std::int64_t depth = 0;
  std::int64_t concurrency = 1;

  bool operator==(const Shape&) const = default;
};
Shape shape_of(const Query& query);
void set_shape(Query& query, const Shape& shape);

struct Point {
  bool feasible = false;
  Figures figures;                 // only memory and quality where it is not feasible
  std::string_view prefill_bound;  // empty: no such phase
  std::string_view decode_bound;
  std::string_view evidence;  // level
  std::string reason;         // why it is not feasible
};

// The same of a prediction.
Point point_of(const Prediction& prediction);

// What evaluators share: models prepared, and the answers of phases that several shapes share: the prefill of shapes
// that differ in `gen` alone, the decoding of those of equal depth and prompt together. For one thread, over all of its
// evaluators.
class PhaseCache {
 public:
  struct Key {
    std::uint64_t evaluator = 0;  // 0: nothing
    std::int64_t a = 0, b = 0, c = 0;
    bool operator==(const Key&) const = default;
  };
  struct Entry {
    Key key;
    Phase phase;
    std::optional<PowerOfPhase> power;
  };

  explicit PhaseCache(std::size_t entries = 2048) : prefill_(entries), decode_(entries) {}
  Entry& prefill(const Key& key) { return prefill_[slot(key)]; }
  Entry& decode(const Key& key) { return decode_[slot(key)]; }
  std::uint64_t next_evaluator() { return ++evaluators_; }
  // Valid until the next call.
  const PreparedModel& model(const std::string& name, const std::string& quant, const Database& database);

 private:
  [[nodiscard]] std::size_t slot(const Key& key) const;

  std::vector<Entry> prefill_;
  std::vector<Entry> decode_;
  std::uint64_t evaluators_ = 0;
  std::map<std::pair<std::string, std::string>, PreparedModel> models_;  // by name and quantization
};

class PointEvaluator {
 public:
  // What compile() refuses makes every point infeasible, for that reason. The shape of `query` does not matter; `first`
  // is the one that will be asked first, for which a placement that follows the shape is worked out at once.
  PointEvaluator(Query query, const Database& database, PhaseCache& cache, const Shape* first = nullptr);
  ~PointEvaluator();
  PointEvaluator(const PointEvaluator&) = delete;
  PointEvaluator& operator=(const PointEvaluator&) = delete;

  // Of the shape asked last; null where the query is refused.
  [[nodiscard]] const Compiled* compiled() const;
  // Valid until the next call.
  const Point& operator()(const Shape& shape);

 private:
  class Bound;  // compiled for one placement

  [[nodiscard]] bool placement_depends_on_shape() const;
  [[nodiscard]] bool is_mixed() const;  // sequences of several depths: each point is predicted by itself
  void refuse(std::string reason);
  void answer(const Shape& shape);

  Query query_;
  const Database& database_;
  PhaseCache& cache_;
  std::unique_ptr<Bound> bound_;
  Shape bound_shape_;
  std::string refusal_;  // of every shape; empty: none
  Point point_;
};

}  // namespace silicast
