// SPDX-License-Identifier: Apache-2.0
// A row's predicted time as a function of the logarithms of its parameters, for any scalar: double, or a dual number.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "calibration/fit_rows.h"

namespace silicast {

// The parameters that every row has, in this order; those of its kernels and types follow.
enum RowParameter : std::size_t {
  bandwidth_parameter,
  matrix_parameter,
  launch_parameter,
  unpack_parameter,
  step_parameter,
  matrix_generation_parameter,
  launch_generation_parameter,
  row_parameter_count,
};

// An operation whose time depends on more than launches.
struct RowTerm {
  double layers = 0;
  double dram = 0, matrix = 0, dequant = 0, alu = 0, cache = 0;
  bool shares_vector_units = false;
  int kernel = -1;  // position among the row's parameters; -1: none
  int unpack_type = -1;
  int matrix_type = -1;
};

struct RowFunction {
  std::vector<std::string> parameters;  // names (model/profile.h)
  std::vector<RowTerm> terms;
  double launch_seconds = 0;
  double step_seconds = 0;
  double fixed_seconds = 0;  // what no parameter changes

  template <class T>
  T seconds(const T* logs) const;
};

RowFunction row_function(const FitRow& row);

// (a^4 + b^4 + c^4 + d^4)^(1/4), as in OpWork::seconds; at least one of them is above zero.
template <class T>
T smooth_maximum(const T& a, const T& b, const T& c, const T& d) {
  using std::sqrt;
  const auto fourth = [](const T& x) {
    const T square = x * x;
    return T(square * square);
  };
  return sqrt(sqrt(fourth(a) + fourth(b) + fourth(c) + fourth(d)));
}

template <class T>
T RowFunction::seconds(const T* logs) const {
  using std::exp;
  std::vector<T> factor(parameters.size());
  for (std::size_t i = row_parameter_count; i < parameters.size(); ++i) factor[i] = exp(logs[i]);
  const T slowness = exp(-logs[bandwidth_parameter]);
  const T matrix = exp(-logs[matrix_parameter] - logs[matrix_generation_parameter]);
  const T unpack = exp(logs[unpack_parameter]);
  const auto of = [&](int position) { return position < 0 ? T(1.0) : factor[static_cast<std::size_t>(position)]; };
  T sum = T(fixed_seconds) + step_seconds * exp(logs[step_parameter]) +
          launch_seconds * exp(logs[launch_parameter] + logs[launch_generation_parameter]);
  for (const RowTerm& term : terms) {
    const T unit = term.matrix * matrix / of(term.matrix_type);
    T arithmetic = T(term.alu);
    if (term.dequant > 0) arithmetic += term.dequant * unpack * of(term.unpack_type);
    if (term.shares_vector_units) arithmetic += unit;
    const T work =
        smooth_maximum(T(term.dram * slowness), arithmetic, term.shares_vector_units ? T(0.0) : unit, T(term.cache));
    sum += term.layers * work / of(term.kernel);
  }
  return sum;
}

}  // namespace silicast
