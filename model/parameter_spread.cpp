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
  const double total = work.seconds() - work.launch;
  const auto slope = [total](double t) {
    const double share = t / total;
    return share * share * share;
  };
  ResourceTimes parts{};
  const auto part = [&parts](Resource resource) -> double& { return parts[static_cast<std::size_t>(resource)]; };
  part(Resource::launch) = work.launch;
  if (total <= 0) return parts;
  const double vector_slope = slope(arithmetic);
  part(Resource::dram) = work.dram * slope(work.dram);
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

// Derivatives by the parameters, and by those that no row has shown: each of these stands by itself.
struct ParameterSpread::Slopes {
  std::vector<double> known;
  struct New {
    std::string_view name;
    double slope = 0;
    double variance = 0;  // of its prior
  };
  std::vector<New> others;

  void add(const Positions& positions, std::string_view name, double slope, double variance) {
    if (slope == 0 || name.empty()) return;
    if (const auto at = positions.find(name); at != positions.end()) {
      known[at->second] += slope;
      return;
    }
    for (New& other : others)
      if (other.name == name && other.variance == variance) {
        other.slope += slope;
        return;
      }
    others.push_back({name, slope, variance});
  }
};

double ParameterSpread::log_sd(const std::vector<OpWork>& work, const StepOverheads& beside) const {
  Slopes slopes{.known = std::vector<double>(size_), .others = {}};
  double total = beside.step + beside.sequence + beside.link;
  slopes.known[step] = slopes.known[step_generation] = beside.step;
  slopes.known[sequence] = slopes.known[sequence_generation] = beside.sequence;
  slopes.known[link] = beside.link;
  for (const OpWork& op : work) {
    const ResourceTimes parts = time_parts(op);
    const auto part = [&](Resource resource) { return op.layers * parts[static_cast<std::size_t>(resource)]; };
    const double launches = part(Resource::launch);
    const double seconds = op.layers * std::accumulate(parts.begin(), parts.end(), 0.0);
    total += seconds;
    slopes.known[bandwidth] -= part(Resource::dram);
    slopes.known[matrix] -= part(Resource::matrix);
    slopes.known[matrix_generation] -= part(Resource::matrix);
    slopes.known[unpack] += part(Resource::dequant);
    slopes.known[launch] += launches;
    slopes.known[launch_generation] += launches;
    slopes.add(matrix_types_, op.type, -part(Resource::matrix), new_matrix_type_);
    slopes.add(unpack_types_, op.type, part(Resource::dequant), new_unpack_type_);
    if (!op.corrected_by_kernel) continue;
    const bool vector = prior_of(parameter_name("kernel", "name", op.kernel)) == "kernel/vector";
    slopes.add(kernels_, op.kernel, launches - seconds, vector ? new_vector_kernel_ : new_kernel_);
  }
  return total > 0 ? std::sqrt(std::max(0.0, variance(slopes))) / total : 0;
}

double ParameterSpread::variance(const Slopes& slopes) const {
  std::vector<std::size_t> touched;
  for (std::size_t i = 0; i < size_; ++i)
    if (slopes.known[i] != 0) touched.push_back(i);
  double sum = 0;
  for (const std::size_t a : touched)
    for (const std::size_t b : touched) sum += slopes.known[a] * slopes.known[b] * covariance_[a * size_ + b];
  for (const auto& other : slopes.others) sum += squared(other.slope) * other.variance;
  return sum;
}

}  // namespace silicast
