// SPDX-License-Identifier: Apache-2.0
// Measured rates as a fit sees them: the work of their steps at nominal parameters, so that a prediction with other
// parameters is arithmetic over a few dozen numbers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calibration/observation.h"
#include "calibration/query_of.h"
#include "model/database.h"
#include "model/parameter_spread.h"
#include "model/profile.h"

namespace silicast {

struct FitRow {
  std::string id;
  std::string source;  // the site or repository that it comes from
  std::string model;
  std::string quant;
  std::string family;  // of stacks
  Scope scope;
  Metric metric{};              // prefill_rate or decode_rate
  double measured = 0;          // tokens per second
  double tokens = 0;            // that `work` processes
  std::vector<OpWork> work;     // `layers` counts the steps as well; names belong to the database
  double step_seconds = 0;      // of all steps, beside their work
  double sequence_seconds = 0;  // likewise, for each sequence of a step
  double link_seconds = 0;      // all-reduces between devices
  double batch = 1;             // sequences
  int devices = 1;
  double ideal = 0;  // bandwidth over size, or peak over operations (baselines.h)
  double weight = 1;
  std::string shape;        // "pp512", "tg128 @ d4096"
  std::string model_class;  // dense, mixture of experts; hybrid where some layers have no attention
  double depth = 0;         // tokens in the cache before it
  std::string cache_type;   // "f16", "q8_0/q4_0" of keys and values
  RateCell cell{};          // among others of its machine

  // The operations with other parameters than the nominal ones.
  [[nodiscard]] std::vector<OpWork> corrected(const Corrections& corrections) const;
  // Beside the work.
  [[nodiscard]] StepOverheads overheads(const Corrections& corrections) const;
  [[nodiscard]] StepCost cost(const Corrections& corrections) const;
};

struct FitRows {
  std::vector<FitRow> rows;                     // in the file's order
  std::map<std::string, std::size_t> left_out;  // by reason
};

// Why a row is not to be fitted although it can be predicted; nullopt: it may be.
std::optional<std::string> not_for_fitting(const Observation& row);

// Rates of one sequence on one device that holds all layers; the others are counted. The database outlives the rows.
FitRows fit_rows(const std::vector<Observation>& observations, const Database& database, unsigned threads);

// 1 / sqrt(n) for n rows of the same device, stack, model and metric: a thousand of them say more than one, but not a
// thousand times as much, as what they get wrong they share.
void set_weights(std::vector<FitRow>& rows);

}  // namespace silicast
