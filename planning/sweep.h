// SPDX-License-Identifier: Apache-2.0
// Every point of a grid to a file: in blocks over threads and ranks, written in the order of the points, so that the
// file depends on neither.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "planning/block.h"
#include "planning/ranks.h"

namespace silicast {

struct SweepProgress {
  std::uint64_t done = 0;  // points
  std::uint64_t points = 0;
  std::uint64_t begun_at = 0;  // points that an earlier run has done
  double seconds = 0;          // of this run
  bool finished = false;
};

struct SweepOptions {
  std::filesystem::path out;
  int threads = 1;       // of each rank
  bool restart = false;  // forget what an interrupted run has left
  std::string identity;  // of what else determines the rows: data, version, format; part of the fingerprint
  std::function<void(const SweepProgress&)> progress;  // called from time to time, and at the end
};

struct SweepOutcome {
  std::uint64_t points = 0;
  std::uint64_t rows = 0;
  std::uint64_t continued_at = 0;  // point at which this run began
  std::uint64_t incomparable = 0;  // points without one of the objectives of --pareto, in this run
  double seconds = 0;
};

// On rank 0 writes the file; on others computes for it, and returns an empty outcome. Memory is bounded by the threads
// and ranks, and with objectives by their front. Throws what writing throws; what is written stays continuable.
SweepOutcome sweep(const SweepTask& task, const SweepOptions& options, Ranks& ranks);

// Of all that determines the rows.
std::string fingerprint(const SweepTask& task, const std::string& identity);

}  // namespace silicast
