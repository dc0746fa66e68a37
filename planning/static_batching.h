// SPDX-License-Identifier: Apache-2.0
// Static batching: a batch is collected, its prompts are computed together, padded to the longest, and all decode until
// the last has finished; then the next batch starts. A batch starts when it is full or its first request has waited for
// `timeout` seconds.
#pragma once

#include <deque>

#include "planning/scheduler.h"

namespace silicast::serving {

struct StaticOptions {
  std::int64_t batch = 8;
  double timeout = 0;
  std::int64_t kv_tokens = 0;  // 0: without limit; a batch takes its size times its longest sequence
};

class StaticBatching : public Scheduler {
 public:
  explicit StaticBatching(const StaticOptions& options) : options_(options) {}

  bool add(std::unique_ptr<Sequence> sequence) override;
  void plan(double now, Step& step) override;
  void commit(const Step& step, std::int64_t repeats, std::vector<std::unique_ptr<Sequence>>& done) override;
  [[nodiscard]] double wake_up() const override;
  [[nodiscard]] bool has_room() const override { return false; }

  [[nodiscard]] std::size_t waiting() const override { return waiting_.size(); }
  [[nodiscard]] std::size_t running() const override { return running_.size(); }
  [[nodiscard]] std::int64_t kv_used() const override { return reserved_; }
  [[nodiscard]] std::int64_t kv_total() const override { return options_.kv_tokens; }

 private:
  void form_batch(double now);

  StaticOptions options_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;
  std::int64_t size_ = 0;      // of the batch, finished sequences included
  std::int64_t longest_ = 0;   // tokens in the cache of each, padding included
  std::int64_t padded_ = 0;    // the longest prompt
  std::int64_t reserved_ = 0;  // tokens
};

}  // namespace silicast::serving
