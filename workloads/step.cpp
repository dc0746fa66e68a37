// SPDX-License-Identifier: Apache-2.0
#include "workloads/step.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "workloads/layer_ops.h"

namespace silicast {

namespace {

constexpr std::array<std::string_view, op_kind_count> op_names{
    "embedding", "norm",       "head_norm", "matmul",        "expert_matmul",    "bias",
    "rope",      "kv_append",  "attention", "convolution",   "linear_attention", "state_space",
    "gate",      "activation", "router",    "biased_router", "latent_join",      "expert_sum",
    "add"};

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

void add_matmul(std::vector<Op>& ops, const TensorsByRole& global, TensorRole role, std::int64_t matrices = 1) {
  if (!global.has(role)) return;
  Op op{.kind = OpKind::matmul, .name = stem(role), .matmul = global.matmul(role)};
  op.matmul.out *= matrices;
  ops.push_back(op);
}

// The embedding, and what Gemma 3n and 4 make of it: the streams of the hidden state, and every layer's own input.
void add_input_ops(std::vector<Op>& ops, const Architecture& a, const TensorsByRole& global) {
  ops.push_back({.kind = OpKind::embedding, .name = "token_embd", .read = a.hidden, .written = a.hidden});
  if (const std::int64_t streams = a.alternating_updates.streams; streams > 0)
    add_matmul(ops, global, TensorRole::altup_proj, streams - 1);
  const std::int64_t width = a.per_layer_input.width * static_cast<std::int64_t>(a.layers.size());
  if (width == 0) return;
  ops.push_back({.kind = OpKind::embedding, .name = "per_layer_token_embd", .read = width, .written = width});
  add_matmul(ops, global, TensorRole::per_layer_model_proj);
  ops.push_back({.kind = OpKind::head_norm,
                 .name = "per_layer_proj_norm",
                 .read = width,
                 .written = width,
                 .flops = flops_per_norm_value * static_cast<double>(width)});
  ops.push_back({.kind = OpKind::add,
                 .name = "per_layer_input",
                 .read = 2 * width,
                 .written = width,
                 .flops = static_cast<double>(width)});
}

void add_output_ops(std::vector<Op>& ops, const Workload& w, const TensorsByRole& global) {
  const Architecture& a = w.architecture;
  if (const std::int64_t streams = a.alternating_updates.streams; streams > 0)
    add_matmul(ops, global, TensorRole::altup_unembd_proj, streams - 1);
  if (a.encoder) return;
  if (const std::int64_t copies = a.hyper_connections; copies > 0) {
    add_matmul(ops, global, TensorRole::hc_head_fn);
    ops.push_back({.kind = OpKind::add,
                   .name = "hc_head",
                   .read = copies * a.hidden,
                   .written = a.hidden,
                   .flops = 2.0 * static_cast<double>(copies * a.hidden)});
  }
  ops.push_back({.kind = OpKind::norm,
                 .name = "output_norm",
                 .read = a.hidden,
                 .written = a.hidden,
                 .flops = flops_per_norm_value * static_cast<double>(a.hidden)});
  const TensorRole role = global.has(TensorRole::output) ? TensorRole::output : TensorRole::token_embd;
  if (!global.has(role)) return;
  ops.push_back({.kind = OpKind::matmul, .name = stem(TensorRole::output), .matmul = global.matmul(role)});
}

int last_layer_of(const StepGraph& graph) {
  int last = -1;
  for (const LayerGroup& group : graph.groups)
    for (const int layer : group.layers) last = std::max(last, layer);
  return last;
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

  add_input_ops(graph.ops, a, global);
  for (std::size_t g = 0; g < graph.groups.size(); ++g) {
    TensorsByRole tensors;
    for (const std::size_t i : layers[representatives[g]].indices) tensors.add(w.tensors[i], w.types[i]);
    add_layer_ops(graph.ops, a, a.kinds[static_cast<std::size_t>(graph.groups[g].kind)], tensors,
                  {.layers = static_cast<int>(graph.groups[g].layers.size()),
                   .group = static_cast<int>(g),
                   .holds_last = !a.encoder && graph.groups[g].layers.back() == last_layer_of(graph)});
  }
  const std::size_t head = graph.ops.size();
  add_output_ops(graph.ops, w, global);
  for (std::size_t i = head; i < graph.ops.size(); ++i) graph.ops[i].stage = Stage::head;
  return graph;
}

std::vector<StepGraph> parts_of(const StepGraph& graph, int parts,
                                const std::function<int(const Op& op, int layer)>& part) {
  const auto count = static_cast<std::size_t>(parts);
  const auto layers = static_cast<std::size_t>(last_layer_of(graph)) + 1;
  std::vector<StepGraph> result(count);
  for (StepGraph& some : result) {
    some.ops.reserve(graph.ops.size());
    some.groups.reserve(graph.groups.size());
    for (const LayerGroup& group : graph.groups) some.groups.push_back({.kind = group.kind, .layers = {}});
  }
  std::vector<bool> seen(count * layers);  // layers of which a part has an operation
  std::vector<int> taken(count);           // layers of an operation, by part
  for (const Op& op : graph.ops) {
    if (op.group < 0) {
      if (const int at = part(op, -1); at >= 0) result[static_cast<std::size_t>(at)].ops.push_back(op);
      continue;
    }
    std::fill(taken.begin(), taken.end(), 0);
    for (const int layer : graph.groups[static_cast<std::size_t>(op.group)].layers) {
      const int at = part(op, layer);
      if (at < 0) continue;
      const auto index = static_cast<std::size_t>(at);
      ++taken[index];
      if (auto&& known = seen[index * layers + static_cast<std::size_t>(layer)]; !known) {
        known = true;
        result[index].groups[static_cast<std::size_t>(op.group)].layers.push_back(layer);
      }
    }
    const int of_last = op.stage == Stage::last_feed_forward ? part(op, static_cast<int>(layers) - 1) : -1;
    for (std::size_t index = 0; index < count; ++index) {
      if (taken[index] == 0) continue;
      Op& some = result[index].ops.emplace_back(op);
      some.layers = taken[index];
      if (some.stage == Stage::last_feed_forward && static_cast<int>(index) != of_last) some.stage = Stage::layers;
    }
  }
  return result;
}

StepGraph part_of(const StepGraph& graph, const std::function<bool(const Op& op, int layer)>& wanted) {
  return std::move(parts_of(graph, 1, [&](const Op& op, int layer) { return wanted(op, layer) ? 0 : -1; }).front());
}

bool belongs_to_experts(const Op& op) {
  return op.kind == OpKind::expert_matmul || op.name.starts_with("expert_") ||
         op.name.find("_exps") != std::string_view::npos;
}

namespace {

constexpr double popularity_spread = 0.5;  // of the experts' shares of the tokens, over their mean: an estimate

// ln of x (x + 1) ... (x + n - 1), for any n: Stirling's series for ln Gamma, whose error for x >= 1 is below 1e-3.
double log_rising_factorial(double x, double n) {
  const auto rest = [](double y) { return (y - 0.5) * std::log(y) + 1 / (12 * y) - 1 / (360 * y * y * y); };
  return rest(x + n) - rest(x) - n;
}

}  // namespace

double expected_distinct_experts(double experts, double used, double tokens) {
  if (used >= experts) return experts;
  if (tokens <= 1) return used * tokens;
  const double share = used / experts;
  const double both = std::max((1 - share) / (share * popularity_spread * popularity_spread) - 1, 1 / (1 - share));
  const double untouched =
      std::exp(log_rising_factorial(both * (1 - share), tokens) - log_rising_factorial(both, tokens));
  return experts * (1 - untouched);
}

double expected_expert_tiles(double experts, double used, double tokens, double columns) {
  if (used >= experts) return std::ceil(tokens / columns);
  const double touched = expected_distinct_experts(experts, used, tokens) / experts;
  const double mean = tokens * used / experts;
  constexpr double many = 8;
  if (columns <= 1) return mean / touched;
  if (mean > many * columns) return (mean / columns + (columns - 1) / (2 * columns)) / touched;
  const double relative_variance = (1 - used / experts) / mean + popularity_spread * popularity_spread;
  const double log_variance = std::log1p(relative_variance);
  const double log_median = std::log(mean) - log_variance / 2;
  const double scale = 1 / std::sqrt(2 * log_variance);
  double tiles = touched;
  for (double from = columns + 0.5; from < tokens; from += columns) {
    const double beyond = std::erfc((std::log(from) - log_median) * scale) / 2;
    constexpr double negligible = 1e-3;
    if (beyond < negligible) break;
    tiles += beyond;
  }
  return tiles / touched;
}

double operations_of(const MatmulShape& m, double columns) {
  const double each = m.experts > 0 ? static_cast<double>(m.used) : 1;
  return 2 * static_cast<double>(m.in) * static_cast<double>(m.out) * columns * each;
}

double operations_of(const AttentionShape& a, double sequences, double new_tokens, double depth) {
  return 2 * static_cast<double>(a.heads) * static_cast<double>(a.key_dim + a.value_dim) * sequences * new_tokens *
         mean_attended(a, new_tokens, depth);
}

double mean_attended(double new_tokens, double depth, double window) {
  // Query i of n (from 1) reads depth + i keys; the mean over i of min(depth + i, window).
  const double n = new_tokens;
  if (window <= 0 || depth + n <= window) return depth + (n + 1) / 2;
  const double below = std::clamp(window - depth, 0.0, n);  // queries that do not reach the window yet
  return (below * (depth + (below + 1) / 2) + (n - below) * window) / n;
}

double mean_attended(const AttentionShape& a, double new_tokens, double depth) {
  if (a.all_see_all) return depth + new_tokens;
  const double entries =
      mean_attended(new_tokens, depth, static_cast<double>(a.window)) / static_cast<double>(a.compression);
  return a.top > 0 ? std::min(entries, static_cast<double>(a.top)) : entries;
}

double entries_read(const AttentionShape& a, double cells, double new_tokens) {
  const double entries = cells / static_cast<double>(a.compression);
  return a.top > 0 ? std::min(entries, static_cast<double>(a.top) * new_tokens) : entries;
}

}  // namespace silicast
