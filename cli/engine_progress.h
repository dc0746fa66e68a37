// SPDX-License-Identifier: Apache-2.0
// How far a long write has come, on stderr: once a second at most, and not at all when it is over sooner.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/text.h"
#include "cli/command.h"

namespace silicast::cli {

class Progress {
 public:
  explicit Progress(std::string what) : what_(std::move(what)) {}

  void show(std::uint64_t done, std::uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::seconds(1) && done != total) return;
    if (now - begin_ < std::chrono::seconds(1)) return;
    last_ = now;
    progress_line(what_ + ": " + human(Bytes(static_cast<double>(done))) + " of " +
                  human(Bytes(static_cast<double>(total))));
  }

 private:
  std::string what_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_ = begin_;
};

}  // namespace silicast::cli
