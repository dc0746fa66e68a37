// SPDX-License-Identifier: Apache-2.0
// Values of options as the command line has them. Each throws UsageError with the option and what is accepted.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "model/prices.h"

namespace silicast::cli {

inline double positive(const std::string& option, const std::string& text) {
  const auto value = parse_number(text);
  if (!value) throw UsageError(option + ": a number is expected, got '" + text + "'");
  if (*value <= 0) throw UsageError(option + ": must be above zero, got '" + text + "'");
  return *value;
}

inline std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

inline std::string currency_code(const std::string& name, std::string_view text) {
  std::string code = upper(trim(text));
  if (!is_currency_code(code))
    throw UsageError(name + ": a currency such as EUR is expected, got '" + std::string(text) + "'");
  return code;
}

// "1500", "1500EUR", "1500 EUR"; where it is the price of a unit, "0.3EUR/kWh" as well.
inline Money money(const std::string& name, const std::string& text, const std::string& per) {
  std::string_view rest = trim(text);
  if (!per.empty() && lower(rest).ends_with("/" + lower(per)))
    rest = trim(rest.substr(0, rest.size() - per.size() - 1));
  std::size_t letters = 0;
  while (letters < rest.size() && std::isalpha(static_cast<unsigned char>(rest[rest.size() - 1 - letters])) != 0)
    ++letters;
  const std::string number(trim(rest.substr(0, rest.size() - letters)));
  if (letters == 0 || !parse_number(number)) return positive(name, text);
  const std::string code = currency_code(name, rest.substr(rest.size() - letters));
  return {positive(name, number), code == "USD" ? "" : code};
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
