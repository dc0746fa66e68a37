// SPDX-License-Identifier: Apache-2.0
// How figures and bounds are put for people, the same in every report.
#pragma once

#include <string>
#include <string_view>

#include "model/step_cost.h"

namespace silicast {

constexpr std::size_t text_width = 100;  // of a line, in characters
constexpr int shown_digits = 3;          // significant ones, of a figure for people

std::string_view short_name(Resource resource);  // "DRAM", "unpacking"
std::string_view long_name(Resource resource);   // "memory bandwidth", "unpacking of quantized weights"
std::string figure_text(double value);   // "0.0123", "45.7", "1284": three digits, all that stand before the point
std::string percent_text(double share);  // "7.4 %"
std::string exact_percent_text(double share);  // "7.43 %", "0.0123 %"
std::string signed_percent(double change);     // "+7.4 %", "-0.3 %"
std::string rate_text(FlopsPerSecond rate);    // "27.2 TFLOP/s"
std::string rate_text(BytesPerSecond rate);    // "702 GB/s"

}  // namespace silicast
