// SPDX-License-Identifier: Apache-2.0
#include "workloads/step.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "base/error.h"

namespace silicast {

namespace {

constexpr std::array<std::string_view, op_kind_count> op_names{
    "embedding", "norm",        "head_norm",        "matmul", "expert_matmul", "bias",   "rope",       "kv_append",
    "attention", "convolution", "linear_attention", "gate",   "activation",    "router", "expert_sum", "add"};

// Vector operations per value, counted from the definitions: RMSNorm x*x, sum, scale, weight; RoPE two multiply-adds a
// value; SiLU exp, add, divide, two multiplies.
constexpr double flops_per_norm_value = 4;
constexpr double flops_per_rope_value = 3;
constexpr double flops_per_activation_value = 6;
constexpr double flops_per_softmax_value = 5;

// The tensors of one layer, or those outside of all layers, by role.
class TensorsByRole {
 public:
  void add(const Tensor& tensor, TypeId type) {
    if (tensor.bias)
      bias_[static_cast<std::size_t>(tensor.role)] = true;
    else
      found_[static_cast<std::size_t>(tensor.role)] = {&tensor, type};
  }
  [[nodiscard]] bool has(TensorRole role) const { return at(role).tensor != nullptr; }
  [[nodiscard]] bool has_bias(TensorRole role) const { return bias_[static_cast<std::size_t>(role)]; }
  [[nodiscard]] MatmulShape matmul(TensorRole role) const {
    const Tensor& tensor = *at(role).tensor;
    return {.type = at(role).type, .in = tensor.shape[0], .out = tensor.shape[1]};
  }

 private:
  struct Found {
    const Tensor* tensor = nullptr;
    TypeId type{};
  };
  [[nodiscard]] const Found& at(TensorRole role) const { return found_[static_cast<std::size_t>(role)]; }

  static constexpr std::size_t roles = static_cast<std::size_t>(TensorRole::other) + 1;
  std::array<Found, roles> found_{};
  std::array<bool, roles> bias_{};
};

// Appends the operations of one layer group.
class LayerOps {
 public:
  LayerOps(std::vector<Op>& ops, const Architecture& architecture, const TensorsByRole& tensors, int layers, int group)
      : ops_(ops), architecture_(architecture), tensors_(tensors), layers_(layers), group_(group) {}

  void operator()(const Layer& layer) {
    norm("attn_norm");
    std::visit([this](const auto& mixer) { mix(mixer); }, layer.mixer);
    if (architecture_.norms_per_layer >= 4) norm("post_attention_norm");
    if (architecture_.norms_per_layer >= 2) {
      vector_op(OpKind::add, "attn_residual", 2 * architecture_.hidden, architecture_.hidden, 1);
      norm("ffn_norm");
    }
    std::visit([this](const auto& feed_forward) { feed(feed_forward); }, layer.feed_forward);
    if (architecture_.norms_per_layer >= 4) norm("post_ffw_norm");
    vector_op(OpKind::add, "ffn_residual", 2 * architecture_.hidden, architecture_.hidden, 1);
  }

 private:
  void norm(std::string_view name) {
    vector_op(OpKind::norm, name, architecture_.hidden, architecture_.hidden, flops_per_norm_value);
  }

  // `flops_per_value` counts per value written.
  void vector_op(OpKind kind, std::string_view name, std::int64_t read, std::int64_t written, double flops_per_value) {
    ops_.push_back({.kind = kind,
                    .name = name,
                    .layers = layers_,
                    .group = group_,
                    .read = read,
                    .written = written,
                    .flops = flops_per_value * static_cast<double>(written)});
  }

  bool project(TensorRole role) {
    if (!tensors_.has(role)) return false;
    const MatmulShape shape = tensors_.matmul(role);
    ops_.push_back({.kind = OpKind::matmul, .name = stem(role), .layers = layers_, .group = group_, .matmul = shape});
    if (tensors_.has_bias(role)) vector_op(OpKind::bias, stem(role), shape.out, shape.out, 1);
    return true;
  }

  void mix(const GroupedAttention& a) {
    if (!project(TensorRole::attn_qkv)) {
      project(TensorRole::attn_q);
      project(TensorRole::attn_k);
      project(TensorRole::attn_v);
    }
    const std::int64_t query = a.heads * a.key_dim;
    const std::int64_t key = a.shared_kv ? 0 : a.kv_heads * a.key_dim;
    const std::int64_t value = a.shared_kv ? 0 : a.kv_heads * a.value_dim;
    if (a.qk_norm != QkNorm::none)
      vector_op(OpKind::head_norm, "qk_norm", query + key, query + key, flops_per_norm_value);
    if (architecture_.positions == Positions::rope)
      vector_op(OpKind::rope, "rope", query + key, query + key, flops_per_rope_value);
    if (!a.shared_kv) vector_op(OpKind::kv_append, "kv_append", key + value, key + value, 0);
    attention({.heads = a.heads,
               .kv_heads = a.kv_heads,
               .key_dim = a.key_dim,
               .value_dim = a.value_dim,
               .cached_keys = a.kv_heads * a.key_dim,
               .cached_values = a.kv_heads * a.value_dim,
               .window = a.window});
    if (a.gated)
      vector_op(OpKind::gate, "attn_gate", 2 * a.heads * a.value_dim, a.heads * a.value_dim,
                flops_per_activation_value);
    project(TensorRole::attn_output);
  }

  // The absorbed form: queries are mapped into the latent space (attn_k_b), attention runs over one shared latent key
  // of kv_lora_rank + qk_rope_dim values, whose first kv_lora_rank values serve as the value, and attn_v_b maps back.
  void mix(const LatentAttention& a) {
    if (!project(TensorRole::attn_q)) {
      project(TensorRole::attn_q_a);
      vector_op(OpKind::norm, "attn_q_a_norm", a.q_lora_rank, a.q_lora_rank, flops_per_norm_value);
      project(TensorRole::attn_q_b);
    }
    project(TensorRole::attn_kv_a_mqa);
    vector_op(OpKind::norm, "attn_kv_a_norm", a.kv_lora_rank, a.kv_lora_rank, flops_per_norm_value);
    const std::int64_t roped = (a.heads + 1) * a.qk_rope_dim;
    vector_op(OpKind::rope, "rope", roped, roped, flops_per_rope_value);
    const std::int64_t latent = a.kv_lora_rank + a.qk_rope_dim;
    per_head(TensorRole::attn_k_b, a.qk_nope_dim, a.kv_lora_rank, a.heads);
    vector_op(OpKind::kv_append, "kv_append", latent, latent, 0);
    attention({.heads = a.heads, .kv_heads = 1, .key_dim = latent, .value_dim = a.kv_lora_rank, .cached_keys = latent});
    per_head(TensorRole::attn_v_b, a.kv_lora_rank, a.value_dim, a.heads);
    project(TensorRole::attn_output);
  }

  // One small matrix per head: as many operations and bytes as one matrix with the heads' rows stacked.
  void per_head(TensorRole role, std::int64_t in, std::int64_t out, std::int64_t heads) {
    TypeId type{};
    if (tensors_.has(role))
      type = tensors_.matmul(role).type;
    else if (tensors_.has(TensorRole::attn_kv_b))
      type = tensors_.matmul(TensorRole::attn_kv_b).type;
    else
      return;
    ops_.push_back({.kind = OpKind::matmul,
                    .name = stem(role),
                    .layers = layers_,
                    .group = group_,
                    .matmul = {.type = type, .in = in, .out = out * heads}});
  }

  void mix(const GatedDeltaNet& a) {
    for (const TensorRole role : {TensorRole::attn_qkv, TensorRole::attn_gate, TensorRole::ssm_in, TensorRole::ssm_ba,
                                  TensorRole::ssm_alpha, TensorRole::ssm_beta})
      project(role);
    const std::int64_t keys = a.key_heads * a.key_dim;
    const std::int64_t values = a.value_heads * a.value_dim;
    const std::int64_t channels = 2 * keys + values;
    vector_op(OpKind::convolution, "ssm_conv1d", channels * a.convolution, channels,
              2.0 * static_cast<double>(a.convolution));
    vector_op(OpKind::head_norm, "qk_norm", 2 * keys, 2 * keys, flops_per_norm_value);
    ops_.push_back({.kind = OpKind::linear_attention,
                    .name = "linear_attention",
                    .layers = layers_,
                    .group = group_,
                    .linear = {a.key_heads, a.value_heads, a.key_dim, a.value_dim}});
    vector_op(OpKind::gate, "ssm_norm", 2 * values, values, flops_per_norm_value + flops_per_activation_value);
    project(TensorRole::ssm_out);
  }

  void attention(const AttentionShape& shape) {
    ops_.push_back(
        {.kind = OpKind::attention, .name = "attention", .layers = layers_, .group = group_, .attention = shape});
  }

  void feed(const DenseFeedForward& f) {
    project(TensorRole::ffn_gate);
    project(TensorRole::ffn_up);
    activate("ffn_activation", f.activation, f.intermediate);
    project(TensorRole::ffn_down);
  }

  void activate(std::string_view name, Activation activation, std::int64_t width) {
    vector_op(OpKind::activation, name, has_gate(activation) ? 2 * width : width, width, flops_per_activation_value);
  }

  void feed(const ExpertFeedForward& f) {
    project(TensorRole::ffn_gate_inp);
    vector_op(OpKind::router, "router", f.experts, f.used,
              flops_per_softmax_value * static_cast<double>(f.experts) /
                  static_cast<double>(std::max<std::int64_t>(f.used, 1)));
    expert(TensorRole::ffn_gate_exps, f);
    expert(TensorRole::ffn_up_exps, f);
    activate("expert_activation", f.activation, f.used * f.intermediate);
    expert(TensorRole::ffn_down_exps, f);
    vector_op(OpKind::expert_sum, "expert_sum", f.used * architecture_.hidden, architecture_.hidden,
              2.0 * static_cast<double>(f.used));
    if (f.shared_intermediate == 0) return;
    project(TensorRole::ffn_gate_shexp);
    project(TensorRole::ffn_up_shexp);
    activate("shared_activation", f.activation, f.shared_intermediate);
    project(TensorRole::ffn_down_shexp);
    project(TensorRole::ffn_gate_inp_shexp);
    vector_op(OpKind::add, "shared_add", 2 * architecture_.hidden, architecture_.hidden, 1);
  }

  void expert(TensorRole role, const ExpertFeedForward& f) {
    if (!tensors_.has(role)) return;
    MatmulShape shape = tensors_.matmul(role);
    shape.experts = f.experts;
    shape.used = f.used;
    ops_.push_back(
        {.kind = OpKind::expert_matmul, .name = stem(role), .layers = layers_, .group = group_, .matmul = shape});
    if (f.bias) vector_op(OpKind::bias, stem(role), shape.out * f.used, shape.out * f.used, 1);
  }

  std::vector<Op>& ops_;
  const Architecture& architecture_;
  const TensorsByRole& tensors_;
  int layers_;
  int group_;
};

struct LayerTensors {
  int kind = 0;
  std::vector<std::size_t> indices;  // into Workload::tensors
};

// Same kind, same roles, same shapes, same types.
bool alike(const Workload& w, const LayerTensors& a, const LayerTensors& b) {
  if (a.kind != b.kind || a.indices.size() != b.indices.size()) return false;
  for (std::size_t i = 0; i < a.indices.size(); ++i) {
    const Tensor& x = w.tensors[a.indices[i]];
    const Tensor& y = w.tensors[b.indices[i]];
    if (x.role != y.role || x.bias != y.bias || x.shape != y.shape || w.types[a.indices[i]] != w.types[b.indices[i]])
      return false;
  }
  return true;
}

void add_output_ops(std::vector<Op>& ops, const Workload& w, const TensorsByRole& global) {
  const Architecture& a = w.architecture;
  ops.push_back({.kind = OpKind::norm,
                 .name = "output_norm",
                 .read = a.hidden,
                 .written = a.hidden,
                 .flops = flops_per_norm_value * static_cast<double>(a.hidden)});
  const TensorRole role = global.has(TensorRole::output) ? TensorRole::output : TensorRole::token_embd;
  if (!global.has(role)) return;
  Op op{.kind = OpKind::matmul, .name = stem(TensorRole::output), .matmul = global.matmul(role)};
  op.matmul.outputs_only = true;
  ops.push_back(op);
}

}  // namespace

std::string_view name_of(OpKind kind) { return op_names[static_cast<std::size_t>(kind)]; }

StepGraph step_graph(const Workload& w) {
  const Architecture& a = w.architecture;
  TensorsByRole global;
  std::vector<LayerTensors> layers(a.layers.size());
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l].kind = a.layers[l];
    constexpr std::size_t usual_tensors_per_layer = 16;
    layers[l].indices.reserve(usual_tensors_per_layer);
  }
  for (std::size_t i = 0; i < w.tensors.size(); ++i) {
    const int layer = w.tensors[i].layer;
    if (layer < 0)
      global.add(w.tensors[i], w.types[i]);
    else if (static_cast<std::size_t>(layer) < layers.size())
      layers[static_cast<std::size_t>(layer)].indices.push_back(i);
  }

  StepGraph graph;
  std::vector<std::size_t> representatives;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const auto at = std::find_if(representatives.begin(), representatives.end(),
                                 [&](std::size_t r) { return alike(w, layers[r], layers[l]); });
    if (at == representatives.end()) {
      representatives.push_back(l);
      graph.groups.push_back({layers[l].kind, {static_cast<int>(l)}});
    } else {
      graph.groups[static_cast<std::size_t>(at - representatives.begin())].layers.push_back(static_cast<int>(l));
    }
  }

  graph.ops.push_back({.kind = OpKind::embedding, .name = "token_embd", .read = a.hidden, .written = a.hidden});
  for (std::size_t g = 0; g < graph.groups.size(); ++g) {
    TensorsByRole tensors;
    for (const std::size_t i : layers[representatives[g]].indices) tensors.add(w.tensors[i], w.types[i]);
    LayerOps(graph.ops, a, tensors, static_cast<int>(graph.groups[g].layers.size()),
             static_cast<int>(g))(a.kinds[static_cast<std::size_t>(graph.groups[g].kind)]);
  }
  add_output_ops(graph.ops, w, global);
  return graph;
}

StepGraph part_of(const StepGraph& graph, const std::function<bool(const Op& op, int layer)>& wanted) {
  StepGraph part;
  part.groups = graph.groups;
  for (LayerGroup& group : part.groups) group.layers.clear();
  for (const Op& op : graph.ops) {
    if (op.group < 0) {
      if (wanted(op, -1)) part.ops.push_back(op);
      continue;
    }
    Op some = op;
    some.layers = 0;
    auto& present = part.groups[static_cast<std::size_t>(op.group)].layers;
    for (const int layer : graph.groups[static_cast<std::size_t>(op.group)].layers) {
      if (!wanted(op, layer)) continue;
      ++some.layers;
      if (std::find(present.begin(), present.end(), layer) == present.end()) present.push_back(layer);
    }
    if (some.layers > 0) part.ops.push_back(some);
  }
  return part;
}

bool belongs_to_experts(const Op& op) {
  return op.kind == OpKind::expert_matmul || op.kind == OpKind::expert_sum || op.name == "expert_activation" ||
         (op.kind == OpKind::bias && op.name.ends_with("_exps"));
}

double expected_distinct_experts(double experts, double used, double tokens) {
  if (used >= experts) return experts;
  return experts * (1 - std::exp(tokens * std::log1p(-used / experts)));
}

double mean_attended(double new_tokens, double depth, double window) {
  // Query i of n (from 1) reads depth + i keys; the mean over i of min(depth + i, window).
  const double n = new_tokens;
  if (window <= 0 || depth + n <= window) return depth + (n + 1) / 2;
  const double below = std::clamp(window - depth, 0.0, n);  // queries that do not reach the window yet
  return (below * (depth + (below + 1) / 2) + (n - below) * window) / n;
}

}  // namespace silicast
