// SPDX-License-Identifier: Apache-2.0
// Values of options as the command line has them. Each throws UsageError with the option and what is accepted.
#pragma once

#include <string>

#include "base/error.h"
#include "base/text.h"

namespace silicast::cli {

inline double positive(const std::string& option, const std::string& text) {
  const auto value = parse_number(text);
  if (!value) throw UsageError(option + ": a number is expected, got '" + text + "'");
  if (*value <= 0) throw UsageError(option + ": must be above zero, got '" + text + "'");
  return *value;
}

template <class Q>
Q quantity(const std::string& option, const std::string& text) {
  const auto value = parse_quantity<Q>(text);
  if (!value)
    throw UsageError(option + ": a number and its unit are expected, got '" + text +
                     "'; accepted units: " + accepted_units<Q>());
  if (value->value() <= 0) throw UsageError(option + ": must be above zero, got '" + text + "'");
  return *value;
}

}  // namespace silicast::cli
