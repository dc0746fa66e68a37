// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <type_traits>

namespace silicast {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string result;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) result += separator;
    result += parts[i];
  }
  return result;
}

std::string canonical_name(std::string_view name) {
  std::string result = lower(trim(name));
  for (char& c : result)
    if (c == '_' || c == ' ') c = '-';
  return result;
}

std::optional<double> parse_number(std::string_view text) {
  text = trim(text);
  if (text.empty() || text.size() > 63) return std::nullopt;
  // strtod rather than from_chars: libc++ before 20 has no from_chars for doubles.
  std::array<char, 64> buffer{};
  std::copy(text.begin(), text.end(), buffer.begin());
  for (char c : text)
    if ((std::isdigit(static_cast<unsigned char>(c)) == 0) &&
        std::string_view("+-.eE").find(c) == std::string_view::npos)
      return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(buffer.data(), &end);
  if (end != buffer.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  text = trim(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_share(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return parse_number(text);
  const auto over = parse_number(text.substr(0, slash));
  const auto under = parse_number(text.substr(slash + 1));
  if (!over || !under || *under == 0 || !std::isfinite(*over / *under)) return std::nullopt;
  return *over / *under;
}

namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr double kibi = 1024.0;
constexpr double mebi = 1024.0 * kibi;
constexpr double gibi = 1024.0 * mebi;
constexpr double tebi = 1024.0 * gibi;

// clang-format off
constexpr std::array size_units{
    Unit{"GB", 1e9}, Unit{"GiB", gibi}, Unit{"MiB", mebi}, Unit{"MB", 1e6}, Unit{"KiB", kibi}, Unit{"kB", 1e3},
    Unit{"TB", 1e12}, Unit{"TiB", tebi}, Unit{"B", 1}};
constexpr std::array rate_units{
    Unit{"GB/s", 1e9}, Unit{"TB/s", 1e12}, Unit{"MB/s", 1e6}, Unit{"kB/s", 1e3}, Unit{"GiB/s", gibi},
    Unit{"MiB/s", mebi}, Unit{"KiB/s", kibi}, Unit{"TiB/s", tebi}, Unit{"B/s", 1}};
constexpr std::array clock_units{Unit{"MHz", 1e6}, Unit{"GHz", 1e9}, Unit{"kHz", 1e3}, Unit{"Hz", 1}};
constexpr std::array compute_units{
    Unit{"TFLOPS", 1e12}, Unit{"GFLOPS", 1e9}, Unit{"PFLOPS", 1e15}, Unit{"TOPS", 1e12}, Unit{"GOPS", 1e9},
    Unit{"POPS", 1e15}, Unit{"MFLOPS", 1e6}, Unit{"FLOPS", 1}};
constexpr std::array time_units{
    Unit{"us", 1e-6}, Unit{"ms", 1e-3}, Unit{"s", 1}, Unit{"ns", 1e-9}, Unit{"min", 60}, Unit{"h", 3600}};
constexpr std::array power_units{Unit{"W", 1}, Unit{"kW", 1e3}, Unit{"mW", 1e-3}};
constexpr std::array energy_units{Unit{"J", 1}, Unit{"mJ", 1e-3}, Unit{"uJ", 1e-6}, Unit{"nJ", 1e-9}, Unit{"pJ", 1e-12}};
// clang-format on

template <class Q>
std::span<const Unit> units_of() {
  if constexpr (std::is_same_v<Q, Bytes>)
    return size_units;
  else if constexpr (std::is_same_v<Q, BytesPerSecond>)
    return rate_units;
  else if constexpr (std::is_same_v<Q, Hertz>)
    return clock_units;
  else if constexpr (std::is_same_v<Q, FlopsPerSecond>)
    return compute_units;
  else if constexpr (std::is_same_v<Q, Seconds>)
    return time_units;
  else if constexpr (std::is_same_v<Q, Watts>)
    return power_units;
  else if constexpr (std::is_same_v<Q, Joules>)
    return energy_units;
}

}  // namespace

template <class Q>
std::optional<Q> parse_quantity(std::string_view text) {
  text = trim(text);
  const auto unit_at = text.find_last_of("0123456789.");
  if (unit_at == std::string_view::npos) return std::nullopt;
  const auto number = parse_number(text.substr(0, unit_at + 1));
  const auto name = trim(text.substr(unit_at + 1));
  if (!number) return std::nullopt;
  for (const Unit& unit : units_of<Q>())
    if (unit.name == name && std::isfinite(*number * unit.factor)) return Q(*number * unit.factor);
  return std::nullopt;
}

template <class Q>
std::string accepted_units() {
  std::string names;
  for (const Unit& unit : units_of<Q>()) names += (names.empty() ? "" : ", ") + std::string(unit.name);
  return names;
}

#define SILICAST_INSTANTIATE(Q)                                  \
  template std::optional<Q> parse_quantity<Q>(std::string_view); \
  template std::string accepted_units<Q>();
SILICAST_INSTANTIATE(Bytes)
SILICAST_INSTANTIATE(BytesPerSecond)
SILICAST_INSTANTIATE(Hertz)
SILICAST_INSTANTIATE(FlopsPerSecond)
SILICAST_INSTANTIATE(Seconds)
SILICAST_INSTANTIATE(Watts)
SILICAST_INSTANTIATE(Joules)
#undef SILICAST_INSTANTIATE

std::string exact(double value) {
  std::array<char, 40> buffer{};
  for (const int digits : {15, 16, 17}) {
    std::snprintf(buffer.data(), buffer.size(), "%.*g", digits, value);
    if (std::strtod(buffer.data(), nullptr) == value) break;
  }
  return buffer.data();
}

std::string rounded(double value, int significant_digits) {
  if (value == 0 || !std::isfinite(value)) return value == 0 ? "0" : exact(value);
  int magnitude = static_cast<int>(std::floor(std::log10(std::abs(value))));
  const double scale = std::pow(10.0, significant_digits - 1 - magnitude);
  if (std::round(std::abs(value) * scale) >= std::pow(10.0, significant_digits)) ++magnitude;
  std::array<char, 64> buffer{};
  constexpr int smallest = -7;
  constexpr int largest = 15;
  if (magnitude < smallest || magnitude > largest) {
    std::snprintf(buffer.data(), buffer.size(), "%.*g", significant_digits, value);
  } else {
    const int decimals = std::max(significant_digits - 1 - magnitude, 0);
    std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  }
  return buffer.data();
}

std::string human(Bytes bytes) {
  const double v = bytes.value();
  for (const auto& [name, factor] : {Unit{"TiB", tebi}, Unit{"GiB", gibi}, Unit{"MiB", mebi}, Unit{"KiB", kibi}})
    if (std::abs(v) >= factor) return rounded(v / factor, 3) + " " + std::string(name);
  return rounded(v, 4) + " B";
}

std::string human(Seconds seconds) {
  const double v = seconds.value();
  if (std::abs(v) >= 1 || v == 0) return rounded(v, 3) + " s";
  if (std::abs(v) >= 1e-3) return rounded(v * 1e3, 3) + " ms";
  return rounded(v * 1e6, 3) + " us";
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = static_cast<int>(i);
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int substitution = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, substitution});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace silicast
