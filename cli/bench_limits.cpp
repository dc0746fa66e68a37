// SPDX-License-Identifier: Apache-2.0
// silicast bench limits: memory, caches, arithmetic, barriers, pages, storage.
#include <filesystem>
#include <memory>

#include "base/text.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "engine/measure/limits.h"

namespace silicast::cli {

namespace {

struct BenchLimitsOptions {
  bool quick = false;
  std::string threads;
  std::string storage;
  bool no_storage = false;
  Format format = Format::text;
};

std::string shown(const engine::Limit& limit) {
  if (limit.unit == "B/s") return rate_text(limit.value);
  if (limit.unit == "op/s") return operations_text(limit.value);
  return time_text(limit.value);
}

Table table_of(const std::vector<engine::Limit>& limits) {
  Table table{.columns = {{"name", "what"},
                          {"threads", "threads", true},
                          {"bytes", "bytes", true},
                          {"detail", "detail"},
                          {"value", "value", true},
                          {"unit", ""},
                          {"seconds", ""},
                          {"best_seconds", ""},
                          {"spread", "spread", true},
                          {"repeats", "repeats", true},
                          {"disturbed_share", ""},
                          {"disturbed", ""}},
              .rows = {}};
  for (const engine::Limit& limit : limits) {
    const engine::Sample& s = limit.sample;
    Cell bytes;
    if (limit.bytes > 0) bytes = {limit.bytes, human(Bytes(static_cast<double>(limit.bytes)))};
    table.rows.push_back({{limit.name},
                          {static_cast<std::int64_t>(limit.threads)},
                          bytes,
                          {limit.detail},
                          {limit.value, shown(limit)},
                          {limit.unit},
                          {s.seconds},
                          {s.best},
                          {s.spread, spread_text(s.spread, s.is_disturbed())},
                          {static_cast<std::int64_t>(s.repeats)},
                          {s.disturbed},
                          {s.is_disturbed()}});
  }
  return table;
}

ExitCode run(const BenchLimitsOptions& options) {
  engine::condition();  // from here on, what others do is counted
  engine::LimitsOptions measured{
      .quick = options.quick, .threads = {}, .storage_folder = {}, .progress = progress_line};
  for (const std::int64_t count : counts_of("--threads", options.threads))
    measured.threads.push_back(static_cast<int>(count));
  if (!options.no_storage)
    measured.storage_folder =
        options.storage.empty() ? std::filesystem::current_path() : std::filesystem::path(options.storage);
  const Table table = table_of(engine::measure_limits(measured));
  const auto isa = engine::best_isa();
  switch (options.format) {
    case Format::json: {
      std::vector<Field> fields{{"schema", std::string("silicast.limits/1")}};
      for (Field& field : machine_fields(isa)) fields.push_back(std::move(field));
      print(document_json(fields, {{"limits", table}}));
      break;
    }
    case Format::csv: print(table_csv(table)); break;
    case Format::md: print(table_markdown(for_people(table))); break;
    default: print(machine_text(isa) + "\n" + table_text(for_people(table))); break;
  }
  return ExitCode::done;
}

}  // namespace

void add_bench_limits(const Command& bench, Action& action) {
  const auto options = std::make_shared<BenchLimitsOptions>();
  const Command command = bench.add_command("limits", "What this machine can do: memory, caches, arithmetic, storage");
  command.add_flag("--quick", options->quick, "Less of everything: a minute at most");
  command.add_option("--threads", options->threads, "Thread counts (default 1, 2, 4 ... and all)").type_name("N,N...");
  command.add_option("--storage", options->storage, "Where a file is written and read (default: this folder)")
      .type_name("DIR");
  command.add_flag("--no-storage", options->no_storage, "Writes no file");
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  command.examples(
      "silicast bench limits --quick\n"
      "silicast bench limits --threads 1,8 --no-storage --format json");
  command.when_asked([&action, options] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
