// SPDX-License-Identifier: Apache-2.0
// What a fit is worth on rows that it has not seen: the rows are divided into folds by device, by model, by source or
// at random, and each fold is predicted by profiles fitted to the others. The residual scales of the 80 % intervals
// come from the folds as well, never from the fold whose coverage is counted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "calibration/fit.h"
#include "calibration/statistics.h"
#include "model/parameter_spread.h"

namespace silicast {

enum class FoldBy { device, model, source, cell };
std::string_view name_of(FoldBy by);

struct HeldOut {
  const FitRow* row = nullptr;
  std::size_t fold = 0;
  double weight = 1;  // in the scale of the residuals; the row's own, unless machines are to count the same
  EvidenceLevel level = EvidenceLevel::datasheet;
  double predicted = 0;     // tokens per second
  double parameter_sd = 0;  // of its logarithm
  double unaided = 0;       // tokens per second that the profile alone predicts
  double open = 1;          // what cells of the same machine leave of the deviation
  Resource bound{};         // what takes most of the time
  double p10 = 0, p90 = 0;
  // Efficiencies of the training rows on the ideal rate: of the metric, of its quantization, of its device.
  std::optional<double> constant_efficiency, per_quant_efficiency, per_device_efficiency;
};

struct CrossValidation {
  FoldBy by{};
  std::vector<HeldOut> rows;
};

// What is held out together with the row: its device, model, source or cell.
std::string group_of(const FitRow& row, FoldBy by);

// Groups in the order of their hashes, dealt out like cards: folds of as many groups, whatever their names.
std::vector<std::size_t> folds_of(const std::vector<FitRow>& rows, FoldBy by, std::size_t folds);

// One of them held out. The rows to train on are copies, weighed without those held out; valid until `use` returns.
struct Fold {
  std::size_t number = 0;
  std::vector<const FitRow*> training{};
  std::vector<const FitRow*> held_out{};
};
void for_each_fold(const std::vector<FitRow>& rows, FoldBy by, std::size_t folds,
                   const std::function<void(const Fold&)>& use);

// Predicts rows by profiles, which outlive it; what these say of each device and stack is worked out once. Intervals
// are left open.
class HeldOutPredictor {
 public:
  explicit HeldOutPredictor(const Profiles& profiles) : profiles_(profiles) {}
  // And by what the profiles leave over at rows of the same machine: the same devices of one source.
  HeldOutPredictor(const Profiles& profiles, const std::vector<const FitRow*>& training);
  HeldOut operator()(const FitRow& row, std::size_t fold);

 private:
  // Family of stacks, device, count of devices, source, metric.
  using Machine = std::tuple<std::string, std::string, int, std::string, Metric>;
  static Machine machine_of(const FitRow& row) {
    return {row.family, row.scope.device, row.devices, row.source, row.metric};
  }

  struct Known {
    Known(const Profile& profile, const Scope& scope);
    Corrections corrections;
    ParameterSpread spread;
  };

  // Of the profiles alone.
  HeldOut unaided(const FitRow& row, std::size_t fold);

  const Profiles& profiles_;
  Profile none_;
  std::map<Machine, ResidualField> fields_;
  std::map<std::pair<std::string, Scope>, Known> known_;
};

// Lets every machine (a device of a source) count the same in each phase, however many rows it has.
void weigh_by_machine(std::vector<HeldOut>& rows);

// The s with which the weighted share of rows within z90 open sqrt(s^2 + sd^2) is 80 %.
double scale_for(const std::vector<const HeldOut*>& rows);

using Progress = std::function<void(const std::string&)>;

// Rows of a group (a device, a model, a source) share a fold; groups are dealt out by a hash of their names.
CrossValidation cross_validate(const std::vector<FitRow>& rows, FoldBy by, std::size_t folds, unsigned threads,
                               const Progress& progress);

// The scale with which 80 % of the rows lie within their intervals, by level and phase, of each family where it has
// rows and machines enough, else of all families, else of the level before. Rows of `without` are left out.
std::array<ResidualScale, evidence_level_count> residual_scales(const std::vector<const HeldOut*>& rows,
                                                                const std::string& family,
                                                                std::optional<std::size_t> without = std::nullopt);

}  // namespace silicast
