// SPDX-License-Identifier: Apache-2.0
// The consistency checks of `silicast check` on a device: figures that a datasheet states twice must agree.
#include <cmath>

#include "base/catalogue.h"
#include "base/document.h"
#include "base/text.h"
#include "hardware/device.h"

namespace silicast {

namespace {

std::string at(const Node& node, const std::string& key, const std::string& what) {
  return InputError(node.mark, key, what).what();
}

// "21 GT/s" or "4800 MT/s" as transfers per second.
std::optional<double> transfers_per_second(std::string_view text) {
  text = trim(text);
  double factor = 0;
  if (text.ends_with("GT/s")) factor = 1e9;
  if (text.ends_with("MT/s")) factor = 1e6;
  if (factor == 0) return std::nullopt;
  text.remove_suffix(4);
  const auto number = parse_number(text);
  if (!number || *number <= 0) return std::nullopt;
  return *number * factor;
}

constexpr double bits_per_channel = 64;

std::optional<double> bus_bits(const Section& memory) {
  if (memory.has("channels")) return static_cast<double>(memory.count("channels", 1, 64)) * bits_per_channel;
  const auto width = memory.optional_text("bus_width");
  if (!width || !width->ends_with("bit")) return std::nullopt;
  return parse_number(width->substr(0, width->size() - 3));
}

void lint_memory(const Section& root, std::vector<std::string>& findings) {
  const auto memory = root.section("memory");
  if (!memory || !memory->has("transfer_rate")) return;
  const Node& rate_node = memory->required("transfer_rate");
  const auto rate = transfers_per_second(rate_node.scalar);
  if (!rate) {
    findings.push_back(
        at(rate_node, "memory.transfer_rate", "a rate in MT/s or GT/s is expected, got " + shown(rate_node)));
    return;
  }
  const auto bits = bus_bits(*memory);
  if (!bits) {
    findings.push_back(
        at(rate_node, "memory.bus_width", "the width in bit, or the channels, are needed beside a transfer rate"));
    return;
  }
  const double derived = *rate * *bits / 8;
  const double stated = memory->quantity<BytesPerSecond>("bandwidth").value();
  constexpr double tolerance = 0.012;  // marketing rounds: 273 GB/s for 273.06
  if (std::abs(derived / stated - 1) > tolerance)
    findings.push_back(at(memory->required("bandwidth"), "memory.bandwidth",
                          "stated " + rounded(stated / 1e9, 5) + " GB/s, but transfer rate x bus width gives " +
                              rounded(derived / 1e9, 5) + " GB/s"));
}

void lint_peaks(const Section& root, const Device& device, std::vector<std::string>& findings) {
  const auto gpu = root.section("gpu");
  if (!gpu || !device.gpu) return;
  const auto stated = gpu->section("stated");
  if (!stated) return;
  for (const auto& [name, node] : stated->entries()) {
    const std::string key = "gpu.stated." + name;
    const auto unit = unit_of_name(name);
    if (!unit) {
      findings.push_back(at(*node, key, "no such unit"));
      continue;
    }
    const double value = stated->quantity<FlopsPerSecond>(name).value();
    const double derived = device.gpu->peak(*unit).value();
    constexpr double tolerance = 0.025;
    if (derived == 0)
      findings.push_back(at(*node, key, "stated, but per_core_per_clock has no rate for it"));
    else if (std::abs(value / (2 * derived) - 1) <= tolerance)
      findings.push_back(
          at(*node, key,
             "twice cores x rate x clock (" + rounded(derived / 1e12, 4) + " T): a sparse figure? Give the dense one"));
    else if (std::abs(value / derived - 1) > tolerance)
      findings.push_back(at(*node, key,
                            "stated " + rounded(value / 1e12, 4) + " T, but cores x rate x clock gives " +
                                rounded(derived / 1e12, 4) + " T"));
  }
}

}  // namespace

std::vector<std::string> lint_device(const Entry& entry) {
  const Device device = read_device(entry);
  const Section root = entry.section();
  std::vector<std::string> findings;
  lint_memory(root, findings);
  lint_peaks(root, device, findings);
  if (device.released.empty()) findings.push_back(at(entry.figures, "released", "the year and month are missing"));
  return findings;
}

}  // namespace silicast
