// SPDX-License-Identifier: Apache-2.0
// What the machine can do at most: memory by thread count, caches by working set, arithmetic by type, barriers, pages,
// storage. Everything else is given as a share of these, measured in the same run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/measure/sample.h"

namespace silicast::engine {

// One figure. Names and units:
//   memory.read .write .copy    bytes/s of `bytes`, all threads together (a copy counts what it reads and writes)
//   cache.read                  bytes/s with a working set of `bytes` in each thread
//   latency.small .huge         seconds per dependent load from `bytes`, small and huge pages
//   random.small .huge          bytes/s of lines of 64 bytes read in random order
//   fma.f32 .f16, dot.bf16 .int8, tile.int8 .bf16      operations/s, multiplications and additions
//   barrier, wake               seconds: one barrier of a running team; the start and end of a run of the pool
//   storage.read .random        bytes/s from a file that is in no cache: 1 MiB in order, 4 KiB in random order
struct Limit {
  std::string name;
  int threads = 1;
  std::int64_t bytes = 0;
  std::string detail;  // the instruction, or the file
  std::string unit;    // "B/s", "op/s", "s"
  double value = 0;    // higher is better for rates, lower for seconds
  Sample sample;
};

struct LimitsOptions {
  bool quick = false;                    // a minute at most
  std::vector<int> threads;              // thread counts; empty: 1, 2, 4 ... and all
  std::filesystem::path storage_folder;  // where a file is written and read; empty: no storage test
  std::function<void(const std::string&)> progress;
};

std::vector<Limit> measure_limits(const LimitsOptions& options);

// The two that kernels are compared with: streaming reads and the fastest product of bytes, of so many threads.
struct Roof {
  double read = 0;        // bytes/s
  double operations = 0;  // op/s of 8-bit products (tiles where the kernels use them), else of 32-bit floats
};
Roof measure_roof(ThreadPool& pool, const Effort& effort, std::int64_t stream_bytes);

// 1, 2, 4, ... and all usable processors.
std::vector<int> default_thread_counts();
// Memory to stream through: more than twice the last-level cache, a quarter of the machine's at most.
std::int64_t streaming_bytes();

}  // namespace silicast::engine
