// SPDX-License-Identifier: Apache-2.0
// silicast bench kernels: the engine's products, or its attention, beside the limits of the same run.
#include <memory>

#include "base/text.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "engine/measure/attention_bench.h"
#include "engine/measure/kernel_bench.h"

namespace silicast::cli {

namespace {

struct BenchKernelsOptions {
  bool quick = false;
  bool hot = false;
  bool cold = false;
  bool attention = false;
  std::string types;
  std::string shapes;
  std::string batches;
  std::string threads;
  std::string isa;
  std::string positions;
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

Table table_of(const std::vector<engine::AttentionResult>& results) {
  Table table{.columns = {{"shape", "heads of"},
                          {"heads", "heads", true},
                          {"kv_heads", "KV heads", true},
                          {"head_dim", "width", true},
                          {"kv_type", "cache"},
                          {"positions", "positions", true},
                          {"tokens", "tokens", true},
                          {"threads", "threads", true},
                          {"seconds", "time", true},
                          {"bytes", ""},
                          {"flops", ""},
                          {"gb_per_second", "GB/s", true},
                          {"gflop_per_second", "GFLOP/s", true},
                          {"fraction_of_read", "of read", true},
                          {"fraction_of_peak", "of FP32", true},
                          {"read_limit_bytes_per_second", ""},
                          {"peak_operations_per_second", ""},
                          {"best_seconds", ""},
                          {"wall_seconds", ""},
                          {"spread", "spread", true},
                          {"repeats", ""},
                          {"disturbed_share", ""},
                          {"disturbed", ""}},
              .rows = {}};
  const auto number = [](double value, int digits) { return Cell{value, rounded(value, digits)}; };
  for (const engine::AttentionResult& r : results) {
    const engine::Sample& s = r.sample;
    table.rows.push_back({{r.what.shape.name},
                          {r.what.shape.heads},
                          {r.what.shape.kv_heads},
                          {r.what.shape.head_dim},
                          {std::string(name_of(r.what.type))},
                          {r.what.positions},
                          {r.what.tokens},
                          {static_cast<std::int64_t>(r.what.threads)},
                          {s.seconds, time_text(s.seconds)},
                          {r.bytes},
                          {r.operations},
                          number(r.bytes_per_second() / 1e9, 3),
                          number(r.operations_per_second() / 1e9, 3),
                          number(r.of_read(), 2),
                          number(r.of_peak(), 2),
                          {r.read_limit},
                          {r.peak},
                          {s.best},
                          {s.wall_seconds},
                          {s.spread, spread_text(s.spread, s.is_disturbed())},
                          {static_cast<std::int64_t>(s.repeats)},
                          {s.disturbed},
                          {s.is_disturbed()}});
  }
  return table;
}

std::vector<int> threads_of(const std::string& text) {
  std::vector<int> threads;
  for (const std::int64_t count : counts_of("--threads", text)) threads.push_back(static_cast<int>(count));
  return threads;
}

engine::AttentionBenchOptions measured_attention(const BenchKernelsOptions& options) {
  if (options.hot || options.cold || !options.types.empty() || !options.shapes.empty() || !options.batches.empty())
    throw UsageError(
        "--attention measures caches of its own: --type, --shape, --batch, --hot and --cold are not for it");
  return {.quick = options.quick,
          .shapes = {},
          .positions = counts_of("--positions", options.positions),
          .tokens = {},
          .threads = threads_of(options.threads),
          .isa = isa_of(options.isa),
          .stream_bytes = 0,
          .progress = progress_line};
}

engine::KernelBenchOptions measured(const BenchKernelsOptions& options) {
  if (options.hot && options.cold) throw UsageError("--hot and --cold exclude each other; without them both are run");
  engine::KernelBenchOptions result{.quick = options.quick,
                                    .types = types_of(options.types),
                                    .shapes = shapes_of(options.shapes),
                                    .batches = counts_of("--batch", options.batches),
                                    .threads = threads_of(options.threads),
                                    .cold = {},
                                    .isa = isa_of(options.isa),
                                    .stream_bytes = 0,
                                    .progress = progress_line};
  if (options.hot || options.cold) result.cold = options.cold;
  if (!options.positions.empty()) throw UsageError("--positions is for --attention");
  return result;
}

ExitCode run(const BenchKernelsOptions& options) {
  const auto isa = isa_of(options.isa);
  Table table;
  if (options.attention) {
    const auto what = measured_attention(options);
    engine::condition();  // from here on, what others do is counted
    table = table_of(engine::measure_attention(what));
  } else {
    const auto what = measured(options);
    engine::condition();
    table = table_of(engine::measure_kernels(what));
  }
  switch (options.format) {
    case Format::json: {
      std::vector<Field> fields{{"schema", std::string("silicast.kernels/1")}};
      for (Field& field : machine_fields(isa)) fields.push_back(std::move(field));
      print(document_json(fields, {{options.attention ? "attention" : "kernels", table}}));
      break;
    }
    case Format::csv: print(table_csv(table)); break;
    case Format::md: print(table_markdown(for_people(table))); break;
    default: print(machine_text(isa) + "\n" + table_text(for_people(table))); break;
  }
  return ExitCode::done;
}

}  // namespace

void add_bench_kernels(const Command& bench, Action& action) {
  const auto options = std::make_shared<BenchKernelsOptions>();
  const Command command = bench.add_command("kernels", "The engine's products or its attention, beside the limits");
  command.add_flag("--quick", options->quick, "One shape, batches of 1, 4 and 512, cold: a minute at most");
  command.add_option("--type", options->types, "Types of the weights (default: all)").type_name("TYPE,...");
  command.add_option("--shape", options->shapes, "Shapes (default: layers of real models)").type_name("RxC,...");
  command.add_option("--batch", options->batches, "Rows of activations (default 1, 2, 4 ... 512)").type_name("N,...");
  command.add_option("--threads", options->threads, "Thread counts (default 1, 2, 4 ... and all)").type_name("N,...");
  command.add_option("--isa", options->isa, "The instruction set (default: the best this machine has)")
      .type_name("NAME");
  command.add_flag("--attention", options->attention,
                   "Attention instead of products: decode and prefill over F16 and Q8_0 caches");
  command.add_option("--positions", options->positions, "Positions in the cache (default 512, 2048, 8192)")
      .type_name("N,...");
  command.add_flag("--cold", options->cold, "Weights from memory only");
  command.add_flag("--hot", options->hot, "Weights from the caches only");
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  command.examples(
      "silicast bench kernels --quick\n"
      "silicast bench kernels --type Q4_K,Q8_0 --shape 4096x4096 --batch 1,512 --format json\n"
      "silicast bench kernels --isa avx2 --threads 1 --hot\n"
      "silicast bench kernels --attention --quick");
  command.when_asked([&action, options] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
