// SPDX-License-Identifier: Apache-2.0
// silicast list: one line per entry of a catalogue with its key figures.
#include <algorithm>
#include <array>
#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "model/database.h"
#include "report/table.h"

namespace silicast::cli {

namespace {

struct ListOptions {
  std::string kind;
  std::vector<std::string> words;
  std::string data;
  Format format = Format::text;
};

// Every word stands somewhere in the entry's names.
bool matches(const Entry& entry, const std::vector<std::string>& words) {
  std::string names = canonical_name(entry.id) + "\n" + canonical_name(entry.name);
  for (const std::string& alias : entry.aliases) names += "\n" + canonical_name(alias);
  return std::all_of(words.begin(), words.end(),
                     [&](const std::string& word) { return names.find(canonical_name(word)) != std::string::npos; });
}

std::vector<Entry> chosen(std::vector<Entry> entries, const ListOptions& options) {
  std::erase_if(entries, [&](const Entry& entry) { return !matches(entry, options.words); });
  return entries;
}
std::vector<Entry> chosen(const Catalogue& catalogue, const ListOptions& options) {
  return chosen(catalogue.all(), options);
}

// A number with its unit for people, the base unit for programs.
Cell in_unit(double value, double unit, const std::string& name) {
  if (value <= 0) return {};
  return {value, rounded(value / unit, 3) + " " + name};
}
Cell whole(double value, double unit, const std::string& name) {
  Cell cell = in_unit(value, unit, name);
  if (value > 0) cell.value = static_cast<std::int64_t>(value);
  return cell;
}

constexpr double giga = 1e9;
constexpr double tera = 1e12;

Cell capacities(const Memory& memory) {
  std::vector<std::int64_t> in_bytes;
  std::vector<std::string> sizes;
  for (const Bytes capacity : memory.capacities) {
    in_bytes.push_back(static_cast<std::int64_t>(capacity.value()));
    sizes.push_back(exact(capacity / 1_GiB));
  }
  return {in_bytes, join(sizes, "/") + " GiB"};
}

// The fastest that a device multiplies half-precision matrices.
double half_precision_peak(const Device& device) {
  const Processor* processor = device.gpu ? &*device.gpu : device.cpu ? &*device.cpu : nullptr;
  if (processor == nullptr) return 0;
  double best = 0;
  for (const Unit unit : {Unit::fp16_matrix, Unit::bf16_matrix, Unit::fp16, Unit::fp32})
    best = std::max(best, processor->peak(unit).value());
  return best;
}

Table devices(const Database& database, const ListOptions& options) {
  Table table{.columns = {{"id", "id"},
                          {"name", "name"},
                          {"class", "class"},
                          {"memory_bytes", "memory", true},
                          {"bandwidth_bytes_per_second", "bandwidth", true},
                          {"half_precision_flops", "FP16 peak", true},
                          {"tdp_watts", "TDP", true},
                          {"stack", "stack"}},
              .rows = {}};
  std::vector<Entry> entries = database.devices().all();
  for (Entry& own : database.own_devices()) entries.push_back(std::move(own));
  for (const Entry& entry : chosen(std::move(entries), options)) {
    const Device d = read_device(entry);
    table.rows.push_back({{d.id},
                          {d.name},
                          {std::string(name_of(d.device_class))},
                          capacities(d.memory),
                          in_unit(d.memory.bandwidth.value(), giga, "GB/s"),
                          in_unit(half_precision_peak(d), tera, "TFLOPS"),
                          d.power.tdp ? in_unit(d.power.tdp->value(), 1, "W") : Cell{},
                          {d.default_stack}});
  }
  return table;
}

Table models(const Database& database, const ListOptions& options) {
  Table table{.columns = {{"id", "id"},
                          {"name", "name"},
                          {"parameters", "parameters", true},
                          {"active_parameters", "active", true},
                          {"layers", "layers", true},
                          {"hidden", "hidden", true},
                          {"context", "context", true},
                          {"architecture", "architecture"}},
              .rows = {}};
  for (const Entry& entry : chosen(database.models(), options)) {
    const Architecture a = read_architecture(entry.section());
    table.rows.push_back({{entry.id},
                          {entry.name},
                          whole(static_cast<double>(parameter_count(a)), giga, "B"),
                          whole(static_cast<double>(active_parameter_count(a)), giga, "B"),
                          {static_cast<std::int64_t>(a.layers.size())},
                          {a.hidden},
                          {a.context},
                          {a.gguf_architecture}});
  }
  return table;
}

Table quants(const Database& database, const ListOptions& options) {
  Table table{.columns = {{"id", "id"},
                          {"name", "name"},
                          {"format", "format"},
                          {"default_type", "most weights"},
                          {"default_bits", "their bits", true},
                          {"rules", "rules", true}},
              .rows = {}};
  const TypeTable& types = *database.types();
  for (const Entry& entry : chosen(database.quants(), options)) {
    const QuantScheme scheme = read_quant_scheme(entry.section(), types);
    const TensorType& type = types[scheme.default_type];
    table.rows.push_back({{entry.id},
                          {entry.name},
                          {std::string(name_of(scheme.format))},
                          {type.name},
                          {type.bits_per_weight(), rounded(type.bits_per_weight(), 3)},
                          {static_cast<std::int64_t>(scheme.rules.size())}});
  }
  return table;
}

Table stacks(const Database& database, const ListOptions& options) {
  Table table{.columns = {{"id", "id"},
                          {"name", "name"},
                          {"release", "release"},
                          {"processor", "runs on"},
                          {"vendors", "vendors"},
                          {"formats", "reads"}},
              .rows = {}};
  for (const Entry& entry : chosen(database.stacks(), options)) {
    const Stack stack = read_stack(entry, *database.types());
    std::vector<std::string> formats;
    for (const QuantFormat format : stack.formats) formats.emplace_back(name_of(format));
    table.rows.push_back({{stack.id},
                          {stack.name},
                          {stack.release},
                          {std::string(stack.on_cpu ? "CPU" : "GPU")},
                          {stack.vendors, stack.vendors.empty() ? "any" : join(stack.vendors, ", ")},
                          {formats, join(formats, ", ")}});
  }
  return table;
}

// A line for each device and stack that a profile has measurements of; `matches` sees all of its names.
Table profiles(const Database& database, const ListOptions& options) {
  Table table{.columns = {{"id", "id"},
                          {"device", "device"},
                          {"stack", "stack"},
                          {"measurements", "rows", true},
                          {"date", "fitted"},
                          {"residual_decode", "decode spread", true},
                          {"residual_prefill", "prefill spread", true},
                          {"file", "file"}},
              .rows = {}};
  std::vector<std::filesystem::path> files;
  for (const auto& item : std::filesystem::directory_iterator(database.folder() / "profiles"))
    if (item.path().extension() == ".yaml") files.push_back(item.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const std::string id = file.stem().string();
    if (id == "evidence") continue;  // spreads of predictions without a profile
    const auto profile = database.profile(id);
    const ResidualScale& residual = profile->residual_of(EvidenceLevel::measured);
    for (const auto& [device, stacks] : profile->measurements)
      for (const auto& [stack, rows] : stacks)
        if (matches({.id = id, .name = device, .aliases = {stack}}, options.words))
          table.rows.push_back({{id},
                                {device},
                                {stack},
                                {rows},
                                {profile->date},
                                {residual.decode, rounded(residual.decode, 3)},
                                {residual.prefill, rounded(residual.prefill, 3)},
                                {file.string(), file.filename().string()}});
  }
  return table;
}

Table links(const Database& database, const ListOptions& options) {
  Table table{.columns = {{"id", "id"},
                          {"name", "name"},
                          {"bandwidth_bytes_per_second", "bandwidth", true},
                          {"share", "reached", true},
                          {"latency_seconds", "latency", true}},
              .rows = {}};
  for (const Entry& entry : chosen(database.links(), options)) {
    const Link link = read_link(entry);
    table.rows.push_back({{link.id},
                          {link.name},
                          link.bandwidth ? in_unit(link.bandwidth->value(), giga, "GB/s")
                                         : Cell{Value(), link.from == Link::From::pcie ? "its slot's" : "its ports'"},
                          {link.share, rounded(100 * link.share, 3) + " %"},
                          {link.latency.value(), human(link.latency)}});
  }
  return table;
}

const std::vector<std::string> kinds{"devices", "models", "quants", "stacks", "profiles", "links"};

Table table_of(const ListOptions& options) {
  const Database database(data_folder(options.data));
  constexpr std::array readers{devices, models, quants, stacks, profiles, links};
  const auto at = std::find(kinds.begin(), kinds.end(), options.kind);
  return readers[static_cast<std::size_t>(at - kinds.begin())](database, options);
}

ExitCode run(const ListOptions& options) {
  const Table table = table_of(options);
  if (table.rows.empty() && !options.words.empty())
    throw InputError("no " + options.kind + " with '" + join(options.words, " ") + "' in their names; 'silicast list " +
                     options.kind + "' shows all");
  switch (options.format) {
    case Format::json: print(table_json(table)); break;
    case Format::csv: print(table_csv(table)); break;
    case Format::md: print(table_markdown(table)); break;
    case Format::text:
    case Format::yaml: print(table_text(table)); break;
  }
  return ExitCode::done;
}

}  // namespace

void add_list(const Command& app, Action& action) {
  const auto options = std::make_shared<ListOptions>();
  const Command command =
      app.add_command("list", "The devices, models, quants, stacks, profiles and links that are known");
  const auto read_kind = [options](const std::string& text) {
    const std::string kind = lower(text) + (text.ends_with('s') ? "" : "s");
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end())
      throw UsageError("list: one of " + join(kinds, ", ") + " is expected, got '" + text + "'" +
                       did_you_mean(kind, kinds));
    options->kind = kind;
  };
  command.add_option("KIND", read_kind, "devices, models, quants, stacks, profiles or links").required();
  command.add_option("WORD", options->words, "Only those with these words in their id, name or aliases");
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  add_data_option(command, options->data);
  command.examples(
      "silicast list devices\n"
      "silicast list devices rtx 40\n"
      "silicast list models qwen3 --format csv\n"
      "silicast list quants iq --format json\n"
      "silicast list profiles rtx-4090");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
