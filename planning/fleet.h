// SPDX-License-Identifier: Apache-2.0
// The question of a purchase: who will ask how much, month by month, what may be bought, and what the site allows.
// Files: examples/*/fleet.yaml, described in docs/serving.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/quantity.h"
#include "model/prediction.h"
#include "planning/serving.h"

namespace silicast::serving {

// A kind of use: one model, its users and what they may expect.
struct WorkloadClass {
  std::string name;
  std::string model;
  std::vector<std::string> quants;  // in the order of preference; a machine takes the first that it can run
  double rate = 0;                  // requests/s at the peak of the first month
  std::optional<double> users;      // rate = users * requests_per_user_hour / 3600
  double requests_per_user_hour = 0;
  double growth = 0;     // a month, compound: 0.05 is 5 %
  double mean_load = 1;  // mean over peak rate, for energy and tokens
  TrafficModel traffic;  // lengths, turns, shared prompt
  Slo slo;
  std::string slo_name;  // of a preset; empty: given

  [[nodiscard]] double rate_in(std::int64_t month) const;  // months count from 0
};

// What may be bought or rented, and how it is run.
struct MachineOffer {
  std::string name;
  Query query;                      // device, stack, ...; the model comes from the class
  std::vector<std::string> quants;  // instead of the class's
  BatchingModel batching;
  std::optional<std::int64_t> at_most;
};

struct Site {
  std::optional<Watts> power;    // at the plug, all machines at their peak
  std::optional<double> budget;  // USD a month
  std::int64_t redundancy = 0;   // machines that may fail, of each class: 1 is N+1
};

struct Fleet {
  std::string name;
  std::int64_t months = 12;
  std::vector<WorkloadClass> workloads;
  std::vector<MachineOffer> machines;
  Site site;
  std::uint64_t seed = 1;
  std::int64_t requests = 1000;  // of each simulation
};

// A named limit of data/slos/.
struct SloPreset {
  std::string name;
  Slo slo;
  std::string source;
};
// Of every file of the folder; none where there is no such folder. Throw InputError with place, key and rule.
std::vector<SloPreset> read_slo_presets(const std::filesystem::path& folder);
std::vector<SloPreset> read_slo_file(const std::filesystem::path& file);

// Throws InputError with place, key and rule; UsageError for objectives that exclude each other.
Fleet read_fleet(const std::filesystem::path& file, const Database& database);

}  // namespace silicast::serving
