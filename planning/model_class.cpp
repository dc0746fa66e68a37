// SPDX-License-Identifier: Apache-2.0
#include "planning/model_class.h"

#include "base/error.h"
#include "base/text.h"
#include "workloads/tensors.h"

namespace silicast {

namespace {

constexpr double nearness = 0.2;  // "8b" holds 7B to 9B, "70b" 72B, and neither its neighbour

// "30b", "600m": parameters.
std::optional<double> size_of(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const double unit = text.back() == 'b' ? 1e9 : text.back() == 'm' ? 1e6 : 0;
  const auto value = parse_number(text.substr(0, text.size() - 1));
  if (unit == 0 || !value || !(*value > 0)) return std::nullopt;
  return *value * unit;
}

}  // namespace

std::optional<ModelClass::Range> ModelClass::range_of(std::string_view text) {
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) {
    const auto size = size_of(text);
    return size ? std::optional(Range{*size * (1 - nearness), *size * (1 + nearness)}) : std::nullopt;
  }
  const auto least = size_of(text.substr(0, dots));
  const auto most = size_of(text.substr(dots + 2));
  return least && most && *least <= *most ? std::optional(Range{*least, *most}) : std::nullopt;
}

ModelClass::ModelClass(std::string_view text) {
  const std::string name = lower(trim(text));
  const auto refuse = [&] {
    throw UsageError(
        "--model-class: a size such as 30b, a range such as 20b..40b, or any is expected, then -a3b, -moe "
        "or -dense where wanted, got '" +
        std::string(text) + "'");
  };
  const auto parts = split(name, '-');
  if (parts.front() != "any") {
    parameters_ = range_of(parts.front());
    if (!parameters_) refuse();
  }
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] == "moe" || parts[i] == "dense") {
      experts_ = parts[i] == "moe";
    } else {
      active_ = parts[i].starts_with('a') ? range_of(parts[i].substr(1)) : std::nullopt;
      if (!active_) refuse();
    }
  }
}

bool ModelClass::holds(const Architecture& architecture) const {
  const auto all = static_cast<double>(parameter_count(architecture));
  const auto active = static_cast<double>(active_parameter_count(architecture));
  if (experts_ && *experts_ != architecture.has_experts()) return false;
  return (!parameters_ || parameters_->holds(all)) && (!active_ || active_->holds(active));
}

std::vector<std::string> models_of_class(const std::string& text, const Database& database) {
  const ModelClass wanted(text);
  std::vector<std::string> names;
  for (const Entry& entry : database.models().all()) {
    const auto architecture = database.architecture(entry.id);
    if (!architecture->encoder && wanted.holds(*architecture)) names.push_back(entry.id);
  }
  if (names.empty())
    throw UsageError("--model-class " + text +
                     ": no model of the catalogue is of this class; 'silicast list models' "
                     "has their parameters");
  return names;
}

}  // namespace silicast
