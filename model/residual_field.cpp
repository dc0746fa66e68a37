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

constexpr double clearly_less = 0.8;  // an error that is not by chance

double middle_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

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

// Points with their correlations.
struct ResidualField::Neighbours {
  std::vector<const Point*> points;
  Eigen::MatrixXd among;  // each other, without noise
  Eigen::VectorXd to;     // what is asked

  // With so many times their noise.
  [[nodiscard]] Leftover tell(double doubt = 1) const;
};

ResidualField::ResidualField(std::vector<MeasuredRate> rates) {
  for (MeasuredRate& rate : rates) points_.emplace_back(std::move(rate));
}

ResidualField ResidualField::of_runs(std::vector<MeasuredRate> runs) {
  ResidualField field(std::move(runs));
  std::vector<Point>& points = field.points_;
  if (points.empty()) return field;
  std::vector<Neighbours> others;
  for (const Point& point : points) others.push_back(field.around(point, most_witnesses, &point));
  // In deviations that their neighbours leave open; the middle of a normal's is 0.6745 of them.
  std::vector<double> off;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Leftover told = others[i].tell();
    off.push_back(std::abs(points[i].residual - told.log) / told.open);
  }
  const double scale = std::max(least_scale, middle_of(off) / 0.6745);
  for (std::size_t i = 0; i < points.size(); ++i)
    points[i].noise *= 1 + std::pow(off[i] / (outlier_begins_at * scale), 2);
  // Neighbours that contradict each other are worth less than the noise of one run says: as much as makes each run be
  // told best by the others.
  const auto middle_error = [&](double doubt) {
    std::vector<double> errors;
    for (std::size_t i = 0; i < points.size(); ++i)
      errors.push_back(std::abs(points[i].residual - others[i].tell(doubt).log));
    return middle_of(std::move(errors));
  };
  double best = middle_error(1);
  double doubt = 1;
  for (const double more : {10.0, 100.0, 1000.0})
    if (const double error = middle_error(more); error < clearly_less * best) best = error, doubt = more;
  for (Point& point : points) point.noise *= doubt;
  return field;
}

Leftover ResidualField::at(const RateCell& cell) const {
  return around(Point({cell}), most_neighbours, nullptr).tell();
}

ResidualField::Neighbours ResidualField::around(const Point& asked, std::size_t most, const Point* except) const {
  struct Neighbour {
    double correlation = 0;
    const Point* point = nullptr;
  };
  std::vector<Neighbour> near;
  for (const Point& point : points_)
    if (const double c = correlation_of(asked, point); c > least_correlation && &point != except)
      near.push_back({c, &point});
  const std::size_t kept = std::min(near.size(), most);
  // The order in which runs are given breaks ties.
  std::partial_sort(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(kept), near.end(),
                    [](const Neighbour& a, const Neighbour& b) {
                      return a.correlation != b.correlation ? a.correlation > b.correlation : a.point < b.point;
                    });
  near.resize(kept);
  const auto n = static_cast<Eigen::Index>(kept);
  Neighbours result{.points = {}, .among = Eigen::MatrixXd(n, n), .to = Eigen::VectorXd(n)};
  for (Eigen::Index i = 0; i < n; ++i) {
    const Neighbour& one = near[static_cast<std::size_t>(i)];
    result.points.push_back(one.point);
    result.to(i) = one.correlation;
    result.among(i, i) = 1;
    for (Eigen::Index j = 0; j < i; ++j)
      result.among(i, j) = result.among(j, i) = correlation_of(*one.point, *near[static_cast<std::size_t>(j)].point);
  }
  return result;
}

Leftover ResidualField::Neighbours::tell(double doubt) const {
  if (points.empty()) return {};
  Eigen::MatrixXd noisy = among;
  Eigen::VectorXd residuals(to.size());
  for (Eigen::Index i = 0; i < to.size(); ++i) {
    const Point& point = *points[static_cast<std::size_t>(i)];
    noisy(i, i) += doubt * point.noise;
    residuals(i) = point.residual;
  }
  const Eigen::VectorXd weights = noisy.llt().solve(to);
  // Of the rate that will be measured, whose own noise is there in any case.
  const double open = std::max(0.0, 1 - weights.dot(to)) + MeasuredRate().noise;
  return {.log = weights.dot(residuals), .open = std::sqrt(open / (1 + MeasuredRate().noise))};
}

}  // namespace silicast
