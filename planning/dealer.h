// SPDX-License-Identifier: Apache-2.0
// Deals consecutive ranges of points to whoever asks, and hands back what they answer in the order of the points.
// Ranges are dealt so far ahead at most, so that what waits for its turn stays bounded.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <optional>

#include "planning/block.h"

namespace silicast {

class Dealer {
 public:
  Dealer(PointRange points, std::uint64_t block, std::size_t ahead);

  // The next range; nullopt where there is none any more, or, unless `wait`, none as yet.
  std::optional<PointRange> take(bool wait);
  void give(BlockResult result);
  // As stop(), and next() throws the exception.
  void fail(std::exception_ptr error);

  // From then on nothing is dealt.
  void stop();

  // What follows what was handed back before; nullopt where it has not come in time.
  std::optional<BlockResult> next(std::chrono::microseconds patience);
  [[nodiscard]] bool done() const;

 private:
  std::mutex mutable mutex_;
  std::condition_variable room_;
  std::condition_variable answer_;
  PointRange rest_;             // not dealt yet
  std::uint64_t returned_ = 0;  // the first point not handed back
  std::uint64_t last_ = 0;
  std::uint64_t block_ = 1;
  std::uint64_t ahead_ = 0;  // points
  std::map<std::uint64_t, BlockResult> answers_;
  std::exception_ptr error_;
};

}  // namespace silicast
