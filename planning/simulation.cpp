// SPDX-License-Identifier: Apache-2.0
#include "planning/simulation.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "planning/recorder.h"
#include "planning/replica.h"

namespace silicast::serving {

namespace {

constexpr double never = std::numeric_limits<double>::infinity();

class System {
 public:
  System(Traffic& traffic, const std::vector<ReplicaGroup>& groups, const SimulationOptions& options)
      : traffic_(traffic), options_(options), recorder_(options) {
    for (const ReplicaGroup& group : groups)
      for (std::int64_t i = 0; i < group.count; ++i) {
        replicas_.push_back(std::make_unique<Replica>(group.make_scheduler(), *group.source, recorder_));
        capacity_.push_back(group.capacity);
      }
    leaves_ = [this](const Sequence& sequence, double now) {
      last_ = now;
      traffic_.answered(sequence.request, now);
    };
  }

  SimulationResult run();

 private:
  Replica& replica_for(const Request& request);
  void book(SimulationResult& result) const;
  void check(const SimulationResult& result) const;

  Traffic& traffic_;
  const SimulationOptions& options_;
  Recorder recorder_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::vector<double> capacity_;  // of each
  Replica::Leaves leaves_;
  std::size_t turn_ = 0;
  std::unordered_map<std::uint64_t, std::size_t> homes_;  // of sessions
  double last_ = 0;
};

Replica& System::replica_for(const Request& request) {
  const auto least_loaded = [&] {
    std::size_t best = 0;
    double least = never;
    for (std::size_t i = 0; i < replicas_.size(); ++i)
      if (const double load = static_cast<double>(replicas_[i]->outstanding() + 1) / capacity_[i]; load < least)
        best = i, least = load;
    return best;
  };
  if (replicas_.size() == 1) return *replicas_.front();
  switch (options_.balancer) {
    case Balancer::round_robin: return *replicas_[turn_++ % replicas_.size()];
    case Balancer::least_loaded: break;
    case Balancer::session_sticky: {
      // Conversations stay where they began; of a trace, what begins alike goes together.
      const std::uint64_t key = request.session != 0      ? request.session
                                : !request.prefix.empty() ? request.prefix.front().key
                                : request.client >= 0     ? static_cast<std::uint64_t>(request.client)
                                                          : 0;
      if (key == 0) break;
      const auto [home, is_new] = homes_.try_emplace(key, 0);
      if (is_new) home->second = least_loaded();
      return *replicas_[home->second];
    }
  }
  return *replicas_[least_loaded()];
}

SimulationResult System::run() {
  double first = never;
  for (;;) {
    const double arrival = traffic_.next_time() + options_.request_overhead;
    Replica* next = nullptr;
    double event = never;
    for (const auto& replica : replicas_)
      if (const double at = replica->next_event(); at < event) event = at, next = replica.get();
    if (next == nullptr && arrival == never) break;
    if (event <= arrival) {
      next->advance(leaves_);
      continue;
    }
    const Request request = traffic_.pop();
    first = std::min(first, request.arrival);
    recorder_.arrived(arrival);
    replica_for(request).submit(request, arrival, leaves_);
  }
  for (const auto& replica : replicas_) replica->close(last_);
  SimulationResult result;
  result.issued = traffic_.issued();
  result.cut = traffic_.cut();
  result.seconds = result.issued > 0 ? last_ - first : 0;
  recorder_.sum_up(result);
  book(result);
  check(result);
  return result;
}

void System::book(SimulationResult& r) const {
  double in_system = 0;
  double sojourn = 0;
  for (const auto& replica : replicas_) {
    const Replica::Totals t = replica->totals();
    r.steps += t.steps;
    r.scheduled_tokens += t.scheduled_tokens;
    r.discarded_tokens += t.discarded;
    r.failed += t.failed;
    r.busy += t.busy_seconds;
    r.joules += t.joules;
    r.mean_waiting += t.waiting_seconds;
    r.mean_running += t.running_seconds;
    r.mean_kv += t.kv_token_seconds;
    r.max_waiting = std::max(r.max_waiting, t.max_waiting);
    r.max_running = std::max(r.max_running, t.max_running);
    r.max_kv = std::max(r.max_kv, t.max_kv);
    r.kv_total = std::max(r.kv_total, t.kv_total);
    in_system += t.waiting_seconds + t.running_seconds;
    sojourn += t.sojourn;
  }
  r.little_error = std::abs(in_system - sojourn) / std::max(sojourn, 1e-12);
  const double replica_seconds = std::max(last_, 1e-12) * static_cast<double>(replicas_.size());
  r.busy /= replica_seconds;
  r.mean_waiting /= std::max(last_, 1e-12);
  r.mean_running /= std::max(last_, 1e-12);
  r.mean_kv /= replica_seconds;
}

void System::check(const SimulationResult& r) const {
  constexpr double rounding = 1e-6;
  ensure(r.issued == r.completed + r.failed, "every request is answered or fails");
  ensure(r.little_error < rounding, "Little's law holds");
  if (r.failed == 0) {
    const double due = r.prompt_tokens + r.output_tokens - static_cast<double>(r.completed);
    const double got = r.scheduled_tokens + r.cached_tokens - r.discarded_tokens;
    ensure(due == got, "tokens are conserved");
  }
  for (const auto& replica : replicas_) ensure(replica->totals().kv_in_use == 0, "the KV cache is given back");
  const Span total = r.timeline.total();
  ensure(std::abs(total.joules - r.joules) <= rounding * std::max(r.joules, 1.0), "the timeline holds all energy");
  if (r.failed == 0)
    ensure(std::abs(total.output_tokens - r.output_tokens) <= rounding * std::max(r.output_tokens, 1.0),
           "the timeline holds all tokens");
}

bool met(const std::optional<double>& limit, double value) { return !limit || value <= *limit; }

}  // namespace

const std::vector<std::string>& balancer_names() {
  static const std::vector<std::string> names{"round-robin", "least-loaded", "session-sticky"};
  return names;
}

void check(const Slo& slo) {
  const auto positive = [](const char* option, const std::optional<double>& value) {
    if (value && !(*value > 0)) throw UsageError(std::string(option) + ": must be above zero, got " + exact(*value));
  };
  positive("--slo-ttft", slo.ttft);
  positive("--slo-tpot", slo.tpot);
  positive("--slo-e2e", slo.e2e);
  if (!(slo.percentile > 0) || slo.percentile > 100)
    throw UsageError("--slo-percentile: above 0, at most 100 is expected, got " + exact(slo.percentile));
  if (slo.ttft && slo.e2e && *slo.e2e < *slo.ttft)
    throw UsageError("contradictory objectives: the whole answer within " + exact(*slo.e2e) +
                     " s, but its first token within " + exact(*slo.ttft) + " s; --slo-e2e is at least --slo-ttft");
  if (slo.tpot && slo.e2e && *slo.e2e < *slo.tpot)
    throw UsageError("contradictory objectives: the whole answer within " + exact(*slo.e2e) + " s, but " +
                     exact(*slo.tpot) + " s for each token; --slo-e2e is at least --slo-tpot");
}

bool SimulationResult::meets(const Slo& slo) const {
  return failed == 0 && met(slo.ttft, percentile_ttft) && met(slo.tpot, percentile_tpot) &&
         met(slo.e2e, percentile_e2e);
}

SimulationResult simulate(const TrafficModel& model, std::uint64_t seed, const MakeScheduler& make_scheduler,
                          StepSource& source, const SimulationOptions& options) {
  if (options.replicas < 1) throw UsageError("--replicas: at least 1 is expected");
  return simulate(model, seed, {{.count = options.replicas, .make_scheduler = make_scheduler, .source = &source}},
                  options);
}

SimulationResult simulate(const TrafficModel& model, std::uint64_t seed, const std::vector<ReplicaGroup>& groups,
                          const SimulationOptions& options) {
  check(model);
  check(options.slo);
  Traffic traffic(model, seed);
  return System(traffic, groups, options).run();
}

double saturated_rate(const TrafficModel& model, std::uint64_t seed, const MakeScheduler& make_scheduler,
                      StepSource& source, const SimulationOptions& options, std::int64_t requests) {
  TrafficModel all = model;
  all.duration = never;
  all.requests = requests;
  all.turn_think = 1e-3;
  if (model.kind == TrafficKind::replay) {
    all.requests = std::min<std::int64_t>(requests, static_cast<std::int64_t>(all.trace.size()));
    for (Request& request : all.trace) request.arrival = 0;
  } else {
    all.kind = TrafficKind::closed;
    all.clients = std::max<std::int64_t>(1, requests / model.turns);
    all.think = 0;
  }
  SimulationOptions plain = options;
  plain.slo = {};
  plain.warmup = 0;
  return simulate(all, seed, make_scheduler, source, plain).middle_rate;
}

}  // namespace silicast::serving
