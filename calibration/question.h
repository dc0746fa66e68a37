// SPDX-License-Identifier: Apache-2.0
// Questions that differ in nothing but their request share a compiled model.
#pragma once

#include <optional>
#include <string>

#include "calibration/query_of.h"
#include "model/prediction.h"

namespace silicast {

// Equal for queries that compile_for compiles alike.
std::string compile_key(const Query& query);
// The smallest request: whether the real ones fit the model's context is for `impossible` to say.
Compiled compile_for(Query query, const Database& database);
// Why the model, once read, cannot answer.
std::optional<Unpredicted> impossible(const Question& question, const Compiled& compiled);

}  // namespace silicast
