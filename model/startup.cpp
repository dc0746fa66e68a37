// SPDX-License-Identifier: Apache-2.0
#include "model/startup.h"

#include <algorithm>

namespace silicast {

StartupFigures startup_of(const StartupInputs& inputs) {
  StartupFigures figures{.storage = inputs.storage, .build = inputs.build, .warm_up = inputs.warm_up};
  if (inputs.warm_up) figures.build = inputs.build.value_or(Seconds(0)) + *inputs.warm_up;
  if (inputs.to_device) figures.copy = inputs.copied / static_cast<double>(inputs.devices) / *inputs.to_device;
  if (!inputs.storage) return figures;
  figures.read = inputs.file / *inputs.storage;
  figures.load = std::max(*figures.read, figures.copy.value_or(Seconds(0)));
  return figures;
}

}  // namespace silicast
