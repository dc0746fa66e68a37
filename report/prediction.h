// SPDX-License-Identifier: Apache-2.0
// A prediction as text, JSON (schema silicast.prediction/1), CSV and Markdown. Formats, computes nothing.
#pragma once

#include <string>
#include <vector>

#include "model/prediction.h"
#include "report/value.h"

namespace silicast {

// Every key of the JSON schema in its order; keys that nothing fills yet are there without a value.
std::vector<Field> prediction_fields(const Prediction& prediction);

std::string prediction_json(const Prediction& prediction);
std::string prediction_csv(const Prediction& prediction);
std::string prediction_markdown(const Prediction& prediction);

struct TextStyle {
  bool colour = false;
  bool blocks = false;  // bars of UTF-8 blocks instead of '#' and '-'
};
std::string prediction_text(const Prediction& prediction, const TextStyle& style = {});

}  // namespace silicast
