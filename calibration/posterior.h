// SPDX-License-Identifier: Apache-2.0
// What a solved fit leaves open: the joint covariance of its parameters, and how a profile keeps it.
#pragma once

#include <string>
#include <vector>

#include "model/profile.h"

namespace ceres {
class Problem;
}

namespace silicast {

// Row by row, of the parameters in the order of `blocks`: the inverse of J'J, J with loss and priors. Every parameter
// has a prior.
std::vector<double> posterior_covariance(ceres::Problem& problem, const std::vector<double*>& blocks);

// Puts them into the profile, with the correlations that it keeps.
void set_estimates(Profile& profile, const std::vector<std::string>& names, const std::vector<double>& logs,
                   const std::vector<double>& covariance);

}  // namespace silicast
