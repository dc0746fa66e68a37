// SPDX-License-Identifier: Apache-2.0
// An explanation for programs: JSON of everything, CSV of the operations.
#include <cmath>
#include <nlohmann/json.hpp>

#include "report/explain.h"

namespace silicast {

namespace {

using Json = nlohmann::ordered_json;
using Fields = std::vector<Field>;

Value bytes(Bytes value) { return static_cast<std::int64_t>(std::llround(value.value())); }
Value text(const std::string& value) { return value.empty() ? Value() : Value(value); }
Value number(const std::optional<double>& value) { return value ? Value(*value) : Value(); }
Value name(Resource resource) { return std::string(name_of(resource)); }

void add_utilization(Fields& fields, const StepCost& cost) {
  for (std::size_t i = 0; i < resource_count; ++i) {
    const auto resource = static_cast<Resource>(i);
    fields.push_back({"utilization." + std::string(name_of(resource)), cost.utilization(resource)});
  }
}

Fields op_fields(const OpExplanation& op) {
  Fields f{{"name", op.name},
           {"kind", op.kind},
           {"type", text(op.type)},
           {"kernel", text(op.kernel)},
           {"unit", text(op.unit)},
           {"runs_on", text(op.runs_on)},
           {"layers", static_cast<std::int64_t>(op.layers)},
           {"seconds", op.cost.seconds.value()},
           {"share", op.share},
           {"dram_bytes", bytes(op.cost.dram_bytes)},
           {"cache_bytes", bytes(op.cost.cache_bytes)},
           {"flops", op.cost.operations.value()},
           {"unpack_instructions", op.cost.instructions.value()},
           {"intensity_flops_per_byte", number(op.intensity)},
           {"achieved_flops_per_second", op.achieved.value()},
           {"attainable_flops_per_second", op.attainable.value()},
           {"achieved_bytes_per_second", op.achieved_bandwidth.value()},
           {"attainable_bytes_per_second", op.attainable_bandwidth.value()},
           {"bound", name(op.bound)}};
  add_utilization(f, op.cost);
  f.push_back({"residency.working_set_bytes", bytes(op.working_set)});
  f.push_back({"residency.fits", std::string(name_of(op.fits))});
  f.push_back({"residency.cached_share", op.cached_share});
  return f;
}

Fields phase_fields(const PhaseExplanation& phase) {
  Fields f{{"steps", phase.steps},
           {"seconds", phase.cost.seconds.value()},
           {"bound", name(phase.cost.bottleneck())},
           {"dram_bytes", bytes(phase.cost.dram_bytes)},
           {"cache_bytes", bytes(phase.cost.cache_bytes)},
           {"flops", phase.cost.operations.value()}};
  add_utilization(f, phase.cost);
  for (std::size_t i = 0; i < resource_count; ++i)
    f.push_back({"seconds_by_bound." + std::string(name_of(static_cast<Resource>(i))), phase.cost.bound[i]});
  return f;
}

Fields kind_fields(const LayerKindExplanation& kind) {
  return {{"name", kind.name},
          {"layers", static_cast<std::int64_t>(kind.layers)},
          {"seconds", kind.seconds.value()},
          {"share", kind.share},
          {"dram_bytes", bytes(kind.dram_bytes)},
          {"flops", kind.operations.value()},
          {"bound", name(kind.bound)}};
}

Fields elasticity_fields(const Elasticity& e) {
  return {{"field", e.field},
          {"value", e.value},
          {"with", e.with},
          {"prefill", number(e.prefill)},
          {"decode", number(e.decode)}};
}

Fields roof_fields(const Roof& roof) {
  const auto positive = [](double value) { return value > 0 ? Value(value) : Value(); };
  return {{"name", roof.name},
          {"runs_on", roof.runs_on},
          {"bytes_per_second", positive(roof.bandwidth.value())},
          {"flops_per_second", positive(roof.peak.value())}};
}

Fields cache_fields(const CacheLevel& cache) {
  return {{"name", cache.name},
          {"runs_on", cache.runs_on},
          {"capacity_bytes", bytes(cache.capacity)},
          {"bytes_per_second", cache.bandwidth ? Value(cache.bandwidth->value()) : Value()}};
}

Json object(const Fields& fields) { return Json::parse(fields_json(fields)); }

template <class T>
Json list(const std::vector<T>& items, Fields (*fields)(const T&)) {
  Json result = Json::array();
  for (const T& item : items) result.push_back(object(fields(item)));
  return result;
}

Json phase_json(const std::optional<PhaseExplanation>& phase) {
  if (!phase) return nullptr;
  Json json = object(phase_fields(*phase));
  json["ops"] = list(phase->ops, op_fields);
  json["layer_kinds"] = list(phase->layer_kinds, kind_fields);
  return json;
}

}  // namespace

std::string explain_json(const Explanation& e) {
  const Json prediction = Json::parse(prediction_json(e.prediction));
  Json root{{"schema", "silicast.explain/1"}};
  for (const char* key : {"query", "feasible", "limiting", "memory"}) root[key] = prediction[key];
  root["summary"] = explain_summary(e);
  root["prefill"] = phase_json(e.prefill);
  root["decode"] = phase_json(e.decode);
  root["roofs"] = list(e.roofs, roof_fields);
  root["caches"] = list(e.caches, cache_fields);
  root["elasticity_step"] = elasticity_step - 1;
  root["elasticities"] = list(e.elasticities, elasticity_fields);
  root["prediction"] = prediction;
  return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string explain_csv(const Explanation& e) {
  std::string text;
  const auto add = [&](const char* phase_name, const std::optional<PhaseExplanation>& phase) {
    if (!phase) return;
    for (const OpExplanation& op : phase->ops) {
      Fields fields = op_fields(op);
      fields.insert(fields.begin(), {"phase", std::string(phase_name)});
      const std::string lines = fields_csv(fields);
      text += text.empty() ? lines : lines.substr(lines.find('\n') + 1);
    }
  };
  add("prefill", e.prefill);
  add("decode", e.decode);
  return text;
}

}  // namespace silicast
