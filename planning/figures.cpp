// SPDX-License-Identifier: Apache-2.0
#include "planning/figures.h"

#include <algorithm>

namespace silicast {

namespace {

constexpr std::array<FigureTraits, figure_count> table{{
    {"memory", "memory.total_bytes", false, FigureUnit::bytes},
    {"prefill", "prefill.tokens_per_second.value", true, FigureUnit::none},
    {"decode", "decode.tokens_per_second.value", true, FigureUnit::none},
    {"decode_p10", "decode.tokens_per_second.p10", true, FigureUnit::none},
    {"decode_p90", "decode.tokens_per_second.p90", true, FigureUnit::none},
    {"ttft", "ttft.value", false, FigureUnit::seconds},
    {"tpot", "tpot.value", false, FigureUnit::seconds},
    {"e2e", "e2e_latency.value", false, FigureUnit::seconds},
    {"throughput", "output_token_throughput.value", true, FigureUnit::none},
    {"power", "power.decode_watts", false, FigureUnit::watts},
    {"energy", "energy.joules_per_output_token", false, FigureUnit::none},
    {"hourly", "cost.usd_per_hour", false, FigureUnit::none},
    {"cost_in", "cost.usd_per_million_input_tokens", false, FigureUnit::none},
    {"cost", "cost.usd_per_million_output_tokens", false, FigureUnit::none},
    {"quality", "quality.perplexity_ratio", false, FigureUnit::none},
}};

}  // namespace

const FigureTraits& traits(Figure figure) { return table[static_cast<std::size_t>(figure)]; }

std::optional<Figure> figure_of_name(std::string_view name) {
  const auto at = std::find_if(table.begin(), table.end(),
                               [&](const FigureTraits& row) { return row.name == name || row.key == name; });
  return at == table.end() ? std::nullopt : std::optional(static_cast<Figure>(at - table.begin()));
}

std::vector<std::string> figure_names() {
  std::vector<std::string> names;
  for (const FigureTraits& row : table) names.emplace_back(row.name);
  return names;
}

}  // namespace silicast
