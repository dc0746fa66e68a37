// SPDX-License-Identifier: Apache-2.0
// A choice of models by their kind instead of their names, as --model-class takes it:
//
//   30b            about 30 billion parameters: within a fifth
//   20b..40b       from 20 to 40 billion
//   30b-a3b        and about 3 billion of them active for a token
//   20b..40b-moe   mixtures of experts alone; -dense: the others
//   any-moe        of any size
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/database.h"

namespace silicast {

class ModelClass {
 public:
  // Throws UsageError with what is accepted.
  explicit ModelClass(std::string_view text);

  [[nodiscard]] bool holds(const Architecture& architecture) const;

 private:
  struct Range {
    double least = 0;
    double most = 0;
    [[nodiscard]] bool holds(double count) const { return count >= least && count <= most; }
  };
  static std::optional<Range> range_of(std::string_view text);

  std::optional<Range> parameters_;  // absent: any
  std::optional<Range> active_;
  std::optional<bool> experts_;
};

// The models of the catalogue that are of the class and generate text, by id. Throws UsageError where there are none.
std::vector<std::string> models_of_class(const std::string& text, const Database& database);

}  // namespace silicast
