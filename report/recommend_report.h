// SPDX-License-Identifier: Apache-2.0
// A recommendation as text, JSON (schema silicast.recommendation/1), CSV and Markdown.
#pragma once

#include <string>

#include "planning/recommend.h"

namespace silicast {

// `most` rows of each table at most; 0: all.
std::string recommendation_text(const Recommendation& result, const Needs& needs, std::size_t most);
std::string recommendation_markdown(const Recommendation& result, const Needs& needs, std::size_t most);
// Proposals, then losers with what they miss: one table, every row.
std::string recommendation_csv(const Recommendation& result);
std::string recommendation_json(const Recommendation& result, const Needs& needs);

}  // namespace silicast
