// SPDX-License-Identifier: Apache-2.0
// The figures of a predicted point by which sweeps and recommendations filter, rank and tabulate.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace silicast {

enum class Figure : std::uint8_t {
  memory,      // bytes of all pools
  prefill,     // tokens/s of all sequences
  decode,      // tokens/s of all sequences
  decode_p10,  // its 80 % interval
  decode_p90,
  ttft,        // seconds
  tpot,        // seconds
  e2e,         // seconds
  throughput,  // generated tokens/s of all sequences, prefill included
  power,       // watts while decoding
  energy,      // joules per output token
  hourly,      // USD an hour of use
  cost_in,     // USD a million input tokens
  cost,        // USD a million output tokens
  quality,     // perplexity over that of the unquantized model
};
constexpr std::size_t figure_count = 15;

enum class FigureUnit : std::uint8_t { none, bytes, seconds, watts };

struct FigureTraits {
  std::string_view name;  // "decode"
  std::string_view key;   // of silicast.prediction/1: "decode.tokens_per_second.value"
  bool more_is_better = false;
  FigureUnit unit = FigureUnit::none;
};
const FigureTraits& traits(Figure figure);
// By name or key.
std::optional<Figure> figure_of_name(std::string_view name);
// All names, for messages.
std::vector<std::string> figure_names();

// One value a figure; NaN where there is none.
class Figures {
 public:
  Figures() { values_.fill(std::numeric_limits<double>::quiet_NaN()); }

  double& operator[](Figure figure) { return values_[static_cast<std::size_t>(figure)]; }
  double operator[](Figure figure) const { return values_[static_cast<std::size_t>(figure)]; }
  [[nodiscard]] bool has(Figure figure) const { return (*this)[figure] == (*this)[figure]; }

 private:
  std::array<double, figure_count> values_;
};

}  // namespace silicast
