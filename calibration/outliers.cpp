// SPDX-License-Identifier: Apache-2.0
#include "calibration/outliers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace silicast {

namespace {

constexpr double far_off = 1.5;

bool slow(double ratio) { return ratio < 1 / far_off; }
bool fast(double ratio) { return ratio > far_off; }

double distance(const Outlier& o) {
  return std::max(std::abs(std::log(o.decode_ratio)), std::abs(std::log(o.prefill_ratio)));
}

// What a pattern speaks for. The sources do not say, or the rows would not be here.
std::string suspicion_of(const Outlier& o) {
  if (slow(o.decode_ratio) && slow(o.prefill_ratio) && o.decode_rows > 0 && o.prefill_rows > 0)
    return "both phases slow: throttled, paging, far NUMA memory, or layers elsewhere than stated";
  if (fast(o.decode_ratio) && fast(o.prefill_ratio) && o.decode_rows > 0 && o.prefill_rows > 0)
    return "both phases fast: another device, more of them, or a smaller model than stated";
  if (slow(o.prefill_ratio))
    return "prefill alone slow: a fallback kernel, another BLAS, or an older build than its date";
  if (fast(o.prefill_ratio)) return "prefill alone fast: a kernel of a later build, or a prompt served from the cache";
  if (slow(o.decode_ratio)) return "decode alone slow: a server's or host's time between tokens, or fewer threads";
  return "decode alone fast: clocks above the data sheet's, fewer bytes than the file's, or speculative decoding";
}

}  // namespace

std::vector<Outlier> outliers_of(const CrossValidation& result, std::size_t most) {
  std::map<std::tuple<std::string, std::string, std::string, std::string>, std::array<std::vector<double>, 2>> groups;
  for (const HeldOut& held : result.rows) {
    const FitRow& row = *held.row;
    groups[{row.source, row.scope.device, row.scope.stack, row.model}][row.metric == Metric::prefill_rate ? 1 : 0]
        .push_back(row.measured / held.unaided);
  }
  std::vector<Outlier> outliers;
  for (const auto& [key, ratios] : groups) {
    Outlier o{.source = std::get<0>(key),
              .device = std::get<1>(key),
              .stack = std::get<2>(key),
              .model = std::get<3>(key),
              .decode_rows = ratios[0].size(),
              .prefill_rows = ratios[1].size(),
              .suspicion = {}};
    if (!ratios[0].empty()) o.decode_ratio = quantile(ratios[0], 0.5);
    if (!ratios[1].empty()) o.prefill_ratio = quantile(ratios[1], 0.5);
    if (distance(o) < std::log(far_off)) continue;
    o.suspicion = suspicion_of(o);
    outliers.push_back(std::move(o));
  }
  std::stable_sort(outliers.begin(), outliers.end(),
                   [](const Outlier& a, const Outlier& b) { return distance(a) > distance(b); });
  outliers.resize(std::min(outliers.size(), most));
  return outliers;
}

}  // namespace silicast
