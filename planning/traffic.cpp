// SPDX-License-Identifier: Apache-2.0
#include "planning/traffic.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace silicast::serving {

namespace {

constexpr double never = std::numeric_limits<double>::infinity();
constexpr std::int64_t most_tokens = 1'000'000'000;
constexpr std::uint64_t system_prompt = ~0ULL;  // its key; sessions count from 1

enum Stream : std::uint64_t { stream_arrivals, stream_lengths, stream_thinking };

}  // namespace

double TrafficModel::offered_rate() const {
  if (kind == TrafficKind::open) return arrivals.rate * static_cast<double>(turns);
  if (kind == TrafficKind::closed || trace.size() < 2) return 0;
  const double span = (trace.back().arrival - trace.front().arrival) / trace_speed;
  return span > 0 ? static_cast<double>(trace.size() - 1) / span : 0;
}

void check(const TrafficModel& m) {
  if (m.kind == TrafficKind::open) check(m.arrivals);
  if (m.kind == TrafficKind::closed && m.clients < 1)
    throw UsageError("--clients: at least 1 is expected, got " + std::to_string(m.clients));
  if (m.requests < 1) throw UsageError("--requests: at least 1 is expected, got " + std::to_string(m.requests));
  if (m.turns < 1) throw UsageError("--turns: at least 1 is expected, got " + std::to_string(m.turns));
  if (!(m.duration > 0)) throw UsageError("--duration: must be above zero, got " + exact(m.duration));
  if (m.shared_prompt < 0 || m.shared_prompt > most_tokens)
    throw UsageError("--shared-prompt: from 0 to 1e9 tokens are expected, got " + std::to_string(m.shared_prompt));
  if (m.max_context < 2) throw UsageError("--max-context: at least 2 is expected");
}

Traffic::Traffic(const TrafficModel& model, std::uint64_t seed)
    : model_(model),
      arrivals_(model.arrivals, Random(seed, stream_arrivals)),
      lengths_(seed, stream_lengths),
      thinking_(seed, stream_thinking) {
  if (model_.kind == TrafficKind::closed)
    for (std::int64_t client = 0; client < model_.clients && promised_ < model_.requests; ++client)
      due_.push(first_turn(0, client));
  if (model_.kind == TrafficKind::open) draw_next();
}

void Traffic::draw_next() {
  next_open_ = promised_ < model_.requests ? arrivals_.next() : never;
  if (next_open_ > model_.duration) next_open_ = never;
}

void Traffic::cut_to_context(Request& request) {
  const auto most =
      static_cast<std::int32_t>(std::min<std::int64_t>(model_.max_context, std::numeric_limits<std::int32_t>::max()));
  if (request.prompt + std::int64_t{request.output} <= most) return;
  ++cut_;
  request.prompt = std::min(request.prompt, most - 1);
  request.output = std::min(request.output, most - request.prompt);
  std::int32_t left = request.prompt;
  for (PrefixSegment& segment : request.prefix) {
    segment.tokens = std::min(segment.tokens, left);
    left -= segment.tokens;
  }
}

Request Traffic::first_turn(double arrival, std::int64_t client) {
  const LengthPair pair = model_.lengths.draw(lengths_);
  Request request{.arrival = arrival, .prompt = pair.prompt, .output = pair.output, .client = client};
  if (model_.shared_prompt > 0) {
    const auto shared = static_cast<std::int32_t>(model_.shared_prompt);
    request.prompt += shared;
    request.prefix.push_back({system_prompt, shared});
    request.session_start = shared;
  }
  if (model_.turns > 1) request.session = ++sessions_;
  cut_to_context(request);
  promised_ += model_.turns;
  return request;
}

double Traffic::next_time() const {
  double next = due_.empty() ? never : due_.top().arrival;
  if (model_.kind == TrafficKind::replay) {
    if (next_of_trace_ >= model_.trace.size() || issued_ >= model_.requests) return next;
    const double at = (model_.trace[next_of_trace_].arrival - model_.trace.front().arrival) / model_.trace_speed;
    return at > model_.duration ? next : std::min(next, at);
  }
  return std::min(next, next_open_);
}

Request Traffic::pop() {
  const double at = next_time();
  ++issued_;
  if (!due_.empty() && due_.top().arrival <= at) {
    Request request = due_.top();
    due_.pop();
    return request;
  }
  if (model_.kind == TrafficKind::replay) {
    Request request = model_.trace[next_of_trace_++];
    request.arrival = at;
    cut_to_context(request);
    return request;
  }
  Request request = first_turn(next_open_, -1);
  draw_next();
  return request;
}

void Traffic::answered(const Request& request, double now) {
  if (model_.kind == TrafficKind::replay) return;
  if (request.session != 0 && request.turn + 1 < model_.turns) {
    const double at = now + thinking_.exponential(model_.turn_think);
    if (at > model_.duration) return;
    const LengthPair pair = model_.lengths.draw(lengths_);
    Request next = request;
    next.arrival = at;
    ++next.turn;
    const std::int32_t history = request.prompt + request.output - request.session_start;
    next.prompt = request.prompt + request.output + pair.prompt;
    next.output = pair.output;
    if (!next.prefix.empty() && next.prefix.back().key == request.session) next.prefix.pop_back();
    next.prefix.push_back({request.session, history});
    cut_to_context(next);
    due_.push(std::move(next));
    return;
  }
  if (model_.kind != TrafficKind::closed || promised_ >= model_.requests) return;
  const double at = now + (model_.think > 0 ? thinking_.exponential(model_.think) : 0);
  if (at <= model_.duration) due_.push(first_turn(at, request.client));
}

}  // namespace silicast::serving
