// SPDX-License-Identifier: Apache-2.0
#include "calibration/query_of.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "model/feasibility.h"

namespace silicast {

namespace {

constexpr std::array<std::pair<Metric, std::string_view>, 11> metric_names{{{Metric::prefill_rate, "pp_tps"},
                                                                            {Metric::decode_rate, "tg_tps"},
                                                                            {Metric::total_rate, "total_tps"},
                                                                            {Metric::ttft, "ttft_s"},
                                                                            {Metric::tpot, "tpot_s"},
                                                                            {Metric::e2e_latency, "e2e_s"},
                                                                            {Metric::power, "power_w"},
                                                                            {Metric::energy, "energy_j_per_tok"},
                                                                            {Metric::memory, "mem_gib"},
                                                                            {Metric::file_size, "size_gib"},
                                                                            {Metric::out_of_memory, "oom"}}};

constexpr std::int64_t usual_generation = 128;

bool contains_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) { return contains(text, part); });
}

// The number after "KEY=" where KEY stands by itself, as in "sweep-bench; ub=512".
std::optional<std::int64_t> noted_number(std::string_view notes, std::string_view key) {
  for (auto at = notes.find(key); at != std::string_view::npos; at = notes.find(key, at + 1)) {
    const bool begins = at == 0 || notes[at - 1] == ' ' || notes[at - 1] == ';';
    const std::string_view rest = notes.substr(at + key.size());
    if (!begins || !rest.starts_with('=')) continue;
    const std::string_view digits =
        rest.substr(1, std::min<std::size_t>(rest.find_first_not_of("0123456789", 1), rest.size()) - 1);
    if (const auto number = parse_integer(digits); number && *number > 0) return number;
  }
  return std::nullopt;
}

// Sources name speculative decoding in the notes.
bool is_speculative(std::string_view notes) {
  if (contains_any(notes, {"no draft", "no speculat", "without speculat", "no mtp", "without mtp", "mtp off"}))
    return false;
  return contains_any(notes, {"speculat", "mtp", "draft", "eagle", "dflash"});
}

// Gate, up and down of every layer's experts on the host: the same as exps=CPU.
bool names_all_experts(std::string_view notes) {
  return !contains(notes, "blk") && contains(notes, "gate_exps=cpu") && contains(notes, "up_exps=cpu") &&
         contains(notes, "down_exps=cpu");
}

// Options of the command line that put tensors or the cache somewhere else and are not described here: regular
// expressions over some blocks or some kinds of tensors, other GPUs, a cache on the host.
bool is_placed_otherwise(std::string_view notes) {
  if (contains_any(notes, {"no-kv-offload", "nkvo=1", "expert tensors over"})) return true;
  if (names_all_experts(notes)) return false;
  const bool tensors = contains(notes, "=cpu") && contains_any(notes, {"ot=", "-ot ", "exps", "ffn"});
  return tensors && contains_any(notes, {"blk", "gate_exps=cpu", "up_exps=cpu", "down_exps=cpu", "=cuda", "attn"});
}

// Layers whose routed experts stay on the host: --cpu-moe and -ot exps=CPU mean all.
std::int64_t noted_cpu_moe_layers(std::string_view notes) {
  for (const char* key : {"n_cpu_moe", "n-cpu-moe", "--n-cpu-moe", "ncmoe"})
    if (const auto layers = noted_number(notes, key)) return *layers;
  constexpr std::int64_t all = 1'000'000;
  return contains_any(notes, {"--cpu-moe", "exps=cpu", "exps.=cpu", "all experts on cpu"}) ? all : 0;
}

// A graph in several parts: a CPU build would have one. Builds with CUDA run prompts on whatever card they find.
bool is_in_parts(std::string_view notes) {
  constexpr std::string_view label = "graph splits";
  const auto at = notes.find(label);
  if (at == std::string_view::npos) return false;
  const std::string_view rest = trim(notes.substr(std::min(notes.find('=', at), notes.size() - 1) + 1));
  const auto parts = parse_integer(rest.substr(0, rest.find_first_not_of("0123456789")));
  return parts && *parts > 1;
}

// Servers under a stream of requests: how many ran at once is not said.
bool is_open_load(const Observation& row, std::string_view notes) {
  const bool draws = row.metric == "power_w" || row.metric == "energy_j_per_tok";
  if (draws && !row.batch && !row.prompt && !row.gen && contains(lower(row.backend), "vllm")) return true;
  return !row.batch && contains_any(notes, {"max-load", "max load", "request rate", "request_rate", "qps", "mixed"});
}

// "TP=2 PP=1 inst=2": devices that divide every layer, that divide the layers, and servers of such a kind.
struct Layout {
  std::int64_t tensor = 1, pipeline = 1, instances = 1;
};

std::optional<Layout> noted_layout(std::string_view notes) {
  const auto tensor = noted_number(notes, "tp");
  const auto pipeline = noted_number(notes, "pp");
  if (!tensor && !pipeline) return std::nullopt;
  return Layout{tensor.value_or(1), pipeline.value_or(1), noted_number(notes, "inst").value_or(1)};
}

// "power limit 220 W/GPU", "configured power cap 165 W"
std::optional<Watts> noted_power_limit(std::string_view notes) {
  for (const std::string_view key : {"power limit ", "power cap "}) {
    const auto at = notes.find(key);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = notes.substr(at + key.size());
    const auto end = rest.find_first_not_of("0123456789");
    if (end == std::string_view::npos || !trim(rest.substr(end)).starts_with('w')) continue;
    if (const auto watts = parse_integer(rest.substr(0, end)); watts && *watts > 0)
      return Watts(static_cast<double>(*watts));
  }
  return std::nullopt;
}

// And its forks.
bool is_llama_cpp(std::string_view stack) { return contains(stack, "llama.cpp"); }

// "llama.cpp-cuda-2024-10" of "llama.cpp-cuda": the same with a year, perhaps a month.
bool is_generation(std::string_view stack, std::string_view family) {
  if (!stack.starts_with(family) || !stack.substr(family.size()).starts_with("-20")) return false;
  return stack.substr(family.size()).find_first_not_of("-0123456789") == std::string_view::npos;
}

// llama.cpp's micro-batch: the smaller of -b and -ub, which sources state in the notes.
std::optional<std::int64_t> noted_ubatch(std::string_view notes) {
  auto ubatch = noted_number(notes, "ub");
  if (!ubatch) ubatch = noted_number(notes, "n_ubatch");
  auto batch = noted_number(notes, "b");
  if (!batch) batch = noted_number(notes, "n_batch");
  if (ubatch && batch) return std::min(*ubatch, *batch);
  constexpr std::int64_t usual_ubatch = 512;
  if (batch && *batch < usual_ubatch) return batch;
  return ubatch;
}

// One name for what the backends' sources call differently. nullopt: a type that no catalogue stack has.
std::optional<std::string> cache_type_of(std::string_view text) {
  std::string name = lower(text);
  if (name.empty() || name == "auto" || name == "fp16") return "f16";
  if (name == "auto (bf16)") return "bf16";
  if (name.starts_with("fp8")) return "fp8";
  for (const char* known : {"f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"})
    if (name == known) return name;
  return std::nullopt;
}

std::optional<Unpredicted> fill_cache_types(const Observation& row, Query& query) {
  const auto parts = split(row.kv_type, '/');
  const auto key = cache_type_of(trim(parts.front()));
  const auto value = cache_type_of(trim(parts.back()));
  if (!key || !value || parts.size() > 2) return Unpredicted{"unknown cache type", row.kv_type};
  query.key_type = *key;
  query.value_type = *value;
  return std::nullopt;
}

std::optional<Unpredicted> fill_batch(const Observation& row, Question& question) {
  Query& query = question.query;
  const double batch = row.batch.value_or(1);
  // LLAMA_MAX_SEQ in llama.cpp: a larger figure is the -b option of whoever filled in the row.
  constexpr double most_llama_cpp_sequences = 256;
  if (is_llama_cpp(query.stack) && batch > most_llama_cpp_sequences)
    return Unpredicted{"batch is not a number of sequences", exact(batch)};
  query.concurrency = std::max<std::int64_t>(1, std::llround(batch / static_cast<double>(question.replicas)));
  if (query.concurrency > 1) question.measured = measured_how(row);
  return std::nullopt;
}

// Prompt, generated tokens and depth.
std::optional<Unpredicted> fill_shape(const Observation& row, Metric metric, Question& question) {
  Query& query = question.query;
  const std::int64_t gen = row.gen.value_or(usual_generation);
  query.depth = row.depth.value_or(0);
  switch (metric) {
    case Metric::prefill_rate:
      if (row.prompt.value_or(0) < 1) return Unpredicted{"prompt_len is missing", ""};
      query.prompt = *row.prompt;
      query.gen = 0;
      break;
    case Metric::ttft:
    case Metric::e2e_latency:
      if (row.prompt.value_or(0) < 1) return Unpredicted{"prompt_len is missing", ""};
      query.prompt = *row.prompt;
      query.gen = gen;
      break;
    case Metric::decode_rate:
      query.prompt = 0;
      query.gen = gen;
      // The reading of prompts is part of the figure.
      if (question.measured != Measured::apart) query.prompt = std::exchange(query.depth, 0) + row.prompt.value_or(0);
      break;
    case Metric::total_rate:
    case Metric::power:
    case Metric::energy:
      if (metric == Metric::total_rate && row.prompt.value_or(0) < 1) return Unpredicted{"prompt_len is missing", ""};
      query.prompt = row.prompt.value_or(0);
      query.gen = gen;
      break;
    case Metric::tpot:
      query.prompt = 0;
      query.depth += row.prompt.value_or(0);
      query.gen = gen;
      break;
    case Metric::memory:
    case Metric::out_of_memory:
    case Metric::file_size:
      query.prompt = row.prompt.value_or(0);
      query.gen = gen;
      break;
  }
  if (query.prompt + query.gen < 1) return Unpredicted{"gen_len is 0", ""};
  return std::nullopt;
}

// Memory depends on the context that was allocated, where it was said.
void fill_context(const std::string& notes, Query& query) {
  for (const char* key : {"ctx", "n_ctx"})
    if (const auto context = noted_number(notes, key))
      query.depth = std::max(query.depth, *context - query.prompt - query.gen);
}

}  // namespace

std::string_view name_of(Metric metric) {
  for (const auto& [value, name] : metric_names)
    if (value == metric) return name;
  return "";
}

std::optional<Metric> metric_of_name(std::string_view name) {
  for (const auto& [value, text] : metric_names)
    if (text == name) return value;
  return std::nullopt;
}

const std::vector<std::string>& known_metrics() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result{"ppl", "kld"};  // kept, never predicted
    for (const auto& [value, name] : metric_names) result.emplace_back(name);
    return result;
  }();
  return names;
}

bool is_known_metric(std::string_view name) {
  return std::find(known_metrics().begin(), known_metrics().end(), name) != known_metrics().end();
}

bool is_about_a_name(std::string_view reason) {
  constexpr std::array<std::string_view, 5> reasons{"unknown device", "unknown model", "unknown quantization",
                                                    "no stack for the backend", unknown_metric};
  return std::find(reasons.begin(), reasons.end(), reason) != reasons.end();
}

std::optional<double> month_of(std::string_view date) {
  date = trim(date);
  const auto year = parse_integer(date.substr(0, 4));
  if (!year || *year < 2000 || *year > 2100) return std::nullopt;
  const auto part = [&](std::size_t at, std::int64_t most) -> std::optional<double> {
    if (date.size() < at + 2 || date[at - 1] != '-') return std::nullopt;
    const auto number = parse_integer(date.substr(at, 2));
    return number && *number >= 1 && *number <= most ? std::optional(static_cast<double>(*number)) : std::nullopt;
  };
  constexpr std::size_t month_at = 5;
  constexpr std::size_t day_at = 8;
  constexpr double days = 31;
  constexpr double middle_of_year = 6.5;
  const auto month = part(month_at, 12);
  if (!month) return static_cast<double>(*year) * 12 + middle_of_year;
  const auto day = part(day_at, 31);
  return static_cast<double>(*year) * 12 + *month + (day ? (*day - 0.5) / days : 0.5);
}

std::optional<double> month_of_build(std::string_view build) {
  if (!build.starts_with('b')) return std::nullopt;
  const auto digits = build.substr(1, build.find_first_not_of("0123456789", 1) - 1);
  const auto number = parse_integer(digits);
  // Builds and the middles of the months of the measurements that name them (tests/accuracy/record.csv and its
  // sources; b8303: ggml-org/llama.cpp issue 20492), linear between.
  struct Anchor {
    double build;
    double month;
  };
  constexpr double y2023 = 2023 * 12 + 0.5;
  constexpr std::array anchors{Anchor{1550, y2023 + 12},   Anchor{2824, y2023 + 17}, Anchor{3631, y2023 + 20},
                               Anchor{5863, y2023 + 31},   Anchor{6993, y2023 + 35}, Anchor{7693, y2023 + 37},
                               Anchor{8303, y2023 + 38.9}, Anchor{9187, y2023 + 41}, Anchor{10549, y2023 + 44}};
  // Smaller and larger ones are not release numbers of the project (or of an age that no stack describes).
  if (!number || *number < 1000 || *number > 20000) return std::nullopt;
  const double wanted = static_cast<double>(*number);
  std::size_t next = 1;
  while (next + 1 < anchors.size() && anchors[next].build < wanted) ++next;
  const Anchor a = anchors[next - 1];
  const Anchor b = anchors[next];
  return a.month + (b.month - a.month) * (wanted - a.build) / (b.build - a.build);
}

namespace {

// "b8500 (342d6125b)": the line that llama-bench prints below its table.
bool names_build_and_commit(std::string_view build) {
  return build.starts_with('b') && build.find(" (") != std::string_view::npos && build.ends_with(')');
}

// A month stands for its beginning.
double since_of(const Stack& stack) {
  constexpr std::size_t with_day = 10;
  const double since = month_of(stack.since).value_or(0);
  return stack.since.size() < with_day ? std::floor(since) : since;
}

// Tables of llama-bench leave out what is at its default, and flash attention was off there when the other programs had
// long decided by themselves; rows of builds until March 2026 agree with that, later ones do not.
bool leaves_flash_attention_off(const Observation& row) {
  constexpr double april_2026 = 2026 * 12 + 4;
  const auto month = month_of_build(row.build);
  return month && *month < april_2026 && names_build_and_commit(row.build);
}

}  // namespace

QueryMapper::Names QueryMapper::names_of(const Catalogue& catalogue) {
  Names names;
  for (const Entry& entry : catalogue.all()) {
    names.emplace(canonical_name(entry.id), entry.id);
    for (const std::string& alias : entry.aliases) names.emplace(canonical_name(alias), entry.id);
  }
  for (const Entry& entry : catalogue.all()) names.emplace(canonical_name(entry.name), entry.id);
  return names;
}

// Kept apart: reading every model's shape takes longer than a few rows do.
const CatalogueNames& QueryMapper::printed_names() const {
  std::call_once(printed_->once, [&] { printed_->names.emplace(*database_); });
  return *printed_->names;
}

QueryMapper::QueryMapper(const Database& database)
    : database_(&database),
      devices_(names_of(database.devices())),
      models_(names_of(database.models())),
      quants_(names_of(database.quants())),
      stacks_(names_of(database.stacks())) {
  for (const auto& [name, id] : stacks_)
    if (name == canonical_name(id)) generations_.push_back({database.stack(id), since_of(*database.stack(id))});
}

// Builds and settings that sources state in their notes and that choose other kernels.
std::string QueryMapper::build_variant(const std::string& stack, std::string_view notes) const {
  std::vector<std::string> suffixes;
  const bool wmma = contains(notes, "rocwmma");
  const bool hipblaslt = contains(notes, "hipblaslt=1");
  if (wmma && hipblaslt) suffixes.emplace_back("-rocwmma-hipblaslt");
  if (hipblaslt) suffixes.emplace_back("-hipblaslt");
  if (contains(notes, "rtr") && !contains(notes, "rtr=0")) suffixes.emplace_back("-rtr");
  if (contains_any(notes, {"hipblaslt=0", "hipblaslt off"})) suffixes.emplace_back("-rocblas");
  if (wmma) suffixes.emplace_back("-rocwmma");
  if (contains(notes, "amdvlk")) suffixes.emplace_back("-amdvlk");
  for (const std::string& suffix : suffixes)
    if (const auto at = stacks_.find(canonical_name(stack) + suffix); at != stacks_.end()) return at->second;
  return stack;
}

std::optional<std::string> QueryMapper::stack_of(const Observation& row, const Query& query) const {
  std::string backend = canonical_name(row.backend);
  // Ollama runs llama.cpp's back ends; where a source does not name the back end, it is the device's usual one.
  if (backend == "ollama" || backend == "llama.cpp-unknown") backend = "llama.cpp";
  if (backend == "ollama-cpu") backend = "llama.cpp-cpu";
  if (backend == "llama.cpp") backend = canonical_name(database_->device(query.device)->default_stack);
  const auto named = stacks_.find(backend);
  const std::string family = named == stacks_.end() ? backend : canonical_name(named->second);
  auto month = month_of_build(row.build);
  if (!month || !is_llama_cpp(family)) month = month_of(row.source_date);
  // What a pull request compares itself with is what was before it.
  if (month && contains_any(row.notes, {"(main)", "main (t/s)", "main branch"})) *month -= 1;
  const auto scheme = database_->quant(parse_quant_name(query.quant).scheme);

  std::optional<std::string> best;
  std::tuple<bool, bool, double> best_rank;
  for (const Generation& generation : generations_) {
    const std::string name = canonical_name(generation.stack->id);
    const bool is_current = name == family;
    if (!is_current && !is_generation(name, family)) continue;
    // Rows without a date ran on whatever was current; those from before the first generation on the first.
    const double age = month ? *month - generation.since : is_current ? 0 : 1;
    const std::tuple rank{!generation.stack->runs_types_of(*scheme, *database_->types()), age < 0, std::abs(age)};
    if (best && rank >= best_rank) continue;
    best = generation.stack->id;
    best_rank = rank;
  }
  if (best) best = defaults_of(build_variant(*best, lower(row.notes)), query);
  return best;
}

// vLLM's defaults depend on the device's memory (data/stacks/vllm.yaml).
std::string QueryMapper::defaults_of(const std::string& stack, const Query& query) const {
  constexpr Bytes large = 70_GiB;
  if (memory_capacity(*database_->device(query.device), query) < large) return stack;
  const auto at = stacks_.find(canonical_name(stack) + "-datacenter");
  return at == stacks_.end() ? stack : at->second;
}

// A device of the catalogue, of the user's own, or of a file.
std::optional<std::string> QueryMapper::device_named(const std::string& name, bool cpu) const {
  const std::string canonical = canonical_name(name);
  if (const auto found = devices_.find(canonical); found != devices_.end()) return found->second;
  if (name.ends_with(".yaml")) return name;
  if (const auto own = user_folder() / "devices" / (canonical + ".yaml"); std::filesystem::exists(own))
    return own.string();
  if (const auto printed = printed_names().device(name, cpu)) return printed->name;
  return std::nullopt;
}

std::optional<Unpredicted> QueryMapper::fill_names(const Observation& row, Query& query) const {
  std::string device = row.device;
  constexpr std::string_view with = " + ";
  if (const auto plus = device.find(with); plus != std::string::npos && !devices_.contains(canonical_name(device))) {
    const auto other = device_named(device.substr(plus + with.size()), true);
    if (other && database_->device(*other)->device_class == DeviceClass::discrete)
      return Unpredicted{"different cards together", row.device};
    if (other) query.host = *other;
    device = device.substr(0, plus);
  }
  const auto known_device = device_named(device, lower(row.backend).ends_with("cpu"));
  if (!known_device) return Unpredicted{"unknown device", row.device};
  query.device = *known_device;

  if (const auto model = models_.find(canonical_name(row.model)); model != models_.end())
    query.model = model->second;
  else if (const auto printed = printed_names().model_by_name(
               row.model, row.params_b ? std::optional(*row.params_b * 1e9) : std::nullopt))
    query.model = *printed;
  else
    return Unpredicted{"unknown model", row.model};

  if (row.quant.empty()) return Unpredicted{"quant is missing", ""};
  // A date or "+imatrix" behind the scheme's name is the reader's business.
  query.quant = row.quant;
  const auto known = [&](const std::string& text) {
    return quants_.contains(canonical_name(parse_quant_name(text).scheme));
  };
  if (contains(query.quant, " - ") || !known(query.quant)) query.quant = quant_of_llama_type(row.quant);
  // Unsloth's mixes beyond those that are described are of about the type that they are named after.
  if (!known(query.quant) && query.quant.starts_with("UD-")) query.quant = query.quant.substr(3);
  if (canonical_name(row.backend).starts_with("mlx") && known("MLX-" + query.quant)) query.quant = "MLX-" + query.quant;
  const QuantName name = parse_quant_name(query.quant);
  if (!quants_.contains(canonical_name(name.scheme))) return Unpredicted{"unknown quantization", row.quant};
  if (row.model_size_gib && database_->quant(name.scheme)->approximate) query.model_size = *row.model_size_gib * 1_GiB;

  const auto stack = stack_of(row, query);
  if (!stack) return Unpredicted{"no stack for the backend", row.backend};
  query.stack = *stack;
  // GGUFs of gpt-oss are named after the type of all but the experts, which stay MXFP4: the catalogue knows some as
  // gpt-oss-F16, and otherwise everything else in Q8_0 comes close.
  if (query.model.starts_with("gpt-oss") && is_llama_cpp(query.stack)) {
    const auto experts_apart = quants_.find(canonical_name("gpt-oss-" + query.quant));
    if (experts_apart != quants_.end())
      query.quant = experts_apart->second;
    else if (!contains(lower(query.quant), "mxfp4"))
      query.quant = "MXFP4_MOE";
  }
  return std::nullopt;
}

void QueryMapper::fill_memory(const Observation& row, Query& query) const {
  if (!row.device_memory_gb) return;
  // Sources write GB for GiB. A figure that is none of the options describes something else (the host, all cards
  // together): the default stands.
  if (const auto capacity = database_->device(query.device)->capacity(*row.device_memory_gb * 1_GiB))
    query.memory = capacity;
}

// ik_llama.cpp's run-time repacking, which needs memory of its own for the weights.
bool repacks(std::string_view notes) { return contains(notes, "rtr") && !contains(notes, "rtr=0"); }

// Weights that no device can multiply, or may: the host computes its layers in prompts as well. ik_llama.cpp repacks
// rows with -rtr, or in files of the types _R4 and _R8, for which CUDA has no kernels; llama.cpp has a switch.
bool computes_prompts_on_host(const std::string& quant, std::string_view notes) {
  const std::string type = lower(quant);
  return repacks(notes) || contains_any(notes, {"no-op-offload", "nopo=1"}) || type.ends_with("_r4") ||
         type.ends_with("_r8");
}

// Layers and experts on the host; a host that the row does not name is a reason not to predict.
std::optional<Unpredicted> QueryMapper::fill_offload(const Observation& row, const std::string& notes,
                                                     Query& query) const {
  Offload& offload = query.offload;
  offload.cpu_moe_layers = noted_cpu_moe_layers(notes);
  offload.streams_prompts = !computes_prompts_on_host(row.quant, notes);
  query.mapped = !repacks(notes) && !contains_any(notes, {"no-mmap", "mmap=0"});
  const auto device = database_->device(query.device);
  const bool has_host = !query.host.empty() || (device->device_class == DeviceClass::unified && device->cpu);
  const bool mixed = contains(canonical_name(row.device), "-+-");
  if (offload.cpu_moe_layers > 0 && !has_host) return Unpredicted{"the host is not stated", row.device};
  const bool says_all = !row.gpu_layers || *row.gpu_layers < 0;
  if (mixed && says_all && offload.cpu_moe_layers == 0 && !contains(notes, "fully offloaded"))
    return Unpredicted{"weights partly on the host, not said which", row.device};
  if (!says_all && has_host) {
    offload.layers = Offload::Layers::count;
    offload.gpu_layers = *row.gpu_layers;
  }
  return std::nullopt;
}

// Several devices of a kind: llama.cpp divides by layers unless the notes say rows, servers divide every layer.
std::optional<Unpredicted> QueryMapper::fill_devices(const Observation& row, const std::string& notes,
                                                     Question& question) const {
  if (row.device_count == 1) return std::nullopt;
  Query& query = question.query;
  const Stack& stack = *database_->stack(query.stack);
  std::int64_t devices = row.device_count;
  bool pipelined = is_llama_cpp(query.stack) ? !contains_any(notes, {"row split", "-sm row", "sm=row", "split=row"})
                                             : contains(notes, "pipeline");
  // llama.cpp's sources call any division TP.
  if (const auto layout = noted_layout(notes); layout && !is_llama_cpp(query.stack)) {
    devices = layout->tensor * layout->pipeline;
    if (devices * layout->instances > row.device_count)
      return Unpredicted{"several devices", "more of them in the notes than in device_count"};
    if (layout->tensor > 1 && layout->pipeline > 1)
      return Unpredicted{"several devices", "divided by layers and within them"};
    pipelined = layout->pipeline > 1;
    question.replicas = layout->instances;
  }
  if (contains_any(notes, {"no nvlink", "pcie x", "pcie ("})) query.interconnect = "pcie";
  if (devices == 1) return std::nullopt;
  if (!pipelined && !stack.tensor_split) return Unpredicted{"several devices", "divided by rows"};
  query.split = pipelined ? Split::layer : is_llama_cpp(query.stack) ? Split::row : Split::tensor;
  query.device += "x" + std::to_string(devices);
  return std::nullopt;
}

QuestionOrReason QueryMapper::operator()(const Observation& row) const {
  const auto metric = metric_of_name(row.metric);
  if (!metric)
    return Unpredicted{is_known_metric(row.metric) ? "metric not predicted" : std::string(unknown_metric), row.metric};
  const std::string notes = lower(row.notes);
  if (is_speculative(notes)) return Unpredicted{"speculative decoding", ""};
  if (contains_any(notes, {"node(s)", " rpc", "tp2 over"})) return Unpredicted{"several devices", "over a network"};
  if (is_placed_otherwise(notes)) return Unpredicted{"tensors placed one by one", "said in the notes"};
  if (contains(notes, "ser=")) return Unpredicted{"fewer experts than the model uses", "said in the notes"};
  if (contains_any(notes, {"per user", "per-user"})) return Unpredicted{"value is per user", ""};

  if (is_open_load(row, notes)) return Unpredicted{"batch is not stated", "served under load"};

  Question question{.metric = *metric, .gpu_layers = row.gpu_layers};
  Query& query = question.query;
  if (auto reason = fill_names(row, query)) return *std::move(reason);
  if (database_->stack(query.stack)->on_cpu && is_in_parts(notes))
    return Unpredicted{"weights partly on the host, not said which", "the graph had several parts"};
  fill_memory(row, query);
  if (auto reason = fill_offload(row, notes, query)) return *std::move(reason);
  if (auto reason = fill_devices(row, notes, question)) return *std::move(reason);
  if (auto reason = fill_cache_types(row, query)) return *std::move(reason);
  if (auto reason = fill_batch(row, question)) return *std::move(reason);
  if (auto reason = fill_shape(row, *metric, question)) return *std::move(reason);
  if (row.flash_attention)
    query.flash_attention = *row.flash_attention ? FlashAttention::on : FlashAttention::off;
  else if (is_llama_cpp(query.stack) && leaves_flash_attention_off(row))
    query.flash_attention = FlashAttention::off;
  query.threads = row.threads;
  // Rates under limits of 220 to 300 W are those of the free card (docs/serving.md): clocks fall less than phase_power
  // has them fall, which was fitted to cards at their own limit.
  if (*metric == Metric::power || *metric == Metric::energy) query.power_limit = noted_power_limit(notes);
  question.at_the_wall = contains_any(notes, {"wall power", "at the wall"});
  if (is_llama_cpp(query.stack)) query.ubatch = noted_ubatch(notes);
  query.full_window_cache = contains(notes, "swa-full");
  // Its prompts are micro-batches.
  if (contains(notes, "sweep-bench") && !query.ubatch) query.ubatch = row.prompt;
  if (*metric == Metric::memory || *metric == Metric::out_of_memory) fill_context(notes, query);
  return question;
}

}  // namespace silicast
