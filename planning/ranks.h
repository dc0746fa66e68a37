// SPDX-License-Identifier: Apache-2.0
// The processes of an mpirun, as far as a sweep needs them: rank 0 deals ranges of points to the others and collects
// what they answer. A program that was not started by mpirun is alone. Builds without MPI are always alone, and refuse
// to be one of several.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace silicast {

// A message: the rank it comes from and its bytes.
struct RankMessage {
  int rank = 0;
  std::string bytes;
};

class Ranks {
 public:
  // Throws RefusedError where mpirun has started several of a build without MPI.
  Ranks();
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  [[nodiscard]] int rank() const;
  [[nodiscard]] int size() const;

  void send(int rank, const std::string& bytes);
  // The next message that has arrived, if any.
  std::optional<RankMessage> poll();
  // Waits for a message from rank 0.
  std::string wait();

  static bool built_with_mpi();

 private:
  struct Processes;
  std::unique_ptr<Processes> processes_;  // null: alone
};

// Whether mpirun has started this process beside others; does not need MPI.
int ranks_by_environment();

}  // namespace silicast
