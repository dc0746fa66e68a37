// SPDX-License-Identifier: Apache-2.0
// Why a prediction is what it is: each operation of prefill and decode against its roofline, and what a change of each
// figure of the hardware would do.
//
// An operation's attainable rate is min(peak of its unit, intensity x achievable bandwidth), intensity being operations
// per byte of DRAM. An elasticity is the effect of 10 % more of one figure, by predicting again. Goals: the operations
// of a phase add up to the phase. Non-goals: anything that predict() does not know; this file has no constants of its
// own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/quantity.h"
#include "model/database.h"
#include "model/prediction.h"
#include "model/step_cost.h"

namespace silicast {

// Which cache an occurrence of an operation would fit into, with everything that it touches.
enum class Residency { dram, last_level_cache, l2 };
std::string_view name_of(Residency residency);

struct OpExplanation {
  std::string name;  // "ffn_down"; "step overhead" and "links" for what belongs to no operation
  std::string kind;
  std::string type;  // of its weights; empty: has none
  std::string kernel;
  std::string unit;                 // that does its arithmetic
  std::string runs_on;              // "gpu" or "cpu"
  int layers = 1;                   // how many of them run it, in each of the phase's steps
  StepCost cost;                    // of all its occurrences in the phase
  double share = 0;                 // of the phase's time
  std::optional<double> intensity;  // operations per byte of DRAM; absent: none is read
  FlopsPerSecond achieved;
  FlopsPerSecond attainable;  // zero: no arithmetic
  BytesPerSecond achieved_bandwidth;
  BytesPerSecond attainable_bandwidth;
  Resource bound = Resource::launch;
  Bytes working_set;  // of one occurrence
  Residency fits = Residency::dram;
  double cached_share = 0;  // of its bytes, that the model serves from a cache
};

struct LayerKindExplanation {
  std::string name;  // "attention, dense", "outside of the layers"
  int layers = 0;
  Seconds seconds;
  double share = 0;
  Bytes dram_bytes;
  Flops operations;
  Resource bound = Resource::launch;
};

struct PhaseExplanation {
  double steps = 1;
  StepCost cost;                   // of the whole prompt, or of the mean step
  std::vector<OpExplanation> ops;  // in the order in which they run
  std::vector<LayerKindExplanation> layer_kinds;
};

// A ceiling of the roofline: a slope (bandwidth) or a level (peak of a unit).
struct Roof {
  std::string name;  // "DRAM", "fp16_matrix"
  std::string runs_on;
  BytesPerSecond bandwidth;
  FlopsPerSecond peak;
};

struct CacheLevel {
  std::string name;  // "l2", "last_level_cache"
  std::string runs_on;
  Bytes capacity;
  std::optional<BytesPerSecond> bandwidth;
};

// What 10 % more of a figure does to the tokens per second.
struct Elasticity {
  std::string field;              // "memory.bandwidth", "stack.overheads.kernel"
  std::string value;              // as the catalogue has it
  std::vector<std::string> with;  // figures that stand for the same thing and were moved along
  std::optional<double> prefill;  // 0.074: 7.4 % faster; absent: there is no such phase
  std::optional<double> decode;
};
constexpr double elasticity_step = 1.1;

struct Explanation {
  Prediction prediction;
  std::optional<PhaseExplanation> prefill;  // absent where the prediction has no such phase
  std::optional<PhaseExplanation> decode;
  std::vector<Roof> roofs;
  std::vector<CacheLevel> caches;
  std::vector<Elasticity> elasticities;  // largest effect first
};

// Throws what compile() throws.
Explanation explain(const Query& query, const Database& database);

// Of every figure of the device that is a number, and of the stack's overheads; `explanation` has its phases already.
std::vector<Elasticity> elasticities(const Compiled& compiled, const Explanation& explanation,
                                     const Database& database);

}  // namespace silicast
