// SPDX-License-Identifier: Apache-2.0
// Profiles as YAML. An estimate is one scalar, "LOG SD CORRELATIONS": a file of 300 of them is read with every
// prediction.
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/document.h"
#include "base/text.h"
#include "model/profile.h"

namespace silicast {

namespace {

// A factor beyond e^5, or a deviation of as much, is no correction.
constexpr double widest_log = 5;

// "LOG SD", then correlations in thousandths.
Estimate read_estimate(const Section& section, const std::string& key) {
  const std::string text = section.text(key);
  const auto fail = [&](const std::string& expected) { section.fail(key, expected + ", got '" + text + "'"); };
  Estimate estimate;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto next = [&](auto& value) {
    while (at < end && *at == ' ') ++at;
    const auto [stop, error] = std::from_chars(at, end, value);
    const bool whole = error == std::errc() && (stop == end || *stop == ' ');
    at = stop;
    return whole;
  };
  if (!next(estimate.log) || !next(estimate.sd) || !(std::abs(estimate.log) <= widest_log) ||
      !(estimate.sd >= 0 && estimate.sd <= widest_log))
    fail("the logarithm of a factor (-5 to 5) and its standard deviation (0 to 5) are expected");
  constexpr int one = 1000;
  for (std::int16_t correlation = 0; at < end; estimate.correlations.push_back(correlation))
    if (!next(correlation) || std::abs(correlation) > one)
      fail("correlations are expected in thousandths, -1000 to 1000");
  return estimate;
}

void read_parameters(const Section& section, Profile& profile) {
  for (const auto& [quantity, node] : section.entries()) {
    const Section levels(*node, section.path_of(quantity));
    for (const auto& [name, value] : levels.entries())
      profile.parameters.emplace(quantity + "/" + name, read_estimate(levels, name));
  }
  for (const auto& [name, estimate] : profile.parameters)
    if (const auto partners = correlated_with(profile, name).size();
        !estimate.correlations.empty() && estimate.correlations.size() != partners)
      section.fail(std::string(name.substr(0, name.find('/'))),
                   name + " has " + std::to_string(estimate.correlations.size()) + " correlations, " +
                       std::to_string(partners) + " are expected: with the parameters of the same kind before it");
}

void read_measurements(const Section& section, Profile& profile) {
  for (const auto& [device, node] : section.entries()) {
    const Section stacks(*node, section.path_of(device));
    for (const auto& [stack, value] : stacks.entries()) profile.measurements[device][stack] = stacks.count(stack);
  }
}

void read_deepest(const Section& section, Profile& profile) {
  for (const auto& [device, node] : section.entries()) profile.deepest[device] = section.count(device);
}

MeasuredRate read_own_run(const Section& section) {
  constexpr double most = 1e15;
  MeasuredRate run{.cell = {.tokens = section.number("tokens", 1, most),
                            .depth = section.number("depth", 0, most),
                            .batch = section.number("batch", 1, most),
                            .stack = section.text("stack"),
                            .model = section.text("model"),
                            .quant = section.text("quant"),
                            .hidden = section.number("hidden", 0, most),
                            .parameters = section.number("parameters", 0, most),
                            .has_experts = section.flag("experts", false)},
                   .residual = section.number("residual", -widest_log, widest_log),
                   .noise = section.number("noise", 0, most)};
  section.finish();
  return run;
}

void read_own_runs(const Section& section, Profile& profile) {
  for (const PhaseKind phase : phase_kinds) {
    std::vector<MeasuredRate> runs;
    for (const Section& run : section.sections(name_of(phase))) runs.push_back(read_own_run(run));
    profile.own_runs[static_cast<std::size_t>(phase)] = ResidualField(std::move(runs));
  }
  section.finish();
}

ResidualScale read_scale(const Section& section) {
  const ResidualScale scale{section.number("decode", 0, widest_log), section.number("prefill", 0, widest_log)};
  section.finish();
  return scale;
}

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4f", value);
  return text.data();
}

// Names of kernels hold blanks, parentheses, ampersands.
std::string quoted(const std::string& name) { return "\"" + name + "\""; }

std::string count_text(double value) { return std::to_string(std::llround(value)); }

std::string own_runs_yaml(const Profile& profile) {
  if (!profile.has_leftovers()) return "";
  std::string text = "own_runs:\n";
  for (const PhaseKind phase : phase_kinds) {
    if (profile.leftovers(phase).empty()) continue;
    text += "  " + std::string(name_of(phase)) + ":\n";
    for (const auto& point : profile.leftovers(phase).points()) {
      const RateCell& cell = point.cell;
      text += "    - {residual: " + number(point.residual) + ", noise: " + number(point.noise) +
              ", tokens: " + count_text(cell.tokens) + ", depth: " + count_text(cell.depth) +
              ", batch: " + count_text(cell.batch) + ", stack: " + cell.stack + ", model: " + quoted(cell.model) +
              ", quant: " + quoted(cell.quant) + ", hidden: " + count_text(cell.hidden) +
              ", parameters: " + count_text(cell.parameters) + (cell.has_experts ? ", experts: true" : "") + "}\n";
    }
  }
  return text;
}

std::string parameters_yaml(const Profile& profile) {
  std::string text = "parameters:\n";
  std::string current;
  for (const auto& [name, estimate] : profile.parameters) {
    const auto slash = name.find('/');
    if (const std::string quantity = name.substr(0, slash); quantity != current) {
      current = quantity;
      text += "  " + quantity + ":\n";
    }
    text += "    " + quoted(name.substr(slash + 1)) + ": " + number(estimate.log) + " " + number(estimate.sd);
    for (const std::int16_t correlation : estimate.correlations) text += " " + std::to_string(correlation);
    text += "\n";
  }
  return text;
}

}  // namespace

Profile read_profile(const std::filesystem::path& file) {
  const Node root = read_yaml_file(file);
  const Section section(root);
  Profile profile;
  profile.family = section.text("family");
  profile.date = section.text("date");
  const Section rows = section.required_section("rows");
  profile.decode_rows = rows.count_or("decode", 0);
  profile.prefill_rows = rows.count_or("prefill", 0);
  profile.batched_rows = rows.count_or("batched", 0);
  profile.divided_rows = rows.count_or("divided", 0);
  rows.finish();
  const Section residual = section.required_section("residual");
  for (std::size_t i = 0; i < evidence_level_count; ++i)
    profile.residual[i] = read_scale(residual.required_section(name_of(static_cast<EvidenceLevel>(i))));
  residual.finish();
  const Section spread = section.required_section("spread");
  for (const auto& [name, node] : spread.entries()) profile.spread.emplace(name, spread.number(name, 0, widest_log));
  read_measurements(section.required_section("measurements"), profile);
  if (const auto deepest = section.section("deepest")) read_deepest(*deepest, profile);
  if (const auto types = section.section("cache_types"))
    for (const auto& [name, node] : types->entries()) profile.cache_types[name] = types->count(name);
  const Section architectures = section.required_section("architectures");
  for (const auto& [name, node] : architectures.entries())
    profile.architectures.emplace(name, architectures.count(name));
  read_parameters(section.required_section("parameters"), profile);
  if (const auto own = section.section("own_runs")) {
    if (profile.measurements.size() != 1)
      section.fail("own_runs", "runs of one machine are expected, the profile is of " +
                                   std::to_string(profile.measurements.size()) + " devices");
    read_own_runs(*own, profile);
  }
  section.ignore("sources");
  section.ignore("notes");
  section.finish();
  return profile;
}

std::string profile_yaml(const Profile& p) {
  std::string text =
      "# Written by `silicast calibrate fit`: logarithms of factors with their standard deviations "
      "(docs/data-format.md).\n";
  text += "family: " + p.family + "\ndate: " + p.date + "\n";
  text += "rows: {decode: " + std::to_string(p.decode_rows) + ", prefill: " + std::to_string(p.prefill_rows) +
          ", batched: " + std::to_string(p.batched_rows) + ", divided: " + std::to_string(p.divided_rows) + "}\n";
  text += "residual:\n";
  for (std::size_t i = 0; i < evidence_level_count; ++i)
    text += "  " + std::string(name_of(static_cast<EvidenceLevel>(i))) + ": {decode: " + number(p.residual[i].decode) +
            ", prefill: " + number(p.residual[i].prefill) + "}\n";
  text += "spread:\n";
  for (const auto& [name, value] : p.spread) text += "  " + name + ": " + number(value) + "\n";
  if (!p.deepest.empty()) {
    text += "deepest:\n";
    for (const auto& [device, tokens] : p.deepest) text += "  " + device + ": " + std::to_string(tokens) + "\n";
  }
  if (!p.cache_types.empty()) {
    text += "cache_types:\n";
    for (const auto& [type, rows] : p.cache_types) text += "  " + quoted(type) + ": " + std::to_string(rows) + "\n";
  }
  text += "measurements:\n";
  for (const auto& [device, stacks] : p.measurements) {
    std::vector<std::string> counts;
    for (const auto& [stack, rows] : stacks) counts.push_back(stack + ": " + std::to_string(rows));
    text += "  " + device + ": {" + join(counts, ", ") + "}\n";
  }
  text += "architectures:\n";
  for (const auto& [name, rows] : p.architectures) text += "  " + quoted(name) + ": " + std::to_string(rows) + "\n";
  return text + parameters_yaml(p) + own_runs_yaml(p);
}

}  // namespace silicast
