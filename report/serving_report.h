// SPDX-License-Identifier: Apache-2.0
// A simulated serving system as text, JSON (schema silicast.serving/1), CSV and Markdown, and its course over time.
#pragma once

#include <string>
#include <vector>

#include "planning/serving.h"
#include "report/plot.h"
#include "report/prediction.h"
#include "report/value.h"

namespace silicast {

std::vector<Field> serving_fields(const serving::ServingQuestion& question, const serving::ServingAnswer& answer);
std::string serving_json(const serving::ServingQuestion& question, const serving::ServingAnswer& answer);
std::string serving_csv(const serving::ServingQuestion& question, const serving::ServingAnswer& answer);
std::string serving_markdown(const serving::ServingQuestion& question, const serving::ServingAnswer& answer);
std::string serving_text(const serving::ServingQuestion& question, const serving::ServingAnswer& answer);

// One line a span of time: requests in the queue and at work, tokens/s, KV cache, power.
std::string timeline_csv(const serving::ServingQuestion& question, const serving::ServingAnswer& answer);
Plot timeline_plot(const serving::ServingQuestion& question, const serving::ServingAnswer& answer);

}  // namespace silicast
