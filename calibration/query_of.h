// SPDX-License-Identifier: Apache-2.0
// What a measured row asks the model: the query whose answer is the row's number, or the reason why there is none.
//
// The rules, by metric: tg_tps has no prompt, generates gen_len (blank: 128) tokens from depth (blank: 0) on; pp_tps
// processes prompt_len tokens and generates none; ttft_s, e2e_s, total_tps, power_w and energy_j_per_tok have a prompt,
// and gen_len tokens (blank: 128) after it; tpot_s counts a prompt it is given as part of the depth. Where a tg_tps of
// several sequences includes the reading of prompts (calibration/measured.h), its depth is their length. Blank batch is
// 1, blank ngl all layers, blank flash_attn the stack's default.
//
// The backend and the build or the source's date choose the stack: of the catalogue's generations of a stack (ids
// BACKEND and BACKEND-YEAR...) the one released nearest to the row, among those that run the quantization if any does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "calibration/catalogue_names.h"
#include "calibration/measured.h"
#include "calibration/observation.h"
#include "model/database.h"
#include "model/prediction.h"

namespace silicast {

enum class Metric {
  prefill_rate,
  decode_rate,
  total_rate,  // prompts and answers over the time of both
  ttft,
  tpot,
  e2e_latency,
  power,   // of all devices, the mean over prompts and answers
  energy,  // of all devices, prompts included, for each generated token
  memory,
  file_size,
  out_of_memory
};
std::string_view name_of(Metric metric);  // as in the files: "pp_tps"
std::optional<Metric> metric_of_name(std::string_view name);
// Those, and the ones of the files that are never predicted.
const std::vector<std::string>& known_metrics();
bool is_known_metric(std::string_view name);
constexpr std::string_view unknown_metric = "unknown metric";

struct Question {
  Metric metric{};
  Query query;
  Measured measured = Measured::apart;
  std::int64_t replicas = 1;  // of the query's machine, which share the sequences: rates and watts are those of all
  bool at_the_wall = false;   // power and energy of the whole machine at the plug
  std::optional<std::int64_t> gpu_layers;  // to be checked against the model's layers once it is read
};

// The reason is one of a few, to be counted; the detail is the row's own.
struct Unpredicted {
  std::string reason;
  std::string detail;

  [[nodiscard]] std::string text() const { return detail.empty() ? reason : reason + ": " + detail; }
};

// Whether the reason is that `detail` names nothing: a device, a model, a quantization, a backend, a metric.
bool is_about_a_name(std::string_view reason);

using QuestionOrReason = std::variant<Question, Unpredicted>;

// Months since year 0 of "2024-05-12" (a fraction of the month is past), "2024-05" and "2024" (their middles) or a text
// that begins so; nullopt otherwise.
std::optional<double> month_of(std::string_view date);
// The same of a llama.cpp build, "b2824 (4426e298)"; nullopt when the text names none.
std::optional<double> month_of_build(std::string_view build);

class QueryMapper {
 public:
  // Reads the catalogues' names once.
  explicit QueryMapper(const Database& database);

  [[nodiscard]] QuestionOrReason operator()(const Observation& row) const;

 private:
  using Names = std::map<std::string, std::string, std::less<>>;  // canonical name or alias -> id
  struct Generation {
    std::shared_ptr<const Stack> stack;
    double since = 0;  // month
  };

  [[nodiscard]] std::optional<std::string> stack_of(const Observation& row, const Query& query) const;
  [[nodiscard]] std::string build_variant(const std::string& stack, std::string_view notes) const;
  [[nodiscard]] std::optional<std::string> device_named(const std::string& name, bool cpu) const;
  [[nodiscard]] std::optional<Unpredicted> fill_names(const Observation& row, Query& query) const;
  [[nodiscard]] std::optional<Unpredicted> fill_offload(const Observation& row, const std::string& notes,
                                                        Query& query) const;
  [[nodiscard]] std::optional<Unpredicted> fill_devices(const Observation& row, const std::string& notes,
                                                        Question& question) const;
  [[nodiscard]] std::string defaults_of(const std::string& stack, const Query& query) const;
  void fill_memory(const Observation& row, Query& query) const;
  [[nodiscard]] const CatalogueNames& printed_names() const;

  static Names names_of(const Catalogue& catalogue);

  const Database* database_;
  Names devices_;
  Names models_;
  Names quants_;
  Names stacks_;
  std::vector<Generation> generations_;

  struct Printed {
    std::once_flag once;
    std::optional<CatalogueNames> names;
  };
  std::shared_ptr<Printed> printed_ = std::make_shared<Printed>();  // names as programs print them, when one is met
};

}  // namespace silicast
