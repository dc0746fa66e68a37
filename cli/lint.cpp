// SPDX-License-Identifier: Apache-2.0
#include "cli/lint.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "base/csv.h"
#include "base/text.h"
#include "calibration/observation.h"
#include "calibration/plausibility.h"
#include "planning/fleet.h"

namespace silicast::cli {

namespace {

namespace fs = std::filesystem;

enum class Kind { device, model, quant, stack, link, types, workload, prices, slos, fleet, family, profile, unknown };

bool has_any(const Node& root, std::initializer_list<std::string_view> keys) {
  return std::any_of(keys.begin(), keys.end(), [&](std::string_view key) { return root.find(key) != nullptr; });
}

Kind kind_by_folder(const std::string& folder) {
  static const std::map<std::string, Kind> kinds{
      {"families", Kind::family}, {"devices", Kind::device}, {"models", Kind::model},
      {"quants", Kind::quant},    {"stacks", Kind::stack},   {"profiles", Kind::profile},
      {"links", Kind::link},      {"prices", Kind::prices},  {"slos", Kind::slos}};
  const auto at = kinds.find(folder);
  return at == kinds.end() ? Kind::unknown : at->second;
}

Kind kind_by_content(const Node& root) {
  if (root.find("workload") != nullptr) return Kind::workload;
  if (has_any(root, {"workloads", "machines"})) return Kind::fleet;
  if (has_any(root, {"class", "vendor", "gpu", "memory"})) return Kind::device;
  if (has_any(root, {"layers", "hidden", "vocabulary"})) return Kind::model;
  if (has_any(root, {"processor", "matmul", "overheads"})) return Kind::stack;
  if (has_any(root, {"default", "rules", "embeddings"})) return Kind::quant;
  if (has_any(root, {"latency"})) return Kind::link;
  return Kind::unknown;
}

Kind kind_of(const fs::path& file, const Node& root) {
  if (file.filename() == "types.yaml") return Kind::types;
  const Kind by_folder = kind_by_folder(file.parent_path().filename().string());
  if (by_folder != Kind::unknown) return by_folder;
  if (const Kind kind = kind_by_content(root); kind != Kind::unknown) return kind;
  // A file of variants may say all of it there.
  if (const Node* variants = root.find("variants"))
    for (const auto& variant : variants->members)
      if (const Kind kind = kind_by_content(variant.value); kind != Kind::unknown) return kind;
  return Kind::unknown;
}

std::string at(const Mark& mark, const std::string& key, const std::string& what) {
  return InputError(mark, key, what).what();
}

Mark mark_of(const Entry& entry, const char* key) {
  const Node* node = entry.figures.find(key);
  return node == nullptr ? entry.figures.mark : node->mark;
}

void lint_default_stack(const Entry& entry, const Device& device, const Database& database, Findings& findings) {
  if (device.default_stack.empty() || database.stacks().try_find(device.default_stack)) return;
  findings.push_back(
      at(mark_of(entry, "default_stack"), "default_stack", "there is no stack '" + device.default_stack + "'"));
}

void lint_stack(const Entry& entry, const Database& database, Findings& findings) {
  const Stack stack = read_stack(entry, *database.types());
  if (stack.generation == stack.id || database.stacks().try_find(stack.generation)) return;
  findings.push_back(at(mark_of(entry, "generation"), "generation", "there is no stack '" + stack.generation + "'"));
}

void lint_model(const Entry& entry, const Database& database, Findings& findings) {
  const Architecture a = read_architecture(entry.section());
  validate(a, entry.file.string());
  for (const std::string& name : a.published_quants)
    if (!database.quants().try_find(name))
      findings.push_back(
          at(mark_of(entry, "published_quants"), "published_quants", "there is no quantization '" + name + "'"));
  const std::int64_t counted = parameter_count(a);
  if (a.stated_parameters && *a.stated_parameters != counted)
    findings.push_back(
        at(mark_of(entry, "parameters"), "parameters",
           "states " + std::to_string(*a.stated_parameters) + ", but the shapes give " + std::to_string(counted)));
  const auto active = static_cast<double>(active_parameter_count(a));
  constexpr double tolerance = 0.005;  // published counts leave out or add the embedding's rows, norms, routers
  if (a.stated_active_parameters && std::abs(static_cast<double>(*a.stated_active_parameters) / active - 1) > tolerance)
    findings.push_back(
        at(mark_of(entry, "active_parameters"), "active_parameters",
           "states " + std::to_string(*a.stated_active_parameters) + ", but the shapes give " + exact(active)));
}

void lint_entry(const Entry& entry, Kind kind, const Database& database, Findings& findings) {
  switch (kind) {
    case Kind::device:
      for (auto& finding : lint_device(entry)) findings.push_back(std::move(finding));
      lint_default_stack(entry, read_device(entry), database, findings);
      break;
    case Kind::model: lint_model(entry, database, findings); break;
    case Kind::quant: static_cast<void>(read_quant_scheme(entry.section(), *database.types())); break;
    case Kind::stack: lint_stack(entry, database, findings); break;
    case Kind::link: static_cast<void>(read_link(entry)); break;
    case Kind::types:
    case Kind::workload:
    case Kind::family:
    case Kind::prices:
    case Kind::slos:
    case Kind::fleet:
    case Kind::profile:
    case Kind::unknown: break;
  }
  for (const auto& [path, mark] : figures_without_source(entry))
    findings.push_back(at(mark, path, "no source is given for this figure"));
}

// Of a kind that has entries.
const Catalogue& catalogue_of(Kind kind, const Database& database) {
  if (kind == Kind::model) return database.models();
  if (kind == Kind::quant) return database.quants();
  if (kind == Kind::stack) return database.stacks();
  if (kind == Kind::link) return database.links();
  ensure(kind == Kind::device, "a kind of file that holds entries");
  return database.devices();
}

constexpr std::array entry_kinds{Kind::device, Kind::model, Kind::quant, Kind::stack, Kind::link};
bool has_entries(Kind kind) { return std::find(entry_kinds.begin(), entry_kinds.end(), kind) != entry_kinds.end(); }

void lint_prices(const Node& root, const Database& database, Findings& findings) {
  const Section file(root);
  if (file.text("kind") == "currencies") return static_cast<void>(PriceBook::read_rates(file));
  const bool of_devices = file.text("kind") != "electricity";
  for (const PriceBook::Item& item : PriceBook::read_items(file))
    if (of_devices && !database.devices().try_find(item.name))
      findings.push_back(at(root.mark, "prices", "there is no device '" + item.name + "'"));
}

void lint_content(const fs::path& file, const Node& root, const Database& database, Findings& findings) {
  const Kind kind = kind_of(file, root);
  if (kind == Kind::unknown) {
    findings.push_back(at(
        root.mark, "", "is neither a device, a model, a quantization scheme, a stack, a link, a workload nor a fleet"));
  } else if (kind == Kind::types) {
    static_cast<void>(TypeTable(Section(root)));
  } else if (kind == Kind::workload) {
    static_cast<void>(read_workload(Section(root), database.types()));
  } else if (kind == Kind::prices) {
    lint_prices(root, database, findings);
  } else if (kind == Kind::slos) {
    static_cast<void>(serving::read_slo_file(file));
  } else if (kind == Kind::fleet) {
    static_cast<void>(serving::read_fleet(file, database));
  } else if (has_entries(kind)) {
    for (const Entry& entry : catalogue_of(kind, database).entries_of(file)) {
      try {
        lint_entry(entry, kind, database, findings);
      } catch (const InputError& error) {
        findings.emplace_back(error.what());
      }
    }
  }
}

// The entries of a file; none where it cannot be read, which lint_file reports.
std::vector<Entry> readable_entries(const fs::path& file, const Catalogue& catalogue) {
  try {
    return catalogue.entries_of(file);
  } catch (const InputError&) {
    return {};
  }
}

// Every row readable, and possible as far as that can be judged.
Findings lint_measurements(const fs::path& file, const Database& database) {
  Findings findings;
  std::vector<BadRow> bad;
  const CsvTable table(read_text_file(file, 512_MiB), file.string(), &bad);
  const auto place = [&](int line) { return Mark{std::make_shared<const std::string>(file.string()), line, 0}; };
  Plausibility judge(database);
  for (const Observation& row : parse_observations(table, &bad))
    if (const auto verdict = judge(row); verdict.doubt)
      findings.push_back(at(place(row.line), "value", verdict.doubt->reason + ": " + verdict.doubt->detail));
  for (const BadRow& row : bad) findings.push_back(at(place(row.line), "", row.what));
  return findings;
}

}  // namespace

std::vector<fs::path> data_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& item : fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink)) {
    const auto ending = item.path().extension();
    if (item.is_regular_file() && (ending == ".yaml" || ending == ".yml" || ending == ".csv"))
      files.push_back(item.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Findings lint_file(const fs::path& file, const Database& database) {
  Findings findings;
  try {
    const std::string ending = lower(file.extension().string());
    if (ending == ".csv") return lint_measurements(file, database);
    if (ending != ".yaml" && ending != ".yml")
      throw InputError(file.string() + ": a .yaml or .csv file is expected; this is " +
                       (ending.empty() ? "a file without ending" : "'" + ending + "'"));
    const Node root = read_yaml_file(file);
    if (root.kind != Node::Kind::map) throw InputError(root.mark, "", "a map is expected, got " + shown(root));
    lint_content(file, root, database, findings);
  } catch (const InputError& error) {
    findings.emplace_back(error.what());
  }
  // What a family or the shared part of variants says wrongly is found once for each of them.
  std::set<std::string> seen;
  std::erase_if(findings, [&](const std::string& finding) { return !seen.insert(finding).second; });
  return findings;
}

Findings lint_names(const std::vector<fs::path>& files, const Database& database) {
  Findings findings;
  for (const Kind kind : entry_kinds) {
    const Catalogue& catalogue = catalogue_of(kind, database);
    std::error_code error;
    std::set<fs::path> asked;
    for (const fs::path& file : files)
      if (kind_by_folder(file.parent_path().filename().string()) == kind)
        asked.insert(fs::weakly_canonical(file, error));
    if (asked.empty()) continue;
    std::set<fs::path> all = asked;
    for (const auto& item : fs::directory_iterator(catalogue.folder()))
      if (item.path().extension() == ".yaml" && item.path().filename() != "types.yaml")
        all.insert(fs::weakly_canonical(item.path(), error));
    std::map<std::string, std::pair<std::string, fs::path>> owners;  // name -> id, file
    for (const fs::path& file : all)
      for (const Entry& entry : readable_entries(file, catalogue)) {
        std::set<std::string> names{canonical_name(entry.id)};
        for (const std::string& alias : entry.aliases) names.insert(canonical_name(alias));
        for (const std::string& name : names) {
          const auto [owner, is_new] = owners.try_emplace(name, entry.id, file);
          if (!is_new && (asked.contains(file) || asked.contains(owner->second.second)))
            findings.push_back(at(entry.figures.mark, "",
                                  "the name '" + name + "' of " + entry.id + " is also one of " + owner->second.first +
                                      " in " + owner->second.second.string()));
        }
      }
  }
  return findings;
}

}  // namespace silicast::cli
