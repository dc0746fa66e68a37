// SPDX-License-Identifier: Apache-2.0
#include "engine/codebooks.h"

#include <cstddef>

#include "engine/codebook_figures.h"

namespace silicast::engine {

namespace {

// Entry by entry, digit by digit, a byte per weight.
template <class Entry, std::size_t Count, std::size_t Levels>
constexpr std::array<Entry, Count> unpacked(const std::uint16_t (&packed)[Count],
                                            const std::array<std::uint8_t, Levels>& levels) {
  constexpr unsigned bits = Levels > 4 ? 3 : 2;
  std::array<Entry, Count> grid{};
  for (std::size_t i = 0; i < Count; ++i) {
    Entry entry = 0;
    for (unsigned k = 0; k < sizeof(Entry); ++k) {
      const unsigned digit = (static_cast<unsigned>(packed[i]) >> (bits * k)) & ((1U << bits) - 1U);
      entry |= static_cast<Entry>(levels[digit]) << (8 * k);
    }
    grid[i] = entry;
  }
  return grid;
}

constexpr std::array<std::uint8_t, 3> iq2_levels{8, 25, 43};
constexpr std::array<std::uint8_t, 3> iq1_levels{8, 16, 24};
constexpr std::array<std::uint8_t, 8> iq3_xxs_levels{4, 12, 20, 28, 36, 44, 52, 62};
constexpr std::array<std::uint8_t, 8> iq3_s_levels{1, 3, 5, 7, 9, 11, 13, 15};

}  // namespace

constinit const std::array<std::uint64_t, 256> iq2_xxs_grid = unpacked<std::uint64_t>(packed::iq2_xxs, iq2_levels);
constinit const std::array<std::uint64_t, 512> iq2_xs_grid = unpacked<std::uint64_t>(packed::iq2_xs, iq2_levels);
constinit const std::array<std::uint64_t, 1024> iq2_s_grid = unpacked<std::uint64_t>(packed::iq2_s, iq2_levels);
constinit const std::array<std::uint32_t, 256> iq3_xxs_grid = unpacked<std::uint32_t>(packed::iq3_xxs, iq3_xxs_levels);
constinit const std::array<std::uint32_t, 512> iq3_s_grid = unpacked<std::uint32_t>(packed::iq3_s, iq3_s_levels);
constinit const std::array<std::uint64_t, 2048> iq1_grid = unpacked<std::uint64_t>(packed::iq1, iq1_levels);

}  // namespace silicast::engine
