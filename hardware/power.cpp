// SPDX-License-Identifier: Apache-2.0
#include "hardware/power.h"

#include "base/document.h"

namespace silicast {

namespace {

template <class PerUnit, class Unit>
PerUnit energy_per(const Section& section, std::string_view key) {
  return section.optional_quantity<Joules>(key).value_or(Joules(0)) / Unit(1);
}

// The base is stated in watts, or as a share of the limit where a family's devices differ in size.
std::optional<Watts> read_base(const Section& section, std::optional<Watts> tdp) {
  const auto stated = section.optional_quantity<Watts>("base");
  const auto share = section.optional_number("base_share", 0, 1);
  if (stated) return stated;
  if (!share) return Watts(0);
  if (!tdp) return std::nullopt;  // of a family's device whose limit is not known
  return *share * *tdp;
}

}  // namespace

std::string_view name_of(PowerBoundary boundary) {
  switch (boundary) {
    case PowerBoundary::board: return "board";
    case PowerBoundary::soc: return "soc";
  }
  return "";
}

Power read_power(const Section& section) {
  Power power;
  power.tdp = section.optional_quantity<Watts>("tdp");
  power.wall_idle = section.optional_quantity<Watts>("wall_idle");
  power.wall_max = section.optional_quantity<Watts>("wall_max");
  power.sustained = section.optional_quantity<Watts>("sustained");
  power.passive = section.choice("cooling", {"active", "passive"}, 0) == 1;
  PowerModel model;
  model.boundary = static_cast<PowerBoundary>(section.choice("boundary", {"board", "soc"}, 0));
  const auto base = read_base(section, power.tdp);
  const bool described = section.has("per_dram_byte");
  model.base = base.value_or(Watts(0));
  model.per_dram_byte = energy_per<JoulesPerByte, Bytes>(section, "per_dram_byte");
  model.per_link_byte = energy_per<JoulesPerByte, Bytes>(section, "per_link_byte");
  model.per_matrix_operation = energy_per<JoulesPerFlop, Flops>(section, "per_matrix_operation");
  model.per_vector_operation = energy_per<JoulesPerFlop, Flops>(section, "per_vector_operation");
  model.per_instruction = energy_per<JoulesPerFlop, Flops>(section, "per_instruction");
  model.host = section.optional_quantity<Watts>("host").value_or(Watts(0));
  model.host_per_device = section.optional_quantity<Watts>("host_per_device").value_or(Watts(0));
  model.supply_efficiency = section.share("supply_efficiency", 1);
  if (base && described) power.model = model;
  section.finish();
  return power;
}

}  // namespace silicast
