// SPDX-License-Identifier: Apache-2.0
// What a quantization costs in quality, from the measurement nearest to the model that is asked for.
#pragma once

#include <optional>

#include "model/prediction.h"
#include "workloads/architecture.h"
#include "workloads/quantization.h"
#include "workloads/workload.h"

namespace silicast {

// Of a scheme's measured models, the same one; else the nearest, where a family counts as much as a factor of three in
// size: small models lose more than large ones, and families differ (Llama 2 70B against Llama 3 8B in Q2_K: 1.09
// against 1.57). Rows with a divergence come first among near ones. nullopt: the scheme was not measured.
std::optional<Quality> quality_of(const QuantScheme& scheme, const Architecture& architecture);

// Of a model as it is: what is not quantized, every weight in 16 bits or more, loses nothing. `scheme` may be null.
std::optional<Quality> quality_of(const QuantScheme* scheme, const Workload& workload);

// How far apart two models are, by their names ("llama-3-8b", "qwen2.5-32b"): 0 for the same.
double model_distance(std::string_view a, std::string_view b);

}  // namespace silicast
