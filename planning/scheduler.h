// SPDX-License-Identifier: Apache-2.0
// Who computes what in the next step. A scheduler owns the sequences of one replica, from arrival to the last token.
//
// A sequence has computed some of its tokens (they are in the KV cache) out of the prompt and what it has generated.
// When all are computed, the step yields one more token. So prefill, decode and recomputation after a preemption are
// the same: new tokens = known tokens - computed tokens.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "model/step_cost.h"
#include "planning/kv_pool.h"
#include "planning/request.h"

namespace silicast::serving {

struct Sequence {
  Request request;
  std::int64_t computed = 0;
  std::int64_t generated = 0;
  KvPool::Holding holding;
  double delivered = 0;  // to the replica
  double started = -1;   // first scheduled
  double first_token = -1;
  double last_token = -1;
  std::int32_t preemptions = 0;
  std::int64_t cached = 0;  // tokens found in the cache, of all admissions
  bool in_flight = false;   // part of a step that runs

  [[nodiscard]] std::int64_t known() const { return request.prompt + generated; }
  [[nodiscard]] bool prefilling() const { return computed < known() - 1 || generated == 0; }
  [[nodiscard]] bool finished() const { return generated >= request.output; }
};

// One sequence's part of a step.
struct Scheduled {
  Sequence* sequence = nullptr;
  std::int64_t tokens = 0;
};

// A step, possibly repeated: decoding steps between which nothing changes but the depth.
struct Step {
  std::vector<Scheduled> parts;
  std::vector<StepShape> groups;          // of all forward passes
  std::vector<std::size_t> forward_ends;  // groups of a pass end there
  std::int64_t most_repeats = 1;

  void clear();
  [[nodiscard]] bool empty() const { return parts.empty(); }
};

// Collects a step's groups: decoding sequences together by their mean depth, apart where a sliding window separates
// them; passes end when they hold `most_tokens` (the micro-batch of llama.cpp). Of the tokens that are added at once
// the last one has logits.
class StepBuilder {
 public:
  explicit StepBuilder(std::int64_t most_tokens = std::numeric_limits<std::int64_t>::max(), std::int64_t window = 0)
      : most_tokens_(most_tokens), window_(window) {}

  void begin(Step& step);
  void add(Sequence& sequence, std::int64_t tokens);
  void end();
  // Closes the pass: what follows is another one.
  void end_pass();

 private:
  struct Decoding {
    double sequences = 0;
    double depth = 0;  // summed
  };
  void flush(Decoding& decoding);

  std::int64_t most_tokens_;
  std::int64_t window_;
  Step* step_ = nullptr;
  std::int64_t tokens_ = 0;
  Decoding within_;  // the window, or of all where there is none
  Decoding beyond_;
};

// The most decoding steps that are taken as one, evaluated in their middle.
constexpr std::int64_t most_repeats = 32;

class Scheduler {
 public:
  Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  virtual ~Scheduler() = default;

  // Takes the sequence into the queue; false: it can never be served here (longer than the cache).
  virtual bool add(std::unique_ptr<Sequence> sequence) = 0;
  // Steps that may run at once, of different sequences: plan() leaves out those in flight. 1, unless devices follow
  // each other.
  [[nodiscard]] virtual std::int64_t flights() const { return 1; }
  // Fills the next step; empty when there is nothing to do before `wake_up()`.
  virtual void plan(double now, Step& step) = 0;
  // The step ran `repeats` times; sequences are advanced. Finished ones are moved to `done`.
  virtual void commit(const Step& step, std::int64_t repeats, std::vector<std::unique_ptr<Sequence>>& done) = 0;
  // When an idle scheduler wants to be asked again without an arrival.
  [[nodiscard]] virtual double wake_up() const { return std::numeric_limits<double>::infinity(); }
  // Whether a new arrival could change the step after the present one.
  [[nodiscard]] virtual bool has_room() const = 0;

  [[nodiscard]] virtual std::size_t waiting() const = 0;
  [[nodiscard]] virtual std::size_t running() const = 0;
  [[nodiscard]] virtual std::int64_t kv_used() const = 0;   // tokens
  [[nodiscard]] virtual std::int64_t kv_total() const = 0;  // tokens; 0: without limit

  [[nodiscard]] std::int64_t discarded() const { return discarded_; }
  [[nodiscard]] std::int64_t failed() const { return failed_; }

 protected:
  std::int64_t discarded_ = 0;  // tokens computed in vain: of preempted and failed sequences
  std::int64_t failed_ = 0;
};

}  // namespace silicast::serving
