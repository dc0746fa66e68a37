// SPDX-License-Identifier: Apache-2.0
// A request to a serving system, and what its prompt shares with others.
#pragma once

#include <cstdint>
#include <vector>

namespace silicast::serving {

// Tokens of a prompt that any other prompt with the same key begins its segment with.
struct PrefixSegment {
  std::uint64_t key = 0;
  std::int32_t tokens = 0;

  bool operator==(const PrefixSegment&) const = default;
};

struct Request {
  double arrival = 0;        // seconds
  std::int32_t prompt = 0;   // tokens, what is shared included
  std::int32_t output = 1;   // tokens to generate, at least one
  std::int32_t turn = 0;     // of its session
  std::int64_t client = -1;  // of a closed loop; -1: none
  // 0: no session. Otherwise what comes after `session_start` tokens, the answer included, stays under this key.
  std::uint64_t session = 0;
  std::int32_t session_start = 0;
  std::vector<PrefixSegment> prefix;  // from the first token on, without gaps
};

}  // namespace silicast::serving
