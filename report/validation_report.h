// SPDX-License-Identifier: Apache-2.0
// A validation as text, as JSON (schema silicast.validation/1), and row by row as CSV. Formats, computes nothing.
#pragma once

#include <string>

#include "calibration/requirement.h"
#include "calibration/validation.h"

namespace silicast {

// With the rows that are furthest off, by id.
std::string validation_text(const Validation& validation);
std::string validation_json(const Validation& validation);
// One line per row of the input: id, metric, measured, predicted, p10, p90, ape, evidence, baseline_bandwidth, status;
// then the other baselines and the catalogue's device and stack.
std::string predictions_csv(const Validation& validation);
// What is not as required, with the rows behind it.
std::string shortfalls_text(const std::vector<Shortfall>& shortfalls);

}  // namespace silicast
