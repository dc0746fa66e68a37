// SPDX-License-Identifier: Apache-2.0
#include "calibration/residual.h"

#include <algorithm>
#include <cmath>

#include "model/parameter_spread.h"

namespace silicast {

namespace {

int position_of(std::vector<std::string>& parameters, std::string name) {
  const auto at = std::find(parameters.begin(), parameters.end(), name);
  const auto position = static_cast<int>(at - parameters.begin());
  if (at == parameters.end()) parameters.push_back(std::move(name));
  return position;
}

// Adds the derivatives of an operation's time: each part of it goes with the parameters that scale its resource.
void add_slopes(const RowTerm& term, const OpWork& work, double* slopes) {
  const ResourceTimes parts = time_parts(work);
  const auto part = [&](Resource resource) { return work.layers * parts[static_cast<std::size_t>(resource)]; };
  const double matrix = part(Resource::matrix);
  const double unpack = part(Resource::dequant);
  slopes[bandwidth_parameter] -= part(Resource::dram);
  slopes[matrix_parameter] -= matrix;
  slopes[matrix_generation_parameter] -= matrix;
  slopes[unpack_parameter] += unpack;
  if (term.matrix_type >= 0) slopes[term.matrix_type] -= matrix;
  if (term.unpack_type >= 0) slopes[term.unpack_type] += unpack;
  if (term.kernel >= 0) slopes[term.kernel] -= work.layers * work.seconds();
}

}  // namespace

RowFunction row_function(const FitRow& row) {
  RowFunction f;
  f.parameters.resize(row_parameter_count);
  f.parameters[bandwidth_parameter] = pooled_names("bandwidth", row.scope).front();
  f.parameters[matrix_parameter] = pooled_names("matrix", row.scope).front();
  f.parameters[launch_parameter] = pooled_names("launch", row.scope).front();
  f.parameters[unpack_parameter] = pooled_names("unpack", row.scope).front();
  f.parameters[step_parameter] = "step/stack";
  f.parameters[sequence_parameter] = "sequence/stack";
  f.parameters[matrix_generation_parameter] = parameter_name("matrix", "generation", row.scope.stack);
  f.parameters[launch_generation_parameter] = parameter_name("launch", "generation", row.scope.stack);
  f.parameters[step_generation_parameter] = parameter_name("step", "generation", row.scope.stack);
  f.parameters[sequence_generation_parameter] = parameter_name("sequence", "generation", row.scope.stack);
  f.parameters[link_parameter] = "link/stack";
  f.step_seconds = row.step_seconds;
  f.link_seconds = row.link_seconds;
  f.sequence_seconds = row.sequence_seconds;
  for (const OpWork& op : row.work) {
    f.launch_seconds += op.layers * op.launch;
    RowTerm term{.op = &op};
    if (op.dram + op.matrix + op.dequant + op.alu + op.cache <= 0) continue;
    if (!op.corrected_by_kernel && op.dram <= 0) {
      f.fixed_seconds += op.layers * (op.seconds() - op.launch);
      continue;
    }
    if (op.corrected_by_kernel) term.kernel = position_of(f.parameters, parameter_name("kernel", "name", op.kernel));
    if (op.dequant > 0 && !op.type.empty())
      term.unpack_type = position_of(f.parameters, parameter_name("unpack", "type", op.type));
    if (op.matrix > 0 && !op.type.empty() && !op.unpacked_before)
      term.matrix_type = position_of(f.parameters, parameter_name("matrix", "type", op.type));
    f.terms.push_back(term);
  }
  return f;
}

double RowFunction::seconds(const double* logs, double* slopes) const {
  std::vector<double> factor(parameters.size());
  for (std::size_t i = row_parameter_count; i < parameters.size(); ++i) factor[i] = std::exp(logs[i]);
  const auto of = [&](int position) { return position < 0 ? 1 : factor[static_cast<std::size_t>(position)]; };
  const double slowness = std::exp(-logs[bandwidth_parameter]);
  const double matrix = std::exp(-logs[matrix_parameter] - logs[matrix_generation_parameter]);
  const double unpack = std::exp(logs[unpack_parameter]);
  const double launches = launch_seconds * std::exp(logs[launch_parameter] + logs[launch_generation_parameter]);
  const double step = step_seconds * std::exp(logs[step_parameter] + logs[step_generation_parameter]);
  const double sequences = sequence_seconds * std::exp(logs[sequence_parameter] + logs[sequence_generation_parameter]);
  const double link = link_seconds * std::exp(logs[link_parameter]);
  if (slopes != nullptr) {
    std::fill_n(slopes, parameters.size(), 0.0);
    slopes[step_parameter] = slopes[step_generation_parameter] = step;
    slopes[sequence_parameter] = slopes[sequence_generation_parameter] = sequences;
    slopes[link_parameter] = link;
    slopes[launch_parameter] = slopes[launch_generation_parameter] = launches;
  }
  double sum = fixed_seconds + step + sequences + link + launches;
  for (const RowTerm& term : terms) {
    const double slower = 1 / of(term.kernel);
    OpWork work = *term.op;
    work.apply({.dram = slowness * slower,
                .matrix = matrix / of(term.matrix_type) * slower,
                .dequant = unpack * of(term.unpack_type) * slower,
                .other = slower,
                .launch = 0});
    sum += work.layers * work.seconds();
    if (slopes != nullptr) add_slopes(term, work, slopes);
  }
  return sum;
}

double noise_of(const FitRow& row) {
  // Repeated runs of llama-bench on one machine agree within 1 to 3 %, machines of one kind (clocks, drivers, hosts)
  // within about 5; prefill varies more.
  constexpr double decode_noise = 0.05;
  constexpr double prefill_noise = 0.08;
  return row.metric == Metric::prefill_rate ? prefill_noise : decode_noise;
}

}  // namespace silicast
