// SPDX-License-Identifier: Apache-2.0
// What connects two devices: PCIe, NVLink, Thunderbolt. Files: data/links/*.yaml.
#pragma once

#include <optional>
#include <string>

#include "base/quantity.h"
#include "hardware/device.h"

namespace silicast {

struct Entry;

struct Link {
  enum class From { stated, pcie, nvlink };  // where the peak comes from: the file, or the device's slot or ports

  std::string id;
  std::string name;
  From from = From::stated;
  std::optional<BytesPerSecond> bandwidth;  // peak, one direction
  double share = 1;                         // of it that transfers reach
  Seconds latency;                          // of one message

  // One direction, as reached; nullopt when the device does not have such ports. `slot`: another than the
  // device's own.
  [[nodiscard]] std::optional<BytesPerSecond> reached(const Device& device, std::optional<Pcie> slot = {}) const;
};

// Throws InputError with place, key and rule.
Link read_link(const Entry& entry);

}  // namespace silicast
