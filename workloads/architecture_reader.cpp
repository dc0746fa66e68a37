// SPDX-License-Identifier: Apache-2.0
// A model file to an Architecture: docs/data-format.md.
#include <algorithm>
#include <array>
#include <map>

#include "base/document.h"
#include "base/error.h"
#include "workloads/architecture_limits.h"
#include "workloads/layer_fields.h"

namespace silicast {

namespace {

const std::vector<std::string> norm_counts{"1", "2", "4"};

template <class Enum>
Enum choice(const Section& section, std::string_view key, const std::vector<std::string>& names, Enum fallback) {
  return static_cast<Enum>(section.choice(key, names, static_cast<std::size_t>(fallback)));
}

// Reads the fields of a kind. What the section does not say stays as it was where `complete` is false.
class FieldReader {
 public:
  FieldReader(const Section& section, bool complete) : section_(section), complete_(complete) {}

  void dimension(const char* key, std::int64_t& value) const {
    value = complete_ ? section_.count(key, 1, largest_dimension) : section_.count_or(key, value, 1, largest_dimension);
  }
  void count(const char* key, std::int64_t& value) const {
    value = section_.count_or(key, value, 0, largest_dimension);
  }
  void flag(const char* key, bool& value) const { value = section_.flag(key, value); }
  // `qk_norm: false` reads better than `none` in files that state it; both are accepted.
  template <class Enum>
  void choice(const char* key, Enum& value, const std::vector<std::string>& names) const {
    const Node* node = section_.optional(key);
    const bool is_false = node != nullptr && node->kind == Node::Kind::scalar && node->scalar == "false";
    if (is_false && names.front() == "none")
      value = Enum{};
    else
      value = silicast::choice(section_, key, names, value);
  }

 private:
  const Section& section_;
  bool complete_;
};

template <class Kind>
Kind read_fields(const Section& s, Kind kind = {}, bool complete = true) {
  FieldReader reader(s, complete);
  describe(reader, kind);
  return kind;
}

template <class Kind>
Kind read_whole(const Section& s) {
  const auto kind = read_fields<Kind>(s);
  s.finish();
  return kind;
}

// The attention of a file: one mixer for full and one for windowed layers, and which layer is which.
struct AttentionPlan {
  Mixer full;
  Mixer windowed;
  std::vector<bool> pattern{false};  // true: windowed; repeated over the layers

  [[nodiscard]] const Mixer& at(std::size_t i) const { return pattern[i % pattern.size()] ? windowed : full; }
};

std::vector<bool> read_window_layers(const Section& s) {
  std::vector<bool> pattern;
  for (const std::string& name : s.texts("window_layers")) {
    if (name != "window" && name != "full") s.fail("window_layers", "'" + name + "' is neither 'window' nor 'full'");
    pattern.push_back(name == "window");
  }
  return pattern;
}

AttentionPlan read_attention(const Section& s) {
  static const std::vector<std::string> kinds{"grouped", "latent", "compressed"};
  const std::size_t kind = s.choice("kind", kinds, 0);
  AttentionPlan plan;
  if (kind > 0) {
    plan.full = kind == 1 ? Mixer(read_whole<LatentAttention>(s)) : Mixer(read_whole<CompressedAttention>(s));
    return plan;
  }
  GroupedAttention windowed = read_fields<GroupedAttention>(s);
  GroupedAttention full = windowed;
  full.window = 0;
  if (const auto local = s.section("local")) {
    if (local->has("window")) local->fail("window", "stands beside `local`, not in it");
    windowed = read_fields(*local, windowed, false);
    local->finish();
  }
  plan.pattern = read_window_layers(s);
  if (windowed.window == 0 && !plan.pattern.empty()) s.fail("window_layers", "no `window` is given");
  if (plan.pattern.empty()) plan.pattern = {windowed.window > 0};
  plan.full = full;
  plan.windowed = windowed;
  s.finish();
  return plan;
}

// The mixers beside attention: their key, the word for them in `layer_pattern`, and how they are read.
struct RecurrentKind {
  const char* key;
  const char* word;
  Mixer (*read)(const Section&);
};
template <class Kind>
constexpr RecurrentKind recurrent(const char* word) {
  return {key_of(Kind{}), word, [](const Section& s) -> Mixer { return read_whole<Kind>(s); }};
}
constexpr std::array recurrent_kinds{recurrent<GatedDeltaNet>("linear"), recurrent<Mamba2>("mamba2"),
                                     recurrent<ShortConvolution>("convolution")};

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

// `shared: 2` stands for a shared_intermediate of two experts' width.
ExpertFeedForward read_expert_shape(const Section& s, Activation activation) {
  ExpertFeedForward f{.activation = activation};
  f = read_fields(s, f);
  const std::int64_t shared = s.count_or("shared", 0, 0, largest_dimension);
  if (!s.has("shared_intermediate")) f.shared_intermediate = shared * f.intermediate;
  return f;
}

ExpertPlan read_experts(const Section& s, Activation activation) {
  ExpertPlan plan{.experts = read_expert_shape(s, activation)};
  plan.leading_dense = s.count_or("leading_dense_layers", 0, 0, most_layers);
  plan.every = s.count_or("every", 1, 1, most_layers);
  s.finish();
  return plan;
}

std::string mixer_keys() {
  std::string keys = "`attention`";
  for (const RecurrentKind& kind : recurrent_kinds) keys += std::string(", `") + kind.key + "`";
  return keys;
}

Mixer read_kind_mixer(const Section& s) {
  Mixer mixer = Absent{};
  const auto set = [&](const Mixer& found) {
    if (!std::holds_alternative<Absent>(mixer)) s.fail("attention", "a kind has one of " + mixer_keys() + ", or none");
    mixer = found;
  };
  if (const auto attention = s.section("attention")) {
    const AttentionPlan plan = read_attention(*attention);
    if (plan.pattern.size() != 1)
      attention->fail("window_layers", "a kind of layer is windowed or not: give `window` alone");
    set(plan.at(0));
  }
  for (const RecurrentKind& kind : recurrent_kinds)
    if (const auto section = s.section(kind.key)) set(kind.read(*section));
  return mixer;
}

FeedForward read_kind_feed_forward(const Section& s) {
  const auto dense = s.section("feed_forward");
  const auto experts = s.section("experts");
  if (dense && experts) s.fail("feed_forward", "a kind has either `feed_forward` or `experts`, or none");
  if (dense) return read_whole<DenseFeedForward>(*dense);
  if (!experts) return Absent{};
  const ExpertFeedForward shape = read_expert_shape(*experts, Activation::swiglu);
  experts->finish();
  return shape;
}

// One entry of `kinds`: a mixer, a feed-forward block, or one of each.
Layer read_kind(const Section& s) {
  Layer layer{.mixer = read_kind_mixer(s), .feed_forward = read_kind_feed_forward(s)};
  s.finish();
  if (std::holds_alternative<Absent>(layer.mixer) && std::holds_alternative<Absent>(layer.feed_forward))
    s.fail("feed_forward", "a kind has one of " + mixer_keys() + ", or `feed_forward` or `experts`, or both");
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

// The mixer of each layer, by `layer_pattern`.
class MixerPlan {
 public:
  explicit MixerPlan(const Section& file) {
    if (const auto attention = file.section("attention")) attention_ = read_attention(*attention);
    for (std::size_t k = 0; k < recurrent_kinds.size(); ++k)
      if (const auto section = file.section(recurrent_kinds[k].key)) recurrent_[k] = recurrent_kinds[k].read(*section);
    for (const std::string& word : file.texts("layer_pattern")) pattern_.push_back(index_of_word(file, word));
    if (pattern_.empty()) pattern_ = {only_kind()};
    for (const int index : pattern_)
      if (!given(index))
        file.fail(index < 0 ? "attention" : recurrent_kinds[static_cast<std::size_t>(index)].key,
                  "required, but missing");
  }

  [[nodiscard]] const Mixer& at(std::size_t i) const {
    const int index = pattern_[i % pattern_.size()];
    return index < 0 ? attention_->at(i) : *recurrent_[static_cast<std::size_t>(index)];
  }

 private:
  static constexpr int attention_index = -1;

  static int index_of_word(const Section& file, const std::string& word) {
    if (word == "attention") return attention_index;
    std::string words = "'attention'";
    for (std::size_t k = 0; k < recurrent_kinds.size(); ++k) {
      if (word == recurrent_kinds[k].word) return static_cast<int>(k);
      words += std::string(", '") + recurrent_kinds[k].word + "'";
    }
    file.fail("layer_pattern", "'" + word + "' is none of " + words);
  }
  [[nodiscard]] bool given(int index) const {
    return index < 0 ? attention_.has_value() : recurrent_[static_cast<std::size_t>(index)].has_value();
  }
  // Without a pattern every layer has attention, or the one mixer there is.
  [[nodiscard]] int only_kind() const {
    if (attention_) return attention_index;
    const auto at = std::find_if(recurrent_.begin(), recurrent_.end(), [](const auto& m) { return m.has_value(); });
    return at == recurrent_.end() ? attention_index : static_cast<int>(at - recurrent_.begin());
  }

  std::optional<AttentionPlan> attention_;
  std::array<std::optional<Mixer>, recurrent_kinds.size()> recurrent_;
  std::vector<int> pattern_;  // index into recurrent_kinds, or attention_index; repeated over the layers
};

void read_layers(const Section& file, std::int64_t count, Architecture& a) {
  const MixerPlan mixers(file);
  const auto dense_section = file.section("feed_forward");
  const auto experts_section = file.section("experts");
  if (!dense_section && !experts_section) file.fail("feed_forward", "required, but missing");
  const DenseFeedForward dense = dense_section ? read_whole<DenseFeedForward>(*dense_section) : DenseFeedForward{};
  const auto experts = experts_section ? read_experts(*experts_section, dense.activation) : ExpertPlan{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    Layer layer{.mixer = mixers.at(i), .feed_forward = dense};
    if (experts_section && experts.at(i))
      layer.feed_forward = experts.experts;
    else if (!dense_section)
      file.fail("feed_forward", "required for layer " + std::to_string(i) + ", which has no experts");
    a.add_layer(layer);
  }
}

void read_norms(const Section& s, Architecture& a) {
  a.norms_per_layer = std::stoi(norm_counts[s.choice("per_layer", norm_counts, 1)]);
  a.norm = choice(s, "kind", norm_kind_names, NormKind::rms);
  a.value_norm = s.flag("values", false);
  a.layer_scale = s.flag("layer_scale", false);
  s.finish();
}

std::optional<std::int64_t> optional_count(const Section& file, std::string_view key) {
  if (!file.has(key)) return std::nullopt;
  return file.count(key, 1, 100 * Section::count_limit);
}

}  // namespace

Architecture read_architecture(const Section& file) {
  Architecture a;
  a.id = file.text("id", "");
  a.name = file.text("name", a.id);
  for (const char* key : {"aliases", "sources", "notes"}) file.ignore(key);
  a.gguf_architecture = file.text("architecture");
  a.hidden = file.count("hidden", 1, largest_dimension);
  a.vocabulary = file.count("vocabulary", 1, largest_dimension);
  a.context = file.count("context", 1, longest_context);
  a.tied_embeddings = file.flag("tied_embeddings", false);
  a.rope_frequencies = file.flag("rope_frequencies", false);
  a.positions = choice(file, "positions", position_names, Positions::rope);
  a.extra_layers = static_cast<int>(file.count_or("extra_layers", 0, 0, most_layers));
  a.published_quants = file.texts("published_quants");
  a.stated_parameters = optional_count(file, "parameters");
  a.stated_active_parameters = optional_count(file, "active_parameters");
  if (const auto norms = file.section("norms")) read_norms(*norms, a);
  if (const auto input = file.section("per_layer_input")) a.per_layer_input = read_whole<PerLayerInput>(*input);
  if (const auto updates = file.section("alternating_updates"))
    a.alternating_updates = read_whole<AlternatingUpdates>(*updates);
  a.hyper_connections = file.count_or("hyper_connections", 0, 0, largest_dimension);
  a.encoder = file.flag("encoder", false);
  const std::int64_t layers = file.count("layers", 1, most_layers);
  if (file.has("kinds"))
    read_layer_kinds(file, layers, a);
  else
    read_layers(file, layers, a);
  file.finish();
  validate(a, file.mark().text());
  return a;
}

}  // namespace silicast
