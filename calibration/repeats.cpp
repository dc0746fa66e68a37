// SPDX-License-Identifier: Apache-2.0
#include "calibration/repeats.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/text.h"

namespace silicast {

std::string conditions_of(const Observation& o) {
  const auto number = [](const auto& value) { return value ? std::to_string(*value) : std::string(); };
  const std::string flash = o.flash_attention ? (*o.flash_attention ? "on" : "off") : "";
  return join({o.source_url,
               o.source_date,
               o.device,
               std::to_string(o.device_count),
               number(o.device_memory_gb),
               o.backend,
               o.build,
               flash,
               o.model,
               o.quant,
               number(o.model_size_gib),
               o.kv_type,
               number(o.gpu_layers),
               number(o.threads),
               number(o.prompt),
               number(o.gen),
               number(o.depth),
               number(o.batch),
               o.metric,
               o.notes},
              "|");
}

Repeats repeats_of(const std::vector<Observation>& rows) {
  std::unordered_map<std::string, std::size_t> group_of;
  std::vector<Repeats::Conflict> groups;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto [at, is_new] = group_of.try_emplace(conditions_of(rows[i]), groups.size());
    if (is_new) groups.emplace_back();
    groups[at->second].push_back(i);
  }
  Repeats result;
  for (Repeats::Conflict& group : groups) {
    std::map<double, std::size_t> first_of;
    for (const std::size_t row : group)
      if (const auto [at, is_new] = first_of.try_emplace(rows[row].value, row); !is_new)
        result.duplicates.push_back({row, at->second});
    if (first_of.rbegin()->first > conflict_ratio * first_of.begin()->first)
      result.conflicts.push_back(std::move(group));
  }
  std::sort(result.duplicates.begin(), result.duplicates.end(),
            [](const auto& a, const auto& b) { return a.row < b.row; });
  return result;
}

}  // namespace silicast
