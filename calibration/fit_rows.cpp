// SPDX-License-Identifier: Apache-2.0
#include "calibration/fit_rows.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <set>
#include <thread>
#include <tuple>
#include <variant>

#include "base/text.h"
#include "calibration/baselines.h"
#include "calibration/plausibility.h"
#include "calibration/question.h"
#include "calibration/repeats.h"
#include "model/machine.h"

namespace silicast {

namespace {

// A step's time is all but linear in its depth: few samples do.
constexpr std::int64_t most_prefill_steps = 3;
constexpr std::int64_t most_decode_steps = 2;

// Machines and collections that are known not to show what the hardware does (docs/accuracy.md).
struct OddSource {
  std::string_view source;  // within the URL
  std::string_view device;  // within the name; empty: all
  std::string_view reason;
};
constexpr std::array odd_sources{
    OddSource{"enescingoz", "m5", "throttled or odd machine"}, OddSource{"isotopp", "", "throttled or odd machine"},
    OddSource{"krisdcosta", "m4", "throttled or odd machine"},
    // A passively cooled phone: run by run slower with nothing else changed (16.1, 13.9, 13.0, 12.5 tokens/s).
    OddSource{"krisdcosta", "tensor g1", "throttled or odd machine"},
    OddSource{"guruswami", "3080", "spills out of the card's memory"},
    OddSource{"discussions/491", "5120", "a GPU takes part, not said which of it"},
    OddSource{"localscore", "", "average over several shapes"},
    OddSource{"localmaxxing", "", "unverified user submission"}, OddSource{"llmfit", "", "unverified user submission"},
    // Files of code of unknown length, beside answers of a few hundred tokens.
    OddSource{"sourcegraph-fim", "", "prompts of unknown length"}};

// "https://github.com/owner/name/blob/..." -> "github.com/owner/name"
std::string source_of(const std::string& url) {
  const auto parts = split(url, '/');
  std::vector<std::string> kept;
  constexpr std::size_t most = 3;
  for (std::size_t i = 0; i < parts.size() && kept.size() < most; ++i)
    if (const auto part = trim(parts[i]); !part.empty() && !part.ends_with(':')) kept.emplace_back(part);
  return join(kept, "/");
}

std::string shape_of(const Query& q, Metric metric) {
  std::string text = q.prompt > 0 ? "pp" + std::to_string(q.prompt) : "";
  if (metric != Metric::prefill_rate) text += (text.empty() ? "tg" : "+tg") + std::to_string(q.gen);
  if (q.depth > 0) text += " @ d" + std::to_string(q.depth);
  return q.concurrency > 1 ? text + " x" + std::to_string(q.concurrency) : text;
}

std::string class_of(const Architecture& architecture) {
  const bool recurrent = std::any_of(architecture.kinds.begin(), architecture.kinds.end(), [](const Layer& layer) {
    return !std::holds_alternative<GroupedAttention>(layer.mixer) &&
           !std::holds_alternative<LatentAttention>(layer.mixer);
  });
  return std::string(recurrent ? "hybrid, " : "") + (architecture.has_experts() ? "mixture of experts" : "dense");
}

// A total is one of whole requests.
Measured how_of(const Question& question) {
  return question.metric == Metric::total_rate && question.measured == Measured::apart ? Measured::whole_batch
                                                                                       : question.measured;
}

FitRow row_of(const Observation& observation, const Question& question, const Compiled& c) {
  const bool prefill = question.metric == Metric::prefill_rate;
  FitRow row{.id = observation.id,
             .source = source_of(observation.source_url),
             .model = c.workload->architecture.id,
             .quant = c.query.quant,
             .family = c.stack->family,
             .scope = c.scope,
             .metric = question.metric,
             .measured = observation.value,
             .batch = static_cast<double>(c.query.concurrency),
             .devices = c.machine.devices,
             .shape = shape_of(c.query, question.metric),
             .model_class = class_of(c.workload->architecture),
             .depth = static_cast<double>(c.query.depth),
             .cache_type = cache_type_text(c.query.key_type, c.query.value_type),
             .cell = cell_at(cell_of(c), c.query, prefill ? PhaseKind::prefill : PhaseKind::decode)};
  const StepEvaluator& evaluator = *c.evaluator.each();
  const MeasuredSteps measured =
      prefill ? MeasuredSteps{.steps = prefill_steps(c.query, cut_of(c), most_prefill_steps),
                              .prompts = static_cast<double>(c.query.prompt) * row.batch}
              : measured_steps(c.query, how_of(question), cut_of(c), most_prefill_steps, most_decode_steps);
  row.tokens = question.metric == Metric::decode_rate ? measured.tokens : measured.tokens + measured.prompts;
  for (const RepeatedStep& step : measured.steps) {
    row.step_seconds += step.times * evaluator.step_overhead().value();
    const BatchTotals totals = totals_of(step.batch);
    row.link_seconds += step.times * c.evaluator.reduce_seconds(totals.tokens).value();
    row.sequence_seconds += step.times * totals.outputs * evaluator.sequence_overhead().value();
    for (OpWork work : evaluator.work(step.batch)) {
      work.layers *= step.times;
      row.work.push_back(work);
    }
  }
  row.ideal = bandwidth_over_size(question.metric, c).value_or(0);
  return row;
}

// A graph that is all on the CPU is one split; a row that is said to be of a CPU and has more of them had a GPU's help.
bool is_helped_by_a_gpu(const Observation& row, std::string_view notes) {
  if (!row.backend.ends_with("cpu")) return false;
  for (const char* said : {"=cuda", "cpu+gpu", "on gpu"})
    if (notes.find(said) != std::string_view::npos) return true;
  constexpr std::string_view sign = "graph splits = ";
  const auto at = notes.find(sign);
  if (at == std::string_view::npos) return false;
  std::string_view number = notes.substr(at + sign.size());
  number = number.substr(0, number.find_first_not_of("0123456789"));
  return parse_integer(number).value_or(1) > 1;
}

bool fits(const Compiled& c) {
  const auto pools = memory_pools(c.layers, c.workload->architecture, *c.device, *c.stack, memory_request(c));
  return std::all_of(pools.begin(), pools.end(), holds);
}

struct Candidate {
  std::size_t index = 0;
  Question question;
};

struct Outcome {
  std::optional<FitRow> row;
  std::string reason;
};

// Rows of one source that say the same and differ by more than twice: what makes them differ is not said. Every row of
// such a group.
std::set<std::size_t> conflicting(const std::vector<Observation>& observations) {
  constexpr double most = 2;
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < observations.size(); ++i) groups[conditions_of(observations[i])].push_back(i);
  std::set<std::size_t> result;
  for (const auto& [key, members] : groups) {
    const auto [low, high] = std::minmax_element(members.begin(), members.end(), [&](std::size_t a, std::size_t b) {
      return observations[a].value < observations[b].value;
    });
    if (observations[*high].value > most * observations[*low].value) result.insert(members.begin(), members.end());
  }
  return result;
}

// The question, or why the row is not for a fit.
std::variant<Question, std::string> question_of(const Observation& observation, const QueryMapper& mapper) {
  const auto metric = metric_of_name(observation.metric);
  if (metric != Metric::prefill_rate && metric != Metric::decode_rate && metric != Metric::total_rate)
    return std::string("not a rate");
  if (const auto reason = not_for_fitting(observation)) return *reason;
  QuestionOrReason result = mapper(observation);
  if (auto* reason = std::get_if<Unpredicted>(&result)) return reason->reason;
  Question question = std::get<Question>(std::move(result));
  if (question.replicas > 1) return std::string("several devices");
  if (question.query.offload.wants_host() && question.query.offload.cpu_moe_layers > 0)
    return std::string("experts on the host");
  question.query.calibrated = false;
  return question;
}

void answer(const std::vector<Candidate>& batch, const std::vector<Observation>& observations, const Database& database,
            std::vector<Outcome>& outcomes) {
  try {
    Compiled c = compile_for(batch.front().question.query, database);
    for (const auto& [index, question] : batch) {
      Outcome& outcome = outcomes[index];
      c.query.prompt = question.query.prompt;
      c.query.gen = question.query.gen;
      c.query.depth = question.query.depth;
      c.query.concurrency = question.query.concurrency;
      c.layers = layer_memory(*c.workload, memory_request(c).cache, c.stack->allocation);
      if (const auto reason = impossible(question, c))
        outcome.reason = reason->reason;
      else if (beyond_the_hardware(question, observations[index].value, c))
        outcome.reason = "beyond what the hardware allows";
      else if (c.evaluator.each() == nullptr || c.placement.uses_host())
        outcome.reason = "not all on one device";
      else if (c.stack->allocation.rule != BufferRule::paged && question.query.concurrency > 1)
        outcome.reason = "several sequences";
      else if (c.stack->allocation.rule != BufferRule::paged && c.machine.devices > 1)
        outcome.reason = "several devices";
      else if (question.query.concurrency > 1 && !fits(c))
        outcome.reason = "sequences wait for memory";
      else
        outcome.row = row_of(observations[index], question, c);
    }
  } catch (const Error&) {
    for (const auto& [index, question] : batch) outcomes[index].reason = "outside of the model";
  }
}

}  // namespace

std::vector<OpWork> FitRow::corrected(const Corrections& corrections) const {
  std::vector<OpWork> result = work;
  for (OpWork& op : result)
    op.apply(corrections.of(op.corrected_by_kernel ? op.kernel : "", op.type, op.unpacked_before));
  return result;
}

StepOverheads FitRow::overheads(const Corrections& corrections) const {
  return {.step = step_seconds * corrections.step,
          .sequence = sequence_seconds * corrections.sequence,
          .link = link_seconds * corrections.link};
}

StepCost FitRow::cost(const Corrections& corrections) const {
  StepCost sum;
  for (const OpWork& op : corrected(corrections)) StepEvaluator::add(sum, op);
  const StepOverheads beside = overheads(corrections);
  const double step = beside.step + beside.sequence;
  sum.seconds += Seconds(step + beside.link);
  sum.busy[static_cast<std::size_t>(Resource::link)] += beside.link;
  sum.bound[static_cast<std::size_t>(Resource::link)] += beside.link;
  sum.busy[static_cast<std::size_t>(Resource::launch)] += step;
  sum.bound[static_cast<std::size_t>(Resource::launch)] += step;
  return sum;
}

std::optional<std::string> not_for_fitting(const Observation& row) {
  const auto contains = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  const std::string notes = lower(row.notes);
  if (contains(row.notes, "FLAG")) return "beyond what the hardware allows";
  for (const char* sign : {"power limit", "power-limit", "powerlimit", "power cap", "power-cap", "throttl"})
    if (contains(notes, sign)) return "power-limited or throttled";
  if (contains(notes, "device inferred")) return "device not stated, inferred from its author";
  if (is_helped_by_a_gpu(row, notes)) return "a GPU takes part, not said which of it";
  const std::string url = lower(row.source_url);
  const std::string device = lower(row.device);
  for (const OddSource& odd : odd_sources)
    if ((contains(url, odd.source) || contains(notes, odd.source)) && contains(device, odd.device))
      return std::string(odd.reason);
  return std::nullopt;
}

FitRows fit_rows(const std::vector<Observation>& observations, const Database& database, unsigned threads) {
  const QueryMapper mapper(database);
  std::vector<Outcome> outcomes(observations.size());
  std::map<std::string, std::vector<Candidate>> batches;
  const std::set<std::size_t> conflicts = conflicting(observations);
  for (std::size_t i = 0; i < observations.size(); ++i) {
    if (conflicts.contains(i)) {
      outcomes[i].reason = "conflicting rows of one source";
      continue;
    }
    auto result = question_of(observations[i], mapper);
    if (auto* reason = std::get_if<std::string>(&result))
      outcomes[i].reason = *reason;
    else
      batches[compile_key(std::get<Question>(result).query)].push_back({i, std::get<Question>(result)});
  }
  std::vector<const std::vector<Candidate>*> work;
  for (const auto& [key, batch] : batches) work.push_back(&batch);
  std::atomic<std::size_t> next = 0;
  const auto run = [&] {
    for (std::size_t i = next++; i < work.size(); i = next++) answer(*work[i], observations, database, outcomes);
  };
  std::vector<std::thread> workers;
  for (unsigned i = 1; i < threads; ++i) workers.emplace_back(run);
  run();
  for (std::thread& worker : workers) worker.join();

  FitRows result;
  for (Outcome& outcome : outcomes) {
    if (outcome.row)
      result.rows.push_back(*std::move(outcome.row));
    else
      ++result.left_out[outcome.reason];
  }
  set_weights(result.rows);
  return result;
}

void set_weights(std::vector<FitRow>& rows) {
  const auto key = [](const FitRow& row) {
    return std::tuple(row.scope.device, row.scope.stack, row.model, row.metric);
  };
  std::map<std::tuple<std::string, std::string, std::string, Metric>, double> count;
  for (const FitRow& row : rows) ++count[key(row)];
  for (FitRow& row : rows) row.weight = 1 / std::sqrt(count[key(row)]);
}

}  // namespace silicast
