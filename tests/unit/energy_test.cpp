// SPDX-License-Identifier: Apache-2.0
// Power against closed forms, and energy against power times time.
#include "model/energy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/prediction.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

PowerModel model() {
  return {.base = Watts(100),
          .per_dram_byte = JoulesPerByte(200e-12),
          .per_link_byte = JoulesPerByte(50e-12),
          .per_matrix_operation = JoulesPerFlop(2e-12),
          .per_vector_operation = JoulesPerFlop(5e-12),
          .per_instruction = JoulesPerFlop(20e-12)};
}

StepCost second_of_work() {
  StepCost cost;
  cost.seconds = Seconds(1);
  cost.dram_bytes = Bytes(500e9);
  cost.link_bytes = Bytes(10e9);
  cost.operations = Flops(12e12);
  cost.matrix_operations = Flops(10e12);
  cost.instructions = Flops(3e12);
  return cost;
}

TEST(Energy, AddsUpWhatIsDone) {
  // 100 W; 500 GB/s at 200 pJ, 100 W; 10 GB/s at 50 pJ, 0.5 W; 10 T at 2 pJ, 20 W; 2 T at 5 pJ, 10 W; 3 T at 20 pJ, 60
  // W.
  const PhasePower p = phase_power(model(), second_of_work(), 1, std::nullopt);
  EXPECT_NEAR(p.watts.value(), 290.5, 1e-9);
  EXPECT_NEAR(p.parts.base.value(), 100, 1e-9);
  EXPECT_NEAR(p.parts.dram.value(), 100, 1e-9);
  EXPECT_NEAR(p.parts.link.value(), 0.5, 1e-9);
  EXPECT_NEAR(p.parts.matrix.value(), 20, 1e-9);
  EXPECT_NEAR(p.parts.vector.value(), 10, 1e-9);
  EXPECT_NEAR(p.parts.unpack.value(), 60, 1e-9);
  EXPECT_EQ(p.clock, 1);
  EXPECT_EQ(p.slowdown, 1);
}

TEST(Energy, TheClockFallsAsTheCubeRootOfWhatTheLimitLeaves) {
  StepCost cost = second_of_work();
  cost.link_bytes = Bytes(0);  // 290 W
  for (const double limit : {289.0, 250.0, 200.0, 150.0}) {
    const PhasePower p = phase_power(model(), cost, 1, Watts(limit));
    const double clock = std::cbrt((limit - 100) / 190);
    EXPECT_NEAR(p.clock, clock, 1e-6) << limit;
    EXPECT_NEAR(p.slowdown, 1 / clock, 1e-5) << limit;
    EXPECT_NEAR(p.watts.value(), limit, 1e-3);
  }
  EXPECT_EQ(phase_power(model(), cost, 1, Watts(290)).clock, 1);
}

TEST(Energy, LinksDoNotSlowDown) {
  StepCost cost = second_of_work();
  cost.bound[static_cast<std::size_t>(Resource::link)] = 1;
  const PhasePower p = phase_power(model(), cost, 1, Watts(200));
  EXPECT_NEAR(p.slowdown, 1, 1e-12);
  EXPECT_NEAR(p.watts.value(), 200, 1e-3);
}

TEST(Energy, EveryDeviceHasItsBase) {
  EXPECT_NEAR(phase_power(model(), second_of_work(), 4, std::nullopt).watts.value(), 590.5, 1e-9);
}

TEST(Energy, TheWallIsBehindHostAndSupply) {
  Power power{.model = model()};
  power.model->host = Watts(60);
  power.model->supply_efficiency = 0.9;
  EXPECT_NEAR(wall_power(power, Watts(300), 2).value(), 400, 1e-9);
  power.model->host_per_device = Watts(30);
  EXPECT_NEAR(wall_power(power, Watts(300), 2).value(), 420 / 0.9, 1e-9);
  power.model->boundary = PowerBoundary::soc;
  power.wall_idle = Watts(6);
  EXPECT_NEAR(wall_power(power, Watts(18), 1).value(), 26, 1e-9);
}

TEST(Energy, JoulesAreWattsTimesSeconds) {
  for (const char* device : {"rtx-4090", "m2-ultra-76", "h100-sxm", "ryzen-ai-max-395"}) {
    Query q{.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = device};
    q.concurrency = 2;
    const Prediction p = predict(q, database());
    ASSERT_TRUE(p.energy && p.power) << device;
    EXPECT_NEAR(p.energy->per_output_token->value() * 2, (p.power->decode->watts * p.decode->seconds).value(), 1e-9)
        << device;
    EXPECT_NEAR(p.energy->per_input_token->value() * 1024, (p.power->prefill->watts * p.prefill->seconds).value(), 1e-9)
        << device;
    EXPECT_GT(p.power->decode->wall, p.power->decode->watts) << device;
  }
}

TEST(Energy, AnUnlimitedQueryKeepsItsSpeedAndALimitTakesSome) {
  Query q{.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = "rtx-4090"};
  const Prediction full = predict(q, database());
  q.power_limit = Watts(450);
  EXPECT_EQ(predict(q, database()).decode->seconds, full.decode->seconds);
  q.power_limit = Watts(1000);
  EXPECT_EQ(predict(q, database()).prefill->seconds, full.prefill->seconds);
  q.power_limit = Watts(250);
  const Prediction limited = predict(q, database());
  EXPECT_GT(limited.decode->seconds, full.decode->seconds);
  EXPECT_GT(limited.prefill->seconds, full.prefill->seconds);
  EXPECT_NEAR(limited.power->decode->watts.value(), 250, 0.01);
  EXPECT_LT(*limited.energy->per_output_token, *full.energy->per_output_token);
}

TEST(Energy, PassiveCoolingKeepsAShareOfTheSpeed) {
  const Query q{.model = "llama-3.2-1b", .quant = "Q4_K_M", .device = "a19-pro"};
  const Prediction p = predict(q, database());
  ASSERT_TRUE(p.power);
  EXPECT_TRUE(p.power->passive);
  EXPECT_LT(p.power->decode->sustained_share, 1);
  EXPECT_GT(p.power->decode->sustained_share, 0.2);
}

// The chip of the catalogue in a case without a fan: bursts are as fast, and what lasts of a prompt, which the clock
// bounds, is the clock at which 8 W suffice; memory keeps its pace.
TEST(Power, AMacBookAirIsAsFastInABurstAndSlowsDown) {
  const auto on = [](const char* device) {
    return predict({.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = device, .calibrated = false}, database());
  };
  for (const auto& [air, chip] : {std::pair("macbook-air-m2-8", "m2-8"), std::pair("macbook-air-m2-10", "m2-10"),
                                  std::pair("macbook-air-m3-8", "m3-8"), std::pair("macbook-air-m3-10", "m3-10"),
                                  std::pair("macbook-air-m4-8", "m4-8"), std::pair("macbook-air-m4-10", "m4-10")}) {
    const Prediction burst = on(air);
    const Prediction cooled = on(chip);
    EXPECT_EQ(burst.prefill->seconds, cooled.prefill->seconds) << air;
    EXPECT_EQ(burst.decode->seconds, cooled.decode->seconds) << air;
    EXPECT_TRUE(burst.power->passive && burst.power->sustained == Watts(8)) << air;
    EXPECT_EQ(cooled.power->prefill->sustained_share, 1) << chip;
    const double prefill = burst.power->prefill->sustained_share;
    EXPECT_NEAR(prefill, std::cbrt(8 / burst.power->prefill->watts.value()), 0.03) << air;
    EXPECT_GT(burst.power->decode->sustained_share, 0.5) << air;
    EXPECT_LT(burst.power->decode->sustained_share, 1) << air;
  }
}

}  // namespace
}  // namespace silicast
