// SPDX-License-Identifier: Apache-2.0
// A row's predicted time as a function of the logarithms of its parameters, with its derivatives.
#pragma once

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
  sequence_parameter,
  link_parameter,
  matrix_generation_parameter,
  launch_generation_parameter,
  step_generation_parameter,
  sequence_generation_parameter,
  row_parameter_count,
};

// An operation whose time depends on more than launches.
struct RowTerm {
  const OpWork* op = nullptr;  // of the row, at nominal parameters
  int kernel = -1;             // position among the row's parameters; -1: none
  int unpack_type = -1;
  int matrix_type = -1;
};

struct RowFunction {
  std::vector<std::string> parameters;  // names (model/profile.h)
  std::vector<RowTerm> terms;
  double launch_seconds = 0;
  double step_seconds = 0;
  double sequence_seconds = 0;
  double link_seconds = 0;
  double fixed_seconds = 0;  // what no parameter changes

  // `logs` has a value for each parameter; `slopes`, unless null, takes the derivative by each of them.
  double seconds(const double* logs, double* slopes = nullptr) const;
};

// Refers to the row's work.
RowFunction row_function(const FitRow& row);

// What one rate is off by, as a standard deviation of its logarithm, where the model is right.
double noise_of(const FitRow& row);
// Beyond so many of them a row counts less and less (Cauchy): mislabelled, throttled, another build than stated.
constexpr double outlier_begins = 2;

}  // namespace silicast
