// SPDX-License-Identifier: Apache-2.0
// Where requests come from: an open stream, a closed loop of clients, or a trace; with conversations of several turns,
// whose prompts repeat what was said before, and a system prompt that all share.
#pragma once

#include <cstdint>
#include <limits>
#include <queue>
#include <string>
#include <vector>

#include "planning/arrivals.h"
#include "planning/lengths.h"
#include "planning/request.h"

namespace silicast::serving {

enum class TrafficKind { open, closed, replay };

struct TrafficModel {
  TrafficKind kind = TrafficKind::open;
  ArrivalModel arrivals;       // open: of first turns
  std::int64_t clients = 1;    // closed: each asks again after an answer
  double think = 0;            // closed: mean seconds between answer and question, exponential
  std::vector<Request> trace;  // replay: ascending arrivals
  double trace_speed = 1;      // replay: times are divided by it
  LengthModel lengths;
  std::int64_t requests = 1000;                               // in all; conversations are whole
  double duration = std::numeric_limits<double>::infinity();  // no arrivals after it, seconds
  std::int64_t turns = 1;                                     // of a conversation
  double turn_think = 10;                                     // mean seconds before the next turn, exponential
  std::int64_t shared_prompt = 0;                             // tokens at the beginning of every prompt, beside its own
  std::int64_t max_context = std::numeric_limits<std::int32_t>::max();  // longer requests are cut

  // Requests a second; of closed loops, whose rate follows from the answers, 0.
  [[nodiscard]] double offered_rate() const;
};

// Throws UsageError for what is impossible.
void check(const TrafficModel& model);

class Traffic {
 public:
  Traffic(const TrafficModel& model, std::uint64_t seed);

  // Infinity: none is due before an answer is given, or ever.
  [[nodiscard]] double next_time() const;
  Request pop();
  // The answer was given (or refused): who waits for it goes on.
  void answered(const Request& request, double now);

  [[nodiscard]] std::int64_t issued() const { return issued_; }
  [[nodiscard]] std::int64_t cut() const { return cut_; }  // to the context

 private:
  struct Later {
    bool operator()(const Request& a, const Request& b) const {
      return a.arrival != b.arrival ? a.arrival > b.arrival : a.client > b.client;
    }
  };
  Request first_turn(double arrival, std::int64_t client);
  void cut_to_context(Request& request);
  void draw_next();

  const TrafficModel& model_;
  Arrivals arrivals_;
  Random lengths_;
  Random thinking_;
  double next_open_ = std::numeric_limits<double>::infinity();
  std::size_t next_of_trace_ = 0;
  std::priority_queue<Request, std::vector<Request>, Later> due_;  // closed loops and further turns
  std::int64_t issued_ = 0;
  std::int64_t promised_ = 0;  // issued, due, or further turns
  std::int64_t cut_ = 0;
  std::uint64_t sessions_ = 0;
};

}  // namespace silicast::serving
