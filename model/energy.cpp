// SPDX-License-Identifier: Apache-2.0
#include "model/energy.h"

#include <algorithm>
#include <cmath>

namespace silicast {

namespace {

struct Energies {
  Joules dram, link, matrix, vector, unpack;

  [[nodiscard]] Joules sum() const { return dram + link + matrix + vector + unpack; }
};

Energies dynamic_energies(const PowerModel& m, const StepCost& c) {
  const Flops operations = c.operations - c.host.operations;
  const Flops matrix_operations = c.matrix_operations - c.host.matrix_operations;
  return {.dram = m.per_dram_byte * (c.dram_bytes - c.host.dram_bytes),
          .link = m.per_link_byte * c.link_bytes,
          .matrix = m.per_matrix_operation * matrix_operations,
          .vector = m.per_vector_operation * (operations - matrix_operations),
          .unpack = m.per_instruction * (c.instructions - c.host.instructions)};
}

// Below it, chips leave their range of voltages.
constexpr double lowest_clock = 0.2;

}  // namespace

PhasePower phase_power(const PowerModel& model, const StepCost& cost, int devices, std::optional<Watts> limit) {
  const Watts base = static_cast<double>(devices) * model.base;
  const Energies energies = dynamic_energies(model, cost);
  const Joules energy = energies.sum();
  // Links, the host and the memory keep their pace: limits of 220 to 300 W leave an RTX 3090 at the same decode rate
  // (LottoLottoLotto/4x3090-llm-benchmarks, campaign orchestrator: 52.8 to 52.9 tokens/s).
  const auto bound_by = [&](Resource resource) { return cost.bound[static_cast<std::size_t>(resource)]; };
  const Seconds elsewhere(
      std::min(bound_by(Resource::link) + bound_by(Resource::dram) + cost.host.seconds.value(), cost.seconds.value()));
  const auto time_at = [&](double f) { return elsewhere + (cost.seconds - elsewhere) / f; };
  const auto power_at = [&](double f) { return base + f * f * energy / time_at(f); };
  PhasePower result;
  result.uncapped = power_at(1);
  if (limit && result.uncapped > *limit && elsewhere.value() <= 0) {
    const double share = std::max(0.0, (*limit - base) / (result.uncapped - base));
    result.clock = std::max(lowest_clock, std::cbrt(share));
  } else if (limit && result.uncapped > *limit) {
    // power_at(f) = limit is E f^3 = (limit - base) (elsewhere f + rest): from f = 1, which lies above the largest root
    // of their difference, where that is convex, Newton's steps come down to it.
    const double joules = energy.value();
    const double watts = (*limit - base).value();
    const double rest = (cost.seconds - elsewhere).value();
    double f = 1;
    constexpr int most_steps = 40;
    constexpr double close_enough = 1e-12;
    for (int i = 0; i < most_steps && f > lowest_clock; ++i) {
      const double above = joules * f * f * f - watts * (elsewhere.value() * f + rest);
      const double step = above / (3 * joules * f * f - watts * elsewhere.value());
      f -= step;
      if (step < close_enough) break;
    }
    result.clock = std::max(lowest_clock, f);
  }
  result.watts = power_at(result.clock);
  const auto mean = [&](Joules part) { return result.clock * result.clock * part / time_at(result.clock); };
  result.parts = {.base = base,
                  .dram = mean(energies.dram),
                  .link = mean(energies.link),
                  .matrix = mean(energies.matrix),
                  .vector = mean(energies.vector),
                  .unpack = mean(energies.unpack)};
  result.slowdown = time_at(result.clock) / cost.seconds;
  return result;
}

Watts wall_power(const Power& power, Watts watts, int devices, Watts host) {
  const PowerModel model = power.model.value_or(PowerModel{});
  if (model.boundary == PowerBoundary::soc && power.wall_idle)
    return *power.wall_idle + watts / model.supply_efficiency;
  return (watts + host + model.host + static_cast<double>(devices) * model.host_per_device) / model.supply_efficiency;
}

}  // namespace silicast
