// SPDX-License-Identifier: Apache-2.0
#include "model/residual_field.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

namespace silicast {

namespace {

constexpr double farthest_residual = 0.5;
constexpr std::size_t most_neighbours = 64;
constexpr std::size_t most_witnesses = 24;  // of one run
constexpr double least_correlation = 0.01;
constexpr double outlier_begins_at = 2;  // deviations
constexpr double least_scale = 0.02;     // what repeated runs of one machine differ by

constexpr double other_stack = 0.6;
constexpr double other_quant = 0.5;
constexpr double similar_model = 0.6;    // another one of the same size
constexpr double similar_mixture = 0.4;  // another mixture of experts of the same size
constexpr double shallow = 512;          // tokens of depth below which attention hardly shows

double log_of_size(double size) { return size > 0 ? std::log(size) : 0; }

using Point = ResidualField::Point;

double model_correlation(const Point& a, const Point& b) {
  if (a.cell.model == b.cell.model) return 1;
  if (a.cell.has_experts != b.cell.has_experts) return 0;
  return (a.cell.has_experts ? similar_mixture : similar_model) *
         std::exp(-2 * std::pow(a.hidden - b.hidden, 2) - std::pow(a.parameters - b.parameters, 2) / 2);
}

double correlation_of(const Point& a, const Point& b) {
  const double distance = std::abs(a.tokens - b.tokens) + std::abs(a.depth - b.depth) + std::abs(a.batch - b.batch);
  return std::exp(-distance / 2) * (a.cell.stack == b.cell.stack ? 1 : other_stack) *
         (a.cell.quant == b.cell.quant ? 1 : other_quant) * model_correlation(a, b);
}

}  // namespace

double correlation(const RateCell& a, const RateCell& b) { return correlation_of(Point({a}), Point({b})); }

ResidualField::Point::Point(MeasuredRate rate)
    : cell(std::move(rate.cell)),
      residual(std::clamp(rate.residual, -farthest_residual, farthest_residual)),
      noise(rate.noise),
      tokens(std::log(std::max(cell.tokens, 1.0))),
      depth(std::log(cell.depth + shallow)),
      batch(std::log(std::max(cell.batch, 1.0))),
      hidden(log_of_size(cell.hidden)),
      parameters(log_of_size(cell.parameters)) {}

ResidualField::ResidualField(std::vector<MeasuredRate> rates) {
  for (MeasuredRate& rate : rates) points_.emplace_back(std::move(rate));
}

ResidualField ResidualField::of_runs(std::vector<MeasuredRate> runs) {
  ResidualField field(std::move(runs));
  // In deviations that their neighbours leave open; the middle of a normal's is 0.6745 of them.
  std::vector<double> off;
  for (const Point& point : field.points_) {
    const Leftover others = field.at(point, most_witnesses, &point);
    off.push_back(std::abs(point.residual - others.log) / others.open);
  }
  if (off.empty()) return field;
  std::vector<double> sorted = off;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  const double scale = std::max(least_scale, *middle / 0.6745);
  for (std::size_t i = 0; i < off.size(); ++i)
    field.points_[i].noise *= 1 + std::pow(off[i] / (outlier_begins_at * scale), 2);
  return field;
}

Leftover ResidualField::at(const RateCell& cell) const { return at(Point({cell}), most_neighbours, nullptr); }

Leftover ResidualField::at(const Point& asked, std::size_t most, const Point* except) const {
  struct Neighbour {
    double correlation = 0;
    const Point* point = nullptr;
  };
  std::vector<Neighbour> near;
  for (const Point& point : points_)
    if (const double c = correlation_of(asked, point); c > least_correlation && &point != except)
      near.push_back({c, &point});
  if (near.empty()) return {};
  const std::size_t kept = std::min(near.size(), most);
  // The order in which runs are given breaks ties.
  std::partial_sort(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(kept), near.end(),
                    [](const Neighbour& a, const Neighbour& b) {
                      return a.correlation != b.correlation ? a.correlation > b.correlation : a.point < b.point;
                    });
  near.resize(kept);
  const auto n = static_cast<Eigen::Index>(kept);
  Eigen::MatrixXd among(n, n);
  Eigen::VectorXd to(n);
  Eigen::VectorXd residuals(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const Neighbour& one = near[static_cast<std::size_t>(i)];
    to(i) = one.correlation;
    residuals(i) = one.point->residual;
    among(i, i) = 1 + one.point->noise;
    for (Eigen::Index j = 0; j < i; ++j)
      among(i, j) = among(j, i) = correlation_of(*one.point, *near[static_cast<std::size_t>(j)].point);
  }
  const Eigen::VectorXd weights = among.llt().solve(to);
  // Of the rate that will be measured, whose own noise is there in any case.
  const double open = std::max(0.0, 1 - weights.dot(to)) + MeasuredRate().noise;
  return {.log = weights.dot(residuals), .open = std::sqrt(open / (1 + MeasuredRate().noise))};
}

}  // namespace silicast
