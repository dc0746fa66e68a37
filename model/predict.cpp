// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/feasibility.h"
#include "model/machine.h"
#include "model/prediction.h"
#include "model/quality.h"
#include "model/running.h"

namespace silicast {

namespace {

// Quantile of the standard normal at 0.9: an 80 % interval reaches from p10 to p90.
constexpr double z90 = 1.2815515655446004;

Interval around(double value, double log_scale) {
  const double factor = std::exp(z90 * log_scale);
  return {value, value / factor, value * factor};
}

std::int64_t ubatch_of(const Compiled& c) { return c.query.ubatch.value_or(c.stack->ubatch); }

// What profiles are fitted on: devices that hold all layers, or divide each of them; of several sequences or devices
// where such rows were among them.
bool is_calibrated_case(const Compiled& c) {
  return c.profile && c.evaluator.each() != nullptr &&
         c.profile->covers(c.query.concurrency > 1, c.machine.devices > 1);
}

// Of one step, all of it or without attention.
ParameterSpread::Slopes slopes_of(const ParameterSpread& parameters, const PlacedStep& step, Batch batch,
                                  StepEvaluator::Part part) {
  const StepEvaluator& evaluator = *step.each();
  const BatchTotals totals = totals_of(batch);
  ParameterSpread::Slopes slopes;
  parameters.add(slopes, StepOverheads{.step = evaluator.step_overhead().value(),
                                       .sequence = totals.outputs * evaluator.sequence_overhead().value(),
                                       .link = step.reduce_seconds(totals.tokens).value()});
  for (const OpWork& work : evaluator.work(batch, part)) parameters.add(slopes, work);
  return slopes;
}

// What a kernel's description may be off by before it is measured: the prior of the fit ("kernel/name").
constexpr double unmeasured_attention = 0.35;

// Of the time of the steps.
double attention_share(const Certainty& certainty, const std::vector<RepeatedStep>& steps) {
  StepCost attention, all;
  for (const RepeatedStep& step : steps)
    for (const auto& [part, sum] :
         {std::pair(StepEvaluator::Part::attention, &attention), std::pair(StepEvaluator::Part::all, &all)})
      for (OpWork work : certainty.step->each()->work(step.batch, part)) {
        work.layers *= step.times;
        StepEvaluator::add(*sum, work);
      }
  return all.seconds > Seconds() ? attention.seconds / all.seconds : 0;
}

// Of the rate of a phase that consists of these steps.
double log_scale(const Certainty& certainty, double residual, const std::vector<RepeatedStep>& steps) {
  if (!certainty.parameters) return residual;
  const ParameterSpread& parameters = *certainty.parameters;
  ParameterSpread::Slopes slopes;
  for (const RepeatedStep& step : steps) {
    if (!certainty.memo || step.batch.size() != 1) {
      slopes.add(slopes_of(parameters, *certainty.step, step.batch, StepEvaluator::Part::all), step.times);
      continue;
    }
    slopes.add(certainty.memo->rest(parameters, *certainty.step, step.batch.front()), step.times);
    for (OpWork& work : certainty.step->each()->work(step.batch, StepEvaluator::Part::attention)) {
      work.layers *= step.times;
      parameters.add(slopes, work);
    }
  }
  const double doubt =
      certainty.attention_doubt * (certainty.attention_doubt > 0 ? attention_share(certainty, steps) : 0);
  return std::hypot(residual, parameters.log_sd(slopes), doubt);
}

// What the machine's own cells leave over changes every time of the phase alike.
Phase phase_of(StepCost cost, double tokens, const Leftover& leftover, double log_scale) {
  const double factor = std::exp(-leftover.log);
  cost.seconds *= factor;
  for (double& seconds : cost.bound) seconds *= factor;
  return {cost.seconds, around(tokens / cost.seconds.value(), log_scale * leftover.open), cost};
}

// The same relative spread for a time that consists of a phase.
Interval like(const Phase& phase, double value) {
  const Interval& rate = phase.tokens_per_second;
  return {value, value * rate.value / rate.p90, value * rate.value / rate.p10};
}

void resolve(Prediction& p, const Compiled& c, Bytes capacity) {
  ResolvedQuery& q = p.query;
  q.asked = c.query;
  q.model_id = c.workload->architecture.id;
  q.device_id = c.device->id;
  q.model_name = c.workload->architecture.name;
  q.device_name = c.device->name;
  q.stack_release = c.stack->release;
  q.processor = c.stack->on_cpu ? "cpu" : "gpu";
  q.memory = capacity;
  q.bits_per_weight = c.workload->bits_per_weight();
  for (const Tensor& tensor : c.workload->tensors) q.parameters += tensor.elements();
  q.active_parameters = active_parameter_count(c.workload->architecture, c.workload->tensors);
  q.flash_attention = c.machine.device.fused_attention;
  q.ubatch = ubatch_of(c);
  q.devices = c.machine.devices;
  if (c.host && c.device->device_class == DeviceClass::discrete) q.host_name = c.host->name;
  q.interconnect = c.interconnect;
  const int layers = static_cast<int>(c.workload->architecture.layers.size());
  q.placement = describe(c.placement, layers);
  q.gpu_layers = c.placement.gpu_layers(layers);
  q.cpu_moe_layers = c.placement.host_expert_layers;
  q.files = c.files;
  if (!c.profile) return;
  q.profile = c.profile->family;
  q.profile_date = c.profile->date;
}

Evidence evidence_of(const Compiled& c) {
  return {std::string(name_of(evidence_level(c))), c.profile ? c.profile->rows(c.scope) : 0, {}};
}

std::vector<std::string> evidence_notes(const Compiled& c) {
  if (!c.profile || c.profile->level(c.scope) == EvidenceLevel::datasheet)
    return {"nothing of this device and stack is measured: the figures follow from datasheets and kernel descriptions"};
  if (is_calibrated_case(c)) return {};
  if (c.query.concurrency > 1)
    return {
        "measured were single sequences: what several cost together follows from datasheets and kernel descriptions"};
  return {"measured were single devices that hold all layers: what crosses a link here follows from datasheets"};
}

std::string asked_cache_type(const Compiled& c) { return cache_type_text(c.query.key_type, c.query.value_type); }

// What was asked beyond what was measured.
std::vector<std::string> beyond_notes(const Compiled& c) {
  std::vector<std::string> notes;
  if (!c.profile || c.profile->level(c.scope) == EvidenceLevel::datasheet) return notes;
  if (!c.query.overrides.empty())
    notes.emplace_back("measured was the device as it is: what --set changes follows from the model alone");
  const std::int64_t measured = c.profile->deepest_of(c.scope.device);
  const std::int64_t most =
      c.query.depths.empty() ? c.query.depth : *std::max_element(c.query.depths.begin(), c.query.depths.end());
  const std::int64_t asked = most + c.query.prompt + c.query.gen / 2;
  constexpr std::int64_t as_deep = 2;  // within twice, attention goes on as before
  if (measured > 0 && asked > as_deep * measured)
    notes.push_back("measurements reach " + std::to_string(measured) + " tokens in the cache; " +
                    std::to_string(asked) + " follow from the model alone");
  if (const std::string type = asked_cache_type(c); !c.profile->has_measured_cache(type))
    notes.push_back("a cache of " + type + " was not measured" +
                    (c.profile->cache_types.empty() ? ", as far as the profile tells" : "") +
                    ": what attention takes with it follows from kernel descriptions");
  return notes;
}

// What the reader should know that the figures rest on.
std::vector<std::string> assumptions(const Compiled& c) {
  std::vector<std::string> notes = evidence_notes(c);
  for (std::string& note : beyond_notes(c)) notes.push_back(std::move(note));
  if (!c.device->memory.gpu_limits.empty() && !c.stack->on_cpu && !c.query.wired_limit)
    notes.emplace_back("the GPU may keep the default share of unified memory resident; --wired-limit says otherwise");
  if (c.query.threads && !c.stack->on_cpu && !c.placement.uses_host())
    notes.emplace_back("--threads changes nothing: no layer runs on a CPU");
  if (c.query.offload.cpu_moe_layers > 0 && !c.workload->architecture.has_experts())
    notes.emplace_back("--cpu-moe changes nothing: the model has no routed experts");
  if (c.query.offload.streams_everything && c.placement.uses_host())
    notes.emplace_back(
        "--offload stream: every step copies all weights of the host, which no stack does while decoding");
  if (c.workload->architecture.extra_layers > 0)
    notes.emplace_back("multi-token-prediction layers of the file are neither loaded nor run");
  return notes;
}

}  // namespace

Bytes Prediction::total_bytes() const {
  Bytes total;
  for (const MemoryPool& pool : pools) total += pool.used();
  return total;
}

namespace {

std::int64_t deepest(const Query& query) {
  return query.depths.empty() ? query.depth : *std::max_element(query.depths.begin(), query.depths.end());
}

}  // namespace

const ParameterSpread::Slopes& SlopeMemo::rest(const ParameterSpread& parameters, const PlacedStep& step,
                                               const StepShape& shape) {
  constexpr std::size_t shapes = 64;
  constexpr std::uint64_t odd = 31;
  if (entries_.empty()) entries_.resize(shapes);
  const auto mixed = static_cast<std::uint64_t>(shape.batch) * odd + static_cast<std::uint64_t>(shape.new_tokens);
  Entry& entry = entries_[mixed % shapes];
  if (entry.batch != shape.batch || entry.new_tokens != shape.new_tokens || entry.outputs != shape.outputs)
    entry = {shape.batch, shape.new_tokens, shape.outputs,
             slopes_of(parameters, step, Batch(&shape, 1), StepEvaluator::Part::rest)};
  return entry.slopes;
}

Certainty certainty_of(const Compiled& c, const Database& database) {
  if (!is_calibrated_case(c)) return {.residual = database.residual_scale(), .parameters = nullptr};
  const EvidenceLevel level = c.profile->level(c.scope);
  const bool own = c.profile->has_leftovers() && level <= EvidenceLevel::same_device && c.machine.devices == 1;
  return {.residual = c.profile->residual_of(level),
          .parameters = database.parameter_spread(c.stack->family, c.scope),
          .step = &c.evaluator,
          .cut = cut_of(c),
          .machine = own ? c.profile : nullptr,
          .cell = own ? cell_of(c) : RateCell(),
          .attention_doubt = c.profile->has_measured_cache(asked_cache_type(c)) ? 0 : unmeasured_attention};
}

PromptCut cut_of(const Compiled& c) { return {ubatch_of(c), c.stack->prompt_batch}; }

RateCell cell_of(const Compiled& c) {
  const Architecture& architecture = c.workload->architecture;
  RateCell cell{.stack = c.scope.stack,
                .model = architecture.id,
                .quant = c.query.quant,
                .hidden = static_cast<double>(architecture.hidden),
                .has_experts = architecture.has_experts()};
  for (const Tensor& tensor : c.workload->tensors) cell.parameters += static_cast<double>(tensor.elements());
  return cell;
}

RateCell cell_at(RateCell cell, const Query& query, PhaseKind phase) {
  const bool prefill = phase == PhaseKind::prefill;
  cell.tokens = prefill ? static_cast<double>(query.prompt) : 1;
  cell.depth = static_cast<double>(query.depth);
  if (!prefill) cell.depth += static_cast<double>(query.prompt) + static_cast<double>(query.gen) / 2;
  cell.batch = static_cast<double>(query.concurrency);
  return cell;
}

Leftover Certainty::leftover(const Query& query, PhaseKind phase) const {
  return machine ? machine->leftovers(phase).at(cell_at(cell, query, phase)) : Leftover();
}

// One step stands for its phase: what it consists of changes little from one to the next.
double Certainty::prefill(const Query& query) const {
  return log_scale(*this, residual.prefill, parameters ? prefill_steps(query, cut, 1) : std::vector<RepeatedStep>());
}

double Certainty::decode(const Query& query) const {
  return log_scale(*this, residual.decode, parameters ? decode_steps(query, 1) : std::vector<RepeatedStep>());
}

EvidenceLevel evidence_level(const Compiled& c) {
  if (!c.profile) return EvidenceLevel::datasheet;
  const EvidenceLevel level = c.profile->level(c.scope);
  return level == EvidenceLevel::measured && !is_calibrated_case(c) ? EvidenceLevel::same_device : level;
}

Phase prefill_phase(const StepCost& cost, const Query& query, const Certainty& certainty) {
  const double tokens = static_cast<double>(query.prompt * query.concurrency);
  return phase_of(cost, tokens, certainty.leftover(query, PhaseKind::prefill), certainty.prefill(query));
}

Phase decode_phase(const StepCost& cost, const Query& query, const Certainty& certainty) {
  const auto tokens = static_cast<double>(query.concurrency);
  return phase_of(cost, tokens, certainty.leftover(query, PhaseKind::decode), certainty.decode(query));
}

Latencies latencies_of(const Phase* prefill, const Phase* decode, const Query& query, Seconds request) {
  Latencies l;
  const Phase* first = prefill != nullptr ? prefill : decode;
  if (first == nullptr || first->seconds.value() <= 0) return l;
  l.ttft = like(*first, first->seconds.value() + request.value());
  if (decode == nullptr) return l;
  l.tpot = like(*decode, decode->seconds.value());
  // The first token comes with the prefill. The two phases' errors are taken to go together: the widest case.
  const double rest = static_cast<double>(query.gen - 1);
  const auto sum = [&](double a, double b) { return a + rest * b; };
  l.e2e_latency =
      Interval{sum(l.ttft->value, l.tpot->value), sum(l.ttft->p10, l.tpot->p10), sum(l.ttft->p90, l.tpot->p90)};
  const double tokens = static_cast<double>(query.gen * query.concurrency);
  l.output_token_throughput =
      Interval{tokens / l.e2e_latency->value, tokens / l.e2e_latency->p90, tokens / l.e2e_latency->p10};
  return l;
}

MemoryRequest memory_request(const Compiled& c) {
  MemoryRequest request;
  request.cache = {.context = static_cast<double>(deepest(c.query) + c.query.prompt + c.query.gen),
                   .sequences = static_cast<double>(c.query.concurrency),
                   .key_type = c.machine.device.key_type,
                   .value_type = c.machine.device.value_type,
                   .ubatch = static_cast<double>(ubatch_of(c)),
                   .unified = c.query.unified_cache};
  if (!c.query.depths.empty())
    for (const DepthGroup& group : depth_groups(c.query))
      request.cache.mixed.push_back(
          {static_cast<double>(group.sequences), static_cast<double>(group.depth + c.query.prompt + c.query.gen)});
  request.usable = {memory_capacity(*c.device, c.query), c.query.os, c.query.wired_limit};
  if (c.host && c.device->device_class == DeviceClass::discrete)
    request.host_capacity = host_capacity(*c.host, c.query);
  request.fused_attention = c.machine.device.fused_attention;
  request.placement = c.placement;
  return request;
}

namespace {

// Of a power limit that no clock keeps to.
std::optional<std::string> unmet_limit(const Prediction& p, const Compiled& c) {
  if (!c.query.power_limit || !p.power || !p.power->limit) return std::nullopt;
  Watts drawn(0);
  for (const auto& phase : {p.power->prefill, p.power->decode})
    if (phase) drawn = std::max(drawn, phase->watts);
  constexpr double rounding = 1.01;
  if (drawn <= rounding * *p.power->limit) return std::nullopt;
  return "--power-limit: at its lowest clock the device still draws " + rounded(drawn.value(), 3) + " W";
}

}  // namespace

Prediction predict(const Compiled& c, const Database& database) {
  Prediction p;
  const Bytes capacity = memory_capacity(*c.device, c.query);
  resolve(p, c, capacity);
  p.file_bytes = c.workload->tensor_bytes();
  const MemoryRequest request = memory_request(c);
  p.pools = memory_pools(c.layers, c.workload->architecture, *c.device, *c.stack, request);
  p.limiting = limiting_memory(c, p.pools, request, database);
  p.sequences = sequences_that_fit(c, p.pools, request);
  p.feasible = p.limiting.empty();
  p.quality = quality_of(c.scheme.get(), *c.workload);
  p.evidence = evidence_of(c);
  p.evidence.notes = assumptions(c);
  if (!p.feasible) return p;
  const Certainty certainty = certainty_of(c, database);
  if (c.query.prompt > 0) p.prefill = prefill_phase(prefill_cost(c.evaluator, c.query, cut_of(c)), c.query, certainty);
  if (c.query.gen > 0) p.decode = decode_phase(mean_decode_cost(c.evaluator, c.query), c.query, certainty);
  add_power(p, c);
  if (const auto note = unmet_limit(p, c)) p.evidence.notes.push_back(*note);
  const Latencies latencies = latencies_of(p.prefill ? &*p.prefill : nullptr, p.decode ? &*p.decode : nullptr, c.query,
                                           c.stack->overheads.request);
  p.ttft = latencies.ttft;
  p.tpot = latencies.tpot;
  p.e2e_latency = latencies.e2e_latency;
  p.output_token_throughput = latencies.output_token_throughput;
  add_running(p, c, database);
  return p;
}

Prediction predict(const Query& query, const Database& database) { return predict(compile(query, database), database); }

}  // namespace silicast
