// SPDX-License-Identifier: Apache-2.0
#include "model/parameter_spread.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace silicast {

namespace {

double squared(double x) { return x * x; }

// Positions of the parameters that any operation may depend on; those of kernels and types follow.
enum Common : std::size_t {
  bandwidth,
  matrix,
  launch,
  unpack,
  step,
  matrix_generation,
  launch_generation,
  step_generation,
  sequence,
  sequence_generation,
  link,
  common_count
};

// A row of the local covariance.
struct Local {
  std::string name;
  const Estimate* estimate = nullptr;  // null: not in the profile
  std::size_t general = 0;             // its place among the parameters of no device or architecture
  std::string_view of;                 // the device or architecture that it belongs to; empty: none
  double extra = 0;                    // variance of the levels that are missing
};

double correlation(const Local& a, const Local& b) {
  constexpr double thousandth = 0.001;
  const auto at = [](const Local& holder, std::size_t i) {
    return i < holder.estimate->correlations.size() ? holder.estimate->correlations[i] * thousandth : 0;
  };
  if (a.of.empty() && b.of.empty()) return a.general > b.general ? at(a, b.general) : at(b, a.general);
  if (a.of.empty()) return at(b, a.general);
  if (b.of.empty()) return at(a, b.general);
  // The one with more of them has the other after those of no device.
  const std::size_t more = a.estimate->correlations.size();
  const std::size_t less = b.estimate->correlations.size();
  if (a.of != b.of || more == less) return 0;
  return more > less ? at(a, less) : at(b, more);
}

}  // namespace

ResourceTimes time_parts(const OpWork& work) noexcept {
  // The slope of the smooth maximum is (t/T)^3; for work on the same units, that of their sum.
  const double arithmetic = work.alu + work.dequant + (work.shares_vector_units ? work.matrix : 0);
  const double total = work.seconds() - work.launch - (work.overlaps_loads ? 0 : work.dram);
  const auto slope = [total](double t) {
    const double share = t / total;
    return share * share * share;
  };
  ResourceTimes parts{};
  const auto part = [&parts](Resource resource) -> double& { return parts[static_cast<std::size_t>(resource)]; };
  part(Resource::launch) = work.launch;
  part(Resource::dram) = work.overlaps_loads && total > 0 ? work.dram * slope(work.dram) : work.dram;
  if (total <= 0) return parts;
  const double vector_slope = slope(arithmetic);
  part(Resource::matrix) = work.matrix * (work.shares_vector_units ? vector_slope : slope(work.matrix));
  part(Resource::dequant) = work.dequant * vector_slope;
  part(Resource::alu) = work.alu * vector_slope;
  part(Resource::cache) = work.cache * slope(work.cache);
  return parts;
}

ParameterSpread::ParameterSpread(const Profile& profile, const Scope& scope) {
  std::vector<Local> locals(common_count);
  const auto prior = [&profile](std::string_view level) {
    const auto at = profile.spread.find(level);
    return at == profile.spread.end() ? 0 : squared(at->second);
  };
  const auto place = [](std::string_view name, std::string_view prefix, Positions& into, std::size_t at) {
    if (name.starts_with(prefix)) into.emplace(name.substr(prefix.size()), at);
  };
  const auto generation = [&scope](std::string_view quantity) {
    return parameter_name(quantity, "generation", scope.stack);
  };
  const std::array<std::pair<Common, std::string>, 7> of_the_stack{{{step, "step/stack"},
                                                                    {sequence, "sequence/stack"},
                                                                    {link, "link/stack"},
                                                                    {matrix_generation, generation("matrix")},
                                                                    {launch_generation, generation("launch")},
                                                                    {step_generation, generation("step")},
                                                                    {sequence_generation, generation("sequence")}}};
  for (const auto& [at, name] : of_the_stack) {
    locals[at].name = name;
    locals[at].extra = prior(prior_of(name));
  }
  std::map<std::string_view, std::size_t> general;
  for (const auto& [name, estimate] : profile.parameters) {
    if (!owner_of(name).empty()) continue;
    const Local local{.name = name, .estimate = &estimate, .general = general.size()};
    general.emplace(name, local.general);
    const auto common = std::find_if(of_the_stack.begin(), of_the_stack.end(),
                                     [&key = name](const auto& entry) { return entry.second == key; });
    if (common != of_the_stack.end()) {
      locals[common->first] = local;
    } else {
      place(name, "kernel/name/", kernels_, locals.size());
      place(name, "unpack/type/", unpack_types_, locals.size());
      place(name, "matrix/type/", matrix_types_, locals.size());
      locals.push_back(local);
    }
  }
  constexpr std::array<std::pair<Common, std::string_view>, 4> pooled{
      {{bandwidth, "bandwidth"}, {matrix, "matrix"}, {launch, "launch"}, {unpack, "unpack"}}};
  for (const auto& [at, quantity] : pooled)
    for (const std::string& name : pooled_names(quantity, scope)) {
      Local& local = locals[at];
      if (local.name.empty()) local.name = name;
      if (const auto found = profile.parameters.find(name); found != profile.parameters.end()) {
        local.estimate = &found->second;
        local.of = owner_of(found->first);
        if (local.of.empty()) local.general = general.at(name);
        break;
      }
      local.extra += prior(prior_of(name));
    }
  size_ = locals.size();
  for (const Local& local : locals) {
    names_.push_back(local.name);
    logs_.push_back(local.estimate == nullptr ? 0 : local.estimate->log);
  }
  covariance_.resize(size_ * size_);
  for (std::size_t a = 0; a < size_; ++a) {
    if (locals[a].estimate == nullptr) {
      covariance_[a * size_ + a] = locals[a].extra;
      continue;
    }
    for (std::size_t b = 0; b < a; ++b)
      if (locals[b].estimate != nullptr)
        covariance_[a * size_ + b] = covariance_[b * size_ + a] =
            correlation(locals[a], locals[b]) * locals[a].estimate->sd * locals[b].estimate->sd;
    covariance_[a * size_ + a] = squared(locals[a].estimate->sd) + locals[a].extra;
  }
  new_kernel_ = prior("kernel/name");
  new_vector_kernel_ = prior("kernel/vector");
  new_unpack_type_ = prior("unpack/type");
  new_matrix_type_ = prior("matrix/type");
}

void ParameterSpread::Slopes::add(const Slopes& part, double times) {
  seconds += times * part.seconds;
  if (known.empty()) known.resize(part.known.size());
  for (std::size_t i = 0; i < part.known.size(); ++i) known[i] += times * part.known[i];
  for (const New& one : part.others) {
    const auto same = std::find_if(others.begin(), others.end(), [&](const New& other) {
      return other.name == one.name && other.variance == one.variance;
    });
    if (same == others.end())
      others.push_back({one.name, times * one.slope, one.variance});
    else
      same->slope += times * one.slope;
  }
}

void ParameterSpread::add(Slopes& sum, const Positions& positions, std::string_view name, double slope,
                          double variance) const {
  if (slope == 0 || name.empty()) return;
  if (const auto at = positions.find(name); at != positions.end())
    sum.known[at->second] += slope;
  else
    sum.add({.others = {{name, slope, variance}}}, 1);
}

void ParameterSpread::add(Slopes& sum, const StepOverheads& beside) const {
  sum.known.resize(size_);
  sum.seconds += beside.step + beside.sequence + beside.link;
  for (const Common at : {step, step_generation}) sum.known[at] += beside.step;
  for (const Common at : {sequence, sequence_generation}) sum.known[at] += beside.sequence;
  sum.known[link] += beside.link;
}

void ParameterSpread::add(Slopes& sum, const OpWork& op) const {
  sum.known.resize(size_);
  const ResourceTimes parts = time_parts(op);
  const auto part = [&](Resource resource) { return op.layers * parts[static_cast<std::size_t>(resource)]; };
  const double launches = part(Resource::launch);
  const double seconds = op.layers * std::accumulate(parts.begin(), parts.end(), 0.0);
  sum.seconds += seconds;
  sum.known[bandwidth] -= part(Resource::dram);
  for (const Common at : {matrix, matrix_generation}) sum.known[at] -= part(Resource::matrix);
  sum.known[unpack] += part(Resource::dequant);
  for (const Common at : {launch, launch_generation}) sum.known[at] += launches;
  add(sum, matrix_types_, op.type, -part(Resource::matrix), new_matrix_type_);
  add(sum, unpack_types_, op.type, part(Resource::dequant), new_unpack_type_);
  if (!op.corrected_by_kernel) return;
  if (const auto at = kernels_.find(op.kernel); at != kernels_.end()) {
    sum.known[at->second] += launches - seconds;
    return;
  }
  const bool vector = prior_of(parameter_name("kernel", "name", op.kernel)) == "kernel/vector";
  add(sum, kernels_, op.kernel, launches - seconds, vector ? new_vector_kernel_ : new_kernel_);
}

double ParameterSpread::log_sd(const Slopes& slopes) const {
  if (slopes.seconds <= 0) return 0;
  // Few of the parameters bear on a step.
  std::vector<std::size_t> touched;
  for (std::size_t i = 0; i < slopes.known.size(); ++i)
    if (slopes.known[i] != 0) touched.push_back(i);
  double variance = 0;
  for (auto a = touched.begin(); a != touched.end(); ++a) {
    const double* const row = &covariance_[*a * size_];
    double others = 0;
    for (auto b = touched.begin(); b != a; ++b) others += slopes.known[*b] * row[*b];
    variance += slopes.known[*a] * (2 * others + slopes.known[*a] * row[*a]);
  }
  for (const Slopes::New& other : slopes.others) variance += squared(other.slope) * other.variance;
  return std::sqrt(std::max(0.0, variance)) / slopes.seconds;
}

double ParameterSpread::log_sd(const std::vector<OpWork>& work, const StepOverheads& beside) const {
  Slopes slopes;
  add(slopes, beside);
  for (const OpWork& op : work) add(slopes, op);
  return log_sd(slopes);
}

}  // namespace silicast
