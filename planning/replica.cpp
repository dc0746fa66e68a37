// SPDX-License-Identifier: Apache-2.0
#include "planning/replica.h"

#include <algorithm>
#include <cmath>

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
    totals_.waiting_seconds += span.waiting_seconds;
    totals_.running_seconds += span.running_seconds;
    totals_.kv_token_seconds += span.kv_token_seconds;
    totals_.max_waiting = std::max(totals_.max_waiting, waiting);
    totals_.max_running = std::max(totals_.max_running, running);
    totals_.max_kv = std::max(totals_.max_kv, kv);
    recorder_.timeline.add(observed_, now, span);
  }
  observed_ = now;
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
  if (!busy_) {
    begin(now, leaves);
  } else if (room && repeats_ > 1) {
    // The newcomer joins at the end of the step that is under way.
    const auto begun = static_cast<std::int64_t>(std::ceil((now - start_) / each_));
    repeats_ = std::clamp<std::int64_t>(begun, 1, repeats_);
    end_ = start_ + static_cast<double>(repeats_) * each_;
  }
}

void Replica::begin(double now, const Leaves& leaves) {
  scheduler_->plan(now, step_);
  while (step_.empty()) {
    scheduler_->commit(step_, 0, done_);
    if (done_.empty()) return;
    leave(done_, now, leaves);
    scheduler_->plan(now, step_);
  }
  if (step_.most_repeats > 1)
    for (StepShape& group : step_.groups) group.depth += static_cast<double>(step_.most_repeats - 1) / 2;
  double joules = 0;
  each_ = 0;
  std::size_t first = 0;
  for (const std::size_t end : step_.forward_ends) {
    const StepUse use = source_.step(std::span(step_.groups).subspan(first, end - first));
    each_ += use.seconds;
    joules += use.seconds * use.watts;
    first = end;
  }
  watts_ = each_ > 0 ? joules / each_ : 0;
  repeats_ = step_.most_repeats;
  start_ = now;
  end_ = now + static_cast<double>(repeats_) * each_;
  busy_ = true;
}

void Replica::emit(const Scheduled& part, double first, std::int64_t generated_before) {
  Sequence& s = *part.sequence;
  const std::int64_t tokens = s.generated - generated_before;
  if (tokens <= 0) return;
  double gaps = static_cast<double>(tokens);
  if (s.first_token < 0) {
    s.first_token = first;
    gaps -= 1;
  } else if (s.last_token != start_) {
    recorder_.gap(first - s.last_token, 1);
    gaps -= 1;
  }
  if (gaps > 0) recorder_.gap(each_, gaps);
  s.last_token = end_;
}

void Replica::leave(std::vector<std::unique_ptr<Sequence>>& done, double now, const Leaves& leaves) {
  for (const auto& sequence : done) {
    totals_.sojourn += now - sequence->delivered;
    if (sequence->finished()) recorder_.finished(*sequence, now);
    leaves(*sequence, now);
  }
  done.clear();
}

void Replica::advance(const Leaves& leaves) {
  const double now = next_event();
  observe(now);
  if (!busy_) return begin(now, leaves);
  const double seconds = static_cast<double>(repeats_) * each_;
  generated_.clear();
  double scheduled = 0;
  for (const Scheduled& part : step_.parts) {
    generated_.push_back(part.sequence->generated);
    scheduled += static_cast<double>(part.tokens + repeats_ - 1);
  }
  scheduler_->commit(step_, repeats_, done_);
  double output = 0;
  for (std::size_t i = 0; i < step_.parts.size(); ++i) {
    output += static_cast<double>(step_.parts[i].sequence->generated - generated_[i]);
    emit(step_.parts[i], start_ + each_, generated_[i]);
  }
  Span span;
  span.output_tokens = output;
  span.scheduled_tokens = scheduled;
  span.busy_seconds = seconds;
  const double idle = source_.idle_watts() * std::max(0.0, start_ - accounted_);
  span.joules = watts_ * seconds;
  if (idle > 0) {
    Span waiting;
    waiting.joules = idle;
    recorder_.timeline.add(accounted_, start_, waiting);
  }
  recorder_.timeline.add(start_, end_, span);
  accounted_ = end_;
  totals_.steps += static_cast<double>(repeats_);
  totals_.scheduled_tokens += scheduled;
  totals_.busy_seconds += seconds;
  totals_.joules += span.joules + idle;
  busy_ = false;
  leave(done_, now, leaves);
  if (!busy_) begin(now, leaves);
}

void Replica::close(double now) {
  observe(now);
  if (now <= accounted_) return;
  Span span;
  span.joules = source_.idle_watts() * (now - accounted_);
  totals_.joules += span.joules;
  recorder_.timeline.add(accounted_, now, span);
  accounted_ = now;
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
