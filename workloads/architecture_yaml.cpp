// SPDX-License-Identifier: Apache-2.0
// An architecture as the text of a model file: the inverse of read_architecture.
#include <sstream>
#include <type_traits>

#include "workloads/layer_fields.h"

namespace silicast {

namespace {

// In double quotes, so that no name is taken for a number, a flag or a comment.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return result + "\"";
}

class Writer {
 public:
  explicit Writer(int indent) : indent_(static_cast<std::size_t>(indent)) {}

  template <class T>
  void field(std::string_view key, const T& value) {
    out_ << std::string(indent_, ' ') << key << ": " << value << '\n';
  }
  void open(std::string_view key) {
    out_ << std::string(indent_, ' ') << key << ":\n";
    indent_ += step;
  }
  void close() { indent_ -= step; }
  [[nodiscard]] std::string text() const { return out_.str(); }

  // As a visitor of fields; what is absent or false is not written.
  void dimension(std::string_view key, std::int64_t value) { field(key, value); }
  void count(std::string_view key, std::int64_t value) {
    if (value != 0) field(key, value);
  }
  void flag(std::string_view key, bool value) {
    if (value) field(key, "true");
  }
  template <class Enum>
  void choice(std::string_view key, Enum value, const std::vector<std::string>& names) {
    field(key, names[static_cast<std::size_t>(value)]);
  }

  // As a visitor of kinds.
  template <class Kind>
  requires(!std::is_same_v<Kind, Absent>) void operator()(Kind kind) {
    open(key_of(kind));
    if (std::is_same_v<Kind, GroupedAttention>) field("kind", "grouped");
    if (std::is_same_v<Kind, LatentAttention>) field("kind", "latent");
    if (std::is_same_v<Kind, CompressedAttention>) field("kind", "compressed");
    describe(*this, kind);
    close();
  }
  void operator()(const Absent& /*absent*/) const {}
  template <class Part>
  void block(std::string_view key, Part part) {
    open(key);
    describe(*this, part);
    close();
  }
  void layer(const Layer& layer) {
    std::visit([this](const auto& mixer) { (*this)(mixer); }, layer.mixer);
    std::visit([this](const auto& feed_forward) { (*this)(feed_forward); }, layer.feed_forward);
  }

 private:
  static constexpr std::size_t step = 2;
  std::size_t indent_;
  std::ostringstream out_;
};

std::string kind_name(int kind) { return "kind-" + std::to_string(kind); }

// Has a mixer and a feed-forward block; what has only one is written as a kind.
bool is_whole(const Layer& layer) {
  return !std::holds_alternative<Absent>(layer.mixer) && !std::holds_alternative<Absent>(layer.feed_forward);
}

void write_kinds(const Architecture& a, Writer& writer) {
  writer.open("kinds");
  for (std::size_t i = 0; i < a.kinds.size(); ++i) {
    writer.open(kind_name(static_cast<int>(i)));
    writer.layer(a.kinds[i]);
    writer.close();
  }
  writer.close();
  std::string names;
  for (const int kind : a.layers) names += (names.empty() ? "[" : ", ") + kind_name(kind);
  writer.field("layer_kinds", names + "]");
}

}  // namespace

std::string architecture_yaml(const Architecture& a, int indent) {
  Writer writer(indent);
  if (!a.id.empty()) writer.field("id", quoted(a.id));
  if (!a.name.empty() && a.name != a.id) writer.field("name", quoted(a.name));
  writer.field("architecture", quoted(a.gguf_architecture));
  writer.field("layers", a.layers.size());
  writer.count("extra_layers", a.extra_layers);
  writer.field("hidden", a.hidden);
  writer.field("vocabulary", a.vocabulary);
  writer.field("context", a.context);
  writer.field("tied_embeddings", a.tied_embeddings ? "true" : "false");
  writer.flag("rope_frequencies", a.rope_frequencies);
  if (!a.published_quants.empty()) {
    std::string names;
    for (const std::string& name : a.published_quants) names += (names.empty() ? "[" : ", ") + quoted(name);
    writer.field("published_quants", names + "]");
  }
  if (a.stated_parameters) writer.field("parameters", *a.stated_parameters);
  if (a.stated_active_parameters) writer.field("active_parameters", *a.stated_active_parameters);
  writer.choice("positions", a.positions, position_names);
  writer.open("norms");
  writer.field("per_layer", a.norms_per_layer);
  writer.choice("kind", a.norm, norm_kind_names);
  writer.flag("values", a.value_norm);
  writer.flag("layer_scale", a.layer_scale);
  writer.close();
  if (a.per_layer_input.width > 0) writer.block("per_layer_input", a.per_layer_input);
  if (a.alternating_updates.streams > 0) writer.block("alternating_updates", a.alternating_updates);
  writer.count("hyper_connections", a.hyper_connections);
  writer.flag("encoder", a.encoder);
  if (a.kinds.size() == 1 && is_whole(a.kinds.front()))
    writer.layer(a.kinds.front());
  else
    write_kinds(a, writer);
  return writer.text();
}

}  // namespace silicast
