// SPDX-License-Identifier: Apache-2.0
// Builds without MPI.
#include "base/error.h"
#include "planning/ranks.h"

namespace silicast {

struct Ranks::Processes {};

Ranks::Ranks() {
  if (const int ranks = ranks_by_environment(); ranks > 1)
    throw RefusedError("mpirun has started " + std::to_string(ranks) +
                       " processes of a build without MPI; install Boost.MPI and Open MPI and build again, or use -j");
}
Ranks::~Ranks() = default;
int Ranks::rank() const { return 0; }
int Ranks::size() const { return 1; }
void Ranks::send(int, const std::string&) { ensure(false, "nothing is sent where there is one process"); }
std::optional<RankMessage> Ranks::poll() { return std::nullopt; }
std::string Ranks::wait() { return {}; }
bool Ranks::built_with_mpi() { return false; }

}  // namespace silicast
