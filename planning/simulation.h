// SPDX-License-Identifier: Apache-2.0
// A discrete-event simulation of a serving system: requests arrive, a balancer gives each to a replica, the replicas'
// schedulers form steps, a step source says how long they take.
//
// Time advances from event to event: an arrival, or the end of a replica's step. Decoding steps between which nothing
// changes run as one event of up to 32 steps, evaluated at their middle depth (exact where time is linear in depth);
// an arrival that could join cuts such a run at the next step's end. In every run these hold, and are checked:
//   Little's law: the integral of the requests in the system equals the sum of their times in it;
//   tokens: scheduled + found in the cache = of answered requests + discarded by preemption or failure;
//   KV: blocks in use return to zero;
//   energy: the timeline's spans add up to the replicas' energy, busy and idle.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "planning/histogram.h"
#include "planning/scheduler.h"
#include "planning/step_source.h"
#include "planning/timeline.h"
#include "planning/traffic.h"

namespace silicast::serving {

enum class Balancer { round_robin, least_loaded, session_sticky };
const std::vector<std::string>& balancer_names();

// Seconds; absent: not asked for.
struct Slo {
  std::optional<double> ttft;
  std::optional<double> tpot;
  std::optional<double> e2e;
  double percentile = 99;  // of the requests that have to meet them

  [[nodiscard]] bool any() const { return ttft || tpot || e2e; }
};
// Throws UsageError for objectives that exclude each other: an answer in less time than its first token, or than
// `output` tokens take at the tpot asked for.
void check(const Slo& slo);

struct SimulationOptions {
  std::int64_t replicas = 1;
  Balancer balancer = Balancer::least_loaded;
  double request_overhead = 0;  // seconds between arrival and scheduler
  std::int64_t warmup = 0;      // first requests that the latencies leave out
  Slo slo;
};

struct Summary {
  double mean = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
};

struct SimulationResult {
  std::int64_t issued = 0;
  std::int64_t completed = 0;
  std::int64_t failed = 0;   // longer than the cache, or given up
  std::int64_t cut = 0;      // to the context
  double seconds = 0;        // from the first arrival to the last answer
  double prompt_tokens = 0;  // of completed requests
  double output_tokens = 0;
  double scheduled_tokens = 0;  // that steps computed
  double cached_tokens = 0;     // of prompts, found in the prefix cache
  double discarded_tokens = 0;
  std::int64_t preemptions = 0;
  double steps = 0;
  Summary ttft, tpot, itl, e2e, queue;  // seconds
  double middle_rate = 0;               // answers a second between the first and the last quarter of them
  double good = 0;                      // requests that met the objectives; all where there are none
  std::int64_t counted = 0;             // requests in the summaries: completed ones after the warm-up
  double percentile_ttft = 0, percentile_tpot = 0, percentile_e2e = 0;  // at the objectives' percentile
  double mean_waiting = 0, max_waiting = 0;
  double mean_running = 0, max_running = 0;
  double mean_kv = 0, max_kv = 0;  // tokens, of a replica
  double kv_total = 0;             // tokens, of a replica; 0: without limit
  double busy = 0;                 // share of the replicas' time
  double joules = 0;
  double little_error = 0;  // relative
  Timeline timeline;

  [[nodiscard]] double requests_per_second() const { return static_cast<double>(completed) / seconds; }
  [[nodiscard]] bool meets(const Slo& slo) const;
};

using MakeScheduler = std::function<std::unique_ptr<Scheduler>()>;

// So many replicas of one kind.
struct ReplicaGroup {
  std::int64_t count = 1;
  MakeScheduler make_scheduler;
  StepSource* source = nullptr;  // not owned
  double capacity = 1;           // of one, in whatever unit: the balancer loads replicas in proportion
};

// `options.replicas` of one kind.
SimulationResult simulate(const TrafficModel& traffic, std::uint64_t seed, const MakeScheduler& make_scheduler,
                          StepSource& source, const SimulationOptions& options);
// Of several kinds behind one balancer; `options.replicas` is not looked at.
SimulationResult simulate(const TrafficModel& traffic, std::uint64_t seed, const std::vector<ReplicaGroup>& groups,
                          const SimulationOptions& options);

// Requests a second that the replicas can serve at most: the middle half of the answers when all requests are there
// from the beginning (`requests` of the traffic's lengths).
double saturated_rate(const TrafficModel& traffic, std::uint64_t seed, const MakeScheduler& make_scheduler,
                      StepSource& source, const SimulationOptions& options, std::int64_t requests);

}  // namespace silicast::serving
