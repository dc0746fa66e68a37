// SPDX-License-Identifier: Apache-2.0
#include "planning/timeline.h"

#include <algorithm>

namespace silicast::serving {

namespace {

constexpr std::size_t most_spans = 1024;

}  // namespace

Span& Span::operator+=(const Span& o) {
  arrivals += o.arrivals;
  completions += o.completions;
  output_tokens += o.output_tokens;
  scheduled_tokens += o.scheduled_tokens;
  busy_seconds += o.busy_seconds;
  joules += o.joules;
  waiting_seconds += o.waiting_seconds;
  running_seconds += o.running_seconds;
  kv_token_seconds += o.kv_token_seconds;
  return *this;
}

Span& Span::operator*=(double factor) {
  for (double* value : {&arrivals, &completions, &output_tokens, &scheduled_tokens, &busy_seconds, &joules,
                        &waiting_seconds, &running_seconds, &kv_token_seconds})
    *value *= factor;
  return *this;
}

Span& Timeline::span_at(double at) {
  while (at >= width_ * static_cast<double>(most_spans)) {
    for (std::size_t i = 0; 2 * i < spans_.size(); ++i) {
      Span both = spans_[2 * i];
      if (2 * i + 1 < spans_.size()) both += spans_[2 * i + 1];
      spans_[i] = both;
    }
    spans_.resize((spans_.size() + 1) / 2);
    width_ *= 2;
  }
  const auto index = static_cast<std::size_t>(at / width_);
  if (index >= spans_.size()) spans_.resize(index + 1);
  return spans_[index];
}

void Timeline::add(double from, double to, const Span& amount) {
  if (!(to > from)) {
    span_at(from) += amount;
    return;
  }
  span_at(std::max(to, from));  // widens first, so that the loop's spans stay
  const auto first = static_cast<std::size_t>(from / width_);
  const auto last = static_cast<std::size_t>(to / width_);
  if (first == last) {
    spans_[first] += amount;
    return;
  }
  for (std::size_t i = first; i <= last; ++i) {
    const double start = std::max(from, static_cast<double>(i) * width_);
    const double end = std::min(to, static_cast<double>(i + 1) * width_);
    Span part = amount;
    part *= std::max(0.0, end - start) / (to - from);
    spans_[i] += part;
  }
}

void Timeline::count(double at, double Span::*what, double amount) { span_at(at).*what += amount; }

Span Timeline::total() const {
  Span sum;
  for (const Span& span : spans_) sum += span;
  return sum;
}

}  // namespace silicast::serving
