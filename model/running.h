// SPDX-License-Identifier: Apache-2.0
// What running a predicted query takes: power and energy, the start, the money.
#pragma once

#include "model/database.h"
#include "model/prediction.h"

namespace silicast {

// Power of the phases. Speeds are calibrated on machines under the limit that they come with; a lower one
// (--power-limit) slows the phases down by as much more as the clock falls. To be called before latencies are added up.
void add_power(Prediction& prediction, const Compiled& compiled);

// The power of a phase of the compiled query, which is slowed down where a limit asks for it; absent where nothing is
// known of the device's.
std::optional<PowerOfPhase> limited_power(Phase& phase, const Compiled& compiled, int devices);

// Of so many of the device with that memory: the price book's, else the launch price.
std::optional<DatedPrice> purchase_price(const Device& device, Bytes memory, int devices, const PriceBook& book);

// The prices of a compiled query's machine, which has that memory.
CostInputs prices_of(const Compiled& compiled, Bytes memory, const Database& database);

// What a use of the machine costs that makes tokens at that power; nullopt where no price is known.
struct MachineUse {
  Seconds seconds;
  double tokens = 0;
  std::optional<PowerOfPhase> power;
};
std::optional<CostFigures> cost_of_use(const Prediction& prediction, const Compiled& compiled, const Database& database,
                                       const MachineUse& use);

// Energy per token, start-up and cost, from the phases as they stand. Throws UsageError for impossible prices.
void add_running(Prediction& prediction, const Compiled& compiled, const Database& database);

}  // namespace silicast
