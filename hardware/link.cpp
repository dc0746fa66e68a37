// SPDX-License-Identifier: Apache-2.0
#include "hardware/link.h"

#include "base/catalogue.h"
#include "base/document.h"

namespace silicast {

std::optional<BytesPerSecond> Link::reached(const Device& device, std::optional<Pcie> slot) const {
  switch (from) {
    case From::stated: return *bandwidth * share;
    case From::pcie:
      if (!slot) slot = device.pcie;
      return slot ? std::optional(slot->bandwidth() * share) : std::nullopt;
    case From::nvlink: break;
  }
  if (!device.nvlink_bandwidth) return std::nullopt;
  return *device.nvlink_bandwidth / 2 * share;  // the datasheet adds both directions
}

Link read_link(const Entry& entry) {
  const Section root = entry.section();
  Link link;
  link.id = entry.id;
  link.name = entry.name;
  link.bandwidth = root.optional_quantity<BytesPerSecond>("bandwidth");
  link.from = static_cast<Link::From>(root.choice("from", {"stated", "pcie", "nvlink"}, 0));
  if (link.from == Link::From::stated && !link.bandwidth) root.fail("bandwidth", "required, but missing");
  link.share = root.share("share", 1);
  link.latency = root.quantity<Seconds>("latency");
  root.finish();
  return link;
}

}  // namespace silicast
