// SPDX-License-Identifier: Apache-2.0
// Continuous batching with chunked prefill, a paged cache and preemption, as vLLM's scheduler does it
// (vllm/v1/core/sched/scheduler.py):
//
// 1. Running sequences first, in the order of admission: each gets what is left to compute, within the step's budget of
//    tokens. Where no block is free, the sequence admitted last is preempted: its blocks are freed, it goes to the head
//    of the queue and will be recomputed, but for what of them is still in the cache by then.
// 2. Unless one was preempted, waiting sequences in the order of arrival, as long as budget, places and blocks last;
//    what is in the prefix cache is not computed, blocks that others have just filled included.
//
// Where devices follow each other (pipeline parallelism) a further step is formed of those that no running one has
// (vllm/v1/engine/core.py, step_with_batch_queue).
//
// Without chunked prefill a prompt is computed in one step, alone with others of its kind or not at all.
#pragma once

#include <deque>

#include "planning/scheduler.h"

namespace silicast::serving {

struct ContinuousOptions {
  std::int64_t token_budget = 2048;  // of a step
  std::int64_t max_sequences = 256;
  bool chunked_prefill = true;
  std::int64_t kv_blocks = 0;  // 0: without limit
  std::int32_t block_tokens = 16;
  bool prefix_cache = true;
  std::int64_t window = 0;   // of the model's sliding-window layers; 0: none
  std::int64_t flights = 1;  // steps at once: devices that the layers pass one after the other
};

class ContinuousBatching : public Scheduler {
 public:
  explicit ContinuousBatching(const ContinuousOptions& options);

  bool add(std::unique_ptr<Sequence> sequence) override;
  [[nodiscard]] std::int64_t flights() const override { return options_.flights; }
  void plan(double now, Step& step) override;
  void commit(const Step& step, std::int64_t repeats, std::vector<std::unique_ptr<Sequence>>& done) override;
  [[nodiscard]] bool has_room() const override;

  [[nodiscard]] std::size_t waiting() const override { return waiting_.size(); }
  [[nodiscard]] std::size_t running() const override { return running_.size(); }
  [[nodiscard]] std::int64_t kv_used() const override { return pool_.used() * options_.block_tokens; }
  [[nodiscard]] std::int64_t kv_total() const override {
    return options_.kv_blocks > 0 ? pool_.total() * options_.block_tokens : 0;
  }
  [[nodiscard]] const KvPool& pool() const { return pool_; }

 private:
  bool plan_running(std::int64_t& budget);
  void plan_waiting(double now, std::int64_t& budget);
  void preempt(std::size_t index);
  [[nodiscard]] std::size_t last_at_rest() const;
  [[nodiscard]] std::int64_t blocks_for_repeats(const Step& step, std::int64_t repeats) const;

  ContinuousOptions options_;
  KvPool pool_;
  StepBuilder builder_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // in the order of admission
};

}  // namespace silicast::serving
