// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <thread>

#include "base/text.h"
#include "cli/command.h"
#include "cli/query_reader.h"
#include "planning/sweep.h"
#include "report/sweep_rows.h"

namespace silicast::cli {

namespace {

namespace fs = std::filesystem;

constexpr double most_points = 1e12;

struct SweepArguments {
  std::string grid;
  std::string out;
  std::string filter;
  std::string pareto;
  std::string data;
  int threads = 0;  // 0: every core, or one under mpirun
  bool restart = false;
  bool yes = false;
};

class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;  // FNV-1a
  }
  [[nodiscard]] std::string text() const { return std::to_string(value_); }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325U;
};

// Of every file of the data folder that predictions rest on.
std::string data_identity(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const char* part : {"devices", "links", "models", "prices", "profiles", "quants", "stacks"})
    if (fs::exists(folder / part))
      for (const auto& entry : fs::recursive_directory_iterator(folder / part))
        if (entry.is_regular_file() && entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  Hash hash;
  for (const fs::path& file : files) {
    hash.add(fs::relative(file, folder).string());
    hash.add(read_text_file(file));
  }
  return hash.text();
}

// Of the user's own files in the grid: size and time, for a model may take hundreds of gigabytes.
std::string file_identity(const Grid& grid) {
  std::string text;
  for (const Axis& axis : grid.axes())
    for (const std::string& value : axis.values) {
      std::error_code error;
      if (!fs::is_regular_file(value, error)) continue;
      text += value + " " + std::to_string(fs::file_size(value, error)) + " " +
              std::to_string(fs::last_write_time(value, error).time_since_epoch().count()) + "\n";
    }
  return text;
}

SweepFormat format_of(const fs::path& out) {
  const std::string ending = lower(out.extension().string());
  if (ending == ".jsonl" || ending == ".ndjson") return SweepFormat::jsonl;
  const bool device = fs::exists(out) && !fs::is_regular_file(out);
  if (ending == ".csv" || device) return SweepFormat::csv;
  throw UsageError("--out: a file that ends in .csv or .jsonl is expected, got '" + out.string() + "'");
}

// "12,345,678"
std::string grouped(double count) {
  std::string digits = std::to_string(std::llround(count));
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string duration(double seconds) {
  constexpr double minute = 60;
  constexpr double hour = 3600;
  constexpr double day = 24 * hour;
  constexpr double year = 365.25 * day;
  if (seconds < 2 * minute) return rounded(seconds, 2) + " s";
  if (seconds < 2 * hour) return rounded(seconds / minute, 2) + " min";
  if (seconds < 2 * day) return rounded(seconds / hour, 2) + " h";
  return seconds < 2 * year ? rounded(seconds / day, 2) + " days" : rounded(seconds / year, 3) + " years";
}

// On a terminal one line that changes every second, else a line every ten seconds.
class ProgressLine {
 public:
  void operator()(const SweepProgress& p) {
    const double rate = static_cast<double>(p.done - p.begun_at) / p.seconds;
    const auto points = static_cast<double>(p.points);
    const auto done = static_cast<double>(p.done);
    constexpr double percent = 100;
    constexpr double apart = 10;  // seconds
    if (!terminal_ && p.seconds < last_ + apart) return;
    last_ = p.seconds;
    std::string text = grouped(done) + " of " + grouped(points) + " points (" + rounded(percent * done / points, 3) +
                       " %), " + grouped(rate) + " points/s";
    if (rate > 0) text += ", " + duration((points - done) / rate) + " left";
    std::fprintf(stderr, terminal_ ? "\r\x1b[K%s" : "%s\n", text.c_str());
    shown_ = true;
  }

  void clear() const {
    if (terminal_ && shown_) std::fputs("\r\x1b[K", stderr);
  }

 private:
  bool terminal_ = isatty(STDERR_FILENO) != 0;
  bool shown_ = false;
  double last_ = 0;
};

void check_size(const Grid& grid, bool yes) {
  const auto points = static_cast<double>(grid.points());
  if (points <= most_points) return;
  if (points >= 1.8e19) throw UsageError("the grid has more than 1.8e19 points, which cannot be numbered");
  constexpr double usual_rate = 1e6;
  if (!yes)
    throw UsageError("the grid has " + rounded(points, 3) +
                     " points, more than 10^12; at a million a second they take " + duration(points / usual_rate) +
                     "; --yes computes them nevertheless");
}

std::string summary(const SweepOutcome& outcome, const SweepArguments& options) {
  const auto new_points = static_cast<double>(outcome.points - outcome.continued_at);
  std::string text = grouped(static_cast<double>(outcome.points)) + " points, " +
                     grouped(static_cast<double>(outcome.rows)) + " rows in " + options.out;
  if (outcome.continued_at > 0) text += ", continued at point " + grouped(static_cast<double>(outcome.continued_at));
  text += "; " + rounded(outcome.seconds, 3) + " s";
  if (outcome.seconds > 0) text += ", " + grouped(new_points / outcome.seconds) + " points/s";
  if (outcome.incomparable > 0)
    text += "; " + grouped(static_cast<double>(outcome.incomparable)) +
            " feasible points left out: a figure of --pareto is not known of them";
  return text;
}

ExitCode run_as(const SweepArguments& options, Ranks& ranks) {
  const Database database(data_folder(options.data));
  const OptionReader reader = query_option_reader();
  const Grid grid(read_yaml_file(options.grid), query_option_list(), reader);
  check_size(grid, options.yes);
  check_names(grid, database);
  const SweepFormat format = format_of(options.out);
  const auto rows = sweep_rows(format, grid.names());
  SweepTask task{.grid = &grid, .database = &database, .reader = reader, .format = rows.get()};
  if (!options.filter.empty()) task.filter = Filter(options.filter, grid.names());
  if (!options.pareto.empty()) task.pareto = read_objectives(options.pareto);
  SweepOptions how{.out = options.out, .threads = options.threads, .restart = options.restart};
  if (how.threads == 0)
    how.threads = ranks.size() > 1 ? 1 : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  how.identity = std::string(SILICAST_VERSION) + (format == SweepFormat::csv ? " csv\n" : " jsonl\n") + options.filter +
                 "\n" + options.pareto + "\n" + data_identity(database.folder()) + "\n" + file_identity(grid);
  ProgressLine line;
  how.progress = [&line](const SweepProgress& progress) { line(progress); };
  const SweepOutcome outcome = sweep(task, how, ranks);
  line.clear();
  if (ranks.rank() == 0) progress_line(summary(outcome, options));
  return ExitCode::done;
}

ExitCode run(const SweepArguments& options) {
  Ranks ranks;
  try {
    return run_as(options, ranks);
  } catch (const Error& error) {
    if (ranks.rank() == 0) throw;
    return error.exit_code();  // rank 0 trips over the same, and says so
  }
}

void read_threads(const std::string& text, int& target) {
  const auto value = parse_integer(text);
  constexpr std::int64_t most = 1024;
  if (!value || *value < 1 || *value > most)
    throw UsageError("-j: a number of threads from 1 to 1024 is expected, got '" + text + "'");
  target = static_cast<int>(*value);
}

}  // namespace

void add_sweep(const Command& app, Action& action) {
  const auto options = std::make_shared<SweepArguments>();
  const Command command =
      app.add_command("sweep", "Every combination of a grid of query options, to a CSV or JSONL file");
  command.add_option("GRID", options->grid, "A YAML file: query options with values, lists and ranges")
      .required()
      .type_name("FILE");
  command.add_option("--out", options->out, "Where to: a file ending in .csv or .jsonl")
      .required()
      .type_name("FILE")
      .group("Output");
  command
      .add_option(
          "-j,--jobs", [options](const std::string& text) { read_threads(text, options->threads); },
          "Threads (default: every core; under mpirun one of each rank)")
      .type_name("N");
  command
      .add_option("--filter", options->filter, "Only rows for which this holds, such as 'decode>=20 and memory<64GiB'")
      .type_name("EXPR");
  command
      .add_option("--pareto", options->pareto,
                  "Only the points that no other one beats in these figures, such as decode,memory,cost,quality")
      .type_name("FIGURE,...");
  command.add_flag("--restart", options->restart, "Begin anew instead of continuing an interrupted sweep");
  command.add_flag("--yes", options->yes, "More than 10^12 points, too");
  add_data_option(command, options->data);
  command.examples(
      "silicast sweep grid.yaml --out grid.csv\n"
      "silicast sweep grid.yaml --out fast.jsonl --filter 'decode >= 20 and ttft < 2s'\n"
      "silicast sweep grid.yaml --out front.csv --pareto decode,memory,cost,quality -j 8\n"
      "mpirun -np 4 silicast sweep grid.yaml --out grid.csv");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
