// SPDX-License-Identifier: Apache-2.0
// How fast a file is read that no cache of the system holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/measure/sample.h"

namespace silicast::engine {

struct StorageRead {
  bool random = false;     // 4 KiB at random places; else 1 MiB after 1 MiB
  std::int64_t bytes = 0;  // of one repeat
  std::string how;         // "direct" past the page cache, or "dropped": the pages were given up first
  Sample sample;           // by the clock on the wall: a thread that waits for a disk does not run
};

// Writes a file of so many bytes into the folder, reads it in order and at random, removes it. InputError where the
// folder cannot be written.
std::vector<StorageRead> measure_storage(const std::filesystem::path& folder, std::int64_t bytes, int repeats);

}  // namespace silicast::engine
