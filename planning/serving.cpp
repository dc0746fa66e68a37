// SPDX-License-Identifier: Apache-2.0
#include "planning/serving.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/machine.h"
#include "planning/continuous_batching.h"
#include "planning/server_slots.h"
#include "planning/static_batching.h"

namespace silicast::serving {

namespace {

constexpr double hours_per_year = 8760;
constexpr double seconds_per_hour = 3600;
constexpr double joules_per_kilowatt_hour = 3.6e6;
constexpr double million = 1e6;

// The longest attention window of the layers; 0: none has one.
std::int64_t window_of(const Architecture& architecture) {
  std::int64_t window = 0;
  for (const Layer& layer : architecture.kinds)
    if (const auto* grouped = std::get_if<GroupedAttention>(&layer.mixer)) window = std::max(window, grouped->window);
  return window;
}

Batching usual_batching(const Stack& stack) {
  return stack.allocation.rule == BufferRule::llama_cpp ? Batching::slots : Batching::continuous;
}

Query query_of(const ServingQuestion& question) {
  Query query = question.query;
  const TrafficModel& t = question.traffic;
  double prompt = t.lengths.mean_prompt() + static_cast<double>(t.shared_prompt);
  double output = t.lengths.mean_output();
  if (t.kind == TrafficKind::replay) {
    prompt = output = 0;
    for (const Request& request : t.trace) prompt += request.prompt, output += request.output;
    prompt /= static_cast<double>(t.trace.size());
    output /= static_cast<double>(t.trace.size());
  }
  // The middle turn of a conversation has the answers and questions before it as its prompt.
  prompt += static_cast<double>(t.turns - 1) / 2 * (t.lengths.mean_prompt() + t.lengths.mean_output());
  query.prompt = std::max<std::int64_t>(1, std::llround(prompt));
  query.gen = std::max<std::int64_t>(1, std::llround(output));
  query.depth = 0;
  query.concurrency = 1;
  return query;
}

}  // namespace

const std::vector<std::string>& batching_names() {
  static const std::vector<std::string> names{"auto", "continuous", "slots", "static"};
  return names;
}

std::int64_t kv_capacity(const Compiled& compiled, double tokens) {
  const double context = padded(tokens, static_cast<double>(compiled.stack->allocation.cache_padding));
  MemoryRequest request = memory_request(compiled);
  request.cache.context = context;
  request.cache.sequences = 1;
  LayerMemory layers = layer_memory(*compiled.workload, request.cache, compiled.stack->allocation);
  const std::vector<Bytes> one = layers.cache;
  const auto fits = [&](double sequences) {
    for (std::size_t i = 0; i < one.size(); ++i) layers.cache[i] = one[i] * sequences;
    request.cache.sequences = sequences;
    const auto pools =
        memory_pools(layers, compiled.workload->architecture, *compiled.device, *compiled.stack, request);
    return std::all_of(pools.begin(), pools.end(), holds);
  };
  double low = 0;
  double high = 1;
  constexpr double most = 1e9;
  while (high < most && fits(high)) low = high, high *= 2;
  constexpr double precision = 1e-4;
  while (high - low > precision * high && high > precision) {
    const double middle = (low + high) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return static_cast<std::int64_t>(low * context);
}

ServingSystem::ServingSystem(const ServingQuestion& question, const Database& database)
    : compiled_(compile(query_of(question), database)),
      prediction_(predict(compiled_, database)),
      batching_(question.batching) {
  if (batching_.kind == Batching::automatic) batching_.kind = usual_batching(*compiled_.stack);
  if (!prediction_.feasible) return;
  const auto context = static_cast<double>(compiled_.query.prompt + compiled_.query.gen);
  const bool slots = batching_.kind == Batching::slots;
  constexpr std::int64_t usual_slots = 4;        // llama-server --parallel
  constexpr std::int64_t usual_sequences = 256;  // vLLM max_num_seqs
  constexpr std::int64_t usual_static = 8;
  constexpr std::int64_t usual_slot_batch = 2048;  // llama-server --batch-size
  max_sequences_ = batching_.max_sequences.value_or(slots                                    ? usual_slots
                                                    : batching_.kind == Batching::continuous ? usual_sequences
                                                                                             : usual_static);
  token_budget_ = batching_.token_budget.value_or(slots ? usual_slot_batch
                                                        : compiled_.query.ubatch.value_or(compiled_.stack->ubatch));
  kv_tokens_ = batching_.kv_tokens.value_or(kv_capacity(compiled_, context));
  // A server of slots allocates what its slots can fill.
  if (slots && !batching_.kv_tokens)
    kv_tokens_ = std::min(kv_tokens_, max_sequences_ * compiled_.workload->architecture.context);
  const auto ratio = [](const std::optional<Phase>& phase, bool slow) {
    if (!phase) return 1.0;
    const Interval& rate = phase->tokens_per_second;
    return rate.value / (slow ? rate.p10 : rate.p90);
  };
  fast_ = {ratio(prediction_.prefill, false), ratio(prediction_.decode, false)};
  slow_ = {ratio(prediction_.prefill, true), ratio(prediction_.decode, true)};
}

std::int64_t ServingSystem::max_context() const { return compiled_.workload->architecture.context; }

MakeScheduler ServingSystem::scheduler() const {
  const std::int64_t window = window_of(compiled_.workload->architecture);
  const std::int64_t ubatch = compiled_.query.ubatch.value_or(compiled_.stack->ubatch);
  if (batching_.kind == Batching::slots) {
    const SlotOptions options{.slots = max_sequences_,
                              .batch = token_budget_,
                              .ubatch = ubatch,
                              .cells = kv_tokens_,
                              .unified = batching_.unified_cache,
                              .prefix_cache = batching_.prefix_cache,
                              .window = window};
    return [options] { return std::make_unique<ServerSlots>(options); };
  }
  if (batching_.kind == Batching::static_batches) {
    const StaticOptions options{.batch = max_sequences_, .timeout = batching_.batch_timeout, .kv_tokens = kv_tokens_};
    return [options] { return std::make_unique<StaticBatching>(options); };
  }
  const ContinuousOptions options{.token_budget = token_budget_,
                                  .max_sequences = max_sequences_,
                                  .chunked_prefill = batching_.chunked_prefill,
                                  .kv_blocks = std::max<std::int64_t>(1, kv_tokens_ / batching_.block_tokens),
                                  .block_tokens = static_cast<std::int32_t>(batching_.block_tokens),
                                  .prefix_cache = batching_.prefix_cache,
                                  .window = window,
                                  .flights = flights()};
  return [options] { return std::make_unique<ContinuousBatching>(options); };
}

SimulationResult ServingSystem::simulate(const TrafficModel& traffic, std::uint64_t seed,
                                         const SimulationOptions& options, const TimeFactors& factors) const {
  StepMeter meter(compiled_, factors);
  SimulationOptions with_overhead = options;
  with_overhead.request_overhead += request_overhead();
  return serving::simulate(traffic, seed, scheduler(), meter, with_overhead);
}

double ServingSystem::capacity(const TrafficModel& traffic, std::uint64_t seed, const SimulationOptions& options,
                               const TimeFactors& factors) const {
  StepMeter meter(compiled_, factors);
  const auto context = static_cast<double>(compiled_.query.prompt + compiled_.query.gen);
  const double together =
      std::min(static_cast<double>(max_sequences_), std::max(1.0, static_cast<double>(kv_tokens_) / context));
  constexpr double batches = 4;
  constexpr double least = 200;
  constexpr double most = 2000;
  SimulationOptions one = options;
  one.replicas = 1;
  const auto requests = static_cast<std::int64_t>(std::clamp(batches * together, least, most));
  return static_cast<double>(options.replicas) * saturated_rate(traffic, seed, scheduler(), meter, one, requests);
}

std::optional<ServingCost> ServingSystem::cost(const SimulationResult& result, std::int64_t replicas) const {
  if (!prediction_.cost || !(result.seconds > 0)) return std::nullopt;
  const CostFigures& figures = *prediction_.cost;
  const CostQuestion& question = compiled_.query.cost;
  const auto count = static_cast<double>(replicas);
  ServingCost cost;
  double capital = figures.price.usd * count;
  if (!figures.rented) capital /= figures.lifetime_years * hours_per_year * figures.duty;
  const double watts = result.joules / result.seconds;
  if (!figures.rented && figures.electricity)
    cost.electricity_usd_per_hour =
        watts * seconds_per_hour / joules_per_kilowatt_hour * figures.electricity->usd * question.pue;
  cost.usd_per_hour = capital + cost.electricity_usd_per_hour;
  const double usd = cost.usd_per_hour * result.seconds / seconds_per_hour;
  // What prompts alone would take of the busy time is theirs to pay.
  const double computed = result.prompt_tokens - result.cached_tokens;
  const double busy = result.busy * result.seconds * count;
  const double prompts = prediction_.prefill && busy > 0
                             ? std::clamp(computed / prediction_.prefill->tokens_per_second.value / busy, 0.0, 1.0)
                             : 0;
  if (result.prompt_tokens > 0) cost.usd_per_million_input = usd * prompts / result.prompt_tokens * million;
  if (result.output_tokens > 0) cost.usd_per_million_output = usd * (1 - prompts) / result.output_tokens * million;
  return cost;
}

ServingAnswer serve(const ServingQuestion& question, const Database& database) {
  check(question.traffic);
  check(question.system.slo);
  const ServingSystem system(question, database);
  ServingAnswer answer;
  answer.prediction = system.prediction();
  answer.batching = system.batching();
  if (!answer.prediction.feasible) return answer;
  answer.max_sequences = system.max_sequences();
  answer.token_budget = system.token_budget();
  answer.kv_tokens = system.kv_tokens();
  TrafficModel traffic = question.traffic;
  traffic.max_context = std::min(traffic.max_context, system.max_context());
  answer.offered = traffic.offered_rate();
  const TimeFactors& given = question.what_if;
  if (answer.offered > 0) answer.capacity = system.capacity(traffic, question.seed, question.system, given);
  answer.result = system.simulate(traffic, question.seed, question.system, given);
  answer.cost = system.cost(answer.result, question.system.replicas);
  if (!question.interval) return answer;
  const auto both = [&](const TimeFactors& f) {
    return TimeFactors{f.prefill * given.prefill, f.decode * given.decode};
  };
  answer.fast = system.simulate(traffic, question.seed, question.system, both(system.fast()));
  answer.slow = system.simulate(traffic, question.seed, question.system, both(system.slow()));
  return answer;
}

}  // namespace silicast::serving
