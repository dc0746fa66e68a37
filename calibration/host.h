// SPDX-License-Identifier: Apache-2.0
// A profile of the machine that silicast runs on, from the limits, kernels and a few whole runs of its own engine.
//
// The device (bandwidth, clock, caches) is what the limits say. All else comes from products by themselves and whole
// runs together, by robust least squares on the logarithms of their times:
//
//   unpack     of each type: its products with one activation row tell most of it
//   matrix     of each type: products with many rows
//   kernel     what a kernel does beside, for all types; attention, from runs at two depths
//   launch     and step: runs that decode, on one thread and on all
//   bandwidth  what products and runs that decode reach of the limit
//
// No datasheet and no other machine bears on it: the profile replaces what was assumed of the stack "silicast-engine".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calibration/fit_rows.h"
#include "model/database.h"
#include "model/profile.h"

namespace silicast {

struct HostMachine {
  std::string id = "host";
  std::string name;  // of the processor
  int cores = 1;
  Hertz clock;  // that arithmetic runs at
  int fma_units = 2;
  int vector_bits = 128;
  std::vector<std::string> instruction_sets;
  Bytes l2;  // of all cores
  Bytes l3;
  Bytes memory;
  BytesPerSecond read;           // all threads
  BytesPerSecond read_one_core;  // one thread
};

// A device file (docs/data-format.md).
std::string device_yaml(const HostMachine& machine, const std::string& date);

// A product by itself: weights from memory, no barrier.
struct HostKernel {
  std::string type;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t batch = 1;
  int threads = 1;
  Bytes weights;
  Seconds time;
};

struct HostRun {
  std::string model;
  std::string quant;
  std::int64_t prompt = 0;  // prefill of so many tokens, or
  std::int64_t gen = 0;     // so many tokens decoded
  std::int64_t depth = 0;
  std::int64_t batch = 1;
  int threads = 1;
  double tokens_per_second = 0;  // of all sequences

  [[nodiscard]] std::string shape() const;  // "pp512", "tg32 x4 @ d1024, 2 threads"
};

class HostFit {
 public:
  // `device_file` is a device YAML; stack "silicast-engine". The database outlives this.
  HostFit(const Database& database, std::string device_file);

  // Works out the corrections. Kernels of types that the stack cannot run are passed over.
  void fit(const std::vector<HostKernel>& kernels, const std::vector<HostRun>& runs);
  [[nodiscard]] Corrections corrections() const { return fitted_.corrections(scope_); }
  // Tokens per second.
  [[nodiscard]] double predicted(const HostRun& run) const;
  // The corrections as a profile of the stack's family, with the residuals that the held-out runs left.
  [[nodiscard]] Profile profile(const std::vector<HostRun>& held_out, const std::string& date) const;

 private:
  [[nodiscard]] FitRow row_of(const HostRun& run) const;

  const Database& database_;
  std::string device_file_;
  Scope scope_;
  Profile fitted_;
};

}  // namespace silicast
