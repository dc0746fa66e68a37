// SPDX-License-Identifier: Apache-2.0
// An explanation as text, JSON (schema silicast.explain/1), CSV, Markdown and charts. Formats, computes nothing.
#pragma once

#include <string>

#include "model/explain.h"
#include "report/plot.h"
#include "report/prediction.h"

namespace silicast {

std::string explain_text(const Explanation& explanation, const TextStyle& style = {});
std::string explain_json(const Explanation& explanation);
// One line per operation of each phase.
std::string explain_csv(const Explanation& explanation);
std::string explain_markdown(const Explanation& explanation);
// The roofline, the time of each phase, the memory.
Plot explain_plot(const Explanation& explanation);

// What bounds each phase, in a sentence, with the figures that move it most.
std::string explain_summary(const Explanation& explanation);

}  // namespace silicast
