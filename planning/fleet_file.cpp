// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "base/document.h"
#include "base/error.h"
#include "base/text.h"
#include "planning/fleet.h"

namespace silicast::serving {

namespace {

constexpr double million = 1e6;
constexpr double most_years = 50;
constexpr std::int64_t most_months = 120;

std::optional<double> seconds(const Section& section, std::string_view key) {
  const auto value = section.optional_quantity<Seconds>(key);
  return value ? std::optional(value->value()) : std::nullopt;
}

Slo slo_of(const Section& section) {
  Slo slo;
  slo.ttft = seconds(section, "ttft");
  slo.tpot = seconds(section, "tpot");
  slo.e2e = seconds(section, "e2e");
  slo.percentile = section.optional_number("percentile", 1, 100).value_or(99);
  if (!slo.any()) section.fail("", "at least one of ttft, tpot and e2e is expected");
  return slo;
}

// "3 %", or 0.03.
double growth_of(const Section& section) {
  const auto text = section.optional_text("growth");
  if (!text) return 0;
  const bool percent = text->ends_with('%');
  const auto value = parse_number(trim(percent ? std::string_view(*text).substr(0, text->size() - 1) : *text));
  const double growth = value ? (percent ? *value / 100 : *value) : 2;
  if (growth < -0.9 || growth > 1)
    section.fail("growth", "a growth a month such as '5 %', from -90 % to 100 %, is expected, got '" + *text + "'");
  return growth;
}

LengthOf length_of(const Section& workload, std::string_view key) {
  if (!workload.has(key)) workload.fail(key, "required, but missing");
  if (workload.required(key).kind == Node::Kind::scalar) return {static_cast<double>(workload.count(key, 1)), 0};
  const Section section = workload.required_section(key);
  const LengthOf length{section.number("mean", 1, 1e7), section.optional_number("cv", 0, 10).value_or(0)};
  section.finish();
  return length;
}

void read_slo(const Section& section, const std::vector<SloPreset>& presets, WorkloadClass& workload) {
  if (section.required("slo").kind != Node::Kind::scalar) {
    const Section limits = section.required_section("slo");
    workload.slo = slo_of(limits);
    limits.finish();
  } else {
    workload.slo_name = section.text("slo");
    std::vector<std::string> names;
    for (const SloPreset& preset : presets) names.push_back(preset.name);
    workload.slo = presets.at(section.choice("slo", names)).slo;
  }
  try {
    check(workload.slo);
  } catch (const UsageError& error) {
    section.fail("slo", error.what());
  }
}

WorkloadClass read_workload(const Section& section, const std::vector<SloPreset>& presets) {
  WorkloadClass w;
  w.name = section.text("name");
  w.model = section.text("model");
  w.quants = section.texts("quant");
  w.users = section.optional_number("users", 1e-6, 1e9);
  if (w.users) {
    w.requests_per_user_hour = section.number("requests_per_user_hour", 1e-6, million);
    w.rate = *w.users * w.requests_per_user_hour / 3600;
    if (section.has("rate")) section.fail("rate", "users and rate exclude each other");
  } else {
    w.rate = section.number("rate", 1e-9, million);
  }
  w.growth = growth_of(section);
  w.mean_load = section.share("mean_load", 1);
  w.traffic.lengths.prompt = length_of(section, "prompt");
  w.traffic.lengths.output = length_of(section, "gen");
  w.traffic.turns = section.count_or("turns", 1, 1, 1000);
  w.traffic.turn_think = seconds(section, "turn_think").value_or(10);
  w.traffic.shared_prompt = section.count_or("shared_prompt", 0, 0, 10'000'000);
  read_slo(section, presets, w);
  section.finish();
  return w;
}

MachineOffer read_machine(const Section& section) {
  MachineOffer m;
  Query& q = m.query;
  q.device = section.text("device");
  m.name = section.text("name", q.device);
  q.stack = section.text("stack", "");
  q.memory = section.optional_quantity<Bytes>("memory");
  q.host = section.text("host", "");
  q.power_limit = section.optional_quantity<Watts>("power_limit");
  q.key_type = q.value_type = section.text("kv_type", "f16");
  if (section.has("ubatch")) q.ubatch = section.count("ubatch");
  q.split = static_cast<Split>(section.choice("split", {"layer", "row", "tensor"}, 0));
  m.quants = section.texts("quant");
  q.cost.price = section.optional_number("price", 1e-6, 1e9);
  q.cost.rent = section.optional_number("rent", 1e-9, million);
  if (q.cost.price && q.cost.rent) section.fail("rent", "price and rent exclude each other");
  m.batching.kind = static_cast<Batching>(section.choice("batching", batching_names(), 0));
  if (section.has("max_sequences")) m.batching.max_sequences = section.count("max_sequences");
  if (section.has("at_most")) m.at_most = section.count("at_most");
  section.finish();
  return m;
}

void read_site(const Section& section, Fleet& fleet) {
  fleet.site.power = section.optional_quantity<Watts>("power");
  fleet.site.budget = section.optional_number("budget", 1e-6, 1e12);
  fleet.site.redundancy = section.count_or("redundancy", 0, 0, 100);
  CostQuestion common;
  common.electricity = section.optional_number("electricity", 1e-6, 100);
  common.region = section.text("region", "");
  common.pue = section.optional_number("pue", 1, 10).value_or(1);
  common.lifetime_years = section.optional_number("lifetime_years", 0.1, most_years).value_or(3);
  section.finish();
  for (MachineOffer& machine : fleet.machines) {
    const CostQuestion own = machine.query.cost;
    machine.query.cost = common;
    machine.query.cost.price = own.price;
    machine.query.cost.rent = own.rent;
  }
}

template <class Item>
void check_names(const Section& root, const char* key, const std::vector<Item>& items) {
  if (items.empty()) root.fail(key, "at least one is expected");
  for (std::size_t i = 0; i < items.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (items[i].name == items[k].name) root.fail(key, "two are called '" + items[i].name + "'");
}

}  // namespace

double WorkloadClass::rate_in(std::int64_t month) const {
  return rate * std::pow(1 + growth, static_cast<double>(month));
}

std::vector<SloPreset> read_slo_file(const std::filesystem::path& file) {
  const Node root = read_yaml_file(file);
  const Section section(root);
  static_cast<void>(section.choice("kind", {"slos"}));
  const std::string source = section.text("source");
  static_cast<void>(section.text("date"));
  std::vector<SloPreset> presets;
  for (const Section& item : section.sections("slos")) {
    presets.push_back({item.text("name"), slo_of(item), source});
    item.finish();
    check(presets.back().slo);
  }
  section.ignore("notes");
  section.finish();
  return presets;
}

std::vector<SloPreset> read_slo_presets(const std::filesystem::path& folder) {
  std::vector<SloPreset> presets;
  if (!std::filesystem::is_directory(folder)) return presets;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files)
    for (SloPreset& preset : read_slo_file(file)) presets.push_back(std::move(preset));
  return presets;
}

Fleet read_fleet(const std::filesystem::path& file, const Database& database) {
  const Node root = read_yaml_file(file);
  const Section section(root);
  Fleet fleet;
  fleet.name = section.text("name", file.stem().string());
  fleet.months = section.count_or("months", 12, 1, most_months);
  fleet.seed = static_cast<std::uint64_t>(section.count_or("seed", 1));
  fleet.requests = section.count_or("requests", 1000, 100, 1'000'000);
  const std::vector<SloPreset> presets = read_slo_presets(database.folder() / "slos");
  for (const Section& item : section.sections("workloads")) fleet.workloads.push_back(read_workload(item, presets));
  for (const Section& item : section.sections("machines")) fleet.machines.push_back(read_machine(item));
  check_names(section, "workloads", fleet.workloads);
  check_names(section, "machines", fleet.machines);
  if (const auto site = section.section("site")) read_site(*site, fleet);
  section.finish();
  return fleet;
}

}  // namespace silicast::serving
