// SPDX-License-Identifier: Apache-2.0
// Profiles from measured rates: robust least squares on the logarithm of predicted over measured time, priors as
// residuals (Ceres Solver). One family of stacks is one problem: nothing is pooled between them.
// The same rows give the same profile, bit for bit: a problem is solved by one thread.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/fit_rows.h"
#include "model/profile.h"

namespace silicast {

// Bounds of the logarithm of a factor.
constexpr double farthest_log = 3;

using Profiles = std::map<std::string, Profile>;  // by family

// Of rows of one family, which there is at least one of. Residual scales are left at zero (cross_validation.h).
Profile fit_profile(const std::vector<const FitRow*>& rows, const std::string& date);

// That the row's device was measured with so many tokens in its cache, and the stack with a cache of its type.
void note_reach(Profile& profile, const FitRow& row);

constexpr std::size_t least_rows_of_a_family = 20;
// One machine's host and settings would become everyone's: so many devices have at least so many rows each.
constexpr std::ptrdiff_t least_devices_of_a_family = 2;
constexpr std::size_t least_rows_of_a_device = 10;

// Every family, in parallel. A family of few rows, or of one device, is left out: it would only shift the priors, or
// make one machine's host everyone's.
Profiles fit_profiles(const std::vector<const FitRow*>& rows, const std::string& date, unsigned threads);

// How far a level of a quantity strays from the one above it: the standard deviations of the priors.
std::map<std::string, double, std::less<>> prior_spread(std::string_view family);

}  // namespace silicast
