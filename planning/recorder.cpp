// SPDX-License-Identifier: Apache-2.0
#include "planning/recorder.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace silicast::serving {

namespace {

// Of sorted values, interpolated between the two nearest (as NumPy does).
double quantile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// Sorts the values.
Summary summary_of(std::vector<double>& values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()),
          .p50 = quantile(values, 0.5),
          .p90 = quantile(values, 0.9),
          .p95 = quantile(values, 0.95),
          .p99 = quantile(values, 0.99),
          .max = values.back()};
}

bool within(double value, const std::optional<double>& limit) { return !limit || value <= *limit; }

constexpr double percent = 100;

}  // namespace

void Recorder::finished(const Sequence& s, double now) {
  const Request& request = s.request;
  timeline.count(now, &Span::completions);
  prompt_tokens_ += request.prompt;
  output_tokens_ += request.output;
  cached_tokens_ += static_cast<double>(s.cached);
  preemptions_ += s.preemptions;
  answers_.push_back(now);
  if (static_cast<std::int64_t>(answers_.size()) <= options_.warmup) return;
  const double ttft = s.first_token - request.arrival;
  const double e2e = now - request.arrival;
  const double tpot = request.output > 1 ? (now - s.first_token) / (request.output - 1) : 0;
  ttft_.push_back(ttft);
  e2e_.push_back(e2e);
  queue_.push_back(s.started - s.delivered);
  if (request.output > 1) tpot_.push_back(tpot);
  const Slo& slo = options_.slo;
  if (within(ttft, slo.ttft) && within(tpot, slo.tpot) && within(e2e, slo.e2e)) ++good_;
}

void Recorder::sum_up(SimulationResult& r) {
  r.completed = static_cast<std::int64_t>(answers_.size());
  r.counted = static_cast<std::int64_t>(ttft_.size());
  r.prompt_tokens = prompt_tokens_;
  r.output_tokens = output_tokens_;
  r.cached_tokens = cached_tokens_;
  r.preemptions = preemptions_;
  r.good = static_cast<double>(good_);
  r.ttft = summary_of(ttft_);
  r.tpot = summary_of(tpot_);
  r.e2e = summary_of(e2e_);
  r.queue = summary_of(queue_);
  const double share = options_.slo.percentile / percent;
  r.percentile_ttft = quantile(ttft_, share);
  r.percentile_tpot = quantile(tpot_, share);
  r.percentile_e2e = quantile(e2e_, share);
  r.itl = {.mean = gaps_.mean(),
           .p50 = gaps_.quantile(0.5),
           .p90 = gaps_.quantile(0.9),
           .p95 = gaps_.quantile(0.95),
           .p99 = gaps_.quantile(0.99),
           .max = gaps_.quantile(1)};
  if (!answers_.empty() && answers_.back() > 0) r.middle_rate = static_cast<double>(answers_.size()) / answers_.back();
  if (answers_.size() >= 4) {
    const std::size_t first = answers_.size() / 4;
    const std::size_t last = answers_.size() * 3 / 4;
    const double from = answers_[first];
    const double to = answers_[last];
    const auto count = static_cast<double>(last - first);
    if (to > from) r.middle_rate = count / (to - from);
  }
  r.timeline = std::move(timeline);
}

}  // namespace silicast::serving
