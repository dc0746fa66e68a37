// SPDX-License-Identifier: Apache-2.0
// The codebooks of the non-linear types, unpacked for lookups: an entry's bytes are the weights' lanes, first lowest.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace silicast::engine {

inline constexpr std::array<std::int8_t, 16> iq4_values{-127, -104, -83, -65, -49, -35, -22, -10,
                                                        1,    13,   25,  38,  53,  69,  89,  113};
// E2M1 doubled: 0 0.5 1 1.5 2 3 4 6 and their negatives.
inline constexpr std::array<std::int8_t, 16> fp4_values{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

extern const std::array<std::uint64_t, 256> iq2_xxs_grid;  // 8, 25, 43
extern const std::array<std::uint64_t, 512> iq2_xs_grid;
extern const std::array<std::uint64_t, 1024> iq2_s_grid;
extern const std::array<std::uint32_t, 256> iq3_xxs_grid;  // 4, 12, ... 52, 62
extern const std::array<std::uint32_t, 512> iq3_s_grid;    // 1, 3, ... 15
// Eight times the values -1, 0, 1, plus 16, so that the shift by an eighth is one more or less: 8, 16, 24.
extern const std::array<std::uint64_t, 2048> iq1_grid;

// Eight sign bits of a sign index of 7 bits: the eighth makes their number even.
constexpr std::uint8_t signs_of(unsigned index) {
  return static_cast<std::uint8_t>(index | ((static_cast<unsigned>(std::popcount(index)) & 1U) << 7));
}

namespace codebook_detail {
consteval std::array<std::uint8_t, 128> all_signs() {
  std::array<std::uint8_t, 128> table{};
  for (unsigned i = 0; i < 128; ++i) table[i] = signs_of(i);
  return table;
}
}  // namespace codebook_detail
inline constexpr std::array<std::uint8_t, 128> sign_table = codebook_detail::all_signs();

}  // namespace silicast::engine
