// SPDX-License-Identifier: Apache-2.0
// The inverse question: which devices, quantizations and placements meet what is needed, and what the others lack.
//
// Every combination of the models (named, or all of a class), the devices (of each memory size, alone and several
// together) and the quantizations is asked as predict() is. A conversation of `context` tokens for each of `users` at
// once is taken at its end: all but the last prompt and answer stands in the cache.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/database.h"
#include "planning/point.h"

namespace silicast {

struct Needs {
  std::vector<std::string> models;
  std::vector<std::string>
      classes;  // of the catalogue, as planning/model_class.h reads them; one model or class at least
  // Empty: those of the catalogue, but F32, those that are known to lose more than a tenth in perplexity (or more than
  // max_perplexity_ratio), and those of fewer than 4 bits whose loss is not known.
  std::vector<std::string> quants;
  std::vector<std::string> devices;        // NAME, NAMExN or a file; empty: the catalogue
  std::optional<Bytes> own_memory;         // of whole machines: no larger sizes than this
  std::vector<int> counts{1, 2, 4};        // of discrete devices of the catalogue
  std::string host = "desktop-ddr5-6000";  // for layers that a discrete device does not hold; empty: none
  std::int64_t context = 4096;             // tokens of each user
  std::int64_t prompt = 512;               // of them, of the last turn
  std::int64_t gen = 128;                  // of them, of its answer
  std::int64_t users = 1;
  std::optional<double> min_decode;  // tokens/s of each user
  std::optional<Seconds> max_ttft;
  std::optional<Watts> max_watts;  // while decoding, as `power.decode_watts`
  std::optional<double> budget;    // of the devices
  std::string budget_currency;     // ISO 4217; empty: USD, which recommend() expects
  std::optional<double> max_perplexity_ratio;
};
// Throws UsageError for what contradicts itself.
void check(const Needs& needs);

// In the order in which they are asked.
enum class Need : std::uint8_t { budget, quality, memory, decode, ttft, watts, context, users };
std::string_view name_of(Need need);  // of the option: "min-decode"

// A need that is not met. Where the figure is not known, `value` is NaN.
struct Miss {
  Need need = Need::memory;
  double value = 0;
  double limit = 0;
  std::string reason{};   // of memory, and of what is refused
  bool is_bound = false;  // nothing is better than `value`; what it comes to was not asked
};

struct Proposal {
  std::string model, device, quant, stack;
  std::string placement;  // in words; empty: all on the device
  Bytes memory;           // of each device
  int devices = 1;
  std::optional<double> price;  // USD; absent: not known
  bool price_from = false;      // that of a smaller memory: this one costs more
  Point point;
  double decode_each = 0;  // tokens/s of each user
  std::vector<Miss> missed;

  [[nodiscard]] bool qualifies() const { return missed.empty(); }
};

// One need changed, the others kept, and what would then do.
struct Relaxation {
  Need need = Need::budget;
  double asked = 0;
  double enough = 0;
  Proposal proposal;
};

enum class RankBy : std::uint8_t { price, decode, energy, quality };

struct Recommendation {
  std::vector<Proposal> proposals;      // that meet all needs, the best of each model and device, best first
  std::vector<Proposal> losers;         // of each other model and device the nearest, nearest first
  std::vector<Relaxation> relaxations;  // where nothing qualifies; empty: no single change is enough
  std::uint64_t asked = 0;              // combinations
};

Recommendation recommend(const Needs& needs, RankBy by, const Database& database, int threads);

// Whether `a` is to be preferred. Without a price, by speed, after those that have one.
bool better(const Proposal& a, const Proposal& b, RankBy by);

}  // namespace silicast
