// SPDX-License-Identifier: Apache-2.0
// What the physics leaves over on one machine. Cells that were measured on it are off by amounts that neighbouring
// cells share: another prompt length of the same model, another model of the same type, another generation of the
// stack. A Gaussian process of correlation
//
//   exp(-|ln tokens/tokens'| / 2 - |ln (depth + 512)/(depth' + 512)| / 2 - |ln batch/batch'| / 2)
//     x (1, or 0.6 of another generation of the stack) x (1, or 0.5 of another quantization)
//     x (1 of the same model; of another up to 0.6, of another mixture of experts up to 0.4, the closer its size and
//        width are)
//
// whose noise has a tenth of its variance or more (Rasmussen and Williams, Gaussian Processes for Machine Learning, MIT
// Press 2006, equations 2.25 and 2.26), taken from the nearest cells. It interpolates between one's own measurements;
// it says nothing of another machine, whose residuals are its own (docs/accuracy.md).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace silicast {

// What a rate is of, on one machine.
struct RateCell {
  double tokens = 1;  // of each sequence in the prompt; 1 of decoding
  double depth = 0;   // in the cache before them; of decoding at its middle
  double batch = 1;   // sequences
  std::string stack;  // its generation
  std::string model;
  std::string quant;
  double hidden = 0;  // width of the model
  double parameters = 0;
  bool has_experts = false;
};

struct MeasuredRate {
  RateCell cell;
  double residual = 0;  // ln(measured / predicted rate)
  double noise = 0.1;   // its variance, of the field's
};

// Of the residual at a cell: its mean, and the part of its standard deviation that the measured cells leave open.
struct Leftover {
  double log = 0;
  double open = 1;  // 0 to 1
};

// What the residuals at two cells of one machine have in common, 0 to 1.
double correlation(const RateCell& a, const RateCell& b);

class ResidualField {
 public:
  ResidualField() = default;
  // Of one phase on one machine. A residual beyond a factor of 1.65 counts as one of it.
  explicit ResidualField(std::vector<MeasuredRate> rates);
  // Of runs as they come: the further one is from what its neighbours tell of it, the larger its noise (the weights of
  // a Cauchy loss). It may be mislabelled or disturbed. Where runs contradict each other, all noise is larger.
  static ResidualField of_runs(std::vector<MeasuredRate> runs);

  [[nodiscard]] Leftover at(const RateCell& cell) const;
  [[nodiscard]] bool empty() const { return points_.empty(); }

  // A cell with its coordinates, in which the correlation is a sum.
  struct Point {
    explicit Point(MeasuredRate rate);

    RateCell cell;
    double residual, noise;
    double tokens, depth, batch, hidden, parameters;  // logarithms; of an unknown size zero
  };
  [[nodiscard]] const std::vector<Point>& points() const { return points_; }

 private:
  struct Neighbours;
  // So many of the nearest points but `except`.
  [[nodiscard]] Neighbours around(const Point& asked, std::size_t most, const Point* except) const;

  std::vector<Point> points_;
};

}  // namespace silicast
