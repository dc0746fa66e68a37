// SPDX-License-Identifier: Apache-2.0
#include "cli/query_options.h"

#include "base/text.h"

namespace silicast::cli {

namespace {

constexpr const char* what_group = "What runs where";
constexpr const char* how_group = "How it runs";

std::int64_t whole_number(const std::string& option, const std::string& text, std::int64_t least) {
  const auto value = parse_integer(text);
  if (!value) throw UsageError(option + ": a whole number is expected, got '" + text + "'");
  if (*value < least) throw UsageError(option + ": at least " + std::to_string(least) + " is expected, got " + text);
  return *value;
}

Bytes size(const std::string& option, const std::string& text) {
  const auto value = parse_quantity<Bytes>(text);
  if (!value) {
    const bool unit_missing = parse_number(text).has_value();
    throw UsageError(option + ": " +
                     (unit_missing ? "the unit is missing in '" + text + "'"
                                   : "a size such as 24GiB is expected, got '" + text + "'") +
                     "; accepted units: " + accepted_units<Bytes>());
  }
  if (value->value() <= 0) throw UsageError(option + ": must be above zero, got '" + text + "'");
  return *value;
}

// Adds an option whose text is read by `read(text)`.
template <class Read>
void add(const Command& command, const std::string& name, const char* type, const char* group, const std::string& help,
         Read read) {
  command.add_option(name, read, help).type_name(type).group(group);
}

void add_text(const Command& command, const std::string& name, const char* type, const char* group,
              const std::string& help, std::string& target) {
  add(command, name, type, group, help, [name, &target](const std::string& text) {
    if (trim(text).empty()) throw UsageError(name + ": a name is expected, got nothing");
    target = text;
  });
}

template <class Target>
void add_count(const Command& command, const std::string& name, std::int64_t least, const std::string& help,
               Target& target) {
  add(command, name, "N", how_group, help,
      [name, least, &target](const std::string& text) { target = whole_number(name, text, least); });
}

void read_flash_attention(const std::string& text, FlashAttention& target) {
  const std::string name = lower(text);
  if (name == "on" || name == "1")
    target = FlashAttention::on;
  else if (name == "off" || name == "0")
    target = FlashAttention::off;
  else if (name == "auto")
    target = FlashAttention::automatic;
  else
    throw UsageError("--flash-attn: on, off or auto is expected, got '" + text + "'");
}

void read_cache_types(const std::string& text, Query& query) {
  const auto parts = split(text, ',');
  if (parts.size() > 2 || trim(parts.front()).empty() || trim(parts.back()).empty())
    throw UsageError("--kv-type: one type, or two as K,V, are expected, got '" + text + "'");
  query.key_type = lower(trim(parts.front()));
  query.value_type = lower(trim(parts.back()));
}

void read_override(const std::string& text, Query& query) {
  const auto equals = text.find('=');
  const std::string path(trim(std::string_view(text).substr(0, equals)));
  const std::string value(equals == std::string::npos ? std::string_view()
                                                      : trim(std::string_view(text).substr(equals + 1)));
  if (path.empty() || value.empty())
    throw UsageError("--set: PATH=VALUE is expected, such as memory.bandwidth=900GB/s, got '" + text + "'");
  constexpr std::string_view of_host = "host.";
  if (path.starts_with(of_host))
    query.host_overrides.push_back({path.substr(of_host.size()), value});
  else
    query.overrides.push_back({path, value});
}

// "0,4096,8192", or "uniform:0..8192".
void read_depths(const std::string& text, Query& query) {
  const std::string uniform = "uniform:";
  query.depths.clear();
  query.depth_range.reset();
  if (lower(text).starts_with(uniform)) {
    const std::string range = text.substr(uniform.size());
    const auto dots = range.find("..");
    if (dots == std::string::npos)
      throw UsageError("--depths: a range such as uniform:0..8192 is expected, got '" + text + "'");
    query.depth_range = {whole_number("--depths", range.substr(0, dots), 0),
                         whole_number("--depths", range.substr(dots + 2), 0)};
    return;
  }
  for (const auto part : split(text, ',')) query.depths.push_back(whole_number("--depths", std::string(trim(part)), 0));
}

}  // namespace

void add_query_options(const Command& command, Query& query) {
  add_text(command, "--model", "NAME|FILE", what_group,
           "A model of the catalogue, or a config.json, .gguf or .yaml file", query.model);
  add_text(command, "--quant", "NAME", what_group,
           "Quantization as llama.cpp spells it: Q4_K_M, IQ3_XXS, F16, ... (default: the one that a model released "
           "quantized "
           "alone comes in, else the stack's usual one)",
           query.quant);
  add_text(command, "--device", "NAME|FILE", what_group,
           "A device of the catalogue, or a .yaml file; NAMExN for several", query.device);
  add(command, "--memory", "SIZE", what_group,
      "Which of the device's memory sizes, such as 64GiB (default: the largest)",
      [&query](const std::string& text) { query.memory = size("--memory", text); });
  add_text(command, "--stack", "NAME|FILE", what_group, "The software that runs it (default: the device's usual one)",
           query.stack);
  add(command, "--profile", "auto|none", what_group,
      "Corrections fitted to measurements (default auto), or datasheets and kernel descriptions alone",
      [&query](const std::string& text) {
        if (text != "auto" && text != "none")
          throw UsageError("--profile: auto or none is expected, got '" + text + "'");
        query.calibrated = text == "auto";
      });
  command
      .add_repeatable(
          "--set",
          [&query](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) read_override(text, query);
          },
          "What if: another value for a field of the device, or of its host as host.PATH; may be repeated")
      .type_name("PATH=VALUE")
      .group(what_group);

  add_count(command, "--prompt", 0, "Tokens of the prompt (default 512)", query.prompt);
  add_count(command, "--gen", 0, "Tokens to generate (default 128)", query.gen);
  add_count(command, "--depth", 0, "Tokens already in the cache (default 0)", query.depth);
  add(command, "--depths", "D1,D2,...|uniform:FROM..TO", how_group,
      "A mixed batch: the sequences stand at these depths in turn (one of each unless --concurrency says more), or "
      "evenly spread over a range",
      [&query](const std::string& text) { read_depths(text, query); });
  add_count(command, "--concurrency", 1, "Sequences at once (default 1)", query.concurrency);
  command
      .add_flag(
          "--kv-unified", [&query] { query.unified_cache = true; },
          "llama.cpp: the sequences share one KV buffer instead of a slot each")
      .group(how_group);
  command
      .add_flag(
          "--swa-full", [&query] { query.full_window_cache = true; },
          "llama.cpp: layers of a sliding window keep all tokens instead of their window")
      .group(how_group);
  add(command, "--kv-type", "TYPE[,TYPE]", how_group,
      "Type of the KV cache, or of keys and values: f16, q8_0, q4_0, ... (default f16)",
      [&query](const std::string& text) { read_cache_types(text, query); });
  add(command, "--flash-attn", "on|off|auto", how_group, "Fused attention (default auto: what the stack does)",
      [&query](const std::string& text) { read_flash_attention(text, query.flash_attention); });
  add_count(command, "--ubatch", 1, "Tokens of a prefill step (default: the stack's)", query.ubatch);
  add_count(command, "--threads", 1, "Threads of a CPU (default: every core)", query.threads);
  add(command, "--wired-limit", "SIZE", how_group,
      "What the GPU may keep resident of unified memory (iogpu.wired_limit_mb)",
      [&query](const std::string& text) { query.wired_limit = size("--wired-limit", text); });
  add_text(command, "--os", "NAME", how_group, "Release that decides that limit, such as macos-26", query.os);
  add_placement_options(command, query);
  add_running_options(command, query);
}

}  // namespace silicast::cli
