// SPDX-License-Identifier: Apache-2.0
// How far a prediction may be off because the parameters of its profile are known only so well: sqrt(g' C g), g the
// derivatives of the logarithm of its time by the parameters' logarithms, C their joint posterior covariance.
// Parameters make up for each other (a kernel's efficiency for a device's bandwidth), so that together they leave far
// less open than each by itself.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/profile.h"
#include "model/step_cost.h"

namespace silicast {

// The time of one occurrence of an operation, divided among its resources by what a small change of each would change:
// the sum of t dT/dt is T.
ResourceTimes time_parts(const OpWork& work) noexcept;

// What steps take beside their operations: in seconds, corrected as the profile says.
struct StepOverheads {
  double step = 0;
  double sequence = 0;
  double link = 0;
};

// What a profile's parameters leave open together, for one device, architecture and generation of a stack.
class ParameterSpread {
 public:
  ParameterSpread(const Profile& profile, const Scope& scope);

  // How a time depends on the parameters: seconds, and their derivatives. Sums of those of its parts.
  struct Slopes {
    double seconds = 0;
    std::vector<double> known;  // by the parameters of names(), in their order; empty: all zero
    // By those that no row has shown: each of these stands by itself.
    struct New {
      std::string_view name;
      double slope = 0;
      double variance = 0;  // of its prior
    };
    std::vector<New> others;

    void add(const Slopes& part, double times);
  };
  // Of an operation, `layers` times, corrected as the profile says.
  void add(Slopes& sum, const OpWork& work) const;
  void add(Slopes& sum, const StepOverheads& beside) const;
  // Standard deviation of the logarithm of the time.
  [[nodiscard]] double log_sd(const Slopes& slopes) const;
  [[nodiscard]] double log_sd(const std::vector<OpWork>& work, const StepOverheads& beside) const;

  // The parameters that bear on it, as the device's own; what the profile does not have of it is taken from the level
  // above, as uncertain as that makes it.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] const std::vector<double>& logs() const { return logs_; }
  [[nodiscard]] double covariance(std::size_t a, std::size_t b) const { return covariance_[a * size_ + b]; }

 private:
  using Positions = std::map<std::string, std::size_t, std::less<>>;

  void add(Slopes& sum, const Positions& positions, std::string_view name, double slope, double variance) const;

  std::size_t size_ = 0;
  std::vector<std::string> names_;
  std::vector<double> logs_;
  std::vector<double> covariance_;  // size_ x size_
  Positions kernels_, unpack_types_, matrix_types_;
  // Prior variances, for those that no row has shown.
  double new_kernel_ = 0, new_vector_kernel_ = 0, new_unpack_type_ = 0, new_matrix_type_ = 0;
};

}  // namespace silicast
