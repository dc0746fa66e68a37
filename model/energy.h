// SPDX-License-Identifier: Apache-2.0
// Power and energy of a phase from what it does, and the clock that a power limit leaves (docs/energy.md).
//
// What a discrete machine's host computes is not the device's: its time does not scale with the device's clock, and the
// CPU draws its package's limit while it lasts. Uncapped, a phase of time t draws base + e / t, e being the energy of
// its bytes, operations and instructions. Where that exceeds the limit the clock falls: at the share f of the full
// clock, voltage follows the clock, energy goes with f^2, and all time but that of links and memory goes with 1 / f.
// The largest f within the limit is found; without them it is
// ((limit - base) / (uncapped - base))^(1/3).
#pragma once

#include <optional>
#include <string>

#include "base/quantity.h"
#include "hardware/power.h"
#include "model/step_cost.h"

namespace silicast {

// What the watts of a phase go to.
struct PowerParts {
  Watts base;    // whatever is done
  Watts dram;    // bytes of memory
  Watts link;    // bytes between devices
  Watts matrix;  // operations of the matrix units
  Watts vector;  // other operations
  Watts unpack;  // instructions that unpack weights
};

struct PhasePower {
  Watts watts;  // of all devices, at the model's boundary
  PowerParts parts;
  Watts uncapped;
  double clock = 1;     // share of the full clock that the limit leaves
  double slowdown = 1;  // of the phase
};

// Of a cost at full clock. The limit, where there is one, is that of all devices together.
PhasePower phase_power(const PowerModel& model, const StepCost& cost, int devices, std::optional<Watts> limit);

// Of the machine around, at the plug. A unified machine's idle figure, where known, stands for what is around the chip.
Watts wall_power(const Power& power, Watts watts, int devices, Watts host = Watts(0));

struct PowerOfPhase {
  Watts watts;
  PowerParts parts{};
  Watts host;  // of the host's CPU that runs layers, the phase's mean
  Watts wall;
  double clock = 1;
  double sustained_share = 1;  // of the phase's speed that lasts when the cooling is saturated
};

struct PowerFigures {
  std::string boundary;        // of the watts: board, soc
  std::optional<Watts> limit;  // of all devices
  std::optional<Watts> sustained;
  bool passive = false;
  std::optional<PowerOfPhase> prefill;
  std::optional<PowerOfPhase> decode;
};

using TokensPerJoule = decltype(Tokens(1) / Joules(1));

struct EnergyFigures {
  std::optional<JoulesPerToken> per_input_token;  // at the boundary
  std::optional<JoulesPerToken> per_output_token;
  std::optional<JoulesPerToken> per_input_token_wall;
  std::optional<JoulesPerToken> per_output_token_wall;

  [[nodiscard]] std::optional<TokensPerJoule> tokens_per_joule() const {
    return per_output_token ? std::optional(1.0 / *per_output_token) : std::nullopt;
  }
};

}  // namespace silicast
