// SPDX-License-Identifier: Apache-2.0
// Held-out accuracy as Markdown: docs/accuracy.md is this text.
#pragma once

#include <string>
#include <vector>

#include "calibration/accuracy.h"
#include "calibration/fit_rows.h"

namespace silicast {

// `command` is what was run.
std::string accuracy_markdown(const std::vector<Accuracy>& runs, const FitRows& rows, const std::string& command);

// Every held-out row with its prediction.
std::string held_out_csv(const std::vector<CrossValidation>& runs);

}  // namespace silicast
