// SPDX-License-Identifier: Apache-2.0
#include "model/profile.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace silicast {

namespace {

constexpr std::array<std::string_view, evidence_level_count> level_names{"measured", "same-device", "same-family",
                                                                         "datasheet"};

constexpr std::array<std::string_view, phase_kinds.size()> phase_names{"prefill", "decode"};

double squared(double x) { return x * x; }

}  // namespace

std::string_view name_of(EvidenceLevel level) { return level_names[static_cast<std::size_t>(level)]; }

std::string_view name_of(PhaseKind phase) { return phase_names[static_cast<std::size_t>(phase)]; }

std::string_view prior_of(std::string_view name) {
  constexpr std::array<std::string_view, 7> one_column{"mmv", "mul_mv", "mul_mat_vec", "vec_dot",
                                                       "qmv", "gemv",   "one column"};
  if (name.starts_with("kernel/name/") && std::any_of(one_column.begin(), one_column.end(), [&](std::string_view sign) {
        return name.find(sign) != std::string_view::npos;
      }))
    return "kernel/vector";
  const auto first = name.find('/');
  return name.substr(0, name.find('/', first + 1));
}

std::string_view owner_of(std::string_view name) {
  const std::string_view owner = name.substr(name.find('/') + 1);
  return owner.starts_with("device/") || owner.starts_with("architecture/") ? owner : std::string_view();
}

std::vector<std::string_view> correlated_with(const Profile& profile, std::string_view name) {
  const std::string_view owner = owner_of(name);
  std::vector<std::string_view> partners;
  for (const auto& [other, estimate] : profile.parameters)
    if (owner_of(other).empty() && (!owner.empty() || other < name)) partners.push_back(other);
  if (owner.empty()) return partners;
  for (const std::string_view quantity : pooled_quantities) {
    const auto at = profile.parameters.find(std::string(quantity) + "/" + std::string(owner));
    if (at != profile.parameters.end() && at->first < name) partners.push_back(at->first);
  }
  return partners;
}

std::string parameter_name(std::string_view quantity, std::string_view level, std::string_view name) {
  return std::string(quantity) + "/" + std::string(level) + "/" + std::string(name);
}

std::vector<std::string> pooled_names(std::string_view quantity, const Scope& scope) {
  return {parameter_name(quantity, "device", scope.device),
          parameter_name(quantity, "architecture", scope.architecture), std::string(quantity) + "/stack"};
}

Estimate Profile::pooled(std::string_view quantity, const Scope& scope) const {
  double variance = 0;
  for (const std::string& name : pooled_names(quantity, scope)) {
    if (const auto at = parameters.find(name); at != parameters.end())
      return {at->second.log, std::sqrt(squared(at->second.sd) + variance)};
    if (const auto at = spread.find(prior_of(name)); at != spread.end()) variance += squared(at->second);
  }
  return {0, std::sqrt(variance)};
}

Estimate Profile::named(std::string_view quantity, std::string_view level, std::string_view name) const {
  if (const auto at = parameters.find(parameter_name(quantity, level, name)); at != parameters.end()) return at->second;
  const auto wide = spread.find(std::string(quantity) + "/" + std::string(level));
  return {0, wide == spread.end() ? 0 : wide->second};
}

Corrections Profile::corrections(const Scope& scope) const {
  Corrections c;
  c.bandwidth = std::exp(pooled("bandwidth", scope).log);
  c.matrix = std::exp(pooled("matrix", scope).log + named("matrix", "generation", scope.stack).log);
  c.launch = std::exp(pooled("launch", scope).log + named("launch", "generation", scope.stack).log);
  c.unpack = std::exp(pooled("unpack", scope).log);
  const auto named_log = [&](std::string_view name) {
    const auto at = parameters.find(name);
    return at == parameters.end() ? 0 : at->second.log;
  };
  c.link = std::exp(named_log("link/stack"));
  c.step = std::exp(named_log("step/stack") + named("step", "generation", scope.stack).log);
  c.sequence = std::exp(named_log("sequence/stack") + named("sequence", "generation", scope.stack).log);
  const auto collect = [&](std::string_view prefix, Corrections::Named& into) {
    for (auto at = parameters.lower_bound(prefix); at != parameters.end() && at->first.starts_with(prefix); ++at)
      into.emplace(at->first.substr(prefix.size()), std::exp(at->second.log));
  };
  collect("unpack/type/", c.unpack_of_type);
  collect("matrix/type/", c.matrix_of_type);
  collect("kernel/name/", c.kernel);
  return c;
}

bool Profile::covers(bool several_sequences, bool several_devices) const {
  return (!several_sequences || 2 * batched_rows >= decode_rows) && (!several_devices || divided_rows > 0);
}

std::int64_t Profile::deepest_of(std::string_view device) const {
  if (const auto at = deepest.find(device); at != deepest.end()) return at->second;
  std::int64_t most = 0;
  for (const auto& [name, tokens] : deepest) most = std::max(most, tokens);
  return most;
}

std::string cache_type_text(const std::string& keys, const std::string& values) {
  return keys == values ? keys : keys + "/" + values;
}

bool Profile::has_measured_cache(std::string_view type) const {
  return cache_types.empty() ? type == "f16" : cache_types.contains(type);
}

EvidenceLevel Profile::level(const Scope& scope) const {
  if (const auto device = measurements.find(scope.device); device != measurements.end())
    return device->second.contains(scope.stack) ? EvidenceLevel::measured : EvidenceLevel::same_device;
  return architectures.contains(scope.architecture) ? EvidenceLevel::same_family : EvidenceLevel::datasheet;
}

std::int64_t Profile::rows(const Scope& scope) const {
  switch (level(scope)) {
    case EvidenceLevel::measured: return measurements.find(scope.device)->second.at(scope.stack);
    case EvidenceLevel::same_device: {
      const auto& by_stack = measurements.find(scope.device)->second;
      return std::accumulate(by_stack.begin(), by_stack.end(), std::int64_t{0},
                             [](std::int64_t n, const auto& entry) { return n + entry.second; });
    }
    case EvidenceLevel::same_family: return architectures.find(scope.architecture)->second;
    case EvidenceLevel::datasheet: break;
  }
  return 0;
}

}  // namespace silicast
