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
  if (!met) missed.push_back({.need = need, .value = value, .limit = limit});
}

// One combination.
struct Candidate {
  const CandidateModel* model;
  const CandidateMachine* machine;
  const CandidateQuant* quant;

  [[nodiscard]] bool offloads() const { return machine->offloads && quant->offloads; }
};

// What can be said of a combination before anything is compiled: its price, its quality, that it cannot hold the
// weights, or not read them as fast.
std::vector<Miss> missed_before(const Needs& needs, const Candidate& candidate) {
  const auto& [model, machine, quant] = candidate;
  std::vector<Miss> missed;
  const double ratio = quant->quality ? quant->quality->perplexity_ratio : unknown;
  if (needs.budget)
    require(missed, Need::budget, machine->price && *machine->price <= *needs.budget, machine->price.value_or(unknown),
            *needs.budget);
  if (needs.max_perplexity_ratio)
    require(missed, Need::quality, ratio <= *needs.max_perplexity_ratio, ratio, *needs.max_perplexity_ratio);
  const Bytes memory = static_cast<double>(machine->devices) * machine->memory;
  const std::string weights_text = "weights of " + human(quant->least_bytes);
  if (!candidate.offloads() && quant->least_bytes > memory)
    missed.push_back({.need = Need::memory,
                      .value = (quant->least_bytes + quant->cache_bytes).value(),
                      .limit = memory.value(),
                      .reason = weights_text + ", memory of " + human(memory)});
  // Of what lies on a host weights may be left in storage, but no cache.
  else if (const Bytes rest = candidate.offloads() ? memory + machine->host_memory : memory - quant->least_bytes;
           quant->cache_bytes > rest)
    missed.push_back({.need = Need::memory,
                      .value = quant->cache_bytes.value(),
                      .limit = rest.value(),
                      .reason = weights_text + " and a cache of " + human(quant->cache_bytes) + ", memory of " +
                                human(candidate.offloads() ? rest : memory),
                      .is_bound = true});
  const double fastest = fastest_decode(*machine, *quant);
  if (needs.min_decode && fastest < *needs.min_decode)
    missed.push_back({.need = Need::decode, .value = fastest, .limit = *needs.min_decode, .is_bound = true});
  const Seconds soonest = soonest_first_token(*machine, *quant);
  if (needs.max_ttft && soonest > *needs.max_ttft)
    missed.push_back(
        {.need = Need::ttft, .value = soonest.value(), .limit = needs.max_ttft->value(), .is_bound = true});
  if (needs.max_watts && machine->least_watts > *needs.max_watts)
    missed.push_back({.need = Need::watts,
                      .value = machine->least_watts.value(),
                      .limit = needs.max_watts->value(),
                      .is_bound = true});
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

// How far a figure is from what is asked of it.
double change(double asked, double enough) { return std::abs(std::log(enough / asked)); }

// What one thread finds.
struct Found {
  std::vector<Proposal> proposals;
  std::map<std::pair<std::string, std::string>, Proposal> losers;  // by model and device
  std::map<Need, Relaxation> relaxations;
  // Known to miss one need, and nothing of the others: asked for these only where nothing qualifies.
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
  const auto size = [](const Relaxation& r) { return change(r.asked, r.enough); };
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
  Asker(const Needs& needs, RankBy by, const Candidates& candidates, Shared& shared)
      : needs_(needs),
        quality_decides_(by == RankBy::price || by == RankBy::quality),
        candidates_(candidates),
        shared_(shared),
        cache_(16) {}

  // All quantizations of a model on a machine. Returns whether one of them qualifies.
  bool ask(const CandidateModel& model, const CandidateMachine& machine, Found& found) {
    bool any = false;
    const CandidateQuant* best = nullptr;  // that qualifies; they come by quality
    for (const CandidateQuant& quant : model.quants) {
      if (quant.is_mlx && !machine.is_apple) continue;
      ++found.asked;
      if (best != nullptr && quality_decides_ && ratio_of(*best) < ratio_of(quant)) continue;
      Proposal proposal{.model = model.name,
                        .device = machine.label,
                        .quant = quant.name,
                        .memory = machine.memory,
                        .devices = machine.devices,
                        .price = machine.price,
                        .price_from = machine.price_from};
      if (quant.quality) proposal.point.figures[Figure::quality] = quant.quality->perplexity_ratio;
      const Candidate candidate{&model, &machine, &quant};
      proposal.missed = missed_before(needs_, candidate);
      if (proposal.missed.empty()) {
        if (!ask(candidate, std::move(proposal), found)) continue;
        any = true;
        if (best == nullptr) best = &quant;
      } else if (proposal.missed.size() == 1 && may_be_changed(proposal.missed.front())) {
        found.postponed.emplace_back(candidate, std::move(proposal));
      } else {
        keep_loser(found, std::move(proposal));
      }
    }
    return any;
  }

  bool ask(const Candidate& candidate, Proposal proposal, Found& found) {
    return ask(*candidate.model, *candidate.machine, *candidate.quant, std::move(proposal), false, found);
  }

 private:
  // Whether a change of one need would spare the miss. Of a cache that is too large: so many fewer users, or a context
  // so much smaller at the least, for a cache grows no faster than its context.
  [[nodiscard]] bool may_be_changed(const Miss& miss) const {
    if (miss.need != Need::memory) return !std::isnan(miss.value);
    const double share = miss.limit / miss.value;
    return miss.is_bound &&
           (static_cast<double>(needs_.users) * share >= 1 ||
            static_cast<double>(needs_.context) * share >= static_cast<double>(needs_.prompt + needs_.gen));
  }

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
    const bool may_shrink = proposal.missed.empty() || proposal.missed.front().need == Need::memory;
    std::erase_if(proposal.missed, [](const Miss& miss) { return miss.is_bound; });
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
    if (!shared_.qualified) relax(evaluator, quant, proposal, may_shrink && !offloaded, found);
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

  // Which single need, given up how far, would let the proposal qualify. `may_shrink`: a smaller context or fewer users
  // may be enough.
  void relax(PointEvaluator& evaluator, const CandidateQuant& quant, const Proposal& proposal, bool may_shrink,
             Found& found) {
    if (proposal.missed.size() == 1) {
      const Miss& miss = proposal.missed.front();
      if (miss.need != Need::memory && !std::isnan(miss.value))
        keep_relaxation(found, {miss.need, miss.limit, miss.value, proposal});
    }
    // Where the placement follows the shape, every other shape is a compilation: too slow to search in.
    if (!may_shrink) return;
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
  bool quality_decides_;  // which quantization of a model is proposed for a machine
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

using Postponed = std::pair<Candidate, Proposal>;

double change(const Postponed& postponed) {
  const Miss& miss = postponed.second.missed.front();
  return change(miss.limit, miss.value);
}

// Where no combination qualifies: of those that are known to miss one need, the ones that may be the smallest change of
// it. Asked in batches, the nearest first; what is further away than one that was found can only lose.
void ask_postponed(std::vector<Postponed> postponed, Found& all, int threads,
                   const std::function<Asker()>& make_asker) {
  constexpr std::size_t batch = 64;
  std::stable_sort(postponed.begin(), postponed.end(),
                   [](const Postponed& a, const Postponed& b) { return change(a) < change(b); });
  const auto may_be_nearest = [&](const Postponed& p, Need need) {
    const auto found = all.relaxations.find(need);
    return found == all.relaxations.end() || change(p) <= change(found->second.asked, found->second.enough);
  };
  const auto may_be_any_nearest = [&](const Postponed& p) {
    const Need need = p.second.missed.front().need;
    return need == Need::memory ? may_be_nearest(p, Need::context) || may_be_nearest(p, Need::users)
                                : may_be_nearest(p, need);
  };
  for (std::size_t at = 0; at < postponed.size();) {
    // Those of a model and a device in one task: what is known of it spares questions.
    std::map<std::pair<const CandidateModel*, std::string>, std::vector<Postponed*>> tasks;
    for (std::size_t taken = 0; taken < batch && at < postponed.size(); ++at) {
      Postponed& p = postponed[at];
      if (!may_be_any_nearest(p)) {
        keep_loser(all, std::move(p.second));
        continue;
      }
      tasks[{p.first.model, p.first.machine->device}].push_back(&p);
      ++taken;
    }
    std::vector<std::vector<Postponed*>> list;
    for (auto& [key, members] : tasks) list.push_back(std::move(members));
    merge(all, in_parallel(list.size(), threads, make_asker, [&](Asker& asker, std::size_t task, Found& found) {
            for (Postponed* p : list[task]) asker.ask(p->first, std::move(p->second), found);
          }));
  }
}

// Machines of one device are asked from the smallest on, until one qualifies: more of it is not needed.
Found ask_all(const Needs& needs, RankBy by, const Candidates& candidates, int threads) {
  Shared shared;
  const auto make_asker = [&] { return Asker(needs, by, candidates, shared); };
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
    ask_postponed(std::move(postponed), all, threads, make_asker);
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
  Found found = ask_all(needs, by, candidates, threads);
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
