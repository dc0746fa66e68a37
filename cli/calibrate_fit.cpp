// SPDX-License-Identifier: Apache-2.0
// silicast calibrate fit: profiles from measured rates.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/text.h"
#include "calibration/cross_validation.h"
#include "calibration/query_of.h"
#include "cli/calibrate.h"
#include "report/rows_report.h"
#include "report/table.h"

namespace silicast::cli {

namespace {

// Folds behind the residual scales of a profile: as few as leave most devices of a family in each training set.
constexpr std::size_t folds = 5;

struct CalibrateFitOptions {
  std::vector<std::string> files;
  std::string out;
  std::string data;
  std::string date;
};

// Scales of the residuals that sources and devices leave when they are held out: who asks is a new source, with a
// measured device or another. Every machine counts the same, since hardly anybody asks for the few that most rows are
// of. The machine's own runs are not at hand.
void set_residuals(Profiles& profiles, const std::vector<FitRow>& rows, unsigned threads) {
  std::vector<CrossValidation> runs;
  for (const FoldBy by : {FoldBy::source, FoldBy::device})
    runs.push_back(cross_validate(rows, by, folds, threads, progress_line));
  std::vector<const HeldOut*> all;
  for (CrossValidation& run : runs) {
    weigh_by_machine(run.rows);
    for (HeldOut& held : run.rows) {
      held.predicted = held.unaided;
      held.open = 1;
      all.push_back(&held);
    }
  }
  for (auto& [family, profile] : profiles) profile.residual = residual_scales(all, family);
}

// What each family of stacks has, and what a profile takes.
std::string not_enough_text(const std::vector<FitRow>& rows) {
  std::map<std::string, std::map<std::string, std::size_t>> families;
  for (const FitRow& row : rows) ++families[row.family][row.scope.device];
  std::string text = "no profile: a family of stacks takes " + std::to_string(least_rows_of_a_family) + " rows, and " +
                     std::to_string(least_devices_of_a_family) + " devices with " +
                     std::to_string(least_rows_of_a_device) + " of them each\n";
  for (const auto& [family, devices] : families) {
    std::size_t all = 0;
    std::vector<std::string> of_devices;
    for (const auto& [device, n] : devices) {
      all += n;
      of_devices.push_back(device + " " + std::to_string(n));
    }
    text += "  " + family + ": " + std::to_string(all) + " rows (" + join(of_devices, ", ") + ")\n";
  }
  return text;
}

// "unknown device", its name -> rows.
std::map<std::pair<std::string, std::string>, std::size_t> unknown_names(const std::vector<Observation>& observations,
                                                                         const Database& database) {
  std::map<std::pair<std::string, std::string>, std::size_t> unknown;
  const QueryMapper mapper(database);
  for (const Observation& row : observations) {
    const auto result = mapper(row);
    const auto* reason = std::get_if<Unpredicted>(&result);
    if (reason != nullptr && is_about_a_name(reason->reason)) ++unknown[{reason->reason, reason->detail}];
  }
  return unknown;
}

// Of the rows: how many are fitted, which are not and why.
std::string account_text(const FitRows& input, const std::vector<Observation>& observations,
                         const std::vector<BadRowOfFile>& unread, const Database& database) {
  std::string text = "\n" + std::to_string(input.rows.size()) + " of " + std::to_string(observations.size()) +
                     " rows fitted\n" + left_out_text(input.left_out);
  if (const auto unknown = unknown_names(observations, database); !unknown.empty())
    text += "\n" + table_text(unknown_table(unknown));
  for (const std::string& part : {repeats_text(repeats_of(observations), observations), unread_text(unread)})
    if (!part.empty()) text += "\n" + part;
  return text;
}

bool is_date(const std::string& text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const auto year = parse_integer(text.substr(0, 4));
  const auto month = parse_integer(text.substr(5, 2));
  const auto day = parse_integer(text.substr(8, 2));
  if (!year || !month || !day || *year < 2000 || *month < 1 || *day < 1) return false;
  return std::chrono::year_month_day(std::chrono::year(static_cast<int>(*year)),
                                     std::chrono::month(static_cast<unsigned>(*month)),
                                     std::chrono::day(static_cast<unsigned>(*day)))
      .ok();
}

ExitCode run(const CalibrateFitOptions& options) {
  const Database database(data_folder(options.data));
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  const std::filesystem::path folder =
      options.out.empty() ? database.folder() / "profiles" : std::filesystem::path(options.out);
  make_folder(folder);
  std::vector<BadRowOfFile> unread;
  const std::vector<Observation> observations = read_what_can_be_read(options.files, unread);
  const FitRows input = fit_rows(observations, database, threads);
  const std::string account = account_text(input, observations, unread, database);
  if (input.rows.empty())
    throw InputError(options.files.front() + ": no row can be fitted" +
                     (input.left_out.empty() ? "" : " (" + input.left_out.begin()->first + ")"));
  std::vector<const FitRow*> pointers;
  for (const FitRow& row : input.rows) pointers.push_back(&row);
  progress_line("fitting " + std::to_string(pointers.size()) + " rows");
  Profiles profiles = fit_profiles(pointers, options.date.empty() ? today() : options.date, threads);
  if (profiles.empty()) {
    print(not_enough_text(input.rows) + account);
    return ExitCode::no;
  }
  set_residuals(profiles, input.rows, threads);

  std::string text;
  for (const auto& [family, profile] : profiles) {
    write_whole(folder / (family + ".yaml"), profile_yaml(profile));
    text += (folder / (family + ".yaml")).string() + ": " + std::to_string(profile.decode_rows) + " decode and " +
            std::to_string(profile.prefill_rows) + " prefill rates, " + std::to_string(profile.parameters.size()) +
            " parameters" + "\n";
  }
  print(text + account);
  return ExitCode::done;
}

}  // namespace

std::string left_out_text(const std::map<std::string, std::size_t>& left_out) {
  std::string text;
  for (const auto& [reason, n] : left_out) text += "  " + std::to_string(n) + "  " + reason + "\n";
  return text.empty() ? text : "not fitted:\n" + text;
}

void add_fit(const Command& calibrate, Action& action) {
  const auto options = std::make_shared<CalibrateFitOptions>();
  const Command command =
      calibrate.add_command("fit", "Profiles from measured rates: what they say about stacks and devices");
  command
      .add_option("FILE", options->files,
                  "Measurements, one a row: CSV with the columns of docs/data-format.md; lines that are none are named "
                  "and left out")
      .required()
      .type_name("FILE.csv");
  command.add_option("--out", options->out, "Folder of the profiles (default: profiles/ of the data folder)")
      .type_name("DIR")
      .group("Output");
  command.add_option("--date", options->date, "Date that the profiles state (default: today)")
      .type_name("YEAR-MONTH-DAY")
      .group("Output");
  add_data_option(command, options->data);
  command.examples("silicast calibrate fit measurements.csv --out /tmp/profiles");
  command.when_asked([options, &action] {
    if (!options->date.empty() && !is_date(options->date))
      throw UsageError("--date: a day such as 2026-11-20 is expected, got '" + options->date + "'");
    action = [options] { return run(*options); };
  });
}

}  // namespace silicast::cli
