// SPDX-License-Identifier: Apache-2.0
// What a sweep with objectives keeps of its state: the front so far and the point that comes next, in FILE.part, which
// is replaced as a whole. FILE is written when all points are done.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "planning/pareto.h"

namespace silicast {

struct FrontState {
  std::uint64_t next = 0;
  std::uint64_t incomparable = 0;
};

// What an interrupted sweep of the same fingerprint has left is added to the front. Throws UsageError where FILE.part
// is of another sweep, unless `restart`.
FrontState load_front(const std::filesystem::path& out, const std::string& fingerprint, bool restart,
                      ParetoFront& front);
void save_front(const std::filesystem::path& out, const std::string& fingerprint, const FrontState& state,
                const ParetoFront& front);
void finish_front(const std::filesystem::path& out, std::string_view header, const ParetoFront& front);

}  // namespace silicast
