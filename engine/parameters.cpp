// SPDX-License-Identifier: Apache-2.0
#include "engine/parameters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace silicast::engine {

namespace {

struct Family {
  std::string_view name;
  RopeStyle style = RopeStyle::norm;
  double base = 10000;
  double local_base = 0;
  float epsilon = 1e-5F;
  bool scaled_embeddings = false;
  float attention_softcap = 0;
  float logit_softcap = 0;
  // Layers of the one size whose scores are scaled by sqrt(hidden / heads) instead of the head's width.
  std::size_t layers_scaled_by_hidden = 0;
};

constexpr std::array families{
    Family{.name = "llama", .base = 500000},
    Family{.name = "mistral3", .base = 1000000},
    Family{.name = "qwen2", .style = RopeStyle::neox, .base = 1000000, .epsilon = 1e-6F},
    Family{.name = "qwen3", .style = RopeStyle::neox, .base = 1000000, .epsilon = 1e-6F},
    Family{.name = "qwen3moe", .style = RopeStyle::neox, .base = 1000000, .epsilon = 1e-6F},
    Family{.name = "gemma", .style = RopeStyle::neox, .epsilon = 1e-6F, .scaled_embeddings = true},
    Family{.name = "gemma2",
           .style = RopeStyle::neox,
           .epsilon = 1e-6F,
           .scaled_embeddings = true,
           .attention_softcap = 50,
           .logit_softcap = 30,
           .layers_scaled_by_hidden = 46},
    Family{.name = "gemma3",
           .style = RopeStyle::neox,
           .base = 1000000,
           .local_base = 10000,
           .epsilon = 1e-6F,
           .scaled_embeddings = true,
           .layers_scaled_by_hidden = 62},
};

const Family* find_family(std::string_view name) {
  const auto at = std::find_if(families.begin(), families.end(), [&](const Family& f) { return f.name == name; });
  return at == families.end() ? nullptr : &*at;
}

const Family& family_of(const Architecture& architecture) {
  if (const Family* family = find_family(architecture.gguf_architecture)) return *family;
  std::vector<std::string> known;
  for (const Family& family : families) known.emplace_back(family.name);
  throw RefusedError("the engine does not run the architecture '" + architecture.gguf_architecture + "'; it runs " +
                     join(known, ", "));
}

[[noreturn]] void refuse(const Architecture& architecture, const std::string& what) {
  throw RefusedError("the engine does not run " + architecture.name + ": " + what);
}

void expect_attention(const Architecture& architecture, const Layer& layer) {
  const auto* a = std::get_if<GroupedAttention>(&layer.mixer);
  if (a == nullptr) refuse(architecture, "latent or linear attention");
  if (a->key_dim != a->value_dim) refuse(architecture, "keys and values of different widths");
  if (a->key_dim % 32 != 0 || a->key_dim > 512)
    refuse(architecture, "heads of " + std::to_string(a->key_dim) + " values; multiples of 32 up to 512 are accepted");
  if (a->gated || a->sinks || a->shared_kv || a->value_is_key)
    refuse(architecture, "attention with an output gate, sinks or shared keys and values");
  if (a->qk_norm == QkNorm::full) refuse(architecture, "a norm over all heads of queries and keys");
}

void expect_feed_forward(const Architecture& architecture, const Layer& layer) {
  const auto* dense = std::get_if<DenseFeedForward>(&layer.feed_forward);
  const auto* experts = std::get_if<ExpertFeedForward>(&layer.feed_forward);
  const Activation activation = dense != nullptr ? dense->activation : experts->activation;
  if (!has_gate(activation)) refuse(architecture, "a feed-forward without a gate");
  if (dense != nullptr && dense->bias) refuse(architecture, "biases in the feed-forward");
  if (experts == nullptr) return;
  if (experts->shared_intermediate > 0) refuse(architecture, "shared experts");
  if (experts->bias || experts->router_bias) refuse(architecture, "biases of experts or router");
}

// The family's keys of one file.
class Keys {
 public:
  Keys(const GgufFile& file, const std::string& prefix, const std::string& name)
      : file_(file), prefix_(prefix + "."), name_(name) {}

  [[nodiscard]] std::optional<double> number(std::string_view key, double least, double most) const {
    const GgufValue* value = file_.find(prefix_ + std::string(key));
    if (value == nullptr) return std::nullopt;
    double number = NAN;
    if (const auto* d = std::get_if<double>(value)) number = *d;
    if (const auto* i = std::get_if<std::int64_t>(value)) number = static_cast<double>(*i);
    if (const auto* u = std::get_if<std::uint64_t>(value)) number = static_cast<double>(*u);
    if (!(number >= least && number <= most))
      throw InputError(name_ + ": key '" + prefix_ + std::string(key) + "': is " + exact(number) + "; a number from " +
                       exact(least) + " to " + exact(most) + " is accepted");
    return number;
  }
  template <class T>
  void read(std::string_view key, double least, double most, T& to) const {
    if (const auto found = number(key, least, most)) to = static_cast<T>(*found);
  }
  [[nodiscard]] std::string text(std::string_view key) const {
    const GgufValue* value = file_.find(prefix_ + std::string(key));
    const auto* text = value != nullptr ? std::get_if<std::string>(value) : nullptr;
    return text != nullptr ? *text : "";
  }

 private:
  const GgufFile& file_;
  std::string prefix_;
  const std::string& name_;
};

constexpr double most_base = 1e12;
constexpr double most_factor = 1e6;

void read_scaling(const Keys& keys, const std::string& name, RopeParameters& rope) {
  const std::string type = keys.text("rope.scaling.type");
  if (type == "linear")
    rope.scaling = RopeScaling::linear;
  else if (type == "yarn")
    rope.scaling = RopeScaling::yarn;
  else if (!type.empty() && type != "none")
    throw RefusedError(name + ": the engine does not know the rope.scaling.type '" + type +
                       "'; it knows none, linear and yarn");
  keys.read("rope.scaling.factor", 1e-6, most_factor, rope.factor);
  // An old key, and no type: linear, as llama.cpp has it.
  keys.read("rope.scale_linear", 1e-6, most_factor, rope.factor);
  if (type.empty() && rope.factor != 1) rope.scaling = RopeScaling::linear;
  keys.read("rope.scaling.original_context_length", 1, 1e9, rope.original_context);
  keys.read("rope.scaling.attn_factor", 0, most_factor, rope.attention_factor);
  keys.read("rope.scaling.yarn_beta_fast", 0, most_factor, rope.beta_fast);
  keys.read("rope.scaling.yarn_beta_slow", 0, most_factor, rope.beta_slow);
}

// The pair of dimensions that turns `rotations` times over the original context.
double pair_of(const RopeParameters& rope, double rotations) {
  const double width = static_cast<double>(rope.dimensions);
  return width * std::log(rope.original_context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(rope.base));
}

}  // namespace

void expect_runnable(const Architecture& architecture) {
  static_cast<void>(family_of(architecture));
  if (architecture.norm != NormKind::rms) refuse(architecture, "layer norms");
  if (architecture.positions != Positions::rope) refuse(architecture, "positions that are not rotary");
  if (architecture.norms_per_layer != 2 && architecture.norms_per_layer != 4)
    refuse(architecture, std::to_string(architecture.norms_per_layer) + " norms in a layer");
  for (const Layer& layer : architecture.kinds) {
    expect_attention(architecture, layer);
    expect_feed_forward(architecture, layer);
  }
}

Parameters usual_parameters(const Architecture& architecture) {
  static_cast<void>(family_of(architecture));
  return usual_numbers(architecture);
}

Parameters usual_numbers(const Architecture& architecture) {
  const Family* known = find_family(architecture.gguf_architecture);
  const Family& family = known != nullptr ? *known : families[0];
  Parameters p;
  p.norm_epsilon = family.epsilon;
  p.rope.style = family.style;
  p.rope.base = family.base;
  p.rope.local_base = family.local_base;
  if (family.scaled_embeddings) p.embedding_scale = std::sqrt(static_cast<float>(architecture.hidden));
  p.attention_softcap = family.attention_softcap;
  p.logit_softcap = family.logit_softcap;
  const auto* attention = std::get_if<GroupedAttention>(&architecture.layer(0).mixer);
  if (attention == nullptr) return p;
  p.rope.dimensions = attention->key_dim;
  if (architecture.layers.size() == family.layers_scaled_by_hidden)
    p.attention_scale = 1 / std::sqrt(static_cast<float>(architecture.hidden) / static_cast<float>(attention->heads));
  return p;
}

Parameters parameters_of(const GgufFile& file, const Architecture& architecture, const std::string& name) {
  Parameters p = usual_parameters(architecture);
  const Keys keys(file, architecture.gguf_architecture, name);
  constexpr double llama_base = 10000;  // what a file means that does not state it
  p.rope.base = llama_base;
  keys.read("attention.layer_norm_rms_epsilon", 0, 1, p.norm_epsilon);
  keys.read("rope.freq_base", 1, most_base, p.rope.base);
  keys.read("rope.freq_base_swa", 1, most_base, p.rope.local_base);
  keys.read("rope.dimension_count", 2, static_cast<double>(p.rope.dimensions), p.rope.dimensions);
  if (p.rope.dimensions % 2 != 0)
    throw InputError(name + ": key 'rope.dimension_count': is odd; whole pairs are accepted");
  keys.read("attn_logit_softcapping", 0, most_factor, p.attention_softcap);
  keys.read("final_logit_softcapping", 0, most_factor, p.logit_softcap);
  keys.read("attention.scale", 0, most_factor, p.attention_scale);
  if (keys.number("attention.temperature_scale", 0, most_factor).value_or(0) != 0)
    throw RefusedError(name + ": the engine does not scale queries by their position (attention.temperature_scale)");
  read_scaling(keys, name, p.rope);
  if (p.rope.scaling == RopeScaling::yarn && p.rope.original_context == 0)
    p.rope.original_context = static_cast<double>(architecture.context);
  return p;
}

RopeTable rope_table_of(const RopeParameters& rope, std::span<const float> frequency_factors) {
  RopeTable table;
  const std::int64_t pairs = rope.dimensions / 2;
  if (rope.scaling == RopeScaling::none && frequency_factors.empty()) return table;
  const bool yarn = rope.scaling == RopeScaling::yarn;
  const double low = yarn ? std::max(0.0, std::floor(pair_of(rope, rope.beta_fast))) : 0;
  const double high =
      yarn ? std::min(static_cast<double>(rope.dimensions - 1), std::ceil(pair_of(rope, rope.beta_slow))) : 0;
  const double interpolated = rope.scaling == RopeScaling::none ? 1 : 1 / rope.factor;
  for (std::int64_t i = 0; i < pairs; ++i) {
    double share = 0;  // of the unscaled frequency
    if (yarn) share = 1 - std::clamp((static_cast<double>(i) - low) / std::max(0.001, high - low), 0.0, 1.0);
    const double frequency = interpolated * (1 - share) + share;
    const double factor = frequency_factors.empty() ? 1 : frequency_factors[static_cast<std::size_t>(i)];
    table.divisors.push_back(static_cast<float>(factor / frequency));
  }
  constexpr double slope = 0.1;  // of the paper's fit of the temperature
  if (yarn) table.magnitude = static_cast<float>(rope.attention_factor * (1 + slope * std::log(rope.factor)));
  return table;
}

double window_base(const RopeParameters& rope) { return rope.local_base > 0 ? rope.local_base : rope.base; }

}  // namespace silicast::engine
