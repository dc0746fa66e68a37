// SPDX-License-Identifier: Apache-2.0
#include "model/stack.h"

#include <algorithm>

#include "base/catalogue.h"
#include "base/document.h"
#include "base/text.h"

namespace silicast {

namespace {

constexpr double most_columns = 1e9;
constexpr double most_instructions = 1000;
constexpr double most_launches = 1000;

std::vector<Unit> read_units(const Section& section) {
  std::vector<Unit> units;
  for (const auto& name : section.texts("unit")) {
    const auto unit = unit_of_name(name);
    if (!unit) section.fail("unit", "unknown unit '" + name + "'; see per_core_per_clock in docs/data-format.md");
    units.push_back(*unit);
  }
  return units;
}

double read_columns(const Section& section, std::string_view key, double fallback) {
  if (const auto text = section.optional_text(key); text && *text == "all")
    return std::numeric_limits<double>::infinity();
  return section.optional_number(key, 1, most_columns).value_or(fallback);
}

// "quantized" stands for every type of more than one weight a block.
std::vector<std::string> read_types(const Section& section, std::string_view key, const TypeTable& types) {
  std::vector<std::string> result;
  for (const auto& name : section.texts(key)) {
    if (name == "quantized") {
      for (const auto& type : types.all())
        if (type.block > 1) result.push_back(type.name);
      continue;
    }
    const auto id = types.find(name);
    if (!id) section.fail(key, "unknown type '" + name + "'");
    result.push_back(types[*id].name);
  }
  return result;
}

// Of a product's or an attention's kernel: what some of its architectures reach of its share.
template <class Kernel>
void read_shares(const Section& section, Kernel& kernel) {
  const auto by_architecture = section.section("share_by_architecture");
  if (!by_architecture) return;
  for (const auto& [architecture, node] : by_architecture->entries()) {
    const auto& runs_on = kernel.architectures;
    if (!runs_on.empty() && std::find(runs_on.begin(), runs_on.end(), architecture) == runs_on.end())
      by_architecture->fail(architecture, "the kernel's architectures do not name it");
    kernel.share_by_architecture[architecture] = by_architecture->share(architecture, 1);
  }
}

MatmulKernel read_matmul(const std::string& name, const Section& section, const TypeTable& types) {
  MatmulKernel kernel;
  kernel.name = name;
  kernel.types = read_types(section, "types", types);
  kernel.architectures = section.texts("architectures");
  kernel.needs = section.texts("needs");
  if (section.has("experts")) kernel.experts = section.flag("experts", false);
  kernel.columns = read_columns(section, "columns", kernel.columns);
  read_shares(section, kernel);
  if (const auto by_type = section.section("columns_by_type"))
    for (const auto& [type, node] : by_type->entries()) {
      if (!types.find(type)) by_type->fail(type, "unknown type");
      kernel.columns_by_type[types[*types.find(type)].name] = by_type->number(type, 0, most_columns);
    }
  kernel.expert_columns = read_columns(section, "expert_columns", kernel.expert_columns);
  kernel.units = read_units(section);
  kernel.unit_share = section.share("unit_share", 1);
  kernel.conflict_share = section.share("conflict_share", 1);
  kernel.dram_share = section.share("dram_share", 1);
  kernel.feed_rate = section.optional_number("feed_rate", 1, most_columns).value_or(kernel.feed_rate);
  kernel.applies_scales = section.flag("applies_scales", false);
  kernel.overlaps_loads = section.flag("overlaps_loads", true);
  kernel.unpack_share = section.share("unpack_share", 1);
  kernel.unpack_every = read_columns(section, "unpack_every", 1);
  kernel.further_column = section.optional_number("further_column", 0, most_columns);
  kernel.pass = section.optional_number("pass", 0, most_instructions).value_or(0);
  if (const auto tile = section.section("tile")) {
    kernel.tile_rows = static_cast<double>(tile->count("rows"));
    kernel.tile_columns = static_cast<double>(tile->count("columns"));
    constexpr double most_resident = 64;
    kernel.resident_tiles = tile->optional_number("resident", 1, most_resident).value_or(1);
    tile->finish();
  }
  kernel.split_k = section.flag("split_k", true);
  kernel.unpacks_to_memory = section.flag("unpacks_to_memory", false);
  kernel.launches = section.optional_number("launches", 0, most_launches).value_or(1);
  constexpr double most_cycles = 1000;
  kernel.choice_scan = section.optional_number("choice_scan", 0, most_cycles).value_or(0);
  kernel.expert_launches = section.optional_number("expert_launches", 0, most_launches).value_or(0);
  section.ignore("before");
  section.finish();
  return kernel;
}

// In the file's order, or before the kernel that `before` names: how a generation adds one to its base's list.
void insert_kernel(std::vector<MatmulKernel>& kernels, MatmulKernel kernel, const Section& section) {
  const auto before = section.optional_text("before");
  const auto at =
      std::find_if(kernels.begin(), kernels.end(), [&](const MatmulKernel& k) { return before && k.name == *before; });
  if (before && at == kernels.end()) section.fail("before", "no kernel of that name stands before this one");
  kernels.insert(at, std::move(kernel));
}

AttentionKernel read_attention(const std::string& name, const Section& section) {
  AttentionKernel kernel;
  kernel.name = name;
  kernel.architectures = section.texts("architectures");
  kernel.columns = read_columns(section, "columns", kernel.columns);
  kernel.key_values = section.optional_number("key_values", 1, most_columns).value_or(kernel.key_values);
  kernel.quantized = section.flag("quantized", false);
  kernel.grouped = section.flag("grouped", false);
  kernel.units = read_units(section);
  kernel.unit_share = section.share("unit_share", 1);
  read_shares(section, kernel);
  kernel.dram_share = section.share("dram_share", 1);
  kernel.launches = section.optional_number("launches", 0, most_launches).value_or(1);
  kernel.key_overhead = section.optional_number("key_overhead", 0, most_instructions).value_or(0);
  kernel.keeps_scores = section.flag("keeps_scores", false);
  kernel.whole_cache = section.flag("whole_cache", false);
  section.finish();
  return kernel;
}

UnpackCost read_unpack(const Section& section) {
  const auto cost = [&](std::string_view key) {
    return section.optional_number(key, 0, most_instructions).value_or(0);
  };
  UnpackCost result{cost("simple"), cost("slow"), cost("lookups"), cost("scaling"), {}};
  if (const auto by_set = section.section("by_set"))
    for (const auto& [set, node] : by_set->entries()) result.by_set[set] = by_set->number(set, 0, most_instructions);
  section.finish();
  return result;
}

AllocationRules read_allocation(const Section& section) {
  AllocationRules rules;
  rules.rule = static_cast<BufferRule>(section.choice("rule", {"llama.cpp", "paged", "none"}));
  rules.cache_padding = section.count_or("cache_padding", 1, 1);
  rules.unfused_padding = section.count_or("unfused_padding", rules.cache_padding, 1);
  rules.windowed_cache = section.flag("windowed_cache", true);
  rules.host_embedding = section.flag("host_embedding", false);
  rules.mapped_file = section.flag("mapped_file", false);
  rules.context_overhead = section.optional_quantity<Bytes>("context_overhead").value_or(Bytes(0));
  rules.usable_share = section.share("usable_share", 1);
  rules.activation_bytes_fixed = section.optional_quantity<Bytes>("activation_peak").value_or(Bytes(0));
  section.finish();
  return rules;
}

OffloadRules read_offload(const Section& section) {
  OffloadRules rules;
  rules.host_stack = section.text("host_stack");
  rules.stream_batch = section.optional_number("stream_batch", 1, most_columns).value_or(0);
  rules.experts_by_share = section.flag("experts_by_share", false);
  rules.whole_experts = section.flag("whole_experts", false);
  rules.pinned_share = section.share("pinned_share", 1);
  rules.pageable_share = section.share("pageable_share", rules.pinned_share);
  rules.hand_over = section.quantity<Seconds>("hand_over");
  section.finish();
  return rules;
}

void read_overheads(const Section& section, Stack& stack) {
  stack.overheads.kernel = section.quantity<Seconds>("kernel");
  stack.overheads.core = section.optional_quantity<Seconds>("core").value_or(Seconds(0));
  stack.overheads.scattered_read = section.optional_quantity<Seconds>("scattered_read").value_or(Seconds(0));
  stack.overheads.shared_product = section.optional_quantity<Seconds>("shared_product").value_or(Seconds(0));
  stack.overheads.step = section.optional_quantity<Seconds>("step").value_or(Seconds(0));
  stack.overheads.sequence = section.optional_quantity<Seconds>("sequence").value_or(Seconds(0));
  stack.overheads.request = section.optional_quantity<Seconds>("request").value_or(Seconds(0));
  if (const auto by_architecture = section.section("kernel_by_architecture"))
    for (const auto& [name, node] : by_architecture->entries())
      stack.kernel_overhead_by_architecture[name] = by_architecture->quantity<Seconds>(name);
  section.finish();
}

void read_launches(const Section& section, Stack& stack) {
  for (std::size_t i = 0; i < op_kind_count; ++i)
    stack.launches[i] = section.optional_number(name_of(static_cast<OpKind>(i)), 0, most_launches).value_or(0);
  section.finish();
}

}  // namespace

double UnpackCost::simple_of(const Processor& processor) const {
  std::optional<double> fewest;
  for (const std::string& set : processor.instruction_sets)
    if (const auto at = by_set.find(set); at != by_set.end())
      fewest = std::min(fewest.value_or(at->second), at->second);
  return fewest.value_or(simple);
}

Seconds Stack::kernel_overhead(const Processor& processor) const {
  const auto at = kernel_overhead_by_architecture.find(processor.architecture);
  const Seconds kernel = at == kernel_overhead_by_architecture.end() ? overheads.kernel : at->second;
  return kernel + static_cast<double>(processor.cores - 1) * overheads.core;
}

bool Stack::refuses(std::string_view type) const {
  return std::find(unsupported_types.begin(), unsupported_types.end(), type) != unsupported_types.end();
}

bool Stack::runs_types_of(const QuantScheme& scheme, const TypeTable& types) const {
  return !refuses(types[scheme.default_type].name) &&
         std::none_of(scheme.rules.begin(), scheme.rules.end(),
                      [&](const QuantRule& rule) { return refuses(types[rule.type].name); });
}

Stack read_stack(const Entry& entry, const TypeTable& types) {
  const Section root = entry.section();
  Stack stack;
  stack.id = entry.id;
  stack.name = entry.name;
  stack.family = entry.file.stem().string();
  stack.release = root.text("release");
  stack.generation = root.text("generation", stack.id);
  stack.since = root.text("since", stack.release);
  stack.on_cpu = root.choice("processor", {"gpu", "cpu"}) == 1;
  stack.vendors = root.texts("vendors");
  stack.recurrent_share = root.share("recurrent_share", 1);
  stack.numa_share = root.share("numa_share", 1);
  if (const auto by_set = root.section("unpack_by_set"))
    for (const auto& [set, node] : by_set->entries()) stack.unpack_by_set[set] = by_set->share(set, 1);
  const std::vector<std::string> format_names{"gguf", "safetensors", "mlx"};
  for (const auto& name : root.texts("formats")) {
    const auto at = std::find(format_names.begin(), format_names.end(), name);
    if (at == format_names.end()) root.fail("formats", "gguf, safetensors or mlx is expected, got '" + name + "'");
    stack.formats.push_back(static_cast<QuantFormat>(at - format_names.begin()));
  }
  if (stack.formats.empty()) root.fail("formats", "required, but missing");
  stack.unsupported_types = read_types(root, "unsupported_types", types);
  for (const auto& [name, section] : root.named_sections("unpack")) {
    if (name == "default") {
      stack.default_unpack = read_unpack(section);
      continue;
    }
    const auto id = types.find(name);
    if (!id) root.fail("unpack", "unknown type '" + name + "'");
    stack.unpack[types[*id].name] = read_unpack(section);
  }
  for (const auto& [name, section] : root.named_sections("matmul"))
    insert_kernel(stack.matmul, read_matmul(name, section, types), section);
  for (const auto& [name, section] : root.named_sections("attention"))
    stack.attention.push_back(read_attention(name, section));
  for (const auto& [name, section] : root.named_sections("unfused_attention"))
    stack.unfused_attention.push_back(read_attention(name, section));
  if (stack.matmul.empty()) root.fail("matmul", "at least one kernel is expected");
  if (stack.attention.empty()) root.fail("attention", "at least one kernel is expected");
  stack.fused_attention_default = root.flag("fused_attention", true);
  read_overheads(root.required_section("overheads"), stack);
  read_launches(root.required_section("launches"), stack);
  stack.activation_bytes = static_cast<double>(root.count_or("activation_bytes", 4, 1, 8));
  stack.ubatch = root.count_or("ubatch", 512, 1, 1 << 20);
  stack.prompt_batch = root.count_or("prompt_batch", 0, 0, 1 << 30);
  const std::vector<std::string> stages{"layers", "last_feed_forward", "head", "never"};
  if (root.has("wanted_rows_from"))
    stack.wanted_rows_from = static_cast<Stage>(root.choice("wanted_rows_from", stages));
  stack.allocation = read_allocation(root.required_section("allocation"));
  if (const auto startup = root.section("startup")) {
    stack.build = startup->optional_quantity<Seconds>("build");
    stack.warm_up_tokens = startup->count_or("warm_up_tokens", 0, 0, 1 << 20);
    startup->finish();
  }
  if (const auto offload = root.section("offload")) stack.offload = read_offload(*offload);
  stack.tensor_split = root.flag("tensor_split", false);
  stack.layer_split = root.flag("layer_split", true);
  stack.whole_heads = root.flag("whole_heads", false);
  root.finish();
  return stack;
}

}  // namespace silicast
