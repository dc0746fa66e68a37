// SPDX-License-Identifier: Apache-2.0
// An architecture as the text of a model file: the inverse of read_architecture.
#include <sstream>

#include "workloads/architecture.h"

namespace silicast {

namespace {

std::string_view name_of(Activation activation) {
  switch (activation) {
    case Activation::swiglu: return "swiglu";
    case Activation::geglu: return "geglu";
    case Activation::silu: return "silu";
    case Activation::gelu: return "gelu";
    case Activation::relu: return "relu";
    case Activation::relu2: return "relu2";
  }
  return {};
}

std::string_view name_of(AttentionBias bias) {
  switch (bias) {
    case AttentionBias::none: return "none";
    case AttentionBias::qkv: return "qkv";
    case AttentionBias::qkvo: return "qkvo";
  }
  return {};
}

std::string_view name_of(QkNorm norm) {
  switch (norm) {
    case QkNorm::none: return "none";
    case QkNorm::head: return "head";
    case QkNorm::full: return "full";
  }
  return {};
}

std::string_view name_of(Positions positions) {
  switch (positions) {
    case Positions::rope: return "rope";
    case Positions::learned: return "learned";
    case Positions::none: return "none";
  }
  return {};
}

std::string_view name_of(GatedDeltaNet::Layout layout) {
  switch (layout) {
    case GatedDeltaNet::Layout::qwen3next: return "qwen3next";
    case GatedDeltaNet::Layout::qwen35: return "qwen35";
  }
  return {};
}

// In double quotes, so that no name is taken for a number, a flag or a comment.
std::string quoted(std::string_view text) {
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
  void flag(std::string_view key, bool value) {
    if (value) field(key, "true");
  }
  void count(std::string_view key, std::int64_t value) {
    if (value != 0) field(key, value);
  }
  void open(std::string_view key) {
    out_ << std::string(indent_, ' ') << key << ":\n";
    indent_ += step;
  }
  void close() { indent_ -= step; }
  [[nodiscard]] std::string text() const { return out_.str(); }

  void operator()(const GroupedAttention& a) {
    open("attention");
    field("kind", "grouped");
    field("heads", a.heads);
    field("kv_heads", a.kv_heads);
    field("head_dim", a.key_dim);
    field("value_dim", a.value_dim);
    count("window", a.window);
    field("bias", name_of(a.bias));
    field("qk_norm", name_of(a.qk_norm));
    flag("fused_qkv", a.fused_qkv);
    flag("gated", a.gated);
    flag("sinks", a.sinks);
    flag("shared_kv", a.shared_kv);
    flag("value_is_key", a.value_is_key);
    close();
  }
  void operator()(const LatentAttention& a) {
    open("attention");
    field("kind", "latent");
    field("heads", a.heads);
    count("q_lora_rank", a.q_lora_rank);
    field("kv_lora_rank", a.kv_lora_rank);
    field("qk_nope_dim", a.qk_nope_dim);
    field("qk_rope_dim", a.qk_rope_dim);
    field("value_dim", a.value_dim);
    close();
  }
  void operator()(const GatedDeltaNet& net) {
    open("linear_attention");
    field("key_heads", net.key_heads);
    field("value_heads", net.value_heads);
    field("key_dim", net.key_dim);
    field("value_dim", net.value_dim);
    field("convolution", net.convolution);
    field("layout", name_of(net.layout));
    close();
  }
  void operator()(const DenseFeedForward& f) {
    open("feed_forward");
    field("intermediate", f.intermediate);
    field("activation", name_of(f.activation));
    flag("fused_gate_up", f.fused_gate_up);
    flag("bias", f.bias);
    close();
  }
  void operator()(const ExpertFeedForward& f) {
    open("experts");
    field("count", f.experts);
    field("used", f.used);
    field("intermediate", f.intermediate);
    count("shared_intermediate", f.shared_intermediate);
    field("activation", name_of(f.activation));
    flag("shared_gate", f.shared_gate);
    flag("bias", f.bias);
    flag("router_bias", f.router_bias);
    close();
  }
  void operator()(const Layer& layer) {
    std::visit(*this, layer.mixer);
    std::visit(*this, layer.feed_forward);
  }

 private:
  static constexpr std::size_t step = 2;
  std::size_t indent_;
  std::ostringstream out_;
};

std::string kind_name(int kind) { return "kind-" + std::to_string(kind); }

void write_kinds(const Architecture& a, Writer& writer) {
  writer.open("kinds");
  for (std::size_t i = 0; i < a.kinds.size(); ++i) {
    writer.open(kind_name(static_cast<int>(i)));
    writer(a.kinds[i]);
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
  if (a.stated_parameters) writer.field("parameters", *a.stated_parameters);
  if (a.stated_active_parameters) writer.field("active_parameters", *a.stated_active_parameters);
  writer.field("positions", name_of(a.positions));
  writer.open("norms");
  writer.field("per_layer", a.norms_per_layer);
  writer.field("kind", a.norm == NormKind::rms ? "rms" : "layer");
  writer.close();
  if (a.kinds.size() == 1)
    writer(a.kinds.front());
  else
    write_kinds(a, writer);
  return writer.text();
}

}  // namespace silicast
