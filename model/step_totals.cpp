// SPDX-License-Identifier: Apache-2.0
// What a batch and the costs of its steps add up to.
#include <algorithm>

#include "model/step_cost.h"

namespace silicast {

namespace {

constexpr std::array<std::string_view, resource_count> resource_names{"dram",  "matrix", "dequant", "alu",
                                                                      "cache", "link",   "launch"};

}  // namespace

std::string_view name_of(Resource resource) { return resource_names[static_cast<std::size_t>(resource)]; }

BatchTotals totals_of(Batch batch) noexcept {
  BatchTotals totals;
  for (const StepShape& group : batch) {
    totals.sequences += group.batch;
    totals.tokens += group.tokens();
    totals.outputs += group.batch * group.outputs;
  }
  return totals;
}

Resource StepCost::bottleneck() const {
  return static_cast<Resource>(std::max_element(bound.begin(), bound.end()) - bound.begin());
}

double StepCost::utilization(Resource resource) const {
  if (seconds.value() <= 0) return 0;
  return std::min(1.0, busy[static_cast<std::size_t>(resource)] / seconds.value());
}

StepCost& StepCost::operator+=(const StepCost& other) {
  seconds += other.seconds;
  dram_bytes += other.dram_bytes;
  cache_bytes += other.cache_bytes;
  link_bytes += other.link_bytes;
  operations += other.operations;
  matrix_operations += other.matrix_operations;
  instructions += other.instructions;
  host.seconds += other.host.seconds;
  host.dram_bytes += other.host.dram_bytes;
  host.operations += other.host.operations;
  host.matrix_operations += other.host.matrix_operations;
  host.instructions += other.host.instructions;
  for (std::size_t i = 0; i < resource_count; ++i) busy[i] += other.busy[i], bound[i] += other.bound[i];
  return *this;
}

StepCost& StepCost::operator*=(double factor) {
  seconds *= factor;
  dram_bytes *= factor;
  cache_bytes *= factor;
  link_bytes *= factor;
  operations *= factor;
  matrix_operations *= factor;
  instructions *= factor;
  host.seconds *= factor;
  host.dram_bytes *= factor;
  host.operations *= factor;
  host.matrix_operations *= factor;
  host.instructions *= factor;
  for (std::size_t i = 0; i < resource_count; ++i) busy[i] *= factor, bound[i] *= factor;
  return *this;
}

}  // namespace silicast
