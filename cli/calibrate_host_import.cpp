// SPDX-License-Identifier: Apache-2.0
// silicast calibrate host --import: runs that another program measured on this machine, or on the device named, become
// a profile of it; each run is predicted by a profile that was fitted to the others.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <thread>

#include "base/document.h"
#include "base/text.h"
#include "calibration/fit.h"
#include "calibration/intake.h"
#include "calibration/statistics.h"
#include "calibration/update.h"
#include "cli/calibrate.h"
#include "report/import_report.h"
#include "report/table.h"

namespace silicast::cli {

namespace {

constexpr std::size_t import_folds = 5;

// Profiles are of a family of stacks on a device.
using Groups = std::map<std::pair<std::string, std::string>, std::vector<FitRow>>;

struct Fitted {
  Profile profile;
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

bool is_known(const std::string& device, const Database& database) {
  try {
    static_cast<void>(database.device(device));
    return true;
  } catch (const InputError&) {
    return false;
  }
}

// Runs of a processor that the catalogue does not have ran on this one.
void name_devices(std::vector<Run>& runs, const Database& database, HostDevice& host) {
  std::map<std::string, bool> known;
  for (Run& run : runs) {
    Observation& row = run.observation;
    const auto at = known.try_emplace(row.device, row.device.empty() ? false : is_known(row.device, database)).first;
    if (at->second) continue;
    if (!row.backend.ends_with("cpu") && row.backend != "silicast-engine")
      throw InputError("line " + std::to_string(row.line) + ": the catalogue has no device '" + row.device +
                       "'; --device names the one that the runs were made on (silicast list devices)");
    row.device = host.file();
  }
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

std::string summary(const ImportErrors& errors) {
  std::string text;
  for (const auto& [phase, values] : errors.fitted)
    text += phase + ": median error " + rounded(100 * quantile(values, 0.5), 2) + " %, worst " +
            rounded(100 * quantile(values, 1), 2) + " %, " + std::to_string(values.size()) + " runs; " +
            rounded(100 * quantile(errors.record.at(phase), 0.5), 2) + " % from the record alone\n";
  return text;
}

std::string left_out_text(const std::map<std::string, std::size_t>& left_out) {
  std::string text;
  for (const auto& [reason, n] : left_out) text += "  " + std::to_string(n) + "  " + reason + "\n";
  return text.empty() ? text : "not fitted:\n" + text + "\n";
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
  HostDevice host(folder, date);
  Store store(options.store_file(), Store::Mode::write);
  ImportReport report{.store = store.file().string(), .files = {}, .unreadable = {}};
  std::vector<Observation> observations;
  for (const std::string& file : options.imports) {
    constexpr Bytes limit = 512_MiB;
    Judged judged = judge_runs(read_text_file(file, limit), file, options.stated, "", database);
    name_devices(judged.runs, database, host);
    judged.intake.added = store.add(judged.runs, file);
    for (const Run& run : judged.runs) observations.push_back(run.observation);
    report.files.push_back(std::move(judged.intake));
  }
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
    std::filesystem::create_directories(file.parent_path());
    write_whole(file, profile_yaml(profile));
    fitted.push_back({std::move(profile), file});
  }
  if (options.format == Format::json) {
    std::vector<Field> fields{{"schema", std::string("silicast.host-import/1")},
                              {"store", store.file().string()},
                              {"profile_file", fitted.front().file.string()}};
    for (const auto& [phase, values] : errors.fitted) {
      fields.push_back({phase + "_median_error", quantile(values, 0.5)});
      fields.push_back({phase + "_worst_error", quantile(values, 1)});
      fields.push_back({phase + "_median_error_of_record", quantile(errors.record.at(phase), 0.5)});
    }
    print(document_json(fields, {{"runs", table}}));
    return ExitCode::done;
  }
  std::string files;
  for (const Fitted& one : fitted) files += one.file.string() + "\n";
  print(import_text(report) + "\neach run by a profile that was fitted to the others:\n" + table_text(table, 2) + "\n" +
        summary(errors) + "\n" + left_out_text(input.left_out) + files);
  return ExitCode::done;
}

}  // namespace silicast::cli
