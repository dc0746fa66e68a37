// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "base/text.h"
#include "planning/ranks.h"

namespace silicast {

// What Open MPI, and MPICH and its kin (PMI), tell the processes that they start.
int ranks_by_environment() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* text = std::getenv(name);
    const auto size = text == nullptr ? std::nullopt : parse_integer(text);
    if (size) return static_cast<int>(*size);
  }
  return 1;
}

}  // namespace silicast
