// SPDX-License-Identifier: Apache-2.0
// Builds with Boost.MPI. MPI is initialized only where mpirun has started several processes.
#include <boost/mpi/communicator.hpp>
#include <boost/mpi/environment.hpp>

#include "planning/ranks.h"

namespace silicast {

namespace {

constexpr int tag = 1;

}  // namespace

struct Ranks::Processes {
  boost::mpi::environment environment{boost::mpi::threading::funneled};
  boost::mpi::communicator world;

  std::string receive(const boost::mpi::status& status) const {
    const auto count = status.count<char>();
    std::string bytes(static_cast<std::size_t>(count.value_or(0)), '\0');
    world.recv(status.source(), tag, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
};

Ranks::Ranks() {
  if (ranks_by_environment() > 1) processes_ = std::make_unique<Processes>();
}
Ranks::~Ranks() = default;
int Ranks::rank() const { return processes_ ? processes_->world.rank() : 0; }
int Ranks::size() const { return processes_ ? processes_->world.size() : 1; }

void Ranks::send(int rank, const std::string& bytes) {
  processes_->world.send(rank, tag, bytes.data(), static_cast<int>(bytes.size()));
}

std::optional<RankMessage> Ranks::poll() {
  if (!processes_) return std::nullopt;
  const auto status = processes_->world.iprobe(boost::mpi::any_source, tag);
  if (!status) return std::nullopt;
  return RankMessage{status->source(), processes_->receive(*status)};
}

std::string Ranks::wait() { return processes_->receive(processes_->world.probe(0, tag)); }

bool Ranks::built_with_mpi() { return true; }

}  // namespace silicast
