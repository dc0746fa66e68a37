// SPDX-License-Identifier: Apache-2.0
#include "calibration/plausibility.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "model/prediction.h"

namespace silicast {

namespace {

// Datasheets state neither overclocking nor what memory refresh gives back; boost clocks exceed the stated ones.
constexpr double bandwidth_tolerance = 1.10;
constexpr double peak_tolerance = 1.25;

// What may be hidden in a host that is not known: the fastest servers have about so much (two sockets of 12 channels of
// DDR5-8800 with matrix units and stacked caches).
constexpr double host_bandwidth = 1.7e12;
constexpr double host_cache = 2.4e9;
constexpr double host_peak = 6e14;

Bytes largest_cache(const Processor& processor) {
  Bytes largest;
  for (const auto& cache : {processor.l2, processor.last_level_cache})
    if (cache && cache->capacity > largest) largest = cache->capacity;
  return largest;
}

// The bytes that every decode step reads at least: the active share of the weights, without an input embedding.
Bytes least_read(const Workload& workload) {
  const Architecture& a = workload.architecture;
  const auto all = static_cast<double>(parameter_count(a));
  auto active = static_cast<double>(active_parameter_count(a));
  if (!a.tied_embeddings) active -= static_cast<double>(a.vocabulary * a.hidden);
  return workload.tensor_bytes() * (std::max(active, 0.0) / all);
}

double least_operations(const Workload& workload) {
  const Architecture& a = workload.architecture;
  const double embeddings = static_cast<double>(a.vocabulary * a.hidden) * (a.tied_embeddings ? 1 : 2);
  return 2 * std::max(static_cast<double>(active_parameter_count(a)) - embeddings, 0.0);
}

FlopsPerSecond fastest_unit(const Processor& processor) {
  FlopsPerSecond best;
  for (std::size_t i = 0; i < unit_count; ++i) best = std::max(best, processor.peak(static_cast<Unit>(i)));
  return best;
}

struct Limits {
  double step_seconds = 0;   // of a decode step, at least
  double token_seconds = 0;  // of a prompt token, at least; 0: not known
};

enum class Helped { by_nobody, by_a_host };

// Of all devices together, and of a host that holds a part of the weights.
Limits limits_of(const Compiled& c, Helped helped = Helped::by_nobody) {
  const bool on_cpu = c.stack->on_cpu || !c.device->gpu;
  const Processor& processor = on_cpu ? *c.device->cpu : *c.device->gpu;
  const double devices = c.machine.devices;
  double bandwidth = devices * c.device->memory.bandwidth.value() * bandwidth_tolerance;
  double cache = devices * largest_cache(processor).value();
  // Matrix coprocessors of CPUs (AMX) stand in no datasheet.
  double peak = on_cpu ? 0 : devices * fastest_unit(processor).value() * peak_tolerance;
  if (helped == Helped::by_a_host) {
    bandwidth += host_bandwidth;
    cache += host_cache;
    if (peak > 0) peak += host_peak;
  }
  Limits limits;
  limits.step_seconds = std::max(0.0, least_read(*c.workload).value() - cache) / bandwidth;
  if (peak > 0) limits.token_seconds = least_operations(*c.workload) / peak;
  return limits;
}

constexpr const char* wrong_unit = "the unit seems wrong";

constexpr double slip_spread = 1.8;

// The power of ten that a ratio is about: 3, 6, 9, or their negatives.
std::optional<int> slipped_by(double ratio) {
  for (const int power : {3, 6, 9, -3, -6, -9}) {
    const double wanted = std::pow(10.0, power);
    if (ratio < wanted * slip_spread && ratio > wanted / slip_spread) return power;
  }
  return std::nullopt;
}

std::string figures(const char* measured, double value, const char* limit, double bound, const char* unit) {
  return std::string(measured) + " " + rounded(value, 4) + " " + unit + ", " + limit + " " + rounded(bound, 4) + " " +
         unit;
}

}  // namespace

struct Plausibility::Cell {
  std::optional<Compiled> compiled;
  Limits limits;
};

Plausibility::Plausibility(const Database& database) : database_(&database), mapper_(database) {}
Plausibility::~Plausibility() = default;

Plausibility::Cell& Plausibility::cell_of(const Query& asked) {
  const std::string key = join({asked.model, asked.quant, asked.device, asked.stack, asked.key_type, asked.value_type,
                                std::to_string(static_cast<int>(asked.flash_attention)),
                                std::to_string(static_cast<int>(asked.split)), asked.interconnect},
                               "|");
  auto& cell = cells_[key];
  if (cell) return *cell;
  cell = std::make_unique<Cell>();
  Query query = asked;
  query.prompt = 0;
  query.gen = 1;
  query.depth = 0;
  query.concurrency = 1;
  query.offload = {};
  query.host.clear();
  try {
    cell->compiled.emplace(compile(query, *database_));
    cell->limits = limits_of(*cell->compiled);
  } catch (const Error&) {
    cell->compiled.reset();
  }
  return *cell;
}

namespace {

std::optional<Doubt> too_fast(const Question& question, double value, const Limits& limits) {
  const Query& q = question.query;
  const auto replicas = static_cast<double>(question.replicas);  // rates are those of all
  const auto sequences = replicas * static_cast<double>(q.concurrency);
  const double prompt_seconds = static_cast<double>(q.prompt) * limits.token_seconds;
  const auto doubt = [&](const char* reason, double bound, const char* unit) {
    return Doubt{reason, figures("measured", value, "the limit is", bound, unit)};
  };
  switch (question.metric) {
    case Metric::decode_rate:
      if (limits.step_seconds > 0 && value > sequences / limits.step_seconds)
        return doubt("decodes faster than the memory can be read", sequences / limits.step_seconds, "tokens/s");
      break;
    case Metric::tpot:
      if (value < limits.step_seconds)
        return doubt("decodes faster than the memory can be read", limits.step_seconds, "s");
      break;
    case Metric::prefill_rate:
      if (limits.token_seconds > 0 && value > replicas / limits.token_seconds)
        return doubt("reads the prompt faster than the peak arithmetic", replicas / limits.token_seconds, "tokens/s");
      break;
    case Metric::ttft:
      if (value < prompt_seconds) return doubt("reads the prompt faster than the peak arithmetic", prompt_seconds, "s");
      break;
    case Metric::e2e_latency: {
      const double least =
          prompt_seconds + static_cast<double>(std::max<std::int64_t>(q.gen - 1, 0)) * limits.step_seconds;
      if (value < least) return doubt("faster than memory and arithmetic allow", least, "s");
      break;
    }
    case Metric::total_rate:  // its answers alone are bound by the memory
      if (limits.step_seconds > 0 && q.gen > 1) {
        const auto all = static_cast<double>(q.prompt + q.gen);
        const double most = sequences * all / (static_cast<double>(q.gen - 1) * limits.step_seconds);
        if (value > most) return doubt("decodes faster than the memory can be read", most, "tokens/s");
      }
      break;
    case Metric::power:
    case Metric::energy:
    case Metric::memory:
    case Metric::file_size:
    case Metric::out_of_memory: break;
  }
  return std::nullopt;
}

std::optional<double> predicted(const Question& question, const Prediction& p) {
  constexpr double gib = 1024.0 * 1024.0 * 1024.0;
  const auto value = [](const std::optional<Interval>& interval) {
    return interval ? std::optional(interval->value) : std::nullopt;
  };
  switch (question.metric) {
    case Metric::ttft: return value(p.ttft);
    case Metric::tpot: return value(p.tpot);
    case Metric::e2e_latency: return value(p.e2e_latency);
    case Metric::prefill_rate: return p.prefill ? std::optional(p.prefill->tokens_per_second.value) : std::nullopt;
    case Metric::decode_rate: return p.decode ? std::optional(p.decode->tokens_per_second.value) : std::nullopt;
    case Metric::memory: return p.total_bytes().value() / gib;
    case Metric::file_size: return p.file_bytes.value() / gib;
    case Metric::total_rate:
    case Metric::power:
    case Metric::energy:
    case Metric::out_of_memory: break;
  }
  return std::nullopt;
}

enum class Kind { time, size, rate, energy };

std::optional<Kind> kind_of(Metric metric) {
  switch (metric) {
    case Metric::ttft:
    case Metric::tpot:
    case Metric::e2e_latency: return Kind::time;
    case Metric::memory:
    case Metric::file_size: return Kind::size;
    case Metric::prefill_rate:
    case Metric::decode_rate: return Kind::rate;
    case Metric::energy: return Kind::energy;
    case Metric::total_rate:
    case Metric::power:
    case Metric::out_of_memory: break;
  }
  return std::nullopt;
}

const char* unit_of(Kind kind) {
  switch (kind) {
    case Kind::time: return "s";
    case Kind::size: return "GiB";
    case Kind::rate: return "tokens/s";
    case Kind::energy: break;
  }
  return "J";
}

// No request takes hundreds of times what it should, nor a fraction: what is far off is another unit, the nearest.
const char* time_slip(double ratio) {
  constexpr double far = 1e3 / slip_spread;
  if (ratio < 1 / far) return "looks as if it had been divided by 1000 once too often";
  if (ratio < far) return nullptr;
  const double digits = std::log10(ratio);
  return digits < 4.5 ? "looks like milliseconds" : digits < 7.5 ? "looks like microseconds" : "looks like nanoseconds";
}

// Seconds for tokens per second. The window is narrow, since a slow rate may lie anywhere; that decoding which spills
// is hundreds of times too slow is no slip.
const char* reciprocal_slip(Metric metric, double value, double expected) {
  constexpr double window = 1.3;
  constexpr double far = 10;
  const auto is_about = [&](double scale) {
    const double product = value * expected / scale;
    return value * far < expected && product < window && product > 1 / window;
  };
  if (is_about(1)) return "looks like seconds per token";
  return is_about(1e3) && metric == Metric::prefill_rate ? "looks like milliseconds per token" : nullptr;
}

const char* slip_of(Metric metric, Kind kind, double value, double expected) {
  const double ratio = value / expected;
  switch (kind) {
    case Kind::time: return time_slip(ratio);
    case Kind::size: {
      if (const auto power = slipped_by(ratio))
        return *power == 3   ? "looks like MiB"
               : *power == 6 ? "looks like KiB"
               : *power == 9 ? "looks like bytes"
               : *power < 0  ? "looks like TiB"
                             : nullptr;
      return nullptr;
    }
    case Kind::rate: {
      if (const char* reciprocal = reciprocal_slip(metric, value, expected)) return reciprocal;
      const auto power = slipped_by(ratio);
      if (power && *power > 0) return "looks as if it had been multiplied by 1000 once too often";
      // Decoding that spills is a thousand times too slow without a slip.
      return power && metric == Metric::prefill_rate ? "looks like thousands of tokens" : nullptr;
    }
    case Kind::energy: break;
  }
  const auto power = slipped_by(ratio);
  return !power ? nullptr : *power > 0 ? "looks like millijoules" : "looks like kilojoules";
}

// What no machine of any kind does, whatever it runs: even from a disk a token comes within 100 s, nobody waits for a
// request longer than a day, and no model takes 4 TB.
std::optional<Doubt> absurd(const Observation& row, std::optional<Metric> metric) {
  struct Bounds {
    Metric metric;
    double least, most;
    const char* unit;
  };
  constexpr std::array bounds{
      Bounds{Metric::tpot, 1e-5, 100, "s"},           Bounds{Metric::ttft, 1e-4, 86'400, "s"},
      Bounds{Metric::e2e_latency, 1e-4, 86'400, "s"}, Bounds{Metric::power, 1, 1e6, "W"},
      Bounds{Metric::memory, 1e-3, 4000, "GiB"},      Bounds{Metric::file_size, 1e-3, 4000, "GiB"}};
  const auto hint = [&](bool large) -> std::string {
    if (metric == Metric::power) return large ? "looks like milliwatts: " : "looks like kilowatts: ";
    if (metric == Metric::memory || metric == Metric::file_size) return large ? "looks like MiB, KiB or bytes: " : "";
    return large ? "looks like milliseconds, or less: " : "looks as if it had been divided by 1000 once too often: ";
  };
  for (const Bounds& b : bounds) {
    if (metric != b.metric || (row.value >= b.least && row.value <= b.most)) continue;
    return Doubt{wrong_unit, hint(row.value > b.most) + "read " + rounded(row.value, 4) + " " + b.unit + "; between " +
                                 rounded(b.least, 4) + " and " + rounded(b.most, 4) + " " + b.unit + " is expected"};
  }
  return std::nullopt;
}

// The row's own figures of its model and device, where they are off by about a unit's factor.
std::optional<Doubt> wrong_column(const Observation& row, const Compiled& c) {
  struct Figure {
    const char* column;
    std::optional<double> read;
    double expected;
    const char* unit;
  };
  const double parameters = static_cast<double>(parameter_count(c.workload->architecture)) / 1e9;
  const double memory = c.device->memory.capacities.empty() ? 0 : c.device->memory.capacities.back() / 1_GiB;
  const std::array figures{Figure{"params_b", row.params_b, parameters, "billions"},
                           Figure{"model_size_gib", row.model_size_gib, c.workload->tensor_bytes() / 1_GiB, "GiB"},
                           Figure{"device_memory_gb", row.device_memory_gb, memory, "GB"}};
  for (const Figure& f : figures) {
    if (!f.read || f.expected <= 0) continue;
    const double ratio = *f.read / f.expected;
    if (slipped_by(ratio))
      return Doubt{wrong_unit, std::string(f.column) + " is " + rounded(std::max(ratio, 1 / ratio), 3) + " times too " +
                                   (ratio > 1 ? "large: MiB, KiB, bytes or millions" : "small") + "? (read " +
                                   rounded(*f.read, 4) + ", " + rounded(f.expected, 4) + " " + f.unit +
                                   " are expected)"};
  }
  return std::nullopt;
}

std::optional<Doubt> too_much_power(const Observation& row, std::optional<Metric> metric, const Device& device) {
  constexpr double beyond_doubt = 100;
  if (metric != Metric::power || !device.power.tdp) return std::nullopt;
  const double limit = device.power.tdp->value() * static_cast<double>(row.device_count);
  if (row.value <= beyond_doubt * limit) return std::nullopt;
  return Doubt{wrong_unit, rounded(row.value / limit, 3) + " times what the device may draw: mW for W? (read " +
                               rounded(row.value, 4) + " W, the limit is " + rounded(limit, 4) + " W)"};
}

}  // namespace

std::optional<Doubt> unit_slip(Metric metric, double value, double expected) {
  const auto kind = kind_of(metric);
  if (!kind || expected <= 0 || value <= 0) return std::nullopt;
  const char* said = slip_of(metric, *kind, value, expected);
  if (said == nullptr) return std::nullopt;
  return Doubt{wrong_unit, std::string(said) + ": " + figures("read", value, "predicted", expected, unit_of(*kind))};
}

std::optional<Doubt> beyond_the_hardware(const Question& question, double value, const Compiled& c) {
  return too_fast(question, value, limits_of(c));
}

namespace {

bool is_partly_on_a_host(const Question& question, const Compiled& c) {
  if (c.stack->on_cpu) return false;
  const auto layers = static_cast<std::int64_t>(c.workload->architecture.layers.size());
  const Offload& offload = question.query.offload;
  return offload.cpu_moe_layers > 0 || offload.layers == Offload::Layers::automatic ||
         (offload.layers == Offload::Layers::count && offload.gpu_layers <= layers) ||
         (question.gpu_layers && *question.gpu_layers >= 0 && *question.gpu_layers <= layers);
}

double rate_factor(const Question& question) {
  const bool of_all = question.metric == Metric::decode_rate || question.metric == Metric::prefill_rate;
  return of_all ? static_cast<double>(question.replicas) : 1;
}

}  // namespace

std::optional<Doubt> doubt_of(const Question& question, double value, const Compiled& c, double expected) {
  if (question.metric != Metric::file_size && is_partly_on_a_host(question, c))
    return too_fast(question, value, limits_of(c, Helped::by_a_host));
  if (auto slipped = unit_slip(question.metric, value, expected)) return slipped;
  return too_fast(question, value, limits_of(c));
}

Plausibility::Verdict Plausibility::operator()(const Observation& row) {
  if (!is_known_metric(row.metric))
    return {Doubt{std::string(unknown_metric), "'" + row.metric + "'" + did_you_mean(row.metric, known_metrics())}, "",
            ""};
  const auto metric = metric_of_name(row.metric);
  const auto without_prediction = absurd(row, metric);
  Verdict verdict = judged(row, metric);
  // What is predicted tells the unit better.
  if (without_prediction && !verdict.doubt) return {without_prediction, "", ""};
  return verdict;
}

Plausibility::Verdict Plausibility::judged(const Observation& row, std::optional<Metric> metric) {
  try {
    const QuestionOrReason mapped = mapper_(row);
    if (const auto* reason = std::get_if<Unpredicted>(&mapped)) return {{}, reason->reason, reason->detail};
    const Question& question = std::get<Question>(mapped);
    Cell& cell = cell_of(question.query);
    if (!cell.compiled) return {{}, "outside of the model", ""};
    Compiled& c = *cell.compiled;
    if (auto doubt = too_much_power(row, metric, *c.device)) return {std::move(doubt), "", ""};
    if (auto doubt = wrong_column(row, c)) return {std::move(doubt), "", ""};
    if (question.metric != Metric::file_size && is_partly_on_a_host(question, c))
      return {too_fast(question, row.value, limits_of(c, Helped::by_a_host)), "", ""};
    const Query& q = question.query;
    std::optional<Doubt> slipped;
    if (q.depth + q.prompt + q.gen <= c.workload->architecture.context) {
      c.query.prompt = q.prompt;
      c.query.gen = q.gen;
      c.query.depth = q.depth;
      c.query.concurrency = q.concurrency;
      if (const auto expected = predicted(question, predict(c, *database_)))
        slipped = unit_slip(question.metric, row.value / rate_factor(question), *expected);
    }
    if (slipped) return {slipped, "", ""};
    return {too_fast(question, row.value, cell.limits), "", ""};
  } catch (const Error& error) {
    return {{}, "outside of the model", error.what()};
  }
}

}  // namespace silicast
