// SPDX-License-Identifier: Apache-2.0
#include "calibration/residual.h"

#include <algorithm>

namespace silicast {

namespace {

int position_of(std::vector<std::string>& parameters, std::string name) {
  const auto at = std::find(parameters.begin(), parameters.end(), name);
  const auto position = static_cast<int>(at - parameters.begin());
  if (at == parameters.end()) parameters.push_back(std::move(name));
  return position;
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
  f.parameters[matrix_generation_parameter] = parameter_name("matrix", "generation", row.scope.stack);
  f.parameters[launch_generation_parameter] = parameter_name("launch", "generation", row.scope.stack);
  f.step_seconds = row.step_seconds;
  for (const OpWork& op : row.work) {
    f.launch_seconds += op.layers * op.launch;
    RowTerm term{.layers = op.layers,
                 .dram = op.dram,
                 .matrix = op.matrix,
                 .dequant = op.dequant,
                 .alu = op.alu,
                 .cache = op.cache,
                 .shares_vector_units = op.shares_vector_units};
    if (term.dram + term.matrix + term.dequant + term.alu + term.cache <= 0) continue;
    if (!op.corrected_by_kernel && term.dram <= 0) {
      f.fixed_seconds += op.layers * (op.seconds() - op.launch);
      continue;
    }
    if (op.corrected_by_kernel) term.kernel = position_of(f.parameters, parameter_name("kernel", "name", op.kernel));
    if (term.dequant > 0 && !op.type.empty())
      term.unpack_type = position_of(f.parameters, parameter_name("unpack", "type", op.type));
    if (term.matrix > 0 && !op.type.empty())
      term.matrix_type = position_of(f.parameters, parameter_name("matrix", "type", op.type));
    f.terms.push_back(term);
  }
  return f;
}

}  // namespace silicast
