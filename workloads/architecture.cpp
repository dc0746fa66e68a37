// SPDX-License-Identifier: Apache-2.0
#include "workloads/architecture.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/document.h"
#include "base/error.h"

namespace silicast {

namespace {

// Far beyond any model; keeps every product of three dimensions below 2^63.
constexpr std::int64_t largest_dimension = 16'777'216;
constexpr std::int64_t most_layers = 10'000;

// Names in the order of the enums.
const std::vector<std::string> activations{"swiglu", "geglu", "silu", "gelu", "relu", "relu2"};
const std::vector<std::string> biases{"none", "qkv", "qkvo"};
const std::vector<std::string> qk_norms{"none", "head", "full"};
const std::vector<std::string> norm_kinds{"rms", "layer"};
const std::vector<std::string> position_kinds{"rope", "learned", "none"};
const std::vector<std::string> delta_net_layouts{"qwen3next", "qwen35"};
const std::vector<std::string> norm_counts{"1", "2", "4"};

template <class Enum>
Enum choice(const Section& section, std::string_view key, const std::vector<std::string>& names, Enum fallback) {
  return static_cast<Enum>(section.choice(key, names, static_cast<std::size_t>(fallback)));
}

std::int64_t dimension(const Section& section, std::string_view key) {
  return section.count(key, 1, largest_dimension);
}
std::int64_t dimension_or(const Section& section, std::string_view key, std::int64_t fallback) {
  return section.count_or(key, fallback, 0, largest_dimension);
}

// `qk_norm: false` reads better than `none` in files that state it; both are accepted.
QkNorm read_qk_norm(const Section& s, QkNorm fallback) {
  const Node* node = s.optional("qk_norm");
  if (node != nullptr && node->kind == Node::Kind::scalar && node->scalar == "false") return QkNorm::none;
  return choice(s, "qk_norm", qk_norms, fallback);
}

// The keys that a `local` block may state again. `base` gives what is absent.
GroupedAttention read_heads(const Section& s, GroupedAttention base) {
  base.heads = dimension_or(s, "heads", base.heads);
  base.kv_heads = dimension_or(s, "kv_heads", base.kv_heads);
  const std::int64_t key_dim = dimension_or(s, "head_dim", base.key_dim);
  if (key_dim != base.key_dim) base.value_dim = key_dim;
  base.key_dim = key_dim;
  base.value_dim = dimension_or(s, "value_dim", base.value_dim);
  base.bias = choice(s, "bias", biases, base.bias);
  base.qk_norm = read_qk_norm(s, base.qk_norm);
  base.fused_qkv = s.flag("fused_qkv", base.fused_qkv);
  base.gated = s.flag("gated", base.gated);
  base.sinks = s.flag("sinks", base.sinks);
  base.shared_kv = s.flag("shared_kv", base.shared_kv);
  base.value_is_key = s.flag("value_is_key", base.value_is_key);
  return base;
}

GroupedAttention read_grouped(const Section& s) {
  for (const char* key : {"heads", "kv_heads", "head_dim"}) static_cast<void>(dimension(s, key));
  return read_heads(s, {});
}

LatentAttention read_latent(const Section& s) {
  LatentAttention a;
  a.heads = dimension(s, "heads");
  a.q_lora_rank = dimension_or(s, "q_lora_rank", 0);
  a.kv_lora_rank = dimension(s, "kv_lora_rank");
  a.qk_nope_dim = dimension(s, "qk_nope_dim");
  a.qk_rope_dim = dimension(s, "qk_rope_dim");
  a.value_dim = dimension(s, "value_dim");
  return a;
}

GatedDeltaNet read_delta_net(const Section& s) {
  GatedDeltaNet net;
  net.key_heads = dimension(s, "key_heads");
  net.value_heads = dimension(s, "value_heads");
  net.key_dim = dimension(s, "key_dim");
  net.value_dim = dimension(s, "value_dim");
  net.convolution = dimension(s, "convolution");
  net.layout = choice(s, "layout", delta_net_layouts, GatedDeltaNet::Layout::qwen3next);
  s.finish();
  return net;
}

// The attention of a file: one mixer for full and one for windowed layers, and which layer is which.
struct AttentionPlan {
  using Mixer = decltype(Layer::mixer);
  Mixer full;
  Mixer windowed;
  std::vector<bool> pattern{false};  // true: windowed; repeated over the layers

  [[nodiscard]] const Mixer& at(std::size_t i) const { return pattern[i % pattern.size()] ? windowed : full; }
};

std::vector<bool> read_pattern(const Section& s, std::string_view key, const std::string& yes, const std::string& no) {
  std::vector<bool> pattern;
  for (const std::string& name : s.texts(key)) {
    if (name != yes && name != no) s.fail(key, "'" + name + "' is neither '" + yes + "' nor '" + no + "'");
    pattern.push_back(name == yes);
  }
  return pattern;
}

AttentionPlan read_attention(const Section& s) {
  static const std::vector<std::string> kinds{"grouped", "latent"};
  constexpr std::size_t latent = 1;
  AttentionPlan plan;
  if (s.choice("kind", kinds, 0) == latent) {
    plan.full = read_latent(s);
    s.finish();
    return plan;
  }
  const GroupedAttention full = read_grouped(s);
  GroupedAttention windowed = full;
  if (const auto local = s.section("local")) {
    windowed = read_heads(*local, full);
    local->finish();
  }
  windowed.window = dimension_or(s, "window", 0);
  plan.pattern = read_pattern(s, "window_layers", "window", "full");
  if (windowed.window == 0 && !plan.pattern.empty()) s.fail("window_layers", "no `window` is given");
  if (plan.pattern.empty()) plan.pattern = {windowed.window > 0};
  plan.full = full;
  plan.windowed = windowed;
  s.finish();
  return plan;
}

DenseFeedForward read_dense(const Section& s) {
  DenseFeedForward f;
  f.intermediate = dimension(s, "intermediate");
  f.activation = choice(s, "activation", activations, Activation::swiglu);
  f.fused_gate_up = s.flag("fused_gate_up", false);
  f.bias = s.flag("bias", false);
  s.finish();
  return f;
}

// Which layers hold experts.
struct ExpertPlan {
  ExpertFeedForward experts;
  std::int64_t leading_dense = 0;
  std::int64_t every = 1;

  [[nodiscard]] bool at(std::size_t i) const {
    const auto layer = static_cast<std::int64_t>(i);
    return layer >= leading_dense && (layer + 1) % every == 0;
  }
};

ExpertFeedForward read_expert_shape(const Section& s, Activation activation) {
  ExpertFeedForward f;
  f.experts = dimension(s, "count");
  f.used = dimension(s, "used");
  f.intermediate = dimension(s, "intermediate");
  f.shared_intermediate = dimension_or(s, "shared_intermediate", dimension_or(s, "shared", 0) * f.intermediate);
  f.activation = choice(s, "activation", activations, activation);
  f.shared_gate = s.flag("shared_gate", false);
  f.bias = s.flag("bias", false);
  f.router_bias = s.flag("router_bias", false);
  return f;
}

ExpertPlan read_experts(const Section& s, Activation activation) {
  ExpertPlan plan{.experts = read_expert_shape(s, activation)};
  plan.leading_dense = s.count_or("leading_dense_layers", 0, 0, most_layers);
  plan.every = s.count_or("every", 1, 1, most_layers);
  s.finish();
  return plan;
}

// One entry of `kinds`: exactly one mixer and one feed-forward block.
Layer read_kind(const Section& s) {
  Layer layer;
  const auto attention = s.section("attention");
  const auto linear = s.section("linear_attention");
  if (attention.has_value() == linear.has_value())
    s.fail("attention", "a kind has either `attention` or `linear_attention`");
  if (attention) {
    const AttentionPlan plan = read_attention(*attention);
    if (plan.pattern.size() != 1)
      attention->fail("window_layers", "a kind of layer is windowed or not: give `window` alone");
    layer.mixer = plan.at(0);
  } else {
    layer.mixer = read_delta_net(*linear);
  }
  const auto dense = s.section("feed_forward");
  const auto experts = s.section("experts");
  if (dense.has_value() == experts.has_value()) s.fail("feed_forward", "a kind has either `feed_forward` or `experts`");
  if (dense) {
    layer.feed_forward = read_dense(*dense);
  } else {
    layer.feed_forward = read_expert_shape(*experts, Activation::swiglu);
    experts->finish();
  }
  s.finish();
  return layer;
}

void read_layer_kinds(const Section& file, std::int64_t count, Architecture& a) {
  std::map<std::string, Layer> kinds;
  for (const auto& [name, section] : file.named_sections("kinds")) kinds[name] = read_kind(section);
  const auto names = file.texts("layer_kinds");
  if (names.empty())
    file.fail("layer_kinds", "required with `kinds`: the kind of each layer, repeated over the layers");
  for (const auto& name : names)
    if (!kinds.contains(name)) file.fail("layer_kinds", "no kind '" + name + "' in `kinds`");
  for (std::int64_t i = 0; i < count; ++i) a.add_layer(kinds.at(names[static_cast<std::size_t>(i) % names.size()]));
}

void read_layers(const Section& file, std::int64_t count, Architecture& a) {
  const auto attention = file.section("attention");
  const auto linear = file.section("linear_attention");
  std::vector<bool> is_linear = read_pattern(file, "layer_pattern", "linear", "attention");
  if (is_linear.empty()) is_linear = {!attention};
  const auto wanted = [&](bool kind) { return std::find(is_linear.begin(), is_linear.end(), kind) != is_linear.end(); };
  if (wanted(false) && !attention) file.fail("attention", "required, but missing");
  if (wanted(true) && !linear) file.fail("linear_attention", "required, but missing");

  const auto dense_section = file.section("feed_forward");
  const auto experts_section = file.section("experts");
  if (!dense_section && !experts_section) file.fail("feed_forward", "required, but missing");
  const DenseFeedForward dense = dense_section ? read_dense(*dense_section) : DenseFeedForward{};
  const AttentionPlan plan = attention ? read_attention(*attention) : AttentionPlan{};
  const GatedDeltaNet net = linear ? read_delta_net(*linear) : GatedDeltaNet{};
  const auto experts = experts_section ? read_experts(*experts_section, dense.activation) : ExpertPlan{};

  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    Layer layer{.mixer = plan.at(i), .feed_forward = dense};
    if (is_linear[i % is_linear.size()]) layer.mixer = net;
    if (experts_section && experts.at(i))
      layer.feed_forward = experts.experts;
    else if (!dense_section)
      file.fail("feed_forward", "required for layer " + std::to_string(i) + ", which has no experts");
    a.add_layer(layer);
  }
}

void read_norms(const Section& s, Architecture& a) {
  a.norms_per_layer = std::stoi(norm_counts[s.choice("per_layer", norm_counts, 1)]);
  a.norm = choice(s, "kind", norm_kinds, NormKind::rms);
  s.finish();
}

std::optional<std::int64_t> optional_count(const Section& file, std::string_view key) {
  if (!file.has(key)) return std::nullopt;
  return file.count(key, 1, 100 * Section::count_limit);
}

}  // namespace

bool Architecture::has_experts() const { return experts() > 0; }

std::int64_t Architecture::queries_per_kv_head() const {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& here = layer(i);
    if (const auto* grouped = std::get_if<GroupedAttention>(&here.mixer)) return grouped->heads / grouped->kv_heads;
    if (const auto* latent = std::get_if<LatentAttention>(&here.mixer)) return latent->heads;
  }
  return 1;
}

std::int64_t Architecture::experts() const {
  for (const Layer& kind : kinds)
    if (const auto* f = std::get_if<ExpertFeedForward>(&kind.feed_forward)) return f->experts;
  return 0;
}

void Architecture::add_layer(const Layer& layer) {
  const auto at = std::find(kinds.begin(), kinds.end(), layer);
  layers.push_back(static_cast<int>(at - kinds.begin()));
  if (at == kinds.end()) kinds.push_back(layer);
}

Architecture read_architecture(const Section& file) {
  Architecture a;
  a.id = file.text("id", "");
  a.name = file.text("name", a.id);
  for (const char* key : {"aliases", "sources", "notes"}) file.ignore(key);
  a.gguf_architecture = file.text("architecture");
  a.hidden = dimension(file, "hidden");
  a.vocabulary = dimension(file, "vocabulary");
  a.context = file.count("context", 1, 1'000'000'000);
  a.tied_embeddings = file.flag("tied_embeddings", false);
  a.rope_frequencies = file.flag("rope_frequencies", false);
  a.positions = choice(file, "positions", position_kinds, Positions::rope);
  a.extra_layers = static_cast<int>(file.count_or("extra_layers", 0, 0, most_layers));
  a.stated_parameters = optional_count(file, "parameters");
  a.stated_active_parameters = optional_count(file, "active_parameters");
  if (const auto norms = file.section("norms")) read_norms(*norms, a);
  const std::int64_t layers = file.count("layers", 1, most_layers);
  if (file.has("kinds"))
    read_layer_kinds(file, layers, a);
  else
    read_layers(file, layers, a);
  file.finish();
  validate(a, file.mark().text());
  return a;
}

namespace {

class Validator {
 public:
  explicit Validator(const std::string& where) : where_(where) {}

  void require(bool condition, const std::string& rule) const {
    if (!condition) throw InputError((where_.empty() ? std::string("model") : where_) + ": " + rule);
  }
  void in_range(std::int64_t value, const char* field, std::int64_t most = largest_dimension) const {
    require(value >= 1 && value <= most, std::string(field) + ": a count from 1 to " + std::to_string(most) +
                                             " is expected, got " + std::to_string(value));
  }
  void multiple(std::int64_t value, std::int64_t of, const char* rule) const {
    require(value % of == 0, std::string(rule) + " (" + std::to_string(value) + " and " + std::to_string(of) + ")");
  }

  void operator()(const GroupedAttention& a) const {
    in_range(a.heads, "attention.heads");
    in_range(a.kv_heads, "attention.kv_heads");
    in_range(a.key_dim, "attention.head_dim");
    in_range(a.value_dim, "attention.value_dim");
    require(a.window >= 0, "attention.window: a count of tokens is expected");
    multiple(a.heads, a.kv_heads, "attention.heads: must be a multiple of attention.kv_heads");
    require(!a.value_is_key || a.key_dim == a.value_dim,
            "attention.value_dim: equals head_dim where the value is the key");
    require(!(a.fused_qkv && (a.shared_kv || a.value_is_key)),
            "attention.fused_qkv: excludes shared_kv and value_is_key");
  }
  void operator()(const LatentAttention& a) const {
    in_range(a.heads, "attention.heads");
    in_range(a.kv_lora_rank, "attention.kv_lora_rank");
    in_range(a.qk_nope_dim, "attention.qk_nope_dim");
    in_range(a.qk_rope_dim, "attention.qk_rope_dim");
    in_range(a.value_dim, "attention.value_dim");
    require(a.q_lora_rank >= 0 && a.q_lora_rank <= largest_dimension, "attention.q_lora_rank: out of range");
  }
  void operator()(const GatedDeltaNet& net) const {
    in_range(net.key_heads, "linear_attention.key_heads");
    in_range(net.value_heads, "linear_attention.value_heads");
    in_range(net.key_dim, "linear_attention.key_dim");
    in_range(net.value_dim, "linear_attention.value_dim");
    in_range(net.convolution, "linear_attention.convolution");
    multiple(net.value_heads, net.key_heads, "linear_attention.value_heads: must be a multiple of key_heads");
  }
  void operator()(const DenseFeedForward& f) const { in_range(f.intermediate, "feed_forward.intermediate"); }
  void operator()(const ExpertFeedForward& f) const {
    in_range(f.experts, "experts.count");
    in_range(f.used, "experts.used");
    in_range(f.intermediate, "experts.intermediate");
    require(f.used <= f.experts, "experts.used: at most experts.count (" + std::to_string(f.used) + " of " +
                                     std::to_string(f.experts) + ")");
    require(f.shared_intermediate >= 0 && f.shared_intermediate <= largest_dimension,
            "experts.shared_intermediate: out of range");
    require(f.shared_intermediate > 0 || !f.shared_gate, "experts.shared_gate: there is no shared expert");
  }

 private:
  const std::string& where_;
};

}  // namespace

void validate(const Architecture& a, const std::string& where) {
  const Validator check(where);
  check.in_range(a.hidden, "hidden");
  check.in_range(a.vocabulary, "vocabulary");
  check.in_range(a.context, "context", 1'000'000'000);
  check.in_range(static_cast<std::int64_t>(a.layers.size()), "layers", most_layers);
  check.require(a.extra_layers >= 0, "extra_layers: a count is expected");
  check.require(a.norms_per_layer == 1 || a.norms_per_layer == 2 || a.norms_per_layer == 4,
                "norms.per_layer: 1, 2 or 4");
  for (const int kind : a.layers)
    check.require(kind >= 0 && static_cast<std::size_t>(kind) < a.kinds.size(), "layers: a layer of an unknown kind");
  for (const Layer& kind : a.kinds) {
    std::visit(check, kind.mixer);
    std::visit(check, kind.feed_forward);
  }
}

}  // namespace silicast
