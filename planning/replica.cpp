// SPDX-License-Identifier: Apache-2.0
#include "planning/replica.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace silicast::serving {

// Books the time since the last observation with the state that held over it.
void Replica::observe(double now) {
  const double seconds = now - observed_;
  if (seconds > 0) {
    const double waiting = static_cast<double>(scheduler_->waiting());
    const double running = static_cast<double>(scheduler_->running());
    const double kv = static_cast<double>(scheduler_->kv_used());
    Span span;
    span.waiting_seconds = waiting * seconds;
    span.running_seconds = running * seconds;
    span.kv_token_seconds = kv * seconds;
    span.busy_seconds = flights_.empty() ? 0 : seconds;
    span.joules = source_.idle_watts() * seconds;
    totals_.waiting_seconds += span.waiting_seconds;
    totals_.running_seconds += span.running_seconds;
    totals_.kv_token_seconds += span.kv_token_seconds;
    totals_.busy_seconds += span.busy_seconds;
    totals_.joules += span.joules;
    totals_.max_waiting = std::max(totals_.max_waiting, waiting);
    totals_.max_running = std::max(totals_.max_running, running);
    totals_.max_kv = std::max(totals_.max_kv, kv);
    recorder_.timeline.add(observed_, now, span);
  }
  observed_ = now;
}

double Replica::next_event() const {
  double next = flights_.empty() ? scheduler_->wake_up() : flights_.front().end;
  if (more_) next = std::min(next, free_);
  return next;
}

void Replica::submit(const Request& request, double now, const Leaves& leaves) {
  observe(now);
  auto sequence = std::make_unique<Sequence>();
  sequence->request = request;
  sequence->delivered = now;
  const bool room = scheduler_->has_room();
  if (!scheduler_->add(std::move(sequence))) {
    Sequence refused;
    refused.request = request;
    leaves(refused, now);
    return;
  }
  const bool full = static_cast<std::int64_t>(flights_.size()) >= scheduler_->flights();
  if (!full && now >= free_) {
    begin(now, leaves);
  } else if (!full) {
    more_ = true;
  } else if (Flight& last = flights_.back(); room && last.repeats > 1) {
    // The newcomer joins at the end of the step that is under way.
    const auto begun = static_cast<std::int64_t>(std::ceil((now - last.start) / last.each));
    last.repeats = std::clamp<std::int64_t>(begun, 1, last.repeats);
    last.end = last.start + static_cast<double>(last.repeats) * last.each;
    free_ = last.end;
  }
}

// How long the planned step takes, and when the next may begin.
void Replica::measure(Flight& flight, double now) {
  Step& step = flight.step;
  if (step.most_repeats > 1)
    for (StepShape& group : step.groups) group.depth += static_cast<double>(step.most_repeats - 1) / 2;
  double joules = 0;
  flight.each = flight.occupied = 0;
  std::size_t first = 0;
  for (const std::size_t end : step.forward_ends) {
    const StepUse use = source_.step(std::span(step.groups).subspan(first, end - first));
    // A further pass follows as another step would.
    flight.each = std::max(flight.occupied + use.seconds, flight.each + use.occupied());
    flight.occupied += use.occupied();
    joules += use.seconds * (use.watts - source_.idle_watts());
    first = end;
  }
  if (!flights_.empty()) flight.each = std::max(flight.each, flights_.back().end + flight.occupied - now);
  flight.watts = flight.each > 0 ? joules / flight.each : 0;
  flight.repeats = step.most_repeats;
  flight.start = now;
  flight.end = now + static_cast<double>(flight.repeats) * flight.each;
  free_ = scheduler_->flights() > 1 ? now + flight.occupied : flight.end;
}

void Replica::begin(double now, const Leaves& leaves) {
  more_ = false;
  Flight flight = std::move(spare_);
  scheduler_->plan(now, flight.step);
  while (flight.step.empty()) {
    scheduler_->commit(flight.step, 0, done_);
    if (done_.empty()) {
      spare_ = std::move(flight);
      return;
    }
    leave(done_, now, leaves);
    scheduler_->plan(now, flight.step);
  }
  for (const Scheduled& part : flight.step.parts) part.sequence->in_flight = true;
  measure(flight, now);
  flights_.push_back(std::move(flight));
  more_ = static_cast<std::int64_t>(flights_.size()) < scheduler_->flights();
}

void Replica::emit(const Flight& flight, const Scheduled& part, std::int64_t generated_before) {
  Sequence& s = *part.sequence;
  const std::int64_t tokens = s.generated - generated_before;
  if (tokens <= 0) return;
  const double first = flight.end - static_cast<double>(flight.repeats - 1) * flight.each;
  double gaps = static_cast<double>(tokens);
  if (s.first_token < 0) {
    s.first_token = first;
    gaps -= 1;
  } else if (s.last_token != flight.start) {
    recorder_.gap(first - s.last_token, 1);
    gaps -= 1;
  }
  if (gaps > 0) recorder_.gap(flight.each, gaps);
  s.last_token = flight.end;
}

void Replica::leave(std::vector<std::unique_ptr<Sequence>>& done, double now, const Leaves& leaves) {
  for (const auto& sequence : done) {
    totals_.sojourn += now - sequence->delivered;
    if (sequence->finished()) recorder_.finished(*sequence, now);
    leaves(*sequence, now);
  }
  done.clear();
}

// Of the step that ends now.
void Replica::commit(const Leaves& leaves) {
  Flight flight = std::move(flights_.front());
  flights_.pop_front();
  generated_.clear();
  Span span;
  for (const Scheduled& part : flight.step.parts) {
    generated_.push_back(part.sequence->generated);
    span.scheduled_tokens += static_cast<double>(part.tokens + flight.repeats - 1);
    part.sequence->in_flight = false;
  }
  scheduler_->commit(flight.step, flight.repeats, done_);
  for (std::size_t i = 0; i < flight.step.parts.size(); ++i) {
    span.output_tokens += static_cast<double>(flight.step.parts[i].sequence->generated - generated_[i]);
    emit(flight, flight.step.parts[i], generated_[i]);
  }
  span.joules = flight.watts * static_cast<double>(flight.repeats) * flight.each;
  recorder_.timeline.add(flight.start, flight.end, span);
  totals_.steps += static_cast<double>(flight.repeats);
  totals_.scheduled_tokens += span.scheduled_tokens;
  totals_.joules += span.joules;
  const double now = flight.end;
  spare_ = std::move(flight);
  leave(done_, now, leaves);
}

void Replica::advance(const Leaves& leaves) {
  const double now = next_event();
  observe(now);
  if (!flights_.empty() && flights_.front().end <= now) commit(leaves);
  const bool full = static_cast<std::int64_t>(flights_.size()) >= scheduler_->flights();
  if (!full && now >= free_)
    begin(now, leaves);
  else
    more_ = !full;
}

Replica::Totals Replica::totals() const {
  Totals totals = totals_;
  totals.discarded = static_cast<double>(scheduler_->discarded());
  totals.failed = scheduler_->failed();
  totals.kv_in_use = scheduler_->kv_used();
  totals.kv_total = static_cast<double>(scheduler_->kv_total());
  return totals;
}

}  // namespace silicast::serving
