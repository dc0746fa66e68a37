// SPDX-License-Identifier: Apache-2.0
// What running a predicted query takes: power and energy, the start, the money.
#pragma once

#include "model/database.h"
#include "model/prediction.h"

namespace silicast {

// Power of the phases. Speeds are calibrated on machines under the limit that they come with; a lower one
// (--power-limit) slows the phases down by as much more as the clock falls. To be called before latencies are added up.
void add_power(Prediction& prediction, const Compiled& compiled);

// Energy per token, start-up and cost, from the phases as they stand. Throws UsageError for impossible prices.
void add_running(Prediction& prediction, const Compiled& compiled, const Database& database);

}  // namespace silicast
