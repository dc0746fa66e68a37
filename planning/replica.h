// SPDX-License-Identifier: Apache-2.0
// One copy of the served model: a scheduler whose steps take the time that the step source says.
//
// Where layers stand on several devices one after the other, a step leaves the first device while others still work on
// it: the next one, of other sequences, begins then, up to as many as there are devices. It cannot overtake, and on the
// slowest device it waits for its turn.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "planning/recorder.h"
#include "planning/scheduler.h"
#include "planning/step_source.h"

namespace silicast::serving {

class Replica {
 public:
  // Called with each sequence that leaves, served or not.
  using Leaves = std::function<void(const Sequence&, double now)>;

  Replica(std::unique_ptr<Scheduler> scheduler, StepSource& source, Recorder& recorder)
      : scheduler_(std::move(scheduler)), source_(source), recorder_(recorder) {}

  void submit(const Request& request, double now, const Leaves& leaves);
  // The end of the first step that runs, when another may begin, or when the scheduler wants to be asked; infinity when
  // idle.
  [[nodiscard]] double next_event() const;
  // To the next event: what has run is committed, the next step begins.
  void advance(const Leaves& leaves);
  // Idle until then; to be called once, at the end.
  void close(double now) { observe(now); }

  [[nodiscard]] std::size_t outstanding() const { return scheduler_->waiting() + scheduler_->running(); }

  struct Totals {
    double steps = 0, scheduled_tokens = 0, busy_seconds = 0, joules = 0;
    double waiting_seconds = 0, running_seconds = 0, kv_token_seconds = 0;
    double max_waiting = 0, max_running = 0, max_kv = 0;
    double discarded = 0, sojourn = 0;  // sojourn: seconds in the system, summed over those that left
    std::int64_t failed = 0;
    std::int64_t kv_in_use = 0;  // at the end
    double kv_total = 0;
  };
  [[nodiscard]] Totals totals() const;

 private:
  // A step that runs.
  struct Flight {
    Step step;
    double start = 0;
    double end = 0;
    double each = 0;      // seconds of one repeat
    double occupied = 0;  // seconds until the next step may begin
    double watts = 0;     // above those of an idle machine
    std::int64_t repeats = 0;
  };

  void observe(double now);
  void begin(double now, const Leaves& leaves);
  void measure(Flight& flight, double now);
  void commit(const Leaves& leaves);
  void emit(const Flight& flight, const Scheduled& part, std::int64_t generated_before);
  void leave(std::vector<std::unique_ptr<Sequence>>& done, double now, const Leaves& leaves);

  std::unique_ptr<Scheduler> scheduler_;
  StepSource& source_;
  Recorder& recorder_;
  std::deque<Flight> flights_;  // in the order of their starts, and of their ends
  Flight spare_;                // keeps the memory of steps that are over
  double free_ = 0;             // when the first device is
  bool more_ = false;           // another step may begin then
  double observed_ = 0;
  std::vector<std::int64_t> generated_;
  std::vector<std::unique_ptr<Sequence>> done_;
  Totals totals_;
};

}  // namespace silicast::serving
