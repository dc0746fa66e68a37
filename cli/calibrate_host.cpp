// SPDX-License-Identifier: Apache-2.0
// silicast calibrate host: this machine's limits and kernels become a profile, which is then tried on whole runs that
// it has not seen.
#include <array>
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/text.h"
#include "calibration/host.h"
#include "calibration/statistics.h"
#include "calibration/store.h"
#include "cli/bench.h"
#include "cli/calibrate.h"
#include "engine/measure/kernel_bench.h"
#include "engine/measure/limits.h"
#include "engine/measure/model_bench.h"
#include "engine/synthesize.h"
#include "engine/topology.h"

namespace silicast::cli {

namespace {

// A whole run of the engine: what was asked, what came out.
struct Measured {
  HostRun run;
  double wall_tokens_per_second = 0;
  bool disturbed = false;
};

int all_threads() { return static_cast<int>(engine::topology().processors.size()); }
std::vector<int> one_and_all() { return all_threads() == 1 ? std::vector<int>{1} : std::vector<int>{1, all_threads()}; }

// ---------------------------------------------------------------- limits and kernels

// The most that was seen of a rate.
double limit(const std::vector<engine::Limit>& limits, std::string_view name, int threads) {
  double most = 0;
  for (const auto& l : limits)
    if (l.name == name && l.threads == threads) most = std::max(most, l.value);
  return most;
}

std::vector<engine::Limit> limits_now() {
  return engine::measure_limits(
      {.quick = true, .threads = one_and_all(), .storage_folder = {}, .progress = progress_line});
}

HostMachine machine_of(const std::vector<engine::Limit>& limits) {
  const engine::Topology& t = engine::topology();
  HostMachine m;
  m.name = t.processor_name.empty() ? "unknown processor" : t.processor_name;
  m.cores = all_threads();
  m.memory = Bytes(static_cast<double>(t.memory_bytes));
  m.read = BytesPerSecond(limit(limits, "memory.read", m.cores));
  m.read_one_core = BytesPerSecond(limit(limits, "memory.read", 1));
  using enum engine::Isa;
  const auto has = [](engine::Isa isa) { return engine::is_supported(isa); };
  if (has(avx2)) m.instruction_sets.emplace_back("avx2"), m.vector_bits = 256;
  if (has(avx512)) m.instruction_sets.emplace_back("avx512"), m.vector_bits = 512;
  if (has(avx512_vnni)) m.instruction_sets.emplace_back("avx512_vnni");
  if (engine::has_feature(engine::CpuFeature::avx512_bf16)) m.instruction_sets.emplace_back("avx512_bf16");
  if (has(amx)) m.instruction_sets.emplace_back("amx");
  if (has(neon)) m.instruction_sets.emplace_back("neon");
  if (has(neon_dotprod)) m.instruction_sets.emplace_back("dotprod");
  if (engine::has_feature(engine::CpuFeature::neon_i8mm)) m.instruction_sets.emplace_back("i8mm");
  // Two pipes: the clock follows from what they were seen to do.
  const double per_clock = 2.0 * m.vector_bits / 32 * m.fma_units;
  m.clock = Hertz(limit(limits, "fma.f32", 1) / per_clock);
  for (const auto& cache : t.caches) {
    const double count = std::ceil(static_cast<double>(m.cores) / cache.shared_by);
    if (cache.level == 2) m.l2 = Bytes(static_cast<double>(cache.bytes) * count);
    if (cache.level == 3) m.l3 = Bytes(static_cast<double>(cache.bytes) * count);
  }
  return m;
}

std::vector<HostKernel> kernels_now(bool quick) {
  engine::KernelBenchOptions options;
  options.quick = true;
  options.shapes = {engine::layer_shapes().front()};
  options.batches =
      quick ? std::vector<std::int64_t>{1, 4, 32, 256} : std::vector<std::int64_t>{1, 2, 4, 8, 16, 32, 64, 128, 512};
  options.threads = one_and_all();
  options.cold = true;
  options.progress = progress_line;
  std::vector<HostKernel> kernels;
  for (const auto& r : engine::measure_kernels(options)) {
    const auto& traits = engine::traits_of(r.what.type);
    kernels.push_back({.type = std::string(traits.name),
                       .rows = r.what.shape.rows,
                       .columns = r.what.shape.columns,
                       .batch = r.what.batch,
                       .threads = r.what.threads,
                       .weights = Bytes(static_cast<double>(engine::row_bytes(r.what.type, r.what.shape.columns)) *
                                        static_cast<double>(r.what.shape.rows)),
                       .time = Seconds(r.sample.seconds)});
  }
  return kernels;
}

// ---------------------------------------------------------------- whole runs

struct ModelRuns {
  std::string model;
  std::string quant;
  std::vector<engine::ModelTest> tests;
};

// Told apart by model and quantization: none of the held-out runs shares either with the others.
std::vector<ModelRuns> fitted_runs(bool quick) {
  return {{"qwen2.5-1.5b",
           "Q8_0",
           {{.prompt = 128},
            {.prompt = 128, .depth = 1024},
            {.gen = quick ? 8 : 32},
            {.gen = quick ? 8 : 32, .depth = 2048}}},
          {"smollm2-1.7b", "Q4_1", {{.prompt = 256}, {.gen = quick ? 8 : 32}, {.gen = 8, .batch = 4}}}};
}
std::vector<ModelRuns> held_out_runs(bool quick) {
  std::vector<ModelRuns> runs{
      {"tinyllama-1.1b", "Q4_K_M", {{.prompt = 256}, {.gen = 16}, {.gen = 16, .depth = 1024}, {.gen = 8, .batch = 4}}},
      {"llama-3.2-1b", "IQ4_XS", {{.prompt = 128}, {.gen = 16}, {.gen = 16, .depth = 512}}}};
  if (quick) return runs;
  runs.push_back({"tinyllama-1.1b", "Q4_0", {{.prompt = 512}, {.gen = 32}, {.gen = 32, .depth = 3000}}});
  runs.push_back({"llama-3.2-1b", "Q6_K", {{.prompt = 512}, {.gen = 32}, {.gen = 16, .batch = 8}}});
  runs.push_back({"qwen3-0.6b", "IQ3_XXS", {{.prompt = 64}, {.gen = 32}}});
  runs.push_back({"llama-3.2-1b", "Q5_K_M", {{.prompt = 64, .depth = 2000}, {.gen = 32}}});
  return runs;
}

void run_model(const Database& database, const ModelRuns& what, int repetitions, std::vector<Measured>& results) {
  const QuantName name = parse_quant_name(what.quant);
  const auto model = engine::synthesize_model(
      make_workload(*database.architecture(what.model), *database.quant(name.scheme), name.options, database.types()));
  std::int64_t context = 1;
  std::int64_t sequences = 1;
  for (const auto& test : what.tests) {
    context = std::max(context, test.depth + test.prompt + test.gen + 1);
    sequences = std::max(sequences, test.batch);
  }
  for (const int threads : one_and_all()) {
    engine::Session session(model, {.threads = threads, .context = context, .sequences = sequences});
    for (const auto& test : what.tests) {
      progress_line(what.model + " " + what.quant + ", " + test.name() + ", " + std::to_string(threads) + " threads");
      const engine::ModelRun run = engine::measure_model(session, test, repetitions);
      results.push_back({.run = {.model = what.model,
                                 .quant = what.quant,
                                 .prompt = test.prompt,
                                 .gen = test.gen,
                                 .depth = test.depth,
                                 .batch = test.batch,
                                 .threads = threads,
                                 .tokens_per_second = run.undisturbed_tokens_per_second()},
                         .wall_tokens_per_second = run.tokens_per_second(),
                         .disturbed = run.sample.is_disturbed()});
    }
  }
}

std::vector<Measured> runs_now(const Database& database, const std::vector<ModelRuns>& runs, int repetitions) {
  std::vector<Measured> results;
  for (const ModelRuns& what : runs) run_model(database, what, repetitions, results);
  return results;
}

// ---------------------------------------------------------------- rounds

// Another program, or a neighbour on the same hardware, takes away in bursts of seconds to a minute. So all is measured
// in several rounds, and the best of each counts: what the machine does when it is left alone.
struct Measurements {
  std::vector<engine::Limit> limits;
  std::vector<HostKernel> kernels;
  std::vector<Measured> fitted;
  std::vector<Measured> unseen;
};

Measurements measured_now(const Database& database, bool quick) {
  const int repetitions = quick ? 1 : 3;
  return {.limits = limits_now(),
          .kernels = kernels_now(quick),
          .fitted = runs_now(database, fitted_runs(quick), repetitions),
          .unseen = runs_now(database, held_out_runs(quick), repetitions)};
}

void keep_faster(std::vector<Measured>& runs, std::vector<Measured> others) {
  for (std::size_t i = 0; i < runs.size(); ++i)
    if (others[i].run.tokens_per_second > runs[i].run.tokens_per_second) runs[i] = std::move(others[i]);
}

Measurements measured_in_rounds(const Database& database, bool quick) {
  constexpr int rounds = 2;
  const auto say = [](int round) { progress_line("round " + std::to_string(round) + " of " + std::to_string(rounds)); };
  say(1);
  Measurements best = measured_now(database, quick);
  for (int round = 2; round <= rounds; ++round) {
    say(round);
    Measurements next = measured_now(database, quick);
    best.limits.insert(best.limits.end(), next.limits.begin(), next.limits.end());
    for (std::size_t i = 0; i < best.kernels.size(); ++i)
      best.kernels[i].time = std::min(best.kernels[i].time, next.kernels[i].time);
    keep_faster(best.fitted, std::move(next.fitted));
    keep_faster(best.unseen, std::move(next.unseen));
  }
  return best;
}

Run stored(const Measured& measured, const HostMachine& machine, const std::string& date) {
  const HostRun& run = measured.run;
  Run result;
  Observation& o = result.observation;
  o.source_date = date;
  o.device = machine.id;
  o.backend = "silicast-engine";
  o.build = SILICAST_VERSION;
  o.flash_attention = true;
  o.model = run.model;
  o.quant = run.quant;
  o.kv_type = "f16";
  o.threads = run.threads;
  if (run.prompt > 0) o.prompt = run.prompt;
  if (run.gen > 0) o.gen = run.gen;
  o.depth = run.depth;
  o.batch = static_cast<double>(run.batch);
  o.metric = run.prompt > 0 ? "pp_tps" : "tg_tps";
  o.value = run.tokens_per_second;
  if (measured.disturbed)
    o.notes = "disturbed; " + rounded(measured.wall_tokens_per_second, 4) + " tokens/s by the clock on the wall";
  result.machine = machine.name;
  result.command = "silicast calibrate host";
  return result;
}

// ---------------------------------------------------------------- report

struct Errors {
  std::vector<double> decode;
  std::vector<double> prefill;
};

double quantile_of(const std::vector<double>& values, double share) {
  return values.empty() ? 0 : quantile(values, share);
}

Table table_of(const std::vector<Measured>& runs, const HostFit& fit, Errors& errors) {
  Table table{.columns = {{"model", "model"},
                          {"quant", "quant"},
                          {"test", "test"},
                          {"threads", "threads", true},
                          {"predicted", "predicted t/s", true},
                          {"measured", "measured t/s", true},
                          {"error", "error", true},
                          {"disturbed", ""}},
              .rows = {}};
  for (const Measured& m : runs) {
    const double predicted = fit.predicted(m.run);
    const double error = predicted / m.run.tokens_per_second - 1;
    (m.run.prompt > 0 ? errors.prefill : errors.decode).push_back(std::abs(error));
    table.rows.push_back({{m.run.model},
                          {m.run.quant},
                          {m.run.shape()},
                          {static_cast<std::int64_t>(m.run.threads)},
                          {predicted, rounded(predicted, 4)},
                          {m.run.tokens_per_second, rounded(m.run.tokens_per_second, 4)},
                          {error, (error >= 0 ? "+" : "") + rounded(100 * error, 2) + " %"},
                          {m.disturbed}});
  }
  return table;
}

std::string summary(const Errors& errors) {
  const auto line = [](const char* name, const std::vector<double>& values) {
    return std::string(name) + ": median error " + rounded(100 * quantile_of(values, 0.5), 2) + " %, worst " +
           rounded(100 * quantile_of(values, 1), 2) + " %, " + std::to_string(values.size()) + " runs\n";
  };
  return line("decode", errors.decode) + line("prefill", errors.prefill);
}

std::string gpus_text() {
  std::string text;
  std::error_code none;
  for (std::filesystem::directory_iterator at("/sys/class/drm", none), end; !none && at != end; at.increment(none)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with("card") || name.find('-') != std::string::npos) continue;
    std::ifstream vendor(at->path() / "device" / "vendor");
    std::string id;
    if (vendor >> id) text += "GPU " + name + ", vendor " + id + ": not measured, the engine runs on processors\n";
  }
  return text;
}

// devices/host.yaml in the folder.
std::pair<HostMachine, std::filesystem::path> written_host(const std::filesystem::path& folder,
                                                           const std::vector<engine::Limit>& limits,
                                                           const std::string& date) {
  const HostMachine machine = machine_of(limits);
  const auto file = folder / "devices" / (machine.id + ".yaml");
  write_whole(file, device_yaml(machine, date));
  return {machine, file};
}

ExitCode measured_here(const HostOptions& options) {
  const Database database(data_folder(options.data));
  const std::string date = today();
  const std::filesystem::path out = options.folder();
  make_folder(out / "devices");
  make_folder(out / "profiles");
  Store store(options.store_file(), Store::Mode::write);
  engine::condition();
  const auto [limits, kernels, fitted, unseen] = measured_in_rounds(database, options.quick);
  const auto [machine, device_file] = written_host(out, limits, date);
  std::vector<HostRun> runs;
  for (const Measured& m : fitted) runs.push_back(m.run);
  HostFit fit(database, device_file.string());
  fit.fit(kernels, runs);

  Errors errors;
  const Table table = table_of(unseen, fit, errors);
  std::vector<HostRun> held_out;
  for (const Measured& m : unseen) held_out.push_back(m.run);
  const Profile profile = fit.profile(held_out, date);
  const auto profile_file = out / "profiles" / (profile.family + ".yaml");
  write_whole(profile_file, profile_yaml(profile));
  std::vector<Run> all;
  for (const auto* list : {&fitted, &unseen})
    for (const Measured& m : *list) all.push_back(stored(m, machine, date));
  store.add(all, "silicast calibrate host");

  if (options.format == Format::json) {
    std::vector<Field> fields{{"schema", std::string("silicast.host/1")},
                              {"device_file", device_file.string()},
                              {"profile_file", profile_file.string()},
                              {"store", store.file().string()},
                              {"decode_median_error", quantile_of(errors.decode, 0.5)},
                              {"decode_worst_error", quantile_of(errors.decode, 1)},
                              {"prefill_median_error", quantile_of(errors.prefill, 0.5)},
                              {"prefill_worst_error", quantile_of(errors.prefill, 1)}};
    for (Field& field : machine_fields(engine::best_isa())) fields.push_back(std::move(field));
    print(document_json(fields, {{"runs", table}}));
    return ExitCode::done;
  }
  print(machine_text(engine::best_isa()) + gpus_text() + "\nruns that the fit has not seen:\n" +
        table_text(for_people(table), 2) + "\n" + summary(errors) + "\n" + device_file.string() + "\n" +
        profile_file.string() + "\n" + store.file().string() + ": " + std::to_string(all.size()) + " runs\n");
  return ExitCode::done;
}

}  // namespace

std::string today() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 16> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d", &utc);
  return text.data();
}

std::filesystem::path HostOptions::folder() const {
  std::filesystem::path folder = out.empty() ? user_folder() : std::filesystem::path(out);
  if (folder.empty()) throw UsageError("neither XDG_DATA_HOME nor HOME is set; --out says where the profile goes");
  return folder;
}

std::filesystem::path HostOptions::store_file() const {
  return store.empty() ? Store::default_file() : std::filesystem::path(store);
}

std::filesystem::path describe_host(const std::filesystem::path& folder, const std::string& date) {
  make_folder(folder / "devices");
  make_folder(folder / "profiles");
  return written_host(folder, limits_now(), date).second;
}

void add_host(const Command& calibrate, Action& action) {
  const auto options = std::make_shared<HostOptions>();
  const Command command = calibrate.add_command(
      "host",
      "This machine: its limits and kernels, or runs that it has made, become a profile, tried on "
      "runs that the fit has not seen");
  command.add_flag("--quick", options->quick, "Fewer types of runs: three minutes at most");
  command
      .add_option("--import", options->imports,
                  "Instead of measuring: runs that another program measured here, in the files that `calibrate import` "
                  "reads")
      .type_name("FILE...");
  add_stated_options(command, options->stated);
  command
      .add_option("--out", options->out,
                  "Where devices/host.yaml and the profile go (default: silicast in the user's data folder, where "
                  "predict finds them)")
      .type_name("DIR")
      .group("Output");
  command.add_option("--store", options->store, "Where the runs are kept (default: in the user's data folder)")
      .type_name("FILE")
      .group("Output");
  add_format_option(command, options->format, {Format::text, Format::json});
  add_data_option(command, options->data);
  command.examples(
      "silicast calibrate host --quick\n"
      "silicast predict --device host --model llama-3.2-1b --quant Q4_K_M\n"
      "silicast calibrate host --import llama-bench.json --device rtx-4090");
  command.when_asked([options, &action] {
    if (options->quick && !options->imports.empty())
      throw UsageError("--quick and --import exclude each other: imported runs take no time");
    action = [options] { return options->imports.empty() ? measured_here(*options) : measured_elsewhere(*options); };
  });
}

}  // namespace silicast::cli
