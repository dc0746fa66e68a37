// SPDX-License-Identifier: Apache-2.0
// What a device draws: limits of the datasheet, and the energy of what it does (docs/energy.md).
#pragma once

#include <optional>
#include <string_view>

#include "base/quantity.h"

namespace silicast {

class Section;

// Where a figure of power is read: the board of a discrete card, the package of a system on chip.
enum class PowerBoundary { board, soc };
std::string_view name_of(PowerBoundary boundary);

// Power = base + energy of each byte, operation and instruction, times their rates. The constants are fitted to
// measured power, so that each stands for all that goes along with what it counts.
struct PowerModel {
  PowerBoundary boundary = PowerBoundary::board;
  Watts base;  // of a device that is at work, whatever it does
  JoulesPerByte per_dram_byte;
  JoulesPerByte per_link_byte;
  JoulesPerFlop per_matrix_operation;
  JoulesPerFlop per_vector_operation;
  JoulesPerFlop per_instruction;  // of unpacking weights
  // Towards the wall: the machine around the device, and the losses of its supply.
  Watts host;             // once
  Watts host_per_device;  // for each device
  double supply_efficiency = 1;
};

struct Power {
  std::optional<Watts> tdp;  // the limit out of the box
  std::optional<Watts> wall_idle;
  std::optional<Watts> wall_max;
  std::optional<Watts> sustained;   // what the cooling carries off for long, where that is less
  bool passive = false;             // cooled without a fan
  std::optional<PowerModel> model;  // absent: nothing is known of it
};

// The `power` of a device. Throws InputError with place, key and rule.
Power read_power(const Section& section);

}  // namespace silicast
