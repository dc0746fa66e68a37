// SPDX-License-Identifier: Apache-2.0
// What a step of a batch takes: time and power. The predictor is one source (planning/step_meter.h); tests have others.
#pragma once

#include <span>

#include "model/step_cost.h"

namespace silicast::serving {

struct StepUse {
  double seconds = 0;
  double watts = 0;    // at the plug, while the step runs
  double slowest = 0;  // seconds on the slowest of the devices that it passes one after the other; 0: there is one

  // Seconds after which another step can follow.
  [[nodiscard]] double occupied() const { return slowest > 0 ? slowest : seconds; }
};

class StepSource {
 public:
  StepSource() = default;
  StepSource(const StepSource&) = delete;
  StepSource& operator=(const StepSource&) = delete;
  virtual ~StepSource() = default;

  // Of one forward pass over the groups of sequences.
  virtual StepUse step(std::span<const StepShape> groups) = 0;
  [[nodiscard]] virtual double idle_watts() const { return 0; }
};

}  // namespace silicast::serving
