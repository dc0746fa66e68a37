// SPDX-License-Identifier: Apache-2.0
#include "planning/dealer.h"

#include <algorithm>

namespace silicast {

Dealer::Dealer(PointRange points, std::uint64_t block, std::size_t ahead)
    : rest_(points), returned_(points.first), last_(points.last), block_(block), ahead_(block * ahead) {}

std::optional<PointRange> Dealer::take(bool wait) {
  std::unique_lock lock(mutex_);
  const auto has_room = [&] { return rest_.first < returned_ + ahead_ || error_ || rest_.size() == 0; };
  if (wait) room_.wait(lock, has_room);
  if (error_ || rest_.size() == 0 || !has_room()) return std::nullopt;
  const PointRange range{rest_.first, std::min(rest_.last, rest_.first + block_)};
  rest_.first = range.last;
  return range;
}

void Dealer::give(BlockResult result) {
  const std::lock_guard lock(mutex_);
  answers_.emplace(result.range.first, std::move(result));
  answer_.notify_one();
}

void Dealer::fail(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  room_.notify_all();
  answer_.notify_one();
}

void Dealer::stop() {
  const std::lock_guard lock(mutex_);
  rest_.first = rest_.last;
  room_.notify_all();
}

std::optional<BlockResult> Dealer::next(std::chrono::microseconds patience) {
  std::unique_lock lock(mutex_);
  const auto ready = [&] { return error_ || (!answers_.empty() && answers_.begin()->first == returned_); };
  if (!answer_.wait_for(lock, patience, ready)) return std::nullopt;
  if (error_) std::rethrow_exception(error_);
  BlockResult result = std::move(answers_.begin()->second);
  answers_.erase(answers_.begin());
  returned_ = result.range.last;
  room_.notify_all();
  return result;
}

bool Dealer::done() const {
  const std::lock_guard lock(mutex_);
  return returned_ >= last_;
}

}  // namespace silicast
