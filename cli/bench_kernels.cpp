// SPDX-License-Identifier: Apache-2.0
// silicast bench kernels: the engine's products beside the limits of the same run.
#include <memory>

#include "base/text.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "engine/measure/kernel_bench.h"

namespace silicast::cli {

namespace {

struct Options {
  bool quick = false;
  bool hot = false;
  bool cold = false;
  std::string types;
  std::string shapes;
  std::string batches;
  std::string threads;
  std::string isa;
  Format format = Format::text;
};

std::vector<engine::LayerShape> shapes_of(const std::string& text) {
  std::vector<engine::LayerShape> shapes;
  if (text.empty()) return shapes;
  for (const auto part : split(text, ',')) {
    const std::string lowered = lower(trim(part));
    const auto sides = split(lowered, 'x');
    const auto rows = sides.size() == 2 ? parse_integer(sides[0]) : std::nullopt;
    const auto columns = sides.size() == 2 ? parse_integer(sides[1]) : std::nullopt;
    if (!rows || !columns || *rows < 1 || *columns < 32 || *columns % 32 != 0 || *rows > 1'000'000 ||
        *columns > 1'000'000)
      throw UsageError("--shape: ROWSxCOLUMNS is expected, columns a multiple of 32 (256 for K and IQ types), got '" +
                       std::string(trim(part)) + "'");
    shapes.push_back({"", *rows, *columns});
  }
  return shapes;
}

Table table_of(const std::vector<engine::KernelResult>& results) {
  Table table{.columns = {{"type", "type"},
                          {"shape", "layer"},
                          {"rows", "rows", true},
                          {"columns", "columns", true},
                          {"batch", "batch", true},
                          {"threads", "threads", true},
                          {"cold", "weights"},
                          {"seconds", "time", true},
                          {"bytes", ""},
                          {"flops", ""},
                          {"gb_per_second", "GB/s", true},
                          {"gflop_per_second", "GFLOP/s", true},
                          {"fraction_of_read", "of read", true},
                          {"fraction_of_peak", "of peak", true},
                          {"fraction_of_limit", ""},
                          {"read_limit_bytes_per_second", ""},
                          {"peak_operations_per_second", ""},
                          {"best_seconds", ""},
                          {"wall_seconds", ""},
                          {"spread", "spread", true},
                          {"repeats", ""},
                          {"disturbed_share", ""},
                          {"disturbed", ""}},
              .rows = {}};
  const auto share = [](double value) { return Cell{value, rounded(value, 2)}; };
  const auto number = [](double value) { return Cell{value, rounded(value, 3)}; };
  for (const engine::KernelResult& r : results) {
    const engine::Sample& s = r.sample;
    table.rows.push_back({{std::string(engine::traits_of(r.what.type).name)},
                          {r.what.shape.name},
                          {r.what.shape.rows},
                          {r.what.shape.columns},
                          {r.what.batch},
                          {static_cast<std::int64_t>(r.what.threads)},
                          {r.what.cold, r.what.cold ? "cold" : "hot"},
                          {s.seconds, time_text(s.seconds)},
                          {r.bytes},
                          {r.operations},
                          number(r.bytes_per_second() / 1e9),
                          number(r.operations_per_second() / 1e9),
                          share(r.of_read()),
                          share(r.of_peak()),
                          {r.of_limit()},
                          {r.roof.read},
                          {r.roof.operations},
                          {s.best},
                          {s.wall_seconds},
                          {s.spread, spread_text(s.spread, s.is_disturbed())},
                          {static_cast<std::int64_t>(s.repeats)},
                          {s.disturbed},
                          {s.is_disturbed()}});
  }
  return table;
}

engine::KernelBenchOptions measured(const Options& options) {
  if (options.hot && options.cold) throw UsageError("--hot and --cold exclude each other; without them both are run");
  engine::KernelBenchOptions result{.quick = options.quick,
                                    .types = types_of(options.types),
                                    .shapes = shapes_of(options.shapes),
                                    .batches = counts_of("--batch", options.batches),
                                    .threads = {},
                                    .cold = {},
                                    .isa = isa_of(options.isa),
                                    .stream_bytes = 0,
                                    .progress = progress_line};
  if (options.hot || options.cold) result.cold = options.cold;
  for (const std::int64_t count : counts_of("--threads", options.threads))
    result.threads.push_back(static_cast<int>(count));
  return result;
}

ExitCode run(const Options& options) {
  const auto what = measured(options);
  engine::condition();  // from here on, what others do is counted
  const auto results = engine::measure_kernels(what);
  const Table table = table_of(results);
  switch (options.format) {
    case Format::json: {
      std::vector<Field> fields{{"schema", std::string("silicast.kernels/1")}};
      for (Field& field : machine_fields(*what.isa)) fields.push_back(std::move(field));
      print(document_json(fields, {{"kernels", table}}));
      break;
    }
    case Format::csv: print(table_csv(table)); break;
    case Format::md: print(table_markdown(for_people(table))); break;
    default: print(machine_text(*what.isa) + "\n" + table_text(for_people(table))); break;
  }
  return ExitCode::done;
}

}  // namespace

void add_bench_kernels(const Command& bench, Action& action) {
  const auto options = std::make_shared<Options>();
  const Command command = bench.add_command("kernels", "The engine's products, type by type, beside the limits");
  command.add_flag("--quick", options->quick, "One shape, batches of 1, 4 and 512, cold: a minute at most");
  command.add_option("--type", options->types, "Types of the weights (default: all)").type_name("TYPE,...");
  command.add_option("--shape", options->shapes, "Shapes (default: layers of real models)").type_name("RxC,...");
  command.add_option("--batch", options->batches, "Rows of activations (default 1, 2, 4 ... 512)").type_name("N,...");
  command.add_option("--threads", options->threads, "Thread counts (default 1, 2, 4 ... and all)").type_name("N,...");
  command.add_option("--isa", options->isa, "The instruction set (default: the best this machine has)")
      .type_name("NAME");
  command.add_flag("--cold", options->cold, "Weights from memory only");
  command.add_flag("--hot", options->hot, "Weights from the caches only");
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  command.examples(
      "silicast bench kernels --quick\n"
      "silicast bench kernels --type Q4_K,Q8_0 --shape 4096x4096 --batch 1,512 --format json\n"
      "silicast bench kernels --isa avx2 --threads 1 --hot");
  command.when_asked([&action, options] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
