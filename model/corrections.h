// SPDX-License-Identifier: Apache-2.0
// What measurements say about a stack on a processor, as plain factors on what datasheets and kernel descriptions say.
// All ones: the uncorrected model. Where they come from: model/profile.h.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace silicast {

// Factors on the resource times of an operation.
struct OpFactors {
  double dram = 1;
  double matrix = 1;
  double dequant = 1;
  double other = 1;  // vector arithmetic, cache
  double launch = 1;
};

struct Corrections {
  using Named = std::map<std::string, double, std::less<>>;

  double bandwidth = 1;  // reached over nominal
  double matrix = 1;     // rate of matrix work over nominal
  double launch = 1;     // time of a launch over nominal
  double step = 1;       // time of a step beside its kernels over nominal
  double sequence = 1;   // time of a step for each of its sequences over nominal
  double link = 1;       // time of all-reduces between devices over nominal
  double unpack = 1;     // time of unpacking, all types, over nominal
  Named unpack_of_type;  // likewise, of each type beside that
  Named matrix_of_type;  // rate of matrix work on weights of the type
  Named kernel;          // rate of all the work of a kernel

  // Weights that were unpacked to memory beforehand are multiplied at a rate that no longer knows their type.
  [[nodiscard]] OpFactors of(std::string_view kernel_name, std::string_view type, bool unpacked_before = false) const;
};

}  // namespace silicast
