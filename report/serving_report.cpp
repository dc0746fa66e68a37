// SPDX-License-Identifier: Apache-2.0
#include "report/serving_report.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "report/table.h"
#include "report/wording.h"

namespace silicast {

namespace {

using serving::ServingAnswer;
using serving::ServingQuestion;
using serving::SimulationResult;
using serving::Slo;
using serving::Summary;

Value optional_value(const std::optional<double>& value) { return value ? Value(*value) : Value(); }

void add_summary(std::vector<Field>& fields, const std::string& key, const Summary& s) {
  fields.push_back({key + ".mean", s.mean});
  fields.push_back({key + ".p50", s.p50});
  fields.push_back({key + ".p90", s.p90});
  fields.push_back({key + ".p95", s.p95});
  fields.push_back({key + ".p99", s.p99});
  fields.push_back({key + ".max", s.max});
}

void add_result(std::vector<Field>& fields, const std::string& prefix, const ServingQuestion& q,
                const SimulationResult& r) {
  const auto add = [&](const char* key, Value value) { fields.push_back({prefix + key, std::move(value)}); };
  add_summary(fields, prefix + "ttft", r.ttft);
  add_summary(fields, prefix + "tpot", r.tpot);
  add_summary(fields, prefix + "itl", r.itl);
  add_summary(fields, prefix + "e2e_latency", r.e2e);
  add_summary(fields, prefix + "queue_time", r.queue);
  add("seconds", r.seconds);
  add("requests", r.issued);
  add("completed", r.completed);
  add("failed", r.failed);
  add("cut_to_context", r.cut);
  add("request_throughput", r.requests_per_second());
  add("output_token_throughput", r.output_tokens / r.seconds);
  add("total_token_throughput", (r.prompt_tokens + r.output_tokens) / r.seconds);
  const double good = r.counted > 0 ? r.good / static_cast<double>(r.counted) : 0;
  add("goodput.share", good);
  add("goodput.requests_per_second", good * r.requests_per_second());
  add("goodput.slo_met", q.system.slo.any() ? Value(r.meets(q.system.slo)) : Value());
  add("queue.mean", r.mean_waiting);
  add("queue.max", r.max_waiting);
  add("running.mean", r.mean_running);
  add("running.max", r.max_running);
  add("kv.mean_tokens", r.mean_kv);
  add("kv.max_tokens", r.max_kv);
  add("kv.total_tokens", r.kv_total);
  add("kv.cached_prompt_tokens", r.cached_tokens);
  add("preemptions", r.preemptions);
  add("recomputed_tokens", r.discarded_tokens);
  add("steps", r.steps);
  add("scheduled_tokens", r.scheduled_tokens);
  add("utilization", r.busy);
  add("energy.joules", r.joules);
  add("energy.mean_watts", r.joules / r.seconds);
  add("energy.joules_per_output_token", r.joules / r.output_tokens);
  add("little_law_error", r.little_error);
}

std::string time_text(double seconds) { return seconds > 0 ? human(Seconds(seconds)) : "0"; }

std::string share_text(double share) {
  constexpr double percent = 100;
  return rounded(share * percent, 3) + " %";
}

std::string limits_text(const Slo& slo) {
  std::vector<std::string> parts;
  if (slo.ttft) parts.push_back("TTFT within " + time_text(*slo.ttft));
  if (slo.tpot) parts.push_back("TPOT within " + time_text(*slo.tpot));
  if (slo.e2e) parts.push_back("answer within " + time_text(*slo.e2e));
  return join(parts, ", ");
}

std::string unstable_text(const ServingAnswer& a) {
  return "unstable: " + rounded(a.offered, 4) + " requests/s are offered, " + rounded(*a.capacity, 4) +
         " can be served; the queue grows as long as requests come";
}

Table latency_table(const ServingAnswer& a) {
  Table table;
  table.columns = {{"latency", "latency"}};
  for (const char* name : {"mean", "p50", "p90", "p95", "p99"}) table.columns.push_back({name, name, true});
  const bool interval = a.fast && a.slow;
  if (interval) table.columns.push_back({"p99_interval", "p99, 80 % interval", true});
  const auto add = [&](const std::string& name, Summary SimulationResult::*of) {
    const Summary& s = a.result.*of;
    std::vector<Cell> row{{name, name}};
    for (const double value : {s.mean, s.p50, s.p90, s.p95, s.p99}) row.push_back({value, time_text(value)});
    if (interval) row.push_back({Value(), time_text(((*a.fast).*of).p99) + " to " + time_text(((*a.slow).*of).p99)});
    table.rows.push_back(std::move(row));
  };
  add("first token (TTFT)", &SimulationResult::ttft);
  add("each token (TPOT)", &SimulationResult::tpot);
  add("between tokens (ITL)", &SimulationResult::itl);
  add("whole answer (E2E)", &SimulationResult::e2e);
  add("in the queue", &SimulationResult::queue);
  return table;
}

struct Line {
  std::string name, value;
};

// In the currency that was asked for, in dollars if none was.
std::string cost_text(const serving::ServingCost& cost, const ExchangeRate* shown) {
  const auto amount = [shown](double usd) {
    return rounded(shown ? usd / shown->usd : usd, 3) + " " + (shown ? shown->currency : "USD");
  };
  std::string text = amount(cost.usd_per_hour) + " an hour";
  if (cost.usd_per_million_input && cost.usd_per_million_output)
    text += "; a million tokens " + amount(*cost.usd_per_million_input) + " in, " +
            amount(*cost.usd_per_million_output) + " out";
  return text;
}

std::vector<Line> lines_of(const ServingQuestion& q, const ServingAnswer& a) {
  const SimulationResult& r = a.result;
  std::vector<Line> lines;
  lines.push_back({"requests", std::to_string(r.completed) + " answered in " + time_text(r.seconds) + ", " +
                                   rounded(r.requests_per_second(), 4) + "/s" +
                                   (a.capacity ? "; capacity " + rounded(*a.capacity, 4) + "/s" : "")});
  if (r.failed > 0) lines.push_back({"failed", std::to_string(r.failed) + " found no room in the cache"});
  if (r.cut > 0) lines.push_back({"cut", std::to_string(r.cut) + " requests were longer than the context"});
  lines.push_back({"throughput", rounded(r.output_tokens / r.seconds, 4) + " output tokens/s, " +
                                     rounded((r.prompt_tokens + r.output_tokens) / r.seconds, 4) + " with prompts"});
  if (q.system.slo.any()) {
    const double good = r.counted > 0 ? r.good / static_cast<double>(r.counted) : 0;
    lines.push_back({"goodput", share_text(good) + " of the requests: " + limits_text(q.system.slo) + "; at p" +
                                    rounded(q.system.slo.percentile, 4) + " the objectives are " +
                                    (r.meets(q.system.slo) ? "met" : "missed")});
  }
  lines.push_back({"queue", rounded(r.mean_waiting, 3) + " waiting on average, at most " + rounded(r.max_waiting, 4)});
  lines.push_back({"batch", rounded(r.mean_running, 3) + " running on average, at most " + rounded(r.max_running, 4) +
                                " of " + std::to_string(a.max_sequences) + " a replica"});
  std::string kv = rounded(r.mean_kv, 4) + " tokens on average, at most " + rounded(r.max_kv, 4) + " of " +
                   std::to_string(static_cast<std::int64_t>(r.kv_total));
  if (r.cached_tokens > 0) kv += "; " + share_text(r.cached_tokens / r.prompt_tokens) + " of prompt tokens reused";
  if (r.preemptions > 0) kv += "; " + std::to_string(r.preemptions) + " preemptions";
  lines.push_back({"KV cache", kv});
  lines.push_back({"utilization", share_text(r.busy)});
  if (r.joules > 0)
    lines.push_back({"energy", rounded(r.joules / r.seconds, 4) + " W at the plug on average, " +
                                   rounded(r.joules / r.output_tokens, 3) + " J an output token"});
  if (a.cost) lines.push_back({"cost", cost_text(*a.cost, a.prediction.query.asked.cost.shown())});
  return lines;
}

std::string head(const ServingQuestion& q, const ServingAnswer& a) {
  const ResolvedQuery& r = a.prediction.query;
  const std::string count = q.system.replicas > 1 ? std::to_string(q.system.replicas) + " replicas, " : "";
  return r.model_name + " " + r.asked.quant + " on " + (r.devices > 1 ? std::to_string(r.devices) + "x " : "") +
         r.device_name + ", " + count + r.asked.stack + ", " +
         serving::batching_names()[static_cast<std::size_t>(a.batching)] + " batching";
}

}  // namespace

std::vector<Field> serving_fields(const ServingQuestion& q, const ServingAnswer& a) {
  std::vector<Field> fields{{"schema", "silicast.serving/1"}};
  const ResolvedQuery& r = a.prediction.query;
  const auto add = [&](const char* key, Value value) { fields.push_back({key, std::move(value)}); };
  add("query.model", r.model_id);
  add("query.quant", r.asked.quant);
  add("query.device", r.device_id);
  add("query.device_count", static_cast<std::int64_t>(r.devices));
  add("query.stack", r.asked.stack);
  add("query.profile", r.profile.empty() ? Value() : Value(r.profile));
  add("query.profile_date", r.profile_date.empty() ? Value() : Value(r.profile_date));
  add("query.batching", serving::batching_names()[static_cast<std::size_t>(a.batching)]);
  add("query.max_sequences", a.max_sequences);
  add("query.token_budget", a.token_budget);
  add("query.kv_tokens", a.kv_tokens);
  add("query.replicas", q.system.replicas);
  add("query.balancer", serving::balancer_names()[static_cast<std::size_t>(q.system.balancer)]);
  add("query.mean_prompt", r.asked.prompt);
  add("query.mean_gen", r.asked.gen);
  add("query.seed", static_cast<std::int64_t>(q.seed));
  add("query.slo_ttft", optional_value(q.system.slo.ttft));
  add("query.slo_tpot", optional_value(q.system.slo.tpot));
  add("query.slo_e2e", optional_value(q.system.slo.e2e));
  add("query.slo_percentile", q.system.slo.percentile);
  add("feasible", a.prediction.feasible);
  add("limiting", a.prediction.limiting.empty() ? Value() : Value(a.prediction.limiting));
  if (!a.prediction.feasible) return fields;
  add("offered_requests_per_second", a.offered > 0 ? Value(a.offered) : Value());
  add("capacity_requests_per_second", optional_value(a.capacity));
  add("stable", a.stable());
  add_result(fields, "", q, a.result);
  if (a.cost) {
    if (const ExchangeRate* rate = r.asked.cost.shown()) {
      const auto shown = [rate](std::optional<double> usd) { return usd ? Value(*usd / rate->usd) : Value(); };
      add("cost.shown.currency", rate->currency);
      add("cost.shown.usd", rate->usd);
      add("cost.shown.per_hour", shown(a.cost->usd_per_hour));
      add("cost.shown.per_million_input_tokens", shown(a.cost->usd_per_million_input));
      add("cost.shown.per_million_output_tokens", shown(a.cost->usd_per_million_output));
    }
    add("cost.usd_per_hour", a.cost->usd_per_hour);
    add("cost.electricity_usd_per_hour", a.cost->electricity_usd_per_hour);
    add("cost.usd_per_million_input_tokens", optional_value(a.cost->usd_per_million_input));
    add("cost.usd_per_million_output_tokens", optional_value(a.cost->usd_per_million_output));
  }
  if (a.fast) add_result(fields, "interval.fast.", q, *a.fast);
  if (a.slow) add_result(fields, "interval.slow.", q, *a.slow);
  return fields;
}

std::string serving_json(const ServingQuestion& q, const ServingAnswer& a) { return fields_json(serving_fields(q, a)); }
std::string serving_csv(const ServingQuestion& q, const ServingAnswer& a) { return fields_csv(serving_fields(q, a)); }

std::string serving_markdown(const ServingQuestion& q, const ServingAnswer& a) {
  std::string text = "# " + head(q, a) + "\n\n";
  if (!a.prediction.feasible) return text + a.prediction.limiting + "\n";
  if (!a.stable()) text += "**" + unstable_text(a) + "**\n\n";
  text += table_markdown(latency_table(a)) + "\n";
  for (const Line& line : lines_of(q, a)) text += "- " + line.name + ": " + line.value + "\n";
  return text;
}

std::string serving_text(const ServingQuestion& q, const ServingAnswer& a) {
  std::string text = head(q, a) + "\n\n";
  if (!a.prediction.feasible) return text + "does not fit: " + a.prediction.limiting + "\n";
  if (!a.stable()) text += unstable_text(a) + "\n\n";
  text += table_text(latency_table(a), 2) + "\n";
  std::size_t width = 0;
  const std::vector<Line> lines = lines_of(q, a);
  for (const Line& line : lines) width = std::max(width, line.name.size());
  for (const Line& line : lines)
    text += "  " + line.name + std::string(width - line.name.size() + 2, ' ') + line.value + "\n";
  return text;
}

}  // namespace silicast
