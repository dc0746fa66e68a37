// SPDX-License-Identifier: Apache-2.0
// Throughput against latency of continuous batching: text, JSON (schema silicast.curve/1), CSV, Markdown and a chart.
#pragma once

#include <string>

#include "model/steady_state.h"
#include "report/plot.h"
#include "report/prediction.h"

namespace silicast {

std::string curve_text(const ThroughputCurve& curve, const TextStyle& style = {});
std::string curve_json(const ThroughputCurve& curve);
std::string curve_csv(const ThroughputCurve& curve);
std::string curve_markdown(const ThroughputCurve& curve);
// Throughput of all against the speed that each sees, a point for each number of sequences; and the latencies.
Plot curve_plot(const ThroughputCurve& curve);

}  // namespace silicast
