// SPDX-License-Identifier: Apache-2.0
#include "planning/point.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "model/feasibility.h"
#include "model/footprint.h"
#include "model/model_source.h"
#include "model/quality.h"

namespace silicast {

namespace {

constexpr double million = 1e6;
constexpr double seconds_per_hour = 3600;

void add_latencies(Figures& figures, const Latencies& l) {
  if (l.ttft) figures[Figure::ttft] = l.ttft->value;
  if (l.tpot) figures[Figure::tpot] = l.tpot->value;
  if (l.e2e_latency) figures[Figure::e2e] = l.e2e_latency->value;
  if (l.output_token_throughput) figures[Figure::throughput] = l.output_token_throughput->value;
}

void add_decode(Figures& figures, const Interval& rate) {
  figures[Figure::decode] = rate.value;
  figures[Figure::decode_p10] = rate.p10;
  figures[Figure::decode_p90] = rate.p90;
}

std::string gib(Bytes bytes) { return rounded(bytes / 1_GiB, 4) + " GiB"; }

}  // namespace

Shape shape_of(const Query& query) { return {query.prompt, query.gen, query.depth, query.concurrency}; }

void set_shape(Query& query, const Shape& shape) {
  query.prompt = shape.prompt;
  query.gen = shape.gen;
  query.depth = shape.depth;
  query.concurrency = shape.concurrency;
}

Point point_of(const Prediction& p) {
  Point point;
  Figures& f = point.figures;
  point.feasible = p.feasible;
  point.reason = p.limiting;
  f[Figure::memory] = p.total_bytes().value();
  if (p.quality) f[Figure::quality] = p.quality->perplexity_ratio;
  const auto known = [&](EvidenceLevel level) { return name_of(level) == p.evidence.level; };
  for (const EvidenceLevel level :
       {EvidenceLevel::measured, EvidenceLevel::same_device, EvidenceLevel::same_family, EvidenceLevel::datasheet})
    if (known(level)) point.evidence = name_of(level);
  if (p.prefill) f[Figure::prefill] = p.prefill->tokens_per_second.value;
  if (p.prefill) point.prefill_bound = name_of(p.prefill->cost.bottleneck());
  if (p.decode) add_decode(f, p.decode->tokens_per_second);
  if (p.decode) point.decode_bound = name_of(p.decode->cost.bottleneck());
  add_latencies(f, {p.ttft, p.tpot, p.e2e_latency, p.output_token_throughput});
  if (p.power && p.power->decode) f[Figure::power] = p.power->decode->watts.value();
  if (p.energy && p.energy->per_output_token) f[Figure::energy] = p.energy->per_output_token->value();
  if (!p.cost) return point;
  f[Figure::hourly] = p.cost->usd_per_hour;
  if (p.cost->usd_per_million_input_tokens) f[Figure::cost_in] = *p.cost->usd_per_million_input_tokens;
  if (p.cost->usd_per_million_output_tokens) f[Figure::cost] = *p.cost->usd_per_million_output_tokens;
  return point;
}

std::size_t PhaseCache::slot(const Key& key) const {
  constexpr std::uint64_t odd = 0x9E3779B97F4A7C15U;  // 2^64 over the golden ratio
  std::uint64_t mixed = key.evaluator;
  for (const std::int64_t part : {key.a, key.b, key.c}) mixed = (mixed ^ static_cast<std::uint64_t>(part)) * odd;
  constexpr int upper_half = 32;
  return static_cast<std::size_t>(mixed >> upper_half) % prefill_.size();
}

const PreparedModel& PhaseCache::model(const std::string& name, const std::string& quant, const Database& database) {
  constexpr std::size_t most = 64;  // some megabytes
  std::pair key(name, quant);
  auto at = models_.find(key);
  if (at != models_.end()) return at->second;
  PreparedModel made = prepare_model(read_model_source(name, database), quant, database);
  if (models_.size() >= most) models_.clear();
  return models_.emplace(std::move(key), std::move(made)).first->second;
}

// A query compiled, with all that does not depend on the shape.
class PointEvaluator::Bound {
 public:
  Bound(const Query& query, const Database& database, PhaseCache& cache)
      : compiled_(query.quant.empty() ? compile(query, database)
                                      : compile(query, database, cache.model(query.model, query.quant, database))),
        query_(compiled_.query),
        memo_(compiled_.evaluator),
        footprint_(compiled_),
        cut_(cut_of(compiled_)),
        cache_(cache),
        id_(cache.next_evaluator()) {
    check(query.cost);
    const CostInputs costs = prices_of(compiled_, memory_capacity(*compiled_.device, query), database);
    if (costs.purchase || costs.rent) tariff_.emplace(costs, query.cost);
    quality_ = quality_of(compiled_.scheme.get(), *compiled_.workload);
    // Single sequences and batches differ in what is known of them.
    for (std::size_t several = 0; several < certainty_.size(); ++several) {
      compiled_.query.concurrency = static_cast<std::int64_t>(several) + 1;
      certainty_[several] = certainty_of(compiled_, database);
      certainty_[several].memo = std::make_shared<SlopeMemo>();
      evidence_[several] = evidence_level(compiled_);
    }
  }

  [[nodiscard]] const Compiled& compiled() const { return compiled_; }
  [[nodiscard]] Footprint::Use use(const Shape& shape) {
    return footprint_(static_cast<double>(shape.depth + shape.prompt + shape.gen),
                      static_cast<double>(shape.concurrency));
  }

  // Of a shape that the model's context holds; `use` as above.
  void answer(Point& point, const Shape& shape, const Footprint::Use& use) {
    point.figures = Figures();
    point.prefill_bound = point.decode_bound = {};
    point.evidence = name_of(evidence_[several(shape)]);
    point.figures[Figure::memory] = use.total.value();
    if (quality_) point.figures[Figure::quality] = quality_->perplexity_ratio;
    point.feasible = use.lacks == nullptr;
    if (!point.feasible) {
      point.reason = "memory of " + *use.lacks + ": needs " + gib(use.needs) + ", has " + gib(use.has);
      return;
    }
    point.reason.clear();
    set_shape(query_, shape);
    const PhaseCache::Entry* prefill = shape.prompt > 0 ? &prefill_of(shape) : nullptr;
    const PhaseCache::Entry* decode = shape.gen > 0 ? &decode_of(shape) : nullptr;
    add_phases(point, shape, prefill, decode);
    add_latencies(point.figures, latencies_of(prefill ? &prefill->phase : nullptr, decode ? &decode->phase : nullptr,
                                              query_, compiled_.stack->overheads.request));
  }

 private:
  static std::size_t several(const Shape& shape) { return shape.concurrency > 1 ? 1 : 0; }

  const PhaseCache::Entry& prefill_of(const Shape& shape) {
    const PhaseCache::Key key{id_, shape.prompt, shape.depth, shape.concurrency};
    PhaseCache::Entry& entry = cache_.prefill(key);
    if (entry.key == key) return entry;
    entry.key = key;
    entry.phase = prefill_phase(prefill_cost(memo_, query_, cut_), query_, certainty_[several(shape)]);
    entry.power = limited_power(entry.phase, compiled_, compiled_.machine.devices);
    return entry;
  }

  const PhaseCache::Entry& decode_of(const Shape& shape) {
    const PhaseCache::Key key{id_, shape.prompt + shape.depth, shape.gen, shape.concurrency};
    PhaseCache::Entry& entry = cache_.decode(key);
    if (entry.key == key) return entry;
    entry.key = key;
    entry.phase = decode_phase(mean_decode_cost(memo_, query_), query_, certainty_[several(shape)]);
    entry.power = limited_power(entry.phase, compiled_, compiled_.machine.devices);
    return entry;
  }

  void add_phases(Point& point, const Shape& shape, const PhaseCache::Entry* prefill,
                  const PhaseCache::Entry* decode) const {
    Figures& f = point.figures;
    const auto sequences = static_cast<double>(shape.concurrency);
    double usd = 0;
    double seconds = 0;
    const auto bill = [&](const PhaseCache::Entry& entry, double tokens, double times, Figure figure) {
      if (!tariff_) return;
      const Seconds all = times * entry.phase.seconds;
      const double cost = tariff_->of(all, entry.power ? std::optional(entry.power->wall) : std::nullopt);
      usd += cost;
      seconds += all.value();
      f[figure] = cost / tokens * million;
    };
    if (prefill != nullptr) {
      f[Figure::prefill] = prefill->phase.tokens_per_second.value;
      point.prefill_bound = name_of(prefill->phase.cost.bottleneck());
      bill(*prefill, static_cast<double>(shape.prompt) * sequences, 1, Figure::cost_in);
    }
    if (decode != nullptr) {
      add_decode(f, decode->phase.tokens_per_second);
      point.decode_bound = name_of(decode->phase.cost.bottleneck());
      if (decode->power) {
        f[Figure::power] = decode->power->watts.value();
        f[Figure::energy] = (decode->power->watts * decode->phase.seconds).value() / sequences;
      }
      const auto gen = static_cast<double>(shape.gen);
      bill(*decode, gen * sequences, gen, Figure::cost);
    }
    if (tariff_) f[Figure::hourly] = usd / (seconds / seconds_per_hour);
  }

  Compiled compiled_;
  Query query_;  // of the shape asked
  StepMemo memo_;
  Footprint footprint_;
  std::array<Certainty, 2> certainty_;
  PromptCut cut_;
  std::optional<Tariff> tariff_;
  std::optional<Quality> quality_;
  std::array<EvidenceLevel, 2> evidence_{};
  PhaseCache& cache_;
  std::uint64_t id_;
};

PointEvaluator::PointEvaluator(Query query, const Database& database, PhaseCache& cache, const Shape* first)
    : query_(std::move(query)), database_(database), cache_(cache) {
  if (is_mixed()) return;
  try {
    // A shape that every model's context holds; encoders generate nothing.
    const bool generates = !read_model_source(query_.model, database_).shapes().encoder;
    const Shape any{.prompt = 1, .gen = generates ? 1 : 0, .depth = 0, .concurrency = 1};
    set_shape(query_, first != nullptr && placement_depends_on_shape() ? *first : any);
    bound_ = std::make_unique<Bound>(query_, database_, cache_);
    bound_shape_ = shape_of(query_);
  } catch (const Error& error) {
    refusal_ = error.what();
  }
}

PointEvaluator::~PointEvaluator() = default;

const Compiled* PointEvaluator::compiled() const { return bound_ ? &bound_->compiled() : nullptr; }

void PointEvaluator::refuse(std::string reason) {
  point_ = Point();
  point_.reason = std::move(reason);
}

bool PointEvaluator::placement_depends_on_shape() const { return query_.offload.layers == Offload::Layers::automatic; }

bool PointEvaluator::is_mixed() const { return !query_.depths.empty() || query_.depth_range; }

const Point& PointEvaluator::operator()(const Shape& shape) {
  if (!refusal_.empty()) {
    refuse(refusal_);
    return point_;
  }
  set_shape(query_, shape);
  try {
    if (is_mixed())
      point_ = point_of(predict(query_, database_));
    else
      answer(shape);
  } catch (const Error& error) {
    refuse(error.what());
  }
  return point_;
}

void PointEvaluator::answer(const Shape& shape) {
  const Architecture& a = bound_->compiled().workload->architecture;
  const bool usual = shape.depth + shape.prompt + shape.gen <= a.context && shape.prompt + shape.gen > 0 &&
                     shape.concurrency >= 1 && shape.concurrency <= most_sequences &&
                     std::min({shape.prompt, shape.gen, shape.depth}) >= 0;
  if (!usual || a.encoder) check_request(query_, a);
  Footprint::Use use = bound_->use(shape);
  const bool moves = placement_depends_on_shape() || use.pages || bound_->compiled().placement.paged.value() > 0;
  if (moves && shape != bound_shape_) {
    bound_ = std::make_unique<Bound>(query_, database_, cache_);
    bound_shape_ = shape;
    use = bound_->use(shape);
  }
  bound_->answer(point_, shape, use);
}

}  // namespace silicast
