// SPDX-License-Identifier: Apache-2.0
#include "planning/arrivals.h"

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/text.h"

namespace silicast::serving {

const std::vector<std::string>& arrival_kind_names() {
  static const std::vector<std::string> names{"constant", "poisson", "gamma", "bursty", "diurnal"};
  return names;
}

double ArrivalModel::peak_rate() const {
  if (kind == ArrivalKind::bursty) return rate * burst;
  if (kind == ArrivalKind::diurnal) return rate * (1 + amplitude);
  return rate;
}

void check(const ArrivalModel& m) {
  const auto positive = [](std::string_view option, double value) {
    if (!(value > 0)) throw UsageError(std::string(option) + ": must be above zero, got " + exact(value));
  };
  positive("--rate", m.rate);
  if (m.kind == ArrivalKind::gamma) positive("--cv", m.cv);
  if (m.kind == ArrivalKind::diurnal) {
    positive("--period", m.period);
    if (m.amplitude < 0 || m.amplitude > 1)
      throw UsageError("--amplitude: a share of the mean rate, 0 to 1, is expected, got " + exact(m.amplitude));
  }
  if (m.kind != ArrivalKind::bursty) return;
  positive("--burst-seconds", m.burst_seconds);
  positive("--burst-share", m.burst_share);
  if (m.burst < 1) throw UsageError("--burst: at least 1 times the mean rate is expected, got " + exact(m.burst));
  if (m.burst_share >= 1 || m.burst * m.burst_share > 1)
    throw UsageError("--burst " + exact(m.burst) + " for a --burst-share of " + exact(m.burst_share) +
                     " is more than all requests; their product is at most 1");
}

double Arrivals::next_bursty() {
  const double quiet_rate = model_.rate * (1 - model_.burst * model_.burst_share) / (1 - model_.burst_share);
  const double quiet_seconds = model_.burst_seconds * (1 - model_.burst_share) / model_.burst_share;
  const auto stay = [&] { return random_.exponential(in_burst_ ? model_.burst_seconds : quiet_seconds); };
  if (switch_ < 0) {
    in_burst_ = random_.uniform() < model_.burst_share;
    switch_ = stay();
  }
  for (;;) {
    const double rate = in_burst_ ? model_.rate * model_.burst : quiet_rate;
    const double at = rate > 0 ? time_ + random_.exponential(1 / rate) : switch_;
    if (rate > 0 && at <= switch_) return at;
    // Exponential distances have no memory: draw again from the change on.
    time_ = switch_;
    in_burst_ = !in_burst_;
    switch_ = time_ + stay();
  }
}

// Thinning after P. A. W. Lewis and G. S. Shedler 1979.
double Arrivals::next_diurnal() {
  const double peak = model_.rate * (1 + model_.amplitude);
  for (double at = time_;;) {
    at += random_.exponential(1 / peak);
    const double rate = model_.rate * (1 - model_.amplitude * std::cos(2 * std::numbers::pi * at / model_.period));
    if (random_.uniform() * peak < rate) return at;
  }
}

double Arrivals::next() {
  switch (model_.kind) {
    case ArrivalKind::constant: return time_ += 1 / model_.rate;
    case ArrivalKind::poisson: return time_ += random_.exponential(1 / model_.rate);
    case ArrivalKind::gamma: {
      const double shape = 1 / (model_.cv * model_.cv);
      return time_ += random_.gamma(shape) / (shape * model_.rate);
    }
    case ArrivalKind::bursty: return time_ = next_bursty();
    case ArrivalKind::diurnal: return time_ = next_diurnal();
  }
  return time_;
}

}  // namespace silicast::serving
