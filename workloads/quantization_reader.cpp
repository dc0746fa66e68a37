// SPDX-License-Identifier: Apache-2.0
// The files of data/quants/: block formats and schemes, resolved while they are read.
#include <algorithm>
#include <array>

#include "base/document.h"
#include "base/error.h"
#include "base/text.h"
#include "workloads/quantization.h"

namespace silicast {

namespace {

constexpr std::int64_t largest_block = 1024;
constexpr std::int64_t largest_block_bytes = 8192;
constexpr std::int64_t most_types = 255;
constexpr std::int64_t largest_ggml_type = 1023;
constexpr std::string_view last_fallback = "F16";

// Keys of types.yaml that name no type.
bool is_prose(const std::string& key) { return key == "sources" || key == "notes"; }

TensorType read_type(const std::string& name, const Section& s) {
  TensorType type;
  type.name = name;
  type.block = s.count("block", 1, largest_block);
  type.bytes = s.count("bytes", 1, largest_block_bytes);
  if (s.has("ggml_type")) type.gguf_number = static_cast<int>(s.count("ggml_type", 0, largest_ggml_type));
  type.whole_blocks = s.flag("whole_blocks", true);
  type.needs_imatrix = s.flag("needs_imatrix", false);
  type.only = s.text("only", "");
  type.summary = s.text("summary", "");
  s.ignore("fallback");
  s.finish();
  return type;
}

TypeId type_named(const Section& s, std::string_view key, std::string_view name, const TypeTable& types) {
  if (const auto id = types.find(name)) return *id;
  std::vector<std::string> known;
  for (const TensorType& type : types.all()) known.push_back(type.name);
  s.fail(key, "no type '" + std::string(name) + "' in types.yaml" + did_you_mean(name, known));
}

// A role's stem, with `*` standing for any text at either end: "ffn_down*", "*_exps".
bool matches(std::string_view pattern, std::string_view stem) {
  if (pattern.starts_with('*')) return stem.ends_with(pattern.substr(1));
  if (pattern.ends_with('*')) return stem.starts_with(pattern.substr(0, pattern.size() - 1));
  return stem == pattern;
}

RoleSet read_roles(const Section& s) {
  RoleSet roles;
  std::vector<std::string> known;
  for (std::size_t i = 0; i < role_count; ++i) known.emplace_back(stem(static_cast<TensorRole>(i)));
  for (const std::string& pattern : s.texts("tensor")) {
    const RoleSet before = roles;
    for (std::size_t i = 0; i < role_count; ++i)
      if (matches(pattern, known[i])) roles.set(i);
    if (roles == before) s.fail("tensor", "'" + pattern + "' names no kind of tensor" + did_you_mean(pattern, known));
  }
  if (roles.none()) roles.set();
  return roles;
}

// "1/8" to 8.
std::optional<std::int64_t> parse_part(std::string_view text) {
  if (!text.starts_with("1/")) return std::nullopt;
  const auto number = parse_integer(text.substr(2));
  return number && *number >= 1 ? number : std::nullopt;
}

LayerSelector parse_selector(const Section& s, const std::string& text) {
  using Kind = LayerSelector::Kind;
  if (text == "all") return {};
  if (text == "more_bits") return {.kind = Kind::more_bits};
  const auto blank = text.find(' ');
  const std::string word = text.substr(0, blank);
  const std::string argument(blank == std::string::npos ? "" : trim(text.substr(blank)));
  const auto part = parse_part(argument);
  const auto number = parse_integer(argument);
  if (word == "first" && part) return {.kind = Kind::first_share, .number = *part};
  if (word == "first" && number && *number >= 1) return {.kind = Kind::first, .number = *number};
  if (word == "inner" && part) return {.kind = Kind::inner, .number = *part};
  s.fail("layers", "cannot read '" + text + "'; accepted: all, first 4, first 1/8, inner 1/8, more_bits");
}

LayerSelector read_selector(const Section& s) {
  static const std::vector<std::string> counts{"layer", "tensor", "tensor_of_layers"};
  LayerSelector selector = parse_selector(s, s.text("layers", "all"));
  selector.count = static_cast<LayerSelector::Count>(s.choice("count", counts, 0));
  return selector;
}

bool is_year_month(const std::string& text) {
  constexpr std::string_view form = "0000-00";
  if (text.size() != form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i)
    if (form[i] == '-' ? text[i] != '-' : (text[i] < '0' || text[i] > '9')) return false;
  return true;
}

std::string read_date(const Section& s, std::string_view key) {
  std::string date = s.text(key, "");
  if (!date.empty() && !is_year_month(date))
    s.fail(key, "a year and month such as 2026-03 is expected, got '" + date + "'");
  return date;
}

std::optional<std::int64_t> optional_count(const Section& s, std::string_view key) {
  if (!s.has(key)) return std::nullopt;
  return s.count(key, 0);
}

std::optional<bool> optional_flag(const Section& s, std::string_view key) {
  if (!s.has(key)) return std::nullopt;
  return s.flag(key, false);
}

QuantConditions read_conditions(const Section& s) {
  QuantConditions c;
  c.experts = optional_count(s, "experts");
  c.experts_at_least = optional_count(s, "experts_at_least");
  c.queries_per_kv_head_at_least = optional_count(s, "queries_per_kv_head_at_least");
  c.layers = optional_count(s, "layers");
  c.imatrix = optional_flag(s, "imatrix");
  c.tied_embeddings = optional_flag(s, "tied_embeddings");
  c.architectures = s.texts("architecture");
  c.since = read_date(s, "since");
  c.until = read_date(s, "until");
  s.finish();
  return c;
}

// `default` in a rule stands for the scheme's default type.
TypeId read_rule_type(const Section& s, const QuantScheme& scheme, const TypeTable& types) {
  const std::string name = s.text("type");
  return name == "default" ? scheme.default_type : type_named(s, "type", name, types);
}

QuantRule read_rule(const Section& s, const QuantScheme& scheme, const TypeTable& types) {
  QuantRule rule;
  rule.roles = read_roles(s);
  rule.layers = read_selector(s);
  for (const std::string& name : s.texts("replaces"))
    rule.replaces.set(index_of(type_named(s, "replaces", name, types)));
  if (const auto conditions = s.section("if")) rule.conditions = read_conditions(*conditions);
  rule.type = read_rule_type(s, scheme, types);
  if (s.has("fallback")) rule.fallback = type_named(s, "fallback", s.text("fallback"), types);
  s.finish();
  return rule;
}

// The embedding and the output projection of one type, whatever the rules say of them.
QuantRule embeddings_rule(TypeId type) {
  QuantRule rule;
  rule.roles.set(index_of(TensorRole::token_embd)).set(index_of(TensorRole::output));
  rule.type = type;
  return rule;
}

QuantQuality read_quality(const Section& s) {
  constexpr double largest = 1e9;
  QuantQuality q;
  q.model = s.text("model");
  q.perplexity = s.optional_number("perplexity", 1.0, largest);
  q.reference_perplexity = s.optional_number("reference_perplexity", 1.0, largest);
  q.kld = s.optional_number("kld", 0.0, largest);
  q.imatrix = optional_flag(s, "imatrix");
  q.source = s.text("source", "");
  s.finish();
  return q;
}

}  // namespace

TypeTable::TypeTable(const Section& file) {
  std::vector<std::pair<std::size_t, const Node*>> fallbacks;
  const auto entries = file.entries();
  for (const auto& [name, node] : entries) {
    if (is_prose(name)) continue;
    const Section section(*node, name);
    if (find(name)) section.fail("", "the type is listed twice");
    if (const Node* fallback = section.optional("fallback")) fallbacks.emplace_back(types_.size(), fallback);
    types_.push_back(read_type(name, section));
    canonical_names_.push_back(canonical_name(name));
  }
  if (types_.size() > static_cast<std::size_t>(most_types))
    throw InputError(file.mark(), "", "more types than can be told apart");
  const auto last = find(last_fallback);
  if (!last) throw InputError(file.mark(), std::string(last_fallback), "required, but missing");
  for (TensorType& type : types_) type.fallback = *last;
  for (const auto& [index, node] : fallbacks) {
    const auto id = find(node->scalar);
    if (!id) throw InputError(node->mark, types_[index].name + ".fallback", "no type " + shown(*node));
    types_[index].fallback = *id;
  }
}

QuantScheme read_quant_scheme(const Section& file, const TypeTable& types) {
  static const std::vector<std::string> formats{"gguf", "safetensors", "mlx"};
  QuantScheme scheme;
  scheme.id = file.text("id", "");
  scheme.name = file.text("name", scheme.id);
  for (const char* key : {"aliases", "sources", "notes"}) file.ignore(key);
  scheme.format = static_cast<QuantFormat>(file.choice("format", formats, 0));
  scheme.default_type = type_named(file, "default", file.text("default"), types);
  scheme.unquantized = type_named(file, "unquantized", file.text("unquantized", "F32"), types);
  scheme.approximate = file.flag("approximate", false);
  scheme.always_imatrix = file.flag("always_imatrix", false);
  for (const char* list : {"rules", "overrides"})
    for (const Section& rule : file.sections(list)) scheme.rules.push_back(read_rule(rule, scheme, types));
  if (file.has("embeddings"))
    scheme.rules.push_back(embeddings_rule(type_named(file, "embeddings", file.text("embeddings"), types)));
  for (const Section& quality : file.sections("quality")) scheme.quality.push_back(read_quality(quality));
  file.finish();
  return scheme;
}

QuantName parse_quant_name(std::string_view text) {
  QuantName name;
  constexpr std::string_view imatrix = "+imatrix";
  std::string_view rest = trim(text);
  while (true) {
    const std::string tail = lower(rest.size() >= imatrix.size() ? rest.substr(rest.size() - imatrix.size()) : "");
    if (tail == imatrix) {
      name.options.imatrix = true;
      rest.remove_suffix(imatrix.size());
      continue;
    }
    const auto at = rest.rfind('@');
    if (at == std::string_view::npos) break;
    name.options.date = std::string(rest.substr(at + 1));
    if (!is_year_month(name.options.date))
      throw InputError("quantization '" + std::string(text) +
                       "': a year and month such as 2024-04 is expected after '@', got '" + name.options.date + "'");
    rest = rest.substr(0, at);
  }
  name.scheme = std::string(trim(rest));
  return name;
}

}  // namespace silicast
