// SPDX-License-Identifier: Apache-2.0
#include "model/quality.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/text.h"

namespace silicast {

namespace {

// "llama" of "llama-3-8b", "qwen" of "qwen2.5-32b".
std::string family_of(std::string_view name) {
  std::size_t end = 0;
  while (end < name.size() && std::isalpha(static_cast<unsigned char>(name[end])) != 0) ++end;
  return lower(name.substr(0, end));
}

// "8b" is 8, "8x7b" 56.
std::optional<double> billions(std::string_view part) {
  if (part.size() < 2 || part.back() != 'b') return std::nullopt;
  part.remove_suffix(1);
  double size = 1;
  for (const std::string_view factor : split(part, 'x')) {
    const auto number = parse_number(factor);
    if (!number || *number <= 0) return std::nullopt;
    size *= *number;
  }
  return size;
}

// Billions of parameters as the name says them; of a mixture that names its active ones, "30b-a3b", the geometric mean
// of both, the size of a dense model that is often set equal.
std::optional<double> size_of(std::string_view name) {
  std::optional<double> all;
  std::optional<double> active;
  for (const std::string_view part : split(name, '-')) {
    if (!all) all = billions(part);
    if (!active && part.starts_with('a')) active = billions(part.substr(1));
  }
  return all && active ? std::sqrt(*all * *active) : all;
}

const double another_family = std::log(3.0);
constexpr double size_unknown = 1;
constexpr double another_version = 0.1;

}  // namespace

double model_distance(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  const auto size_a = size_of(a);
  const auto size_b = size_of(b);
  const double sizes = size_a && size_b ? std::abs(std::log(*size_a / *size_b)) : size_unknown;
  return another_version + sizes + (family_of(a) == family_of(b) ? 0 : another_family);
}

std::optional<Quality> quality_of(const QuantScheme& scheme, const Architecture& architecture) {
  const QuantQuality* best = nullptr;
  double nearest = 0;
  constexpr double no_divergence = 0.2;  // a divergence says more than a ratio
  for (const QuantQuality& row : scheme.quality) {
    if (!row.perplexity || !row.reference_perplexity) continue;
    const double distance = model_distance(row.model, architecture.id) + (row.kld ? 0 : no_divergence);
    if (best != nullptr && distance >= nearest) continue;
    best = &row;
    nearest = distance;
  }
  if (best == nullptr) return std::nullopt;
  return Quality{.perplexity_ratio = *best->perplexity / *best->reference_perplexity,
                 .kld = best->kld,
                 .model = best->model,
                 .source = best->source,
                 .same_model = best->model == architecture.id,
                 .imatrix = best->imatrix};
}

std::optional<Quality> quality_of(const QuantScheme* scheme, const Workload& workload) {
  const TypeTable& types = *workload.type_table;
  const auto is_plain = [&](TypeId id) { return types[id].block == 1 && types[id].bytes >= 2; };
  if (std::all_of(workload.types.begin(), workload.types.end(), is_plain))
    return Quality{.model = workload.architecture.id, .source = "unquantized", .same_model = true};
  return scheme != nullptr ? quality_of(*scheme, workload.architecture) : std::nullopt;
}

}  // namespace silicast
