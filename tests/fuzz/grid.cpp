// SPDX-License-Identifier: Apache-2.0
// Any text is a grid whose points are numbered without gaps, or an Error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "planning/grid.h"
#include "tests/unit/query_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace silicast;
  try {
    const Grid grid(parse_yaml(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.yaml"),
                    some_options(), read_some_option);
    if (grid.points() == 0) __builtin_trap();
    constexpr std::uint64_t looked_at = 100;
    auto position = grid.position(0);
    for (std::uint64_t point = 0; point < std::min(grid.points(), looked_at); ++point) {
      if (position != grid.position(point)) __builtin_trap();
      static_cast<void>(grid.query(position, read_some_option));
      static_cast<void>(grid.shape(position));
      grid.advance(position);
    }
  } catch (const Error&) {
    return 0;
  }
  return 0;
}
