// SPDX-License-Identifier: Apache-2.0
#include "model/running.h"

#include <algorithm>

#include "model/economics.h"
#include "model/energy.h"
#include "model/startup.h"

namespace silicast {

namespace {

// What all devices may draw together out of the box; a limit that is asked for is that of one device.
std::optional<Watts> together(std::optional<Watts> one, int devices) {
  return one ? std::optional(static_cast<double>(devices) * *one) : std::nullopt;
}

void slow_down(Phase& phase, double factor) {
  phase.seconds *= factor;
  phase.cost.seconds *= factor;
  for (double& seconds : phase.cost.bound) seconds *= factor;
  for (double* rate : {&phase.tokens_per_second.value, &phase.tokens_per_second.p10, &phase.tokens_per_second.p90})
    *rate /= factor;
}

struct Limits {
  std::optional<Watts> usual;
  std::optional<Watts> asked;
  std::optional<Watts> sustained;
};

// The host's package at its limit while it runs layers; nothing where that is not known.
Watts host_power(const Phase& phase, const Device* host) {
  if (host == nullptr || !host->power.tdp || phase.cost.host.seconds.value() <= 0) return Watts(0);
  return *host->power.tdp * std::min(1.0, phase.cost.host.seconds / phase.cost.seconds);
}

PowerOfPhase limit_phase(Phase& phase, const Power& power, const Device* host_device, int devices,
                         const Limits& limits) {
  const PowerModel& model = *power.model;
  const PhasePower usual = phase_power(model, phase.cost, devices, limits.usual);
  const PhasePower asked = phase_power(model, phase.cost, devices, limits.asked);
  const PhasePower sustained = phase_power(model, phase.cost, devices, limits.sustained);
  slow_down(phase, std::max(1.0, asked.slowdown / usual.slowdown));
  const Watts host = host_power(phase, host_device);
  return {.watts = asked.watts,
          .parts = asked.parts,
          .host = host,
          .wall = wall_power(power, asked.watts, devices, host),
          .clock = asked.clock,
          .sustained_share = std::min(1.0, asked.slowdown / sustained.slowdown)};
}

std::optional<Watts> lesser(std::optional<Watts> a, std::optional<Watts> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

bool runs_on_cpu(const Compiled& c) { return c.stack->on_cpu || !c.device->power.model; }

// Cores of a CPU spin at the package's limit while they wait for memory.
std::optional<Watts> cpu_limit(const Compiled& c) {
  return c.device->device_class == DeviceClass::cpu ? lesser(c.device->power.tdp, c.query.power_limit) : std::nullopt;
}

Limits limits_of(const Compiled& c, int devices) {
  const Power& power = c.device->power;
  Limits limits;
  limits.usual = together(power.tdp, devices);
  limits.asked = together(lesser(power.tdp, c.query.power_limit), devices);
  limits.sustained = lesser(limits.asked, together(power.sustained, devices));
  return limits;
}

EnergyFigures energy_of(const Prediction& p, const Query& q) {
  EnergyFigures energy;
  const auto per_token = [](Watts watts, Seconds seconds, double tokens) { return watts * seconds / Tokens(tokens); };
  const auto sequences = static_cast<double>(q.concurrency);
  if (p.prefill && p.power->prefill) {
    const double tokens = static_cast<double>(q.prompt) * sequences;
    energy.per_input_token = per_token(p.power->prefill->watts, p.prefill->seconds, tokens);
    energy.per_input_token_wall = per_token(p.power->prefill->wall, p.prefill->seconds, tokens);
  }
  if (p.decode && p.power->decode) {
    energy.per_output_token = per_token(p.power->decode->watts, p.decode->seconds, sequences);
    energy.per_output_token_wall = per_token(p.power->decode->wall, p.decode->seconds, sequences);
  }
  return energy;
}

// A step of so many tokens with nothing cached; where the tokens would choose some of the experts only, no less than
// reading all weights of the devices once.
std::optional<Seconds> warm_up_of(const Prediction& p, const Compiled& c) {
  if (c.stack->warm_up_tokens == 0) return std::nullopt;
  const Seconds step = c.evaluator.seconds({.new_tokens = static_cast<double>(c.stack->warm_up_tokens)});
  if (!c.workload->architecture.has_experts()) return step;
  Bytes read;
  for (const MemoryPool& pool : p.pools)
    if (!pool.name.starts_with("host")) read += pool.weights;
  const double together = c.placement.split == Split::tensor ? c.machine.devices : 1;
  return std::max(step, read / (together * c.machine.device.dram_bandwidth));
}

// Weights on the devices of a discrete machine cross PCIe; unified memory needs no copy.
StartupFigures startup_of(const Prediction& p, const Compiled& c) {
  StartupInputs inputs{
      .file = p.file_bytes, .devices = p.query.devices, .build = c.stack->build, .warm_up = warm_up_of(p, c)};
  inputs.storage = c.query.storage ? c.query.storage : c.device->storage_bandwidth;
  if (c.device->device_class == DeviceClass::discrete) {
    for (const MemoryPool& pool : p.pools)
      if (!pool.name.starts_with("host")) inputs.copied += pool.weights;
    const auto slot = c.query.pcie ? c.query.pcie : c.device->pcie;
    constexpr double usual_share = 0.8;  // as the stacks' pinned_share: nvbandwidth issue 15
    if (slot) inputs.to_device = slot->bandwidth() * (c.stack->offload ? c.stack->offload->pinned_share : usual_share);
  }
  return startup_of(inputs);
}

std::optional<DatedPrice> times(std::optional<DatedPrice> price, int devices) {
  if (price) price->usd *= devices;
  return price;
}

std::optional<Watts> wall_of(const std::optional<PowerOfPhase>& phase) {
  return phase ? std::optional(phase->wall) : std::nullopt;
}

CostInputs cost_inputs(const Prediction& p, const Compiled& c, const Database& database) {
  CostInputs inputs = prices_of(c, p.query.memory, database);
  const auto sequences = static_cast<double>(c.query.concurrency);
  if (p.prefill)
    inputs.prefill = PhaseUse{p.prefill->seconds, static_cast<double>(c.query.prompt) * sequences,
                              p.power ? wall_of(p.power->prefill) : std::nullopt};
  if (p.decode) {
    const auto gen = static_cast<double>(c.query.gen);
    inputs.decode =
        PhaseUse{gen * p.decode->seconds, gen * sequences, p.power ? wall_of(p.power->decode) : std::nullopt};
  }
  return inputs;
}

}  // namespace

std::optional<PowerOfPhase> limited_power(Phase& phase, const Compiled& c, int devices) {
  if (runs_on_cpu(c)) {
    const auto watts = cpu_limit(c);
    return watts ? std::optional(PowerOfPhase{.watts = *watts, .wall = *watts}) : std::nullopt;
  }
  return limit_phase(phase, c.device->power, c.host.get(), devices, limits_of(c, devices));
}

std::optional<DatedPrice> purchase_price(const Device& device, Bytes memory, int devices, const PriceBook& book) {
  auto purchase = book.purchase(device.id, memory);
  if (!purchase && device.launch_price)
    purchase = DatedPrice{device.launch_price->usd, device.launch_price->date, "launch price"};
  return times(purchase, devices);
}

CostInputs prices_of(const Compiled& c, Bytes memory, const Database& database) {
  const CostQuestion& q = c.query.cost;
  const PriceBook& book = database.prices();
  const auto own = [](const Money& money) { return DatedPrice{money.usd(), {}, "given"}; };
  const int devices = c.machine.devices;
  CostInputs inputs;
  inputs.purchase = q.price ? own(*q.price) : purchase_price(*c.device, memory, devices, book);
  if (q.rent)
    inputs.rent = own(*q.rent);
  else if (q.rent_listed)
    inputs.rent = times(book.listed_rent(c.device->id), devices);
  else if (!inputs.purchase)
    inputs.rent = times(book.rent(c.device->id), devices);
  inputs.electricity = q.electricity ? own(*q.electricity) : book.electricity(q.region);
  return inputs;
}

std::optional<CostFigures> cost_of_use(const Prediction& p, const Compiled& c, const Database& database,
                                       const MachineUse& use) {
  CostInputs inputs = prices_of(c, p.query.memory, database);
  inputs.decode = PhaseUse{use.seconds, use.tokens, wall_of(use.power)};
  return cost_of(inputs, c.query.cost);
}

void add_power(Prediction& p, const Compiled& c) {
  const Power& power = c.device->power;
  const bool cpu = runs_on_cpu(c);
  if (cpu && !cpu_limit(c)) return;
  const int devices = p.query.devices;
  p.power = PowerFigures{.boundary = cpu ? "package" : std::string(name_of(power.model->boundary)),
                         .limit = cpu ? cpu_limit(c) : limits_of(c, devices).asked,
                         .sustained = cpu ? std::nullopt : together(power.sustained, devices),
                         .passive = power.passive};
  if (p.prefill) p.power->prefill = limited_power(*p.prefill, c, devices);
  if (p.decode) p.power->decode = limited_power(*p.decode, c, devices);
}

void add_running(Prediction& p, const Compiled& c, const Database& database) {
  check(c.query.cost);
  if (p.power) p.energy = energy_of(p, c.query);
  p.startup = startup_of(p, c);
  p.cost = cost_of(cost_inputs(p, c, database), c.query.cost);
}

}  // namespace silicast
