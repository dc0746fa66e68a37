// SPDX-License-Identifier: Apache-2.0
// silicast calibrate host --import: runs that another program measured on this machine, or on the device named, become
// a profile of it; each run is predicted by a profile that was fitted to the others.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "base/document.h"
#include "base/text.h"
#include "calibration/fit.h"
#include "calibration/intake.h"
#include "calibration/statistics.h"
#include "calibration/update.h"
#include "cli/calibrate.h"
#include "engine/topology.h"
#include "report/import_report.h"
#include "report/table.h"

namespace silicast::cli {

namespace {

constexpr std::size_t import_folds = 5;

// Profiles are of a family of stacks on a device.
using Groups = std::map<std::pair<std::string, std::string>, std::vector<FitRow>>;

struct Fitted {
  Profile profile;
  std::string device;  // the catalogue's id, or this machine's
  std::filesystem::path file;
};

struct ImportErrors {
  std::map<std::string, std::vector<double>> fitted, record;  // by phase
};

// This machine's own description, measured once and only where it is needed.
class HostDevice {
 public:
  HostDevice(std::filesystem::path folder, std::string date) : folder_(std::move(folder)), date_(std::move(date)) {}

  std::string file() {
    const auto there = folder_ / "devices" / "host.yaml";
    if (std::filesystem::exists(there)) return there.string();
    return describe_host(folder_, date_).string();
  }

 private:
  std::filesystem::path folder_;
  std::string date_;
};

// The catalogue's name; nullopt where it has none.
std::optional<std::string> catalogue_name(const std::string& device, const Database& database) {
  try {
    return device.empty() ? std::nullopt : std::optional(database.device(device)->id);
  } catch (const InputError&) {
    return std::nullopt;
  }
}

bool is_of_a_processor(const Observation& row) {
  return row.backend.ends_with("cpu") || row.backend == "silicast-engine";
}

// The processor's own name, as programs report it. A file of measurements that names its machine "host" means this one.
bool is_this_machine(const std::string& device) {
  const std::string& here = engine::topology().processor_name;
  return device.empty() || device == "host" || here.empty() || canonical_name(device) == canonical_name(here);
}

std::string not_here_text(const std::string& device) {
  return "'" + device + "'; this machine has a '" + engine::topology().processor_name + "'";
}

// Runs of a processor that the catalogue does not have are of this one where it has the same name; those of another
// device are left out.
void name_devices(Judged& judged, const Database& database, HostDevice& host) {
  std::vector<Run> kept;
  for (Run& run : judged.runs) {
    Observation& row = run.observation;
    const bool known = catalogue_name(row.device, database).has_value();
    if (!known && !is_of_a_processor(row)) {
      judged.intake.not_taken.push_back(
          {row.line, "the catalogue has no such device; --device names the one that the runs were made on",
           "'" + row.device + "'"});
      continue;
    }
    if (!known && !is_this_machine(row.device)) {
      judged.intake.not_taken.push_back(
          {row.line,
           "run on another machine than this one, which the catalogue does not have; --device names it or one like it",
           not_here_text(row.device)});
      continue;
    }
    if (!known) row.device = host.file();
    kept.push_back(std::move(run));
  }
  judged.runs = std::move(kept);
  judged.intake.taken = judged.runs.size();
  std::erase_if(judged.intake.unknown, [](const auto& entry) { return entry.first.first == "unknown device"; });
}

[[noreturn]] void refuse_without_runs(const Intake& intake) {
  if (intake.not_taken.empty()) throw InputError(intake.file + ": holds no run");
  const NotTaken& first = intake.not_taken.front();
  const Mark mark{std::make_shared<const std::string>(intake.file), first.line, 0};
  throw InputError(
      mark, "", first.reason + (first.detail.empty() ? "" : ": " + first.detail) + "; no run of the file can be taken");
}

// The runs of this and of earlier imports of the same devices, which the store has all.
std::vector<Observation> runs_to_fit(const Store& store, const std::vector<Run>& imported, const Database& database) {
  std::map<std::string, std::string> names;
  const auto name_of_device = [&](const std::string& device) -> const std::string& {
    auto at = names.find(device);
    if (at == names.end()) at = names.emplace(device, catalogue_name(device, database).value_or(device)).first;
    return at->second;
  };
  std::set<std::string> devices;
  for (const Run& run : imported) devices.insert(name_of_device(run.observation.device));
  std::vector<Observation> result;
  for (StoredRun& stored : store.runs())
    if (stored.file.starts_with(host_import_mark) && devices.contains(name_of_device(stored.run.observation.device)))
      result.push_back(std::move(stored.run.observation));
  return result;
}

Profile prior_of(const std::string& family, const Database& database) {
  if (const auto profile = database.profile(family)) return *profile;
  return {.family = family, .spread = prior_spread(family)};
}

void add_rows(Table& table, const std::vector<HeldOut>& held_out, const Profile& prior, ImportErrors& errors) {
  const Profiles record{{prior.family, prior}};
  HeldOutPredictor before(record);
  for (const HeldOut& held : held_out) {
    const FitRow& row = *held.row;
    const double measured = row.measured;
    const double unaided = before(row, 0).predicted;
    const std::string phase = row.metric == Metric::prefill_rate ? "prefill" : "decode";
    const double error = held.predicted / measured - 1;
    errors.fitted[phase].push_back(std::abs(error));
    errors.record[phase].push_back(std::abs(unaided / measured - 1));
    table.rows.push_back({{row.scope.device},
                          {row.model},
                          {row.quant},
                          {row.shape},
                          {unaided, rounded(unaided, 4)},
                          {held.predicted, rounded(held.predicted, 4)},
                          {measured, rounded(measured, 4)},
                          {error, (error >= 0 ? "+" : "") + rounded(100 * error, 2) + " %"}});
  }
}

// What a profile is for, and whether that is this machine as far as its processor tells.
std::string use_text(const std::string& device, const Database& database) {
  std::string text = "predict --device " + device + " uses it";
  const std::string& here = engine::topology().processor_name;
  if (device == "host" || here.empty() || !database.devices().try_find(device)) return text;
  if (database.device(device)->gpu && !database.device(device)->cpu) return text;
  const auto match = CatalogueNames(database).device(here, true);
  if (match &&
      (match->name == device || std::find(match->others.begin(), match->others.end(), device) != match->others.end()))
    return text;
  return text + "; it is not of this machine, which has a '" + here + "'";
}

std::string summary(const ImportErrors& errors) {
  std::string text;
  for (const auto& [phase, values] : errors.fitted)
    text += phase + ": median error " + rounded(100 * quantile(values, 0.5), 2) + " %, worst " +
            rounded(100 * quantile(values, 1), 2) + " %, " + std::to_string(values.size()) + " runs; " +
            rounded(100 * quantile(errors.record.at(phase), 0.5), 2) + " % from the record alone\n";
  return text;
}

// All files are read before one is stored.
std::vector<Judged> judged_files(const HostOptions& options, const Database& database, HostDevice& host) {
  std::vector<Judged> files;
  for (const std::string& file : options.imports) {
    constexpr Bytes limit = 512_MiB;
    files.push_back(judge_runs(read_text_file(file, limit), file, options.stated, "", database));
    name_devices(files.back(), database, host);
    if (files.back().runs.empty()) refuse_without_runs(files.back().intake);
  }
  return files;
}

std::size_t runs_of(const ImportReport& report) {
  std::size_t runs = 0;
  for (const Intake& intake : report.files) runs += intake.taken;
  return runs;
}

Groups groups_of(FitRows& input) {
  Groups groups;
  for (FitRow& row : input.rows) groups[{row.family, row.scope.device}].push_back(std::move(row));
  for (auto& [key, rows] : groups) set_weights(rows);
  return groups;
}

}  // namespace

ExitCode measured_elsewhere(const HostOptions& options) {
  const Database database(data_folder(options.data));
  const std::filesystem::path folder = options.folder();
  const std::string date = today();
  make_folder(folder / "profiles");
  HostDevice host(folder, date);
  Store store(options.store_file(), Store::Mode::write);
  ImportReport report{.store = store.file().string(), .files = {}, .unreadable = {}};
  const std::vector<Judged> files = judged_files(options, database, host);
  std::vector<Run> imported;
  for (const Judged& judged : files) {
    report.files.push_back(judged.intake);
    report.files.back().added = store.add(judged.runs, std::string(host_import_mark) + judged.intake.file);
    imported.insert(imported.end(), judged.runs.begin(), judged.runs.end());
  }
  const std::vector<Observation> observations = runs_to_fit(store, imported, database);
  FitRows input = fit_rows(observations, database, std::max(1U, std::thread::hardware_concurrency()));
  if (input.rows.empty()) {
    const std::string reason = input.left_out.empty() ? "" : " (" + input.left_out.begin()->first + ")";
    throw InputError(options.imports.front() + ": holds no rate that a profile can be fitted to" + reason);
  }
  const Groups groups = groups_of(input);
  Table table{.columns = {{"device", "device"},
                          {"model", "model"},
                          {"quant", "quant"},
                          {"test", "test"},
                          {"record", "by the record", true},
                          {"predicted", "predicted t/s", true},
                          {"measured", "measured t/s", true},
                          {"error", "error", true}},
              .rows = {}};
  ImportErrors errors;
  std::vector<Fitted> fitted;
  for (const auto& [key, rows] : groups) {
    const Profile prior = prior_of(key.first, database);
    const auto held_out = held_out_of_updates(prior, rows, import_folds);
    add_rows(table, held_out, prior, errors);
    std::vector<const FitRow*> pointers;
    for (const FitRow& row : rows) pointers.push_back(&row);
    Profile profile = updated_profile(prior, pointers, date);
    set_residual(profile, held_out);
    const auto file = folder / "profiles" / (key.first + "@" + key.second + ".yaml");
    write_whole(file, profile_yaml(profile));
    fitted.push_back({std::move(profile), key.second, file});
  }
  // The same run in two files is one in the store.
  const std::size_t earlier = observations.size() - std::min(observations.size(), runs_of(report));
  if (options.format == Format::json) {
    std::vector<Field> fields{{"schema", std::string("silicast.host-import/1")},
                              {"store", store.file().string()},
                              {"profile_file", fitted.front().file.string()},
                              {"runs_of_earlier_imports", static_cast<std::int64_t>(earlier)}};
    for (const auto& [phase, values] : errors.fitted) {
      fields.push_back({phase + "_median_error", quantile(values, 0.5)});
      fields.push_back({phase + "_worst_error", quantile(values, 1)});
      fields.push_back({phase + "_median_error_of_record", quantile(errors.record.at(phase), 0.5)});
    }
    print(document_json(fields, {{"runs", table}, {"not_taken", not_taken_table(report)}}));
    return ExitCode::done;
  }
  std::string files_text;
  for (const Fitted& one : fitted) files_text += one.file.string() + ": " + use_text(one.device, database) + "\n";
  std::string left_out = left_out_text(input.left_out);
  if (!left_out.empty()) left_out += "\n";
  if (earlier > 0)
    files_text = std::to_string(earlier) +
                 " of the runs are of earlier imports, which the store keeps (--store names another one)\n" +
                 files_text;
  print(import_text(report) + "\neach run by a profile that was fitted to the others:\n" + table_text(table, 2) + "\n" +
        summary(errors) + "\n" + left_out + files_text);
  return ExitCode::done;
}

}  // namespace silicast::cli
