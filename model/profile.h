// SPDX-License-Identifier: Apache-2.0
// What measurements have told about a family of stacks (llama.cpp-cuda with its generations): natural logarithms of the
// factors of model/corrections.h with their posterior covariance, pooled so that every device borrows from its kind.
//
// A parameter is named QUANTITY/LEVEL/NAME. The pooled quantities (bandwidth, matrix, launch, unpack) have the levels
// device, architecture and stack: an estimate at one level is centred on the next one, with a spread that the profile
// states, and a device that was never measured takes its architecture's value, an architecture its stack's. The others
// are the stack's: step/stack, sequence/stack, link/stack; unpack/type/T, matrix/type/T, kernel/name/K; generations of
// the stack as QUANTITY/generation/ID of matrix, launch, step and sequence.
//
// Files: data/profiles/FAMILY.yaml, written by `silicast calibrate fit`, described in docs/data-format.md.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/corrections.h"
#include "model/residual_field.h"

namespace silicast {

// Relative spread of predictions at a level of evidence: standard deviations of log(measured / predicted).
struct ResidualScale {
  double decode = 0;
  double prefill = 0;
};

enum class EvidenceLevel : std::uint8_t {
  measured,     // the device with this generation of the stack
  same_device,  // the device with another generation
  same_family,  // other devices of its architecture
  datasheet,    // none of them
};
constexpr std::size_t evidence_level_count = 4;
std::string_view name_of(EvidenceLevel level);

// What is corrected: names as the catalogue has them.
struct Scope {
  std::string device;
  std::string architecture;
  std::string stack;

  auto operator<=>(const Scope&) const = default;
};

struct Estimate {
  double log = 0;  // of the factor
  double sd = 0;
  // In thousandths, with those before it in the order of names: with the parameters of no device or architecture (all
  // of them for one of a device), then with the others of its own device or architecture. Parameters of two devices are
  // never used together. Empty: not known, taken for independent.
  std::vector<std::int16_t> correlations{};
};

enum class PhaseKind : std::uint8_t { prefill, decode };
constexpr std::array<PhaseKind, 2> phase_kinds{PhaseKind::prefill, PhaseKind::decode};
std::string_view name_of(PhaseKind phase);

// How types of keys and values are written: one name where they are of one type, else "q8_0/q4_0".
std::string cache_type_text(const std::string& keys, const std::string& values);

struct Profile {
  std::string family;
  std::string date;
  std::int64_t decode_rows = 0;
  std::int64_t prefill_rows = 0;
  std::int64_t batched_rows = 0;  // of those of decoding, with several sequences
  std::int64_t divided_rows = 0;  // of all, with layers divided over several devices
  std::map<std::string, Estimate, std::less<>> parameters;
  std::map<std::string, double, std::less<>> spread;  // of a level around the one above: "bandwidth/device"
  std::map<std::string, std::map<std::string, std::int64_t>, std::less<>> measurements;  // device -> stack -> rows
  std::map<std::string, std::int64_t, std::less<>> architectures;                        // -> rows
  std::map<std::string, std::int64_t, std::less<>> deepest;      // device -> tokens in the cache that a row reached
  std::map<std::string, std::int64_t, std::less<>> cache_types;  // "f16", "q8_0/q4_0" -> rows; empty: not known
  std::array<ResidualScale, evidence_level_count> residual{};
  // Of one machine: what the parameters leave over of its own runs. Of many: empty.
  std::array<ResidualField, phase_kinds.size()> own_runs{};

  [[nodiscard]] Corrections corrections(const Scope& scope) const;
  // Whether such cases are a good part of what it was fitted to.
  [[nodiscard]] bool covers(bool several_sequences, bool several_devices) const;
  [[nodiscard]] EvidenceLevel level(const Scope& scope) const;
  // Tokens in the cache that were measured on the device, or on any where it is not; 0: not known.
  [[nodiscard]] std::int64_t deepest_of(std::string_view device) const;
  // Whether rows had a cache of such a type. Profiles that do not tell are of F16 alone, as far as is known.
  [[nodiscard]] bool has_measured_cache(std::string_view type) const;
  // Rows that bear on the level.
  [[nodiscard]] std::int64_t rows(const Scope& scope) const;
  [[nodiscard]] const ResidualScale& residual_of(EvidenceLevel at) const {
    return residual[static_cast<std::size_t>(at)];
  }
  [[nodiscard]] const ResidualField& leftovers(PhaseKind phase) const {
    return own_runs[static_cast<std::size_t>(phase)];
  }
  [[nodiscard]] bool has_leftovers() const { return !own_runs.front().empty() || !own_runs.back().empty(); }
  // Of a pooled quantity: the most specific there is; its deviation grows with every level that is missing.
  [[nodiscard]] Estimate pooled(std::string_view quantity, const Scope& scope) const;

 private:
  [[nodiscard]] Estimate named(std::string_view quantity, std::string_view level, std::string_view name) const;
};

// The parameters that a parameter has correlations with, in that order.
std::vector<std::string_view> correlated_with(const Profile& profile, std::string_view name);

// The entry of `spread` that is a parameter's prior: "bandwidth/device/rtx-4090" -> "bandwidth/device". Kernels for one
// column are "kernel/vector": they stream the weights as fast as the memory gives them, and what their names share says
// more than what tells them apart.
std::string_view prior_of(std::string_view name);
// "device/rtx-4090" or "architecture/ada"; empty for a parameter of neither.
std::string_view owner_of(std::string_view name);

// Names in the order of fallback: "bandwidth/device/rtx-4090", "bandwidth/architecture/ada", "bandwidth/stack".
std::vector<std::string> pooled_names(std::string_view quantity, const Scope& scope);
std::string parameter_name(std::string_view quantity, std::string_view level, std::string_view name);
inline constexpr std::array<std::string_view, 4> pooled_quantities{"bandwidth", "matrix", "launch", "unpack"};

// Throws InputError with file, line, key and rule.
Profile read_profile(const std::filesystem::path& file);
std::string profile_yaml(const Profile& profile);

}  // namespace silicast
