// SPDX-License-Identifier: Apache-2.0
// A row as a residual of a least-squares problem (Ceres Solver).
#pragma once

#include <memory>

#include "calibration/residual.h"

namespace ceres {
class CostFunction;
}

namespace silicast {

// (log predicted - log measured) / noise, of the row's parameters as blocks of one each.
std::unique_ptr<ceres::CostFunction> row_cost(RowFunction function, double log_measured_seconds, double noise);

}  // namespace silicast
