// SPDX-License-Identifier: Apache-2.0
// Text helpers: names, numbers, and quantities with their units.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.h"

namespace silicast {

std::string lower(std::string_view text);
std::string_view trim(std::string_view text);
bool contains(std::string_view text, std::string_view part);
std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

// The form in which names are compared: lower case, '_' and blanks as '-'.
std::string canonical_name(std::string_view name);

// Whole-text parsers: nullopt unless all of the text is one finite number.
std::optional<double> parse_number(std::string_view text);
std::optional<std::int64_t> parse_integer(std::string_view text);
// A plain number, or a fraction such as "2/3".
std::optional<double> parse_share(std::string_view text);

// "1008 GB/s" -> 1008e9 bytes per second. nullopt when the number or the unit is not one of the quantity's.
// Sizes: B kB MB GB TB KiB MiB GiB TiB. Rates: .../s. Clock: Hz kHz MHz GHz. Compute: GFLOPS TFLOPS PFLOPS, GOPS TOPS
// POPS. Time: ns us ms s min h. Power: mW W kW. Energy: pJ nJ uJ mJ J.
template <class Q>
std::optional<Q> parse_quantity(std::string_view text);
// The units that parse_quantity<Q> accepts, for error messages: "GB/s, GiB/s, ...".
template <class Q>
std::string accepted_units();

// Shortest text that reads back as the same double.
std::string exact(double value);
// Rounded to so many significant digits, no exponent for magnitudes that people read ("1234", "0.0123").
std::string rounded(double value, int significant_digits);

// For people: "4.58 GiB", "512 MiB".
std::string human(Bytes bytes);
// For people: "12.3 ms", "41 us", "2.31 s".
std::string human(Seconds seconds);

// The edit distance with transpositions counted once (Damerau-Levenshtein, optimal string alignment).
int edit_distance(std::string_view a, std::string_view b);

}  // namespace silicast
