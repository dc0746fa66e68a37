// SPDX-License-Identifier: Apache-2.0
// silicast show: one entry of the catalogue, each figure with its source.
#include "cli/show.h"

#include <algorithm>
#include <map>
#include <memory>

#include "base/text.h"

namespace silicast::cli {

namespace {

// Who says what: a citation covers what its own file states, or its own variant.
class Citations {
 public:
  explicit Citations(const Entry& entry) : entry_(entry) {}

  // The most specific one of the place where the figure stands, else of the whole entry.
  [[nodiscard]] std::string of(const std::string& path, const Mark& mark) {
    const Node& file = root(mark.file ? *mark.file : std::string());
    if (const Node* variants = file.find("variants"))
      if (const Node* variant = variants->find(entry_.id); variant != nullptr && states(*variant, path))
        if (auto citation = best(listed(*variant), path); !citation.empty()) return citation;
    if (auto citation = best(listed(file), path); !citation.empty()) return citation;
    return best(entry_.sources, path);
  }

 private:
  using Sources = std::vector<std::pair<std::string, std::string>>;

  static std::string best(const Sources& sources, const std::string& path) {
    std::string result;
    std::size_t longest = 0;
    for (const auto& [field, citation] : sources) {
      const bool covers = field == "all" || path == field || path.starts_with(field + ".");
      const std::size_t length = field == "all" ? 1 : field.size() + 1;
      if (covers && length >= longest) result = citation, longest = length;
    }
    return result;
  }

  static Sources listed(const Node& map) {
    Sources sources;
    if (const Node* node = map.find("sources"))
      for (const auto& member : node->members) sources.emplace_back(member.key, member.value.scalar);
    return sources;
  }

  static bool states(const Node& map, const std::string& path) {
    const Node* node = &map;
    for (const auto key : split(path, '.'))
      if (node != nullptr) node = node->find(key);
    return node != nullptr;
  }

  const Node& root(const std::string& file) {
    const auto [at, is_new] = roots_.try_emplace(file);
    std::error_code error;
    if (is_new && std::filesystem::exists(file, error)) at->second = read_yaml_file(file);
    return at->second;
  }

  const Entry& entry_;
  std::map<std::string, Node> roots_;
};

bool is_simple(const Node& node) {
  return node.kind == Node::Kind::scalar ||
         (node.kind == Node::Kind::list && std::all_of(node.items.begin(), node.items.end(), [](const Node& item) {
            return item.kind == Node::Kind::scalar;
          }));
}

std::string simple_text(const Node& node) {
  if (node.kind == Node::Kind::scalar) return node.scalar;
  std::vector<std::string> items;
  for (const Node& item : node.items) items.push_back(item.scalar);
  return join(items, ", ");
}

// A map of scalars in a list stands on one line: {tensor: output, type: Q6_K}.
std::string inline_text(const Node& node) {
  if (is_simple(node)) return node.kind == Node::Kind::list ? "[" + simple_text(node) + "]" : simple_text(node);
  std::vector<std::string> members;
  for (const auto& member : node.members) members.push_back(member.key + ": " + inline_text(member.value));
  for (const Node& item : node.items) members.push_back(inline_text(item));
  return "{" + join(members, ", ") + "}";
}

void add_figures(const Node& node, const std::string& path, Citations& citations, Table& table) {
  const auto add = [&](const Node& value, const std::string& text) {
    table.rows.push_back({{path}, {text}, {citations.of(path, value.mark)}});
  };
  if (is_simple(node)) return add(node, simple_text(node));
  for (const auto& member : node.members)
    add_figures(member.value, path.empty() ? member.key : path + "." + member.key, citations, table);
  for (const Node& item : node.items) add(item, inline_text(item));
}

// People see a number for each citation; the sentences stand once, below.
std::vector<std::string> number_sources(Table& table) {
  std::vector<std::string> numbered;
  for (auto& row : table.rows) {
    const std::string citation = plain(row.back().value);
    if (citation.empty()) continue;
    auto at = std::find(numbered.begin(), numbered.end(), citation);
    if (at == numbered.end()) at = numbered.insert(numbered.end(), citation);
    row.back().shown = "[" + std::to_string(at - numbered.begin() + 1) + "]";
  }
  return numbered;
}

Page::Part peaks(const Device& device) {
  Table table{.columns = {{"unit", "unit"},
                          {"flops_per_second", "peak", true},
                          {"derivation", "cores x operations per clock x clock"}},
              .rows = {}};
  constexpr double tera = 1e12;
  constexpr double mega = 1e6;
  for (std::size_t i = 0; device.gpu && i < unit_count; ++i) {
    const Unit unit = static_cast<Unit>(i);
    if (!device.gpu->has(unit)) continue;
    const double peak = device.gpu->peak(unit).value();
    table.rows.push_back({{std::string(name_of(unit))},
                          {peak, rounded(peak / tera, 4) + " T/s"},
                          {std::to_string(device.gpu->cores) + " x " + exact(device.gpu->per_core_per_clock[i]) +
                           " x " + exact(device.gpu->clock.value() / mega) + " MHz"}});
  }
  return {"peaks", "Dense peaks that follow", std::move(table)};
}

std::string show(const ShowOptions& options) {
  const Database database(data_folder(options.data));
  if (options.kind == "model") return show_model(options, database);
  if (options.kind == "device") {
    const Entry entry = database.device_entry(options.name);
    const Device device = read_device(entry);
    Page page = entry_page(entry, options.kind);
    if (device.gpu) page.parts.push_back(peaks(device));
    return formatted(page, options.format);
  }
  if (options.kind == "quant") {
    const Entry entry = database.quants().find_or_read(options.name);
    static_cast<void>(read_quant_scheme(entry.section(), *database.types()));
    return formatted(entry_page(entry, options.kind), options.format);
  }
  const Entry entry = database.stacks().find_or_read(options.name);
  static_cast<void>(read_stack(entry, *database.types()));
  return formatted(entry_page(entry, options.kind), options.format);
}

// Options that only `show model` has are refused elsewhere.
void check_options(const ShowOptions& options) {
  if (options.kind == "model") return;
  if (!options.quant.empty() || options.per_layer || options.ops)
    throw UsageError("show " + options.kind + ": --quant, --per-layer and --ops belong to show model");
  if (options.format == Format::yaml)
    throw UsageError("show " + options.kind + ": --format yaml is for models; the entry's own file is YAML");
}

constexpr std::size_t text_width = 100;

std::string for_people(const Field& fact) {
  if (const auto* number = std::get_if<double>(&fact.value)) return rounded(*number, 4);
  const std::string text = plain(fact.value);
  const auto* bytes = std::get_if<std::int64_t>(&fact.value);
  return bytes != nullptr && fact.key.ends_with("_bytes")
             ? text + " (" + human(Bytes(static_cast<double>(*bytes))) + ")"
             : text;
}

}  // namespace

Page entry_page(const Entry& entry, const std::string& kind) {
  Page page;
  page.facts = {{"kind", kind},
                {"id", entry.id},
                {"name", entry.name},
                {"aliases", entry.aliases},
                {"file", entry.file.string()}};
  Table table{.columns = {{"field", "field"}, {"value", "value"}, {"source", "source"}}, .rows = {}};
  Citations citations(entry);
  add_figures(entry.figures, "", citations, table);
  page.sources = number_sources(table);
  page.parts.push_back({"figures", "Figures", std::move(table)});
  page.notes = entry.notes;
  return page;
}

std::string formatted(const Page& page, Format format) {
  if (format == Format::json) {
    auto facts = page.facts;
    facts.push_back({"notes", page.notes});
    std::vector<std::pair<std::string, Table>> tables;
    for (const auto& part : page.parts) tables.emplace_back(part.key, part.table);
    return document_json(facts, tables);
  }
  if (format == Format::csv) return table_csv(page.parts.front().table);
  const bool markdown = format == Format::md;
  std::string text = markdown ? fields_markdown(page.facts) : std::string();
  if (!markdown) {
    Table facts{.columns = {{"", ""}, {"", ""}}, .rows = {}};
    for (const Field& fact : page.facts)
      if (const std::string value = for_people(fact); !value.empty()) facts.rows.push_back({{fact.key}, {value}});
    text = table_text(facts).substr(1);  // without its empty line of headings
  }
  for (const auto& part : page.parts)
    text += "\n" + (markdown ? "### " + part.heading + "\n\n" + table_markdown(part.table)
                             : part.heading + ":\n" + table_text(part.table, 2));
  if (!page.sources.empty()) text += markdown ? "\n### Sources\n\n" : "\nSources:\n";
  for (std::size_t i = 0; i < page.sources.size(); ++i) {
    const std::string line = "[" + std::to_string(i + 1) + "] " + page.sources[i];
    text += markdown ? "- " + line + "\n" : "  " + wrapped(line, text_width - 2, 6) + "\n";
  }
  if (!page.notes.empty()) text += markdown ? "\n### Notes\n\n" : "\nNotes:\n";
  for (const std::string& note : page.notes)
    text += markdown ? "- " + note + "\n" : "  " + wrapped("- " + note, text_width - 2, 4) + "\n";
  return text;
}

void add_show(const Command& app, Action& action) {
  const auto options = std::make_shared<ShowOptions>();
  const Command command =
      app.add_command("show", "One device, model, quant or stack: its figures and where they come from");
  const auto read_kind = [options](const std::string& text) {
    static const std::vector<std::string> kinds{"device", "model", "quant", "stack"};
    options->kind = lower(text);
    if (std::find(kinds.begin(), kinds.end(), options->kind) == kinds.end())
      throw UsageError("show: one of " + join(kinds, ", ") + " is expected, got '" + text + "'" +
                       did_you_mean(text, kinds));
  };
  command.add_option("KIND", read_kind, "device, model, quant or stack").required();
  command.add_option("NAME", options->name, "Its id, an alias, or a file").required();
  const char* group = "Of a model";
  command.add_option("--quant", options->quant, "With the tensors of this quantization").type_name("NAME").group(group);
  command.add_flag("--per-layer", options->per_layer, "Every tensor by itself instead of groups of equal layers")
      .group(group);
  command.add_flag("--ops", options->ops, "With the operations of one step").group(group);
  const auto count = [command, group](const char* name, std::int64_t least, const char* help, std::int64_t& target) {
    command
        .add_option(
            name,
            [name, least, &target](const std::string& text) {
              const auto value = parse_integer(text);
              if (!value || *value < least || *value > Section::count_limit)
                throw UsageError(std::string(name) + ": a whole number from " + std::to_string(least) +
                                 " on is expected, got '" + text + "'");
              target = *value;
            },
            help)
        .type_name("N")
        .group(group);
  };
  count("--prompt", 1, "New tokens of each sequence in that step (default 1: decode)", options->prompt);
  count("--depth", 0, "Tokens already in the cache (default 0)", options->depth);
  count("--concurrency", 1, "Sequences in that step (default 1)", options->concurrency);
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md, Format::yaml});
  add_data_option(command, options->data);
  command.examples(
      "silicast show device m2-ultra-76\n"
      "silicast show model qwen3-30b-a3b --quant Q4_K_M\n"
      "silicast show model llama-3.1-8b --quant Q4_K_M --ops --prompt 512 --depth 4096\n"
      "silicast show model llama-3.1-8b --quant IQ3_XXS --format yaml > mine.yaml\n"
      "silicast show stack llama.cpp-metal --format json");
  command.when_asked([options, &action] {
    action = [options] {
      check_options(*options);
      print(show(*options));
      return ExitCode::done;
    };
  });
}

}  // namespace silicast::cli
