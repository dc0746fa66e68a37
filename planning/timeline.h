// SPDX-License-Identifier: Apache-2.0
// What happened when, in at most 1024 equal spans of time. Spans double in width as the simulation goes on, so memory
// is constant; what is added is split over the spans it covers, so that the spans add up to the totals.
#pragma once

#include <cstdint>
#include <vector>

namespace silicast::serving {

// Amounts of one span. The integrals are over time and replicas: divided by the width they are means.
struct Span {
  double arrivals = 0;
  double completions = 0;
  double output_tokens = 0;
  double scheduled_tokens = 0;
  double busy_seconds = 0;
  double joules = 0;
  double waiting_seconds = 0;  // requests x seconds
  double running_seconds = 0;
  double kv_token_seconds = 0;

  Span& operator+=(const Span& other);
  Span& operator*=(double factor);
};

class Timeline {
 public:
  // The amount is spread evenly over [from, to).
  void add(double from, double to, const Span& amount);
  void count(double at, double Span::*what, double amount = 1);

  [[nodiscard]] double width() const { return width_; }
  [[nodiscard]] const std::vector<Span>& spans() const { return spans_; }
  [[nodiscard]] Span total() const;

 private:
  Span& span_at(double at);

  double width_ = 1.0 / 1024;
  std::vector<Span> spans_;
};

}  // namespace silicast::serving
