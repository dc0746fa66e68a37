// SPDX-License-Identifier: Apache-2.0
#include "planning/step_meter.h"

#include <algorithm>

#include "model/energy.h"

namespace silicast::serving {

StepMeter::StepMeter(const Compiled& compiled, const TimeFactors& factors) : compiled_(compiled), factors_(factors) {
  const Power& power = compiled.device->power;
  const int devices = compiled.machine.devices;
  const auto asked = compiled.query.power_limit;
  std::optional<Watts> one = power.tdp;
  if (asked) one = one ? std::min(*one, *asked) : *asked;
  if (compiled.stack->on_cpu || !power.model) {
    const bool spins = compiled.device->device_class == DeviceClass::cpu;
    constant_watts_ = spins && one ? one->value() : 0;
    idle_watts_ = power.wall_idle ? power.wall_idle->value() : 0;
    return;
  }
  if (power.tdp) usual_limit_ = static_cast<double>(devices) * *power.tdp;
  if (one) limit_ = static_cast<double>(devices) * *one;
  idle_watts_ = wall_power(power, static_cast<double>(devices) * power.model->base, devices).value();
  if (power.wall_idle) idle_watts_ = std::min(idle_watts_, power.wall_idle->value());
}

double StepMeter::limited(const StepCost& cost, double& seconds) const {
  const Power& power = compiled_.device->power;
  if (compiled_.stack->on_cpu || !power.model) return constant_watts_;
  const int devices = compiled_.machine.devices;
  const PhasePower drawn = phase_power(*power.model, cost, devices, limit_);
  if (compiled_.query.power_limit && usual_limit_) {
    const PhasePower usual = phase_power(*power.model, cost, devices, usual_limit_);
    seconds *= std::max(1.0, drawn.slowdown / usual.slowdown);
  }
  return wall_power(power, drawn.watts, devices).value();
}

StepUse StepMeter::step(std::span<const StepShape> groups) {
  const StepCost cost = compiled_.evaluator(groups);
  const bool prefills =
      std::any_of(groups.begin(), groups.end(), [](const StepShape& group) { return group.new_tokens > 1; });
  StepUse use{.seconds = cost.seconds.value()};
  use.watts = limited(cost, use.seconds);
  use.seconds *= prefills ? factors_.prefill : factors_.decode;
  if (compiled_.evaluator.stages() > 1) {
    const double share = compiled_.evaluator.slowest_stage(groups).seconds / cost.seconds;
    use.slowest = std::min(1.0, share) * use.seconds;
  }
  return use;
}

}  // namespace silicast::serving
