// SPDX-License-Identifier: Apache-2.0
// The forward pass as the papers write it, in double precision, one token after the other, weights by the naive
// dequantization: shares with the engine nothing but the weights' bytes.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <string>
#include <vector>

#include "engine/half.h"
#include "engine/model.h"

namespace silicast::testing_engine {

using Row = std::vector<double>;

// What the families differ in, from their papers and published code.
struct Family {
  bool pairs_apart = true;  // a pair of a rotation is (i, i + d/2), not (2i, 2i + 1)
  double base = 1e6;
  double window_base = 0;  // 0: base
  double epsilon = 1e-6;
  bool gelu = false;
  bool scaled_embeddings = false;
  double score_cap = 0;
  double logit_cap = 0;
};

inline Family family_of(const std::string& architecture) {
  if (architecture == "llama") return {.pairs_apart = false, .base = 500000, .epsilon = 1e-5};
  if (architecture == "gemma2")
    return {.base = 10000, .gelu = true, .scaled_embeddings = true, .score_cap = 50, .logit_cap = 30};
  if (architecture == "gemma3") return {.base = 1e6, .window_base = 10000, .gelu = true, .scaled_embeddings = true};
  return {};  // qwen2, qwen3, qwen3moe
}

class Reference {
 public:
  explicit Reference(const engine::Model& model)
      : model_(model), a_(model.architecture), family_(family_of(a_.gguf_architecture)) {
    for (const auto& tensor : model.tensors) {
      std::vector<float> weights(static_cast<std::size_t>(tensor.shape[0] * tensor.rows()));
      engine::traits_of(tensor.type).dequantize(tensor.data, weights.data(), static_cast<std::int64_t>(weights.size()));
      tensors_[tensor.name] = {Row(weights.begin(), weights.end()), tensor.shape[0], tensor.rows()};
    }
  }

  // Rounded as an F16 cache rounds them.
  bool half_cache = true;

  // The logits after each token.
  std::vector<Row> run(const std::vector<std::int32_t>& tokens) {
    keys_.assign(a_.layers.size(), {});
    values_.assign(a_.layers.size(), {});
    std::vector<Row> logits;
    for (std::size_t position = 0; position < tokens.size(); ++position)
      logits.push_back(step(tokens[position], static_cast<double>(position)));
    return logits;
  }

 private:
  struct Weights {
    Row values;
    std::int64_t columns = 0;
    std::int64_t rows = 0;
  };

  [[nodiscard]] const Weights& weights(const std::string& name) const { return tensors_.at(name); }
  [[nodiscard]] const Weights& weights(std::size_t layer, const std::string& stem) const {
    return tensors_.at("blk." + std::to_string(layer) + "." + stem);
  }
  [[nodiscard]] bool has(std::size_t layer, const std::string& stem) const {
    return tensors_.count("blk." + std::to_string(layer) + "." + stem) > 0;
  }

  // Rows [first, first + rows) of the matrix times x.
  static Row times(const Weights& w, const Row& x, std::int64_t first, std::int64_t rows) {
    Row out(static_cast<std::size_t>(rows));
    for (std::int64_t r = 0; r < rows; ++r) {
      double sum = 0;
      for (std::int64_t c = 0; c < w.columns; ++c)
        sum += w.values[static_cast<std::size_t>((first + r) * w.columns + c)] * x[static_cast<std::size_t>(c)];
      out[static_cast<std::size_t>(r)] = sum;
    }
    return out;
  }
  static Row times(const Weights& w, const Row& x) { return times(w, x, 0, w.rows); }

  static void add(Row& x, const Row& y, double factor = 1) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += factor * y[i];
  }

  // Of x[first, first + n), in place.
  void norm(Row& x, const Weights& w, std::size_t first, std::size_t n) const {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += x[first + i] * x[first + i];
    const double factor = 1 / std::sqrt(sum / static_cast<double>(n) + family_.epsilon);
    for (std::size_t i = 0; i < n; ++i) x[first + i] *= factor * w.values[i];
  }
  [[nodiscard]] Row normed(Row x, const Weights& w) const {
    norm(x, w, 0, x.size());
    return x;
  }

  void rotate(Row& x, std::size_t first, std::size_t width, double position, bool windowed) const {
    const double base = windowed && family_.window_base > 0 ? family_.window_base : family_.base;
    const auto factors = tensors_.find("rope_freqs.weight");
    for (std::size_t i = 0; i < width / 2; ++i) {
      double angle = position / std::pow(base, 2.0 * static_cast<double>(i) / static_cast<double>(width));
      if (factors != tensors_.end()) angle /= factors->second.values[i];
      double& a = x[first + (family_.pairs_apart ? i : 2 * i)];
      double& b = x[first + (family_.pairs_apart ? i + width / 2 : 2 * i + 1)];
      const double turned = a * std::cos(angle) - b * std::sin(angle);
      b = a * std::sin(angle) + b * std::cos(angle);
      a = turned;
    }
  }

  [[nodiscard]] double stored(double value) const {
    return half_cache ? engine::to_float(engine::to_half(static_cast<float>(value))) : value;
  }

  Row attention(std::size_t layer, const Row& x, double position) {
    const auto& a = std::get<GroupedAttention>(a_.layer(layer).mixer);
    const auto width = static_cast<std::size_t>(a.key_dim);
    Row q = times(weights(layer, "attn_q.weight"), x);
    Row k = times(weights(layer, "attn_k.weight"), x);
    Row v = times(weights(layer, "attn_v.weight"), x);
    if (has(layer, "attn_q.bias")) {
      add(q, weights(layer, "attn_q.bias").values);
      add(k, weights(layer, "attn_k.bias").values);
      add(v, weights(layer, "attn_v.bias").values);
    }
    for (auto* heads : {&q, &k})
      for (std::size_t h = 0; h < heads->size(); h += width) {
        const std::string stem = heads == &q ? "attn_q_norm.weight" : "attn_k_norm.weight";
        if (has(layer, stem)) norm(*heads, weights(layer, stem), h, width);
        rotate(*heads, h, width, position, a.window > 0);
      }
    for (double& value : k) value = stored(value);
    for (double& value : v) value = stored(value);
    keys_[layer].push_back(k);
    values_[layer].push_back(v);
    Row out(q.size());
    const std::size_t group = static_cast<std::size_t>(a.heads / a.kv_heads);
    for (std::size_t h = 0; h < static_cast<std::size_t>(a.heads); ++h)
      attend(layer, q, h * width, h / group * width, width, a.window, out);
    return times(weights(layer, "attn_output.weight"), out);
  }

  void attend(std::size_t layer, const Row& q, std::size_t at, std::size_t kv, std::size_t width, std::int64_t window,
              Row& out) const {
    const std::size_t seen = keys_[layer].size();
    const std::size_t first =
        window > 0 && seen > static_cast<std::size_t>(window) ? seen - static_cast<std::size_t>(window) : 0;
    Row scores;
    double largest = -1e300;
    for (std::size_t p = first; p < seen; ++p) {
      double score = 0;
      for (std::size_t i = 0; i < width; ++i) score += q[at + i] * keys_[layer][p][kv + i];
      score /= std::sqrt(static_cast<double>(width));
      if (family_.score_cap > 0) score = family_.score_cap * std::tanh(score / family_.score_cap);
      scores.push_back(score);
      largest = std::max(largest, score);
    }
    double sum = 0;
    for (double& score : scores) sum += score = std::exp(score - largest);
    for (std::size_t p = first; p < seen; ++p)
      for (std::size_t i = 0; i < width; ++i) out[at + i] += scores[p - first] / sum * values_[layer][p][kv + i];
  }

  [[nodiscard]] double act(double x) const {
    if (!family_.gelu) return x / (1 + std::exp(-x));
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  }

  // Of one expert, or of the only one.
  Row feed_forward(std::size_t layer, const Row& x, const std::string& suffix, std::int64_t expert,
                   std::int64_t experts) const {
    const Weights& gate = weights(layer, "ffn_gate" + suffix);
    const Weights& up = weights(layer, "ffn_up" + suffix);
    const Weights& down = weights(layer, "ffn_down" + suffix);
    const std::int64_t width = gate.rows / experts;
    Row h = times(gate, x, expert * width, width);
    const Row u = times(up, x, expert * width, width);
    for (std::size_t i = 0; i < h.size(); ++i) h[i] = act(h[i]) * u[i];
    return times(down, h, expert * (down.rows / experts), down.rows / experts);
  }

  Row experts(std::size_t layer, const Row& x) const {
    const auto& e = std::get<ExpertFeedForward>(a_.layer(layer).feed_forward);
    Row scores = times(weights(layer, "ffn_gate_inp.weight"), x);
    std::vector<std::size_t> order(scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return scores[i] > scores[j]; });
    double sum = 0;
    for (std::int64_t j = 0; j < e.used; ++j) sum += std::exp(scores[order[static_cast<std::size_t>(j)]]);
    Row out(x.size());
    for (std::int64_t j = 0; j < e.used; ++j) {
      const std::size_t chosen = order[static_cast<std::size_t>(j)];
      add(out, feed_forward(layer, x, "_exps.weight", static_cast<std::int64_t>(chosen), e.experts),
          std::exp(scores[chosen]) / sum);
    }
    return out;
  }

  Row step(std::int32_t token, double position) {
    const Weights& embedding = weights("token_embd.weight");
    const auto first = embedding.values.begin() + token * embedding.columns;
    Row x(first, first + embedding.columns);
    if (family_.scaled_embeddings)
      for (double& value : x) value *= std::sqrt(static_cast<double>(x.size()));
    for (std::size_t layer = 0; layer < a_.layers.size(); ++layer) {
      Row attended = attention(layer, normed(x, weights(layer, "attn_norm.weight")), position);
      if (a_.norms_per_layer == 4) attended = normed(attended, weights(layer, "post_attention_norm.weight"));
      add(x, attended);
      const Row input = normed(x, weights(layer, "ffn_norm.weight"));
      Row result =
          has(layer, "ffn_gate_inp.weight") ? experts(layer, input) : feed_forward(layer, input, ".weight", 0, 1);
      if (a_.norms_per_layer == 4) result = normed(result, weights(layer, "post_ffw_norm.weight"));
      add(x, result);
    }
    Row logits = times(weights(a_.tied_embeddings ? "token_embd.weight" : "output.weight"),
                       normed(x, weights("output_norm.weight")));
    if (family_.logit_cap > 0)
      for (double& logit : logits) logit = family_.logit_cap * std::tanh(logit / family_.logit_cap);
    return logits;
  }

  const engine::Model& model_;
  const Architecture& a_;
  Family family_;
  std::map<std::string, Weights> tensors_;
  std::vector<std::vector<Row>> keys_;  // [layer][position]
  std::vector<std::vector<Row>> values_;
};

// Root mean square of the difference over that of the reference.
inline double relative_error(const float* values, const Row& reference) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    difference += std::pow(static_cast<double>(values[i]) - reference[i], 2);
    size += reference[i] * reference[i];
  }
  return std::sqrt(difference / size);
}

}  // namespace silicast::testing_engine
