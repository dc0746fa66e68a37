// SPDX-License-Identifier: Apache-2.0
// From a cold start to the first request: weights from storage, onto the device, and what the engine builds before it
// serves. Reading and copying overlap (llama.cpp uploads a buffer while the next is read): the slower of them counts.
#pragma once

#include <optional>

#include "base/quantity.h"

namespace silicast {

struct StartupInputs {
  Bytes file;  // read once
  std::optional<BytesPerSecond> storage;
  Bytes copied;                             // to all devices
  std::optional<BytesPerSecond> to_device;  // to each device, as reached; absent: nothing is copied
  int devices = 1;
  std::optional<Seconds> build;
  std::optional<Seconds> warm_up;
};

struct StartupFigures {
  std::optional<BytesPerSecond> storage;
  std::optional<Seconds> read;
  std::optional<Seconds> copy;     // absent: unified memory
  std::optional<Seconds> load;     // absent: the storage is not known
  std::optional<Seconds> build;    // with the warm-up; absent: nothing is done, or no figure is known
  std::optional<Seconds> warm_up;  // of that, an empty run; absent: there is none, or it is in the stack's one figure
};

StartupFigures startup_of(const StartupInputs& inputs);

}  // namespace silicast
