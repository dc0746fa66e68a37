// SPDX-License-Identifier: Apache-2.0
// How figures and bounds are put for people, the same in every report.
#pragma once

#include <string>
#include <string_view>

#include "model/step_cost.h"

namespace silicast {

std::string_view short_name(Resource resource);  // "DRAM", "unpacking"
std::string_view long_name(Resource resource);   // "memory bandwidth", "unpacking of quantized weights"
std::string percent_text(double share);          // "7.4 %"
std::string signed_percent(double change);       // "+7.4 %", "-0.3 %"
std::string rate_text(FlopsPerSecond rate);      // "27.2 TFLOP/s"
std::string rate_text(BytesPerSecond rate);      // "702 GB/s"

}  // namespace silicast
