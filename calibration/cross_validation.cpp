// SPDX-License-Identifier: Apache-2.0
#include "calibration/cross_validation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "model/parameter_spread.h"

namespace silicast {

namespace {

constexpr double z90 = 1.2815515655446004;  // quantile of the standard normal: an 80 % interval reaches from p10 to p90
constexpr std::array<std::string_view, 4> fold_names{"device", "model", "source", "cell"};

// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): the same on every machine.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

// Medians of measured over ideal.
class Efficiencies {
 public:
  explicit Efficiencies(const std::vector<const FitRow*>& rows) {
    std::map<std::string, std::vector<double>> ratios;
    for (const FitRow* row : rows)
      if (row->ideal > 0)
        for (const std::string& key : keys_of(*row)) ratios[key].push_back(row->measured / row->ideal);
    for (auto& [key, values] : ratios) medians_[key] = quantile(std::move(values), 0.5);
  }

  void predict(HeldOut& held) const {
    const auto keys = keys_of(*held.row);
    held.constant_efficiency = of(keys[0], keys, *held.row);
    held.per_quant_efficiency = of(keys[1], keys, *held.row);
    held.per_device_efficiency = of(keys[2], keys, *held.row);
  }

 private:
  static std::array<std::string, 3> keys_of(const FitRow& row) {
    const std::string metric(name_of(row.metric));
    return {metric, metric + "|quant|" + row.quant, metric + "|device|" + row.scope.device};
  }
  [[nodiscard]] std::optional<double> of(const std::string& key, const std::array<std::string, 3>& keys,
                                         const FitRow& row) const {
    auto at = medians_.find(key);
    if (at == medians_.end()) at = medians_.find(keys.front());
    if (at == medians_.end() || row.ideal <= 0) return std::nullopt;
    return at->second * row.ideal;
  }

  std::map<std::string, double> medians_;
};

bool is_prefill(const HeldOut& held) { return held.row->metric == Metric::prefill_rate; }

void set_intervals(CrossValidation& result) {
  std::vector<const HeldOut*> all;
  for (const HeldOut& held : result.rows) all.push_back(&held);
  std::map<std::pair<std::string, std::size_t>, std::array<ResidualScale, evidence_level_count>> scales;
  for (HeldOut& held : result.rows) {
    const auto [at, fresh] = scales.try_emplace({held.row->family, held.fold});
    if (fresh) at->second = residual_scales(all, held.row->family, held.fold);
    const ResidualScale& scale = at->second[static_cast<std::size_t>(held.level)];
    const double factor =
        std::exp(z90 * held.open * std::hypot(is_prefill(held) ? scale.prefill : scale.decode, held.parameter_sd));
    held.p10 = held.predicted / factor;
    held.p90 = held.predicted * factor;
  }
}

}  // namespace

std::string_view name_of(FoldBy by) { return fold_names[static_cast<std::size_t>(by)]; }

// A cell is a device, stack, model, quantization and shape: its repetitions are held out together.
std::string group_of(const FitRow& row, FoldBy by) {
  switch (by) {
    case FoldBy::device: return row.scope.device;
    case FoldBy::model: return row.model;
    case FoldBy::source: return row.source;
    case FoldBy::cell: break;
  }
  return row.scope.device + "|" + row.scope.stack + "|" + row.model + "|" + row.quant + "|" + row.shape;
}

std::vector<std::size_t> folds_of(const std::vector<FitRow>& rows, FoldBy by, std::size_t folds) {
  std::set<std::pair<std::uint64_t, std::string>> groups;
  for (const FitRow& row : rows) {
    const std::string group = group_of(row, by);
    groups.emplace(hash_of(group), group);
  }
  std::map<std::string, std::size_t> fold_of_group;
  for (const auto& [hash, group] : groups) {
    const std::size_t position = fold_of_group.size();
    fold_of_group.emplace(group, position % folds);
  }
  std::vector<std::size_t> result;
  for (const FitRow& row : rows) result.push_back(fold_of_group.at(group_of(row, by)));
  return result;
}

void for_each_fold(const std::vector<FitRow>& rows, FoldBy by, std::size_t folds,
                   const std::function<void(const Fold&)>& use) {
  const auto fold_of = folds_of(rows, by, folds);
  for (std::size_t number = 0; number < folds; ++number) {
    Fold fold{.number = number};
    std::vector<FitRow> training;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (fold_of[i] == number)
        fold.held_out.push_back(&rows[i]);
      else
        training.push_back(rows[i]);
    }
    if (fold.held_out.empty()) continue;
    set_weights(training);
    for (const FitRow& row : training) fold.training.push_back(&row);
    use(fold);
  }
}

HeldOutPredictor::Known::Known(const Profile& profile, const Scope& scope)
    : corrections(profile.corrections(scope)), spread(profile, scope) {}

HeldOutPredictor::HeldOutPredictor(const Profiles& profiles, const std::vector<const FitRow*>& training)
    : profiles_(profiles) {
  std::map<Machine, std::vector<MeasuredRate>> cells;
  for (const FitRow* row : training)
    cells[machine_of(*row)].push_back({row->cell, std::log(row->measured / unaided(*row, 0).predicted)});
  for (auto& [machine, measured] : cells) fields_.emplace(machine, ResidualField::of_runs(std::move(measured)));
}

HeldOut HeldOutPredictor::operator()(const FitRow& row, std::size_t fold) {
  HeldOut held = unaided(row, fold);
  if (const auto field = fields_.find(machine_of(row)); field != fields_.end()) {
    const Leftover leftover = field->second.at(row.cell);
    held.predicted *= std::exp(leftover.log);
    held.open = leftover.open;
  }
  return held;
}

HeldOut HeldOutPredictor::unaided(const FitRow& row, std::size_t fold) {
  const auto at = profiles_.find(row.family);
  const Profile& profile = at == profiles_.end() ? none_ : at->second;
  const Known& known = known_.try_emplace({row.family, row.scope}, profile, row.scope).first->second;
  const StepCost cost = row.cost(known.corrections);
  HeldOut held{.row = &row, .fold = fold, .weight = row.weight};
  held.predicted = held.unaided = row.tokens / cost.seconds.value();
  held.bound = cost.bottleneck();
  held.level = profile.level(row.scope);
  held.parameter_sd = known.spread.log_sd(row.corrected(known.corrections), row.overheads(known.corrections));
  return held;
}

CrossValidation cross_validate(const std::vector<FitRow>& rows, FoldBy by, std::size_t folds, unsigned threads,
                               const Progress& progress) {
  CrossValidation result{.by = by};
  for_each_fold(rows, by, folds, [&](const Fold& fold) {
    const Profiles profiles = fit_profiles(fold.training, "", threads);
    HeldOutPredictor predict(profiles, fold.training);
    const Efficiencies efficiencies(fold.training);
    for (const FitRow* row : fold.held_out) {
      result.rows.push_back(predict(*row, fold.number));
      efficiencies.predict(result.rows.back());
    }
    progress("by " + std::string(name_of(by)) + ": fold " + std::to_string(fold.number + 1) + " of " +
             std::to_string(folds));
  });
  set_intervals(result);
  return result;
}

void weigh_by_machine(std::vector<HeldOut>& rows) {
  const auto machine = [](const HeldOut& held) {
    return std::tuple(held.row->source, held.row->scope.device, is_prefill(held));
  };
  std::map<std::tuple<std::string, std::string, bool>, double> total;
  for (const HeldOut& held : rows) total[machine(held)] += held.row->weight;
  for (HeldOut& held : rows) held.weight = held.row->weight / total[machine(held)];
}

double scale_for(const std::vector<const HeldOut*>& rows) {
  std::vector<std::pair<double, double>> needed;  // s^2 of each row, weight
  double total = 0;
  for (const HeldOut* held : rows) {
    const double off = std::log(held->row->measured / held->predicted) / (z90 * held->open);
    needed.emplace_back(std::max(0.0, off * off - held->parameter_sd * held->parameter_sd), held->weight);
    total += held->weight;
  }
  std::sort(needed.begin(), needed.end());
  constexpr double covered = 0.8;
  double sum = 0;
  for (const auto& [square, weight] : needed)
    if ((sum += weight) >= covered * total) return std::sqrt(square);
  return needed.empty() ? 0 : std::sqrt(needed.back().first);
}

std::array<ResidualScale, evidence_level_count> residual_scales(const std::vector<const HeldOut*>& rows,
                                                                const std::string& family,
                                                                std::optional<std::size_t> without) {
  constexpr std::size_t enough = 40;
  constexpr std::size_t enough_machines = 8;  // fewer say what one of them is like
  const auto suffice = [](const std::vector<const HeldOut*>& held_out) {
    std::set<std::pair<std::string, std::string>> machines;
    for (const HeldOut* held : held_out) machines.emplace(held->row->source, held->row->scope.device);
    return held_out.size() >= enough && machines.size() >= enough_machines;
  };
  std::array<ResidualScale, evidence_level_count> scales{};
  for (const bool prefill : {false, true}) {
    double before = 0;
    for (std::size_t level = 0; level < evidence_level_count; ++level) {
      std::vector<const HeldOut*> own, others;
      for (const HeldOut* held : rows) {
        if (held->fold == without || is_prefill(*held) != prefill || static_cast<std::size_t>(held->level) != level)
          continue;
        others.push_back(held);
        if (held->row->family == family) own.push_back(held);
      }
      double scale = suffice(own) ? scale_for(own) : suffice(others) ? scale_for(others) : before;
      // Less evidence is never surer.
      scale = std::max(scale, before);
      before = scale;
      (prefill ? scales[level].prefill : scales[level].decode) = scale;
    }
  }
  // Of a phase that no row has the other's: it is not surer.
  for (ResidualScale& scale : scales) {
    if (scales.back().prefill == 0) scale.prefill = scale.decode;
    if (scales.back().decode == 0) scale.decode = scale.prefill;
  }
  return scales;
}

}  // namespace silicast
