// SPDX-License-Identifier: Apache-2.0
#include "report/wording.h"

#include <array>
#include <cmath>

#include "base/text.h"

namespace silicast {

namespace {

constexpr std::array<std::string_view, resource_count> short_names{"DRAM",  "matrix units", "unpacking", "vector units",
                                                                   "cache", "link",         "launches"};
constexpr std::array<std::string_view, resource_count> long_names{
    "memory bandwidth", "matrix arithmetic",        "unpacking of quantized weights",     "vector arithmetic",
    "cache bandwidth",  "the link between devices", "kernel launches and synchronization"};

std::string scaled(double value, std::string_view unit) {
  constexpr std::array<std::string_view, 6> prefixes{"", "k", "M", "G", "T", "P"};
  constexpr double thousand = 1000;
  std::size_t i = 0;
  while (i + 1 < prefixes.size() && std::abs(value) >= thousand) value /= thousand, ++i;
  return rounded(value, 3) + " " + std::string(prefixes[i]) + std::string(unit);
}

}  // namespace

std::string_view short_name(Resource resource) { return short_names[static_cast<std::size_t>(resource)]; }
std::string_view long_name(Resource resource) { return long_names[static_cast<std::size_t>(resource)]; }

std::string figure_text(double value) {
  constexpr double whole_from = 1000;
  return std::abs(value) >= whole_from ? std::to_string(std::llround(value)) : rounded(value, shown_digits);
}

std::string exact_percent_text(double share) { return rounded(100 * share, shown_digits) + " %"; }

std::string percent_text(double share) {
  const double percent = 100 * share;
  constexpr double too_small = 0.1;
  if (percent > 0 && percent < too_small) return "<0.1 %";
  return (std::abs(percent) >= 10 ? std::to_string(std::lround(percent)) : rounded(percent, 2)) + " %";
}

std::string signed_percent(double change) {
  const double tenths = std::round(1000 * change) / 10;
  return (tenths > 0 ? "+" : "") + (tenths == 0 ? "0" : exact(tenths)) + " %";
}

std::string rate_text(FlopsPerSecond rate) { return scaled(rate.value(), "FLOP/s"); }
std::string rate_text(BytesPerSecond rate) { return scaled(rate.value(), "B/s"); }

}  // namespace silicast
