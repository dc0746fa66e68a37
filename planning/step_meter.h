// SPDX-License-Identifier: Apache-2.0
// The predictor as a source of steps: time from the compiled evaluator, power at the plug from what the step does.
#pragma once

#include "model/prediction.h"
#include "planning/step_source.h"

namespace silicast::serving {

// Times are multiplied by these: the ends of the predictor's interval, or a what-if.
struct TimeFactors {
  double prefill = 1;  // of steps with more than one new token of a sequence
  double decode = 1;
};

class StepMeter : public StepSource {
 public:
  // `compiled` outlives it.
  explicit StepMeter(const Compiled& compiled, const TimeFactors& factors = {});

  StepUse step(std::span<const StepShape> groups) override;
  [[nodiscard]] double idle_watts() const override { return idle_watts_; }

 private:
  [[nodiscard]] double limited(const StepCost& cost, double& seconds) const;

  const Compiled& compiled_;
  TimeFactors factors_;
  std::optional<Watts> usual_limit_;  // of all devices; what speeds are calibrated under
  std::optional<Watts> limit_;
  double constant_watts_ = 0;  // of machines without a model of what work draws
  double idle_watts_ = 0;
};

}  // namespace silicast::serving
