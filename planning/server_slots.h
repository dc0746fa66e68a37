// SPDX-License-Identifier: Apache-2.0
// The slots of llama.cpp's server (tools/server/server.cpp): `slots` sequences at once, the others wait.
//
// A step's batch takes the next token of each slot that generates, then prompt tokens of the others up to `batch`
// tokens, and runs in passes of `ubatch`. A slot keeps the cache of its last request: a request goes to the idle slot
// with the longest common prefix (at least a tenth of the prompt), else to the one used longest ago, and only what
// follows the common prefix is computed. With a unified cache the slots share `cells`, and idle slots' caches are
// dropped when cells run out; otherwise each slot has its share. A sequence for which there is no room is given up (the
// server's "context size has been exceeded"): there is no preemption.
#pragma once

#include <deque>

#include "planning/scheduler.h"

namespace silicast::serving {

struct SlotOptions {
  std::int64_t slots = 4;
  std::int64_t batch = 2048;
  std::int64_t ubatch = 512;
  std::int64_t cells = 0;  // of the whole cache, tokens; 0: without limit
  bool unified = true;
  bool prefix_cache = true;
  std::int64_t window = 0;
};

class ServerSlots : public Scheduler {
 public:
  explicit ServerSlots(const SlotOptions& options);

  bool add(std::unique_ptr<Sequence> sequence) override;
  void plan(double now, Step& step) override;
  void commit(const Step& step, std::int64_t repeats, std::vector<std::unique_ptr<Sequence>>& done) override;
  [[nodiscard]] bool has_room() const override { return running_ < slots_.size(); }

  [[nodiscard]] std::size_t waiting() const override { return waiting_.size(); }
  [[nodiscard]] std::size_t running() const override { return running_ + given_up_.size(); }
  [[nodiscard]] std::int64_t kv_used() const override;
  [[nodiscard]] std::int64_t kv_total() const override { return options_.cells; }

 private:
  struct Slot {
    std::unique_ptr<Sequence> sequence;  // null: idle
    std::vector<PrefixSegment> content;  // of an idle slot
    std::int64_t cells = 0;              // tokens that it holds
    std::int64_t released = 0;           // order of becoming idle
  };

  [[nodiscard]] std::int64_t limit_of_slot() const;
  [[nodiscard]] std::int64_t common(const Slot& slot, const Request& request) const;
  Slot& slot_for(const Request& request);
  void start_waiting(double now);
  bool make_room(std::int64_t cells);
  void release(Slot& slot, bool keep);

  SlotOptions options_;
  StepBuilder builder_;
  std::vector<Slot> slots_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> given_up_;
  std::size_t running_ = 0;
  std::int64_t releases_ = 0;
};

}  // namespace silicast::serving
