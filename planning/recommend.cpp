// SPDX-License-Identifier: Apache-2.0
#include "planning/recommend.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "model/machine.h"
#include "model/model_source.h"
#include "model/quality.h"
#include "model/running.h"
#include "planning/candidates.h"

namespace silicast {

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

Shape shape_of(const Needs& needs, std::int64_t context, std::int64_t users) {
  return {needs.prompt, needs.gen, std::max<std::int64_t>(0, context - needs.prompt - needs.gen), users};
}

void require(std::vector<Miss>& missed, Need need, bool met, double value, double limit) {
  if (!met) missed.push_back({need, value, limit, {}});
}

// What can be said of a combination before anything is compiled: its price and its quality.
std::vector<Miss> missed_before(const Needs& needs, const std::optional<double>& price,
                                const std::optional<Quality>& quality) {
  std::vector<Miss> missed;
  const double ratio = quality ? quality->perplexity_ratio : unknown;
  if (needs.budget)
    require(missed, Need::budget, price && *price <= *needs.budget, price.value_or(unknown), *needs.budget);
  if (needs.max_perplexity_ratio)
    require(missed, Need::quality, ratio <= *needs.max_perplexity_ratio, ratio, *needs.max_perplexity_ratio);
  return missed;
}

// Of a point that was asked for `users`.
std::vector<Miss> missed_by(const Needs& needs, const Point& point, std::int64_t users) {
  std::vector<Miss> missed;
  if (!point.feasible) return {{Need::memory, unknown, unknown, point.reason}};
  const Figures& f = point.figures;
  const double each = f[Figure::decode] / static_cast<double>(users);
  if (needs.min_decode) require(missed, Need::decode, each >= *needs.min_decode, each, *needs.min_decode);
  if (needs.max_ttft)
    require(missed, Need::ttft, f[Figure::ttft] <= needs.max_ttft->value(), f[Figure::ttft], needs.max_ttft->value());
  if (needs.max_watts)
    require(missed, Need::watts, f[Figure::power] <= needs.max_watts->value(), f[Figure::power],
            needs.max_watts->value());
  return missed;
}

// How far a proposal is from the needs: as many factors as it misses them by; what is not known counts as much.
double distance(const Proposal& p) {
  constexpr double far = 5;
  double sum = 0;
  for (const Miss& miss : p.missed)
    sum += 1 + (std::isnan(miss.value) ? far : std::abs(std::log(miss.value / miss.limit)));
  return sum;
}

// The largest value in [least, most] for which it holds, which it does up to there; nullopt: for none.
template <class Holds>
std::optional<std::int64_t> largest(std::int64_t least, std::int64_t most, Holds holds) {
  if (least > most || !holds(least)) return std::nullopt;
  while (least < most) {
    const std::int64_t middle = least + (most - least + 1) / 2;
    if (holds(middle))
      least = middle;
    else
      most = middle - 1;
  }
  return least;
}

// One combination.
struct Candidate {
  const CandidateModel* model;
  const CandidateMachine* machine;
  const CandidateQuant* quant;
};

// What one thread finds.
struct Found {
  std::vector<Proposal> proposals;
  std::map<std::pair<std::string, std::string>, Proposal> losers;  // by model and device
  std::map<Need, Relaxation> relaxations;
  // Too dear or too lossy and nothing else that is known: asked for the rest only where nothing qualifies.
  std::vector<std::pair<Candidate, Proposal>> postponed;
  std::uint64_t asked = 0;
};

void keep_loser(Found& found, Proposal proposal) {
  const auto key = std::pair(proposal.model, proposal.device);
  const auto at = found.losers.find(key);
  if (at == found.losers.end())
    found.losers.emplace(key, std::move(proposal));
  else if (distance(proposal) < distance(at->second))
    at->second = std::move(proposal);
}

// A smaller change wins; among equal ones the cheaper proposal.
void keep_relaxation(Found& found, Relaxation relaxation) {
  const auto size = [](const Relaxation& r) { return std::abs(std::log(r.enough / r.asked)); };
  const auto at = found.relaxations.find(relaxation.need);
  if (at == found.relaxations.end())
    found.relaxations.emplace(relaxation.need, std::move(relaxation));
  else if (size(relaxation) < size(at->second) ||
           (size(relaxation) == size(at->second) && better(relaxation.proposal, at->second.proposal, RankBy::price)))
    at->second = std::move(relaxation);
}

// What all threads know. None of it changes the answer, only what need not be asked for it.
struct Shared {
  std::atomic<bool> qualified = false;  // a combination meets all needs: relaxations are not wanted
  // The most that some combination serves, all else as needed: who serves less is no smaller change.
  std::atomic<std::int64_t> context = 0;
  std::atomic<std::int64_t> users = 0;
};

void raise(std::atomic<std::int64_t>& most, std::int64_t value) {
  for (std::int64_t seen = most; seen < value && !most.compare_exchange_weak(seen, value);) {
  }
}

class Asker {
 public:
  Asker(const Needs& needs, const Candidates& candidates, Shared& shared)
      : needs_(needs), candidates_(candidates), shared_(shared), cache_(16) {}

  // All quantizations of a model on a machine. Returns whether one of them qualifies.
  bool ask(const CandidateModel& model, const CandidateMachine& machine, Found& found) {
    bool any = false;
    for (const CandidateQuant& quant : model.quants) {
      if (quant.is_mlx && !machine.is_apple) continue;
      ++found.asked;
      Proposal proposal{.model = model.name,
                        .device = machine.label,
                        .quant = quant.name,
                        .memory = machine.memory,
                        .devices = machine.devices,
                        .price = machine.price,
                        .price_from = machine.price_from};
      proposal.missed = missed_before(needs_, machine.price, quant.quality);
      if (quant.quality) proposal.point.figures[Figure::quality] = quant.quality->perplexity_ratio;
      const Candidate candidate{&model, &machine, &quant};
      if (proposal.missed.size() > 1)
        keep_loser(found, std::move(proposal));
      else if (proposal.missed.size() == 1)
        found.postponed.emplace_back(candidate, std::move(proposal));
      else
        any = ask(candidate, std::move(proposal), found) || any;
    }
    return any;
  }

  bool ask(const Candidate& candidate, Proposal proposal, Found& found) {
    const auto& [model, machine, quant] = candidate;
    const Bytes most = static_cast<double>(machine->devices) * machine->memory;
    if (quant->least_bytes > most && !(machine->offloads && quant->offloads)) {
      proposal.missed.push_back({Need::memory, quant->least_bytes.value(), most.value(),
                                 "weights of " + human(quant->least_bytes) + ", memory of " + human(most)});
      keep_loser(found, std::move(proposal));
      return false;
    }
    return ask(*model, *machine, *quant, std::move(proposal), false, found);
  }

 private:
  bool ask(const CandidateModel& model, const CandidateMachine& machine, const CandidateQuant& quant, Proposal proposal,
           bool offloaded, Found& found) {
    Known& known = known_[{&model, &quant, machine.device}];
    if (!known.refusal.empty()) {
      proposal.missed.push_back({Need::memory, unknown, unknown, known.refusal});
      keep_loser(found, std::move(proposal));
      return false;
    }
    // It ran in less memory, as fast as it does here, and for no more money.
    const auto enough = known.enough.find(machine.devices);
    if (!offloaded && enough != known.enough.end() && enough->second < machine.memory) return false;
    // Layers follow each other over devices: more of them decode no faster where fewer hold the model, and are further
    // from the needs in whatever else counts here. They are told with the fewer ones' figure.
    if (!known.too_slow.empty() && machine.devices > known.too_slow_devices) {
      proposal.missed.insert(proposal.missed.end(), known.too_slow.begin(), known.too_slow.end());
      proposal.decode_each = unknown;
      keep_loser(found, std::move(proposal));
      return false;
    }
    const Shape shape = shape_of(needs_, needs_.context, needs_.users);
    PointEvaluator evaluator(candidates_.query(model, machine, quant, offloaded), candidates_.database(), cache_,
                             &shape);
    const Point& point = evaluator(shape);
    if (!point.feasible && !offloaded && machine.offloads && quant.offloads && evaluator.compiled() != nullptr &&
        evaluator.compiled()->stack->offload)
      return ask(model, machine, quant, std::move(proposal), true, found);
    if (evaluator.compiled() == nullptr && !offloaded) known.refusal = point.reason;
    if (point.feasible && !offloaded) known.enough.emplace(machine.devices, machine.memory);
    const std::size_t before = proposal.missed.size();
    fill(proposal, quant, evaluator, point);
    const auto missed = missed_by(needs_, point, needs_.users);
    proposal.missed.insert(proposal.missed.end(), missed.begin(), missed.end());
    if (point.feasible && !offloaded && missed.size() == 1 && missed.front().need == Need::decode) {
      known.too_slow = missed;
      known.too_slow_devices = machine.devices;
    }
    if (proposal.qualifies()) {
      shared_.qualified = true;
      found.proposals.push_back(std::move(proposal));
      return true;
    }
    if (!shared_.qualified) relax(evaluator, quant, proposal, before, offloaded, found);
    keep_loser(found, std::move(proposal));
    return false;
  }

  void fill(Proposal& proposal, const CandidateQuant& quant, const PointEvaluator& evaluator,
            const Point& point) const {
    proposal.point = point;
    if (quant.quality) proposal.point.figures[Figure::quality] = quant.quality->perplexity_ratio;
    proposal.decode_each = point.figures[Figure::decode] / static_cast<double>(needs_.users);
    const Compiled* c = evaluator.compiled();
    if (c == nullptr) return;
    proposal.stack = c->stack->id;
    proposal.quant = c->query.quant;
    proposal.placement = describe(c->placement, static_cast<int>(c->workload->architecture.layers.size()));
  }

  // Which single need, given up how far, would let the proposal qualify. `before`: of the misses, budget and quality.
  void relax(PointEvaluator& evaluator, const CandidateQuant& quant, const Proposal& proposal, std::size_t before,
             bool offloaded, Found& found) {
    if (proposal.missed.size() == 1) {
      const Miss& miss = proposal.missed.front();
      if (miss.need != Need::memory && !std::isnan(miss.value))
        keep_relaxation(found, {miss.need, miss.limit, miss.value, proposal});
    }
    // Where the placement follows the shape, every other shape is a compilation: too slow to search in.
    if (before > 0 || offloaded) return;
    const auto holds = [&](std::int64_t context, std::int64_t users) {
      return missed_by(needs_, evaluator(shape_of(needs_, context, users)), users).empty();
    };
    const auto keep = [&](Need need, std::int64_t asked, std::optional<std::int64_t> enough, std::int64_t context,
                          std::int64_t users) {
      if (!enough || *enough >= asked) return;
      const Point& point = evaluator(shape_of(needs_, context, users));
      Relaxation relaxation{need, static_cast<double>(asked), static_cast<double>(*enough), proposal};
      relaxation.proposal.missed.clear();
      fill(relaxation.proposal, quant, evaluator, point);
      relaxation.proposal.decode_each = point.figures[Figure::decode] / static_cast<double>(users);
      keep_relaxation(found, std::move(relaxation));
    };
    const auto context = largest(std::max<std::int64_t>(needs_.prompt + needs_.gen, shared_.context), needs_.context,
                                 [&](std::int64_t tokens) { return holds(tokens, needs_.users); });
    if (context) raise(shared_.context, *context);
    keep(Need::context, needs_.context, context, context.value_or(0), needs_.users);
    const auto users = largest(std::max<std::int64_t>(1, shared_.users), needs_.users,
                               [&](std::int64_t count) { return holds(needs_.context, count); });
    if (users) raise(shared_.users, *users);
    keep(Need::users, needs_.users, users, needs_.context, users.value_or(1));
  }

  const Needs& needs_;
  const Candidates& candidates_;
  // Of a model in a quantization on a device: why it never runs, or in how much memory so many devices hold it.
  struct Known {
    std::string refusal;
    std::map<int, Bytes> enough;
    std::vector<Miss> too_slow;  // not empty: so many devices hold it, and decode too slowly
    int too_slow_devices = 0;
  };
  std::map<std::tuple<const CandidateModel*, const CandidateQuant*, std::string>, Known> known_;
  Shared& shared_;
  PhaseCache cache_;
};

void merge(Found& all, Found part) {
  all.asked += part.asked;
  for (Proposal& proposal : part.proposals) all.proposals.push_back(std::move(proposal));
  for (auto& [key, proposal] : part.losers) keep_loser(all, std::move(proposal));
  for (auto& [need, relaxation] : part.relaxations) keep_relaxation(all, std::move(relaxation));
  for (auto& postponed : part.postponed) all.postponed.push_back(std::move(postponed));
}

// Calls `work(asker, task, found)` for every task, on so many threads; what is found does not depend on them.
template <class Work>
Found in_parallel(std::size_t tasks, int threads, const std::function<Asker()>& make_asker, Work work) {
  std::vector<Found> found(tasks);
  std::atomic<std::size_t> next = 0;
  std::exception_ptr error;
  std::mutex mutex;
  const auto loop = [&] {
    try {
      Asker asker = make_asker();
      for (std::size_t task = next++; task < tasks; task = next++) work(asker, task, found[task]);
    } catch (...) {
      const std::lock_guard lock(mutex);
      error = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(loop);
  loop();
  for (std::thread& thread : others) thread.join();
  if (error) std::rethrow_exception(error);
  Found all;
  for (Found& part : found) merge(all, std::move(part));
  return all;
}

// Machines of one device are asked from the smallest on, until one qualifies: more of it is not needed. Where none
// does, what was postponed is asked too: one of them may be the smallest change.
Found ask_all(const Needs& needs, const Candidates& candidates, int threads) {
  Shared shared;
  const auto make_asker = [&] { return Asker(needs, candidates, shared); };
  const std::size_t devices = candidates.devices().size();
  Found all = in_parallel(candidates.models().size() * devices, threads, make_asker,
                          [&](Asker& asker, std::size_t task, Found& found) {
                            for (const CandidateMachine& machine : candidates.devices()[task % devices])
                              if (asker.ask(candidates.models()[task / devices], machine, found)) break;
                          });
  auto postponed = std::move(all.postponed);
  if (shared.qualified) {
    all.relaxations.clear();  // of those that were asked before one qualified
    for (auto& [candidate, proposal] : postponed) keep_loser(all, std::move(proposal));
  } else {
    // Those of a device in one task: what is known of it spares questions.
    std::vector<std::size_t> starts;
    for (std::size_t i = 0; i < postponed.size(); ++i)
      if (i == 0 || postponed[i].first.model != postponed[i - 1].first.model ||
          postponed[i].first.machine->device != postponed[i - 1].first.machine->device)
        starts.push_back(i);
    starts.push_back(postponed.size());
    merge(all, in_parallel(starts.size() - 1, threads, make_asker, [&](Asker& asker, std::size_t task, Found& found) {
            for (std::size_t i = starts[task]; i < starts[task + 1]; ++i)
              asker.ask(postponed[i].first, std::move(postponed[i].second), found);
          }));
  }
  return all;
}

}  // namespace

std::string_view name_of(Need need) {
  switch (need) {
    case Need::budget: return "budget";
    case Need::quality: return "min-quality";
    case Need::memory: return "memory";
    case Need::decode: return "min-decode";
    case Need::ttft: return "max-ttft";
    case Need::watts: return "max-watts";
    case Need::context: return "context";
    case Need::users: break;
  }
  return "users";
}

void check(const Needs& needs) {
  if (needs.models.empty() && needs.classes.empty())
    throw UsageError("--model is missing: one model or several to choose from; or a --model-class such as 30b");
  if (needs.prompt + needs.gen > needs.context)
    throw UsageError("--context " + std::to_string(needs.context) + " does not hold --prompt " +
                     std::to_string(needs.prompt) + " and --gen " + std::to_string(needs.gen));
  if (needs.min_decode && needs.gen == 0) throw UsageError("--min-decode asks for tokens, and --gen is 0");
  if (needs.max_perplexity_ratio && *needs.max_perplexity_ratio < 1)
    throw UsageError("--min-quality: a perplexity ratio from 1 on is expected, got " +
                     exact(*needs.max_perplexity_ratio));
}

bool better(const Proposal& a, const Proposal& b, RankBy by) {
  const auto or_worst = [](double value) {
    return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
  };
  const auto key = [&](const Proposal& p) {
    const double price = p.price.value_or(std::numeric_limits<double>::infinity());
    const double slowness = -p.decode_each;
    const double quality = or_worst(p.point.figures[Figure::quality]);
    const double energy = or_worst(p.point.figures[Figure::energy]);
    switch (by) {
      case RankBy::decode: return std::tuple(slowness, price, quality, energy);
      case RankBy::energy: return std::tuple(energy, price, quality, slowness);
      case RankBy::quality: return std::tuple(quality, price, slowness, energy);
      case RankBy::price: break;
    }
    // Where no price is known the speed ranks.
    return p.price ? std::tuple(price, quality, slowness, energy) : std::tuple(price, slowness, quality, energy);
  };
  const auto name = [](const Proposal& p) { return std::tie(p.model, p.device, p.quant); };
  const auto x = key(a);
  const auto y = key(b);
  return x != y ? x < y : name(a) < name(b);
}

Recommendation recommend(const Needs& needs, RankBy by, const Database& database, int threads) {
  check(needs);
  const Candidates candidates(needs, database);
  Found found = ask_all(needs, candidates, threads);
  Recommendation result;
  result.asked = found.asked;
  std::sort(found.proposals.begin(), found.proposals.end(),
            [&](const Proposal& a, const Proposal& b) { return better(a, b, by); });
  std::map<std::pair<std::string, std::string>, bool> seen;
  for (Proposal& proposal : found.proposals)
    if (!std::exchange(seen[{proposal.model, proposal.device}], true)) result.proposals.push_back(std::move(proposal));
  for (auto& [key, proposal] : found.losers)
    if (!seen.contains(key)) result.losers.push_back(std::move(proposal));
  std::stable_sort(result.losers.begin(), result.losers.end(),
                   [](const Proposal& a, const Proposal& b) { return distance(a) < distance(b); });
  for (auto& [need, relaxation] : found.relaxations) result.relaxations.push_back(std::move(relaxation));
  return result;
}

}  // namespace silicast
