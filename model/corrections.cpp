// SPDX-License-Identifier: Apache-2.0
#include "model/corrections.h"

namespace silicast {

namespace {

double find_or_one(const Corrections::Named& factors, std::string_view name) {
  const auto at = factors.find(name);
  return at == factors.end() ? 1 : at->second;
}

}  // namespace

OpFactors Corrections::of(std::string_view kernel_name, std::string_view type, bool unpacked_before) const {
  const double rate = find_or_one(kernel, kernel_name);
  return {.dram = 1 / (bandwidth * rate),
          .matrix = 1 / (matrix * (unpacked_before ? 1 : find_or_one(matrix_of_type, type)) * rate),
          .dequant = unpack * find_or_one(unpack_of_type, type) / rate,
          .other = 1 / rate,
          .launch = launch};
}

}  // namespace silicast
