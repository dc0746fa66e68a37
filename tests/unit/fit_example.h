// SPDX-License-Identifier: Apache-2.0
// An idealized record: what some devices would have shown if a profile were the whole truth.
#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "calibration/fit_rows.h"
#include "model/database.h"
#include "model/profile.h"
#include "tests/unit/shipped_data.h"

namespace silicast {

// Nominal rows of an idealized record: some models, types and shapes on some devices.
inline std::vector<FitRow> nominal_rows(const std::vector<std::string>& devices) {
  std::vector<Observation> observations;
  for (const std::string& device : devices)
    for (const char* model : {"llama-2-7b", "llama-3-8b", "tinyllama-1.1b"})
      for (const char* quant : {"Q4_0", "Q8_0", "F16", "Q6_K"})
        for (const bool prefill : {false, true}) {
          Observation row{.id = device + model + quant + (prefill ? "pp" : "tg"),
                          .source_date = "2026-08",
                          .device = device,
                          .backend = "llama.cpp-cuda",
                          .model = model,
                          .quant = quant,
                          .metric = prefill ? "pp_tps" : "tg_tps",
                          .value = 1};
          if (prefill) row.prompt = 512;
          observations.push_back(row);
        }
  return fit_rows(observations, database(), 1).rows;
}

// What a stack with other parameters would have shown.
inline Profile truth() {
  Profile p;
  p.parameters = {{"bandwidth/architecture/ada", {-0.05, 0}},
                  {"bandwidth/device/rtx-4090", {-0.1, 0}},
                  {"matrix/architecture/ada", {-0.4, 0}},
                  {"launch/architecture/ada", {0.3, 0}}};
  return p;
}

inline void measure(std::vector<FitRow>& rows, const Profile& p, double noise) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  for (FitRow& row : rows)
    row.measured = row.tokens / row.cost(p.corrections(row.scope)).seconds.value() * std::exp(noise * normal(random));
}

inline std::vector<const FitRow*> pointers(const std::vector<FitRow>& rows) {
  std::vector<const FitRow*> result;
  for (const FitRow& row : rows) result.push_back(&row);
  return result;
}

}  // namespace silicast
