// SPDX-License-Identifier: Apache-2.0
#include "workloads/hf_hybrid.h"

#include <algorithm>

#include "base/document.h"
#include "base/text.h"
#include "workloads/hf_limits.h"

namespace silicast {

namespace {

// The first of the keys that the file has; the first is reported as missing.
std::int64_t first_count(const Section& text, const std::vector<std::string_view>& keys, std::int64_t most) {
  for (const auto key : keys)
    if (text.has(key)) return text.count(key, 1, most);
  return text.count(keys.front(), 1, most);
}

std::size_t layer_count(const Section& text) {
  return static_cast<std::size_t>(text.count("num_hidden_layers", 1, most_hf_layers));
}

void expect_one_per_layer(const Section& text, std::string_view key, std::size_t found) {
  if (found != layer_count(text))
    text.fail(key, "has " + std::to_string(found) + " entries; num_hidden_layers, " +
                       std::to_string(layer_count(text)) + ", are expected");
}

// Whole numbers, one for each layer.
std::vector<std::int64_t> counts(const Section& text, std::string_view key, std::int64_t least, std::int64_t most) {
  std::vector<std::int64_t> result;
  for (const std::string& item : text.texts(key)) {
    const auto value = parse_integer(item);
    if (!value || *value < least || *value > most)
      text.fail(key, "has '" + item.substr(0, 60) + "'; whole numbers from " + std::to_string(least) + " to " +
                         std::to_string(most) + " are accepted");
    result.push_back(*value);
  }
  return result;
}

GroupedAttention grouped(const Section& text, std::int64_t hidden) {
  GroupedAttention a;
  a.heads = text.count("num_attention_heads", 1, most_hf_heads);
  a.kv_heads = text.count_or("num_key_value_heads", a.heads, 1, most_hf_heads);
  const std::string_view key = text.has("head_dim") ? "head_dim" : "attention_head_dim";
  if (!text.has(key) && hidden % a.heads != 0)
    text.fail("num_attention_heads", "hidden_size, " + std::to_string(hidden) + ", is no multiple of the " +
                                         std::to_string(a.heads) + " heads, and there is no head_dim");
  a.key_dim = a.value_dim = text.count_or(key, std::max<std::int64_t>(hidden / a.heads, 1), 1, most_hf_head_dim);
  if (text.flag("attention_bias", false)) a.bias = AttentionBias::qkvo;
  return a;
}

Mamba2 mamba2(const Section& text) {
  Mamba2 m;
  m.heads = text.count("mamba_num_heads", 1, most_hf_heads);
  m.head_dim = text.count("mamba_head_dim", 1, most_hf_head_dim);
  m.groups = first_count(text, {"n_groups", "mamba_num_groups"}, most_hf_heads);
  m.state = first_count(text, {"ssm_state_size", "mamba_state_dim"}, most_hf_head_dim);
  m.convolution = text.count("conv_kernel", 2, most_hf_head_dim);
  return m;
}

Activation nemotron_activation(const Section& text) {
  static const std::vector<std::string> names{"relu2", "silu"};
  return text.choice("mlp_hidden_act", names, 0) == 0 ? Activation::relu2 : Activation::silu;
}

ExpertFeedForward nemotron_experts(const Section& text) {
  ExpertFeedForward f;
  f.experts = text.count("n_routed_experts", 1, most_hf_experts);
  f.used = text.count("num_experts_per_tok", 1, f.experts);
  f.intermediate = text.count("moe_intermediate_size", 1, most_hf_intermediate);
  if (text.count_or("n_shared_experts", 1, 0, most_hf_experts) > 0)
    f.shared_intermediate = text.count_or("moe_shared_expert_intermediate_size", 0, 0, most_hf_intermediate);
  f.latent = text.count_or("moe_latent_size", 0, 0, most_hf_hidden);
  f.activation = nemotron_activation(text);
  f.router_bias = true;
  return f;
}

// As letters, whichever way they are stated.
std::string nemotron_blocks(const Section& text) {
  constexpr std::string_view pattern_key = "hybrid_override_pattern";
  constexpr std::string_view list_key = "layers_block_type";
  std::string blocks;
  if (text.has(pattern_key)) {
    blocks = text.text(pattern_key);
    const auto wrong = blocks.find_first_not_of("M*-E");
    if (wrong != std::string::npos)
      text.fail(pattern_key, "has '" + blocks.substr(wrong, 1) +
                                 "'; M (Mamba-2), * (attention), - (feed-forward) and E (experts) are accepted");
    expect_one_per_layer(text, pattern_key, blocks.size());
    return blocks;
  }
  static const std::vector<std::string> names{"mamba", "attention", "mlp", "moe"};
  for (const std::string& name : text.texts(list_key)) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end())
      text.fail(list_key, "has '" + name.substr(0, 60) + "'; mamba, attention, mlp and moe are accepted");
    blocks += "M*-E"[at - names.begin()];
  }
  if (blocks.empty()) text.fail(pattern_key, "required, but missing");
  expect_one_per_layer(text, list_key, blocks.size());
  return blocks;
}

// block_ff_dim is cut to two thirds and rounded up to a multiple, unless it says otherwise (Lfm2MLP).
std::int64_t lfm2_intermediate(const Section& text, bool experts) {
  std::int64_t width = first_count(text, {"intermediate_size", "block_ff_dim"}, most_hf_intermediate);
  if (experts || !text.flag("block_auto_adjust_ff_dim", true)) return width;
  constexpr std::int64_t usual_multiple = 256;
  const std::int64_t multiple = text.count_or("block_multiple_of", usual_multiple, 1, most_hf_intermediate);
  constexpr double largest_factor = 16;
  const double factor = text.optional_number("block_ffn_dim_multiplier", 0, largest_factor).value_or(1);
  const std::int64_t two_thirds = 2 * width / 3;
  width = static_cast<std::int64_t>(factor * static_cast<double>(two_thirds));
  return (width + multiple - 1) / multiple * multiple;
}

std::vector<bool> lfm2_attention_layers(const Section& text) {
  std::vector<bool> attends;
  for (const std::string& type : text.texts("layer_types")) {
    if (type != "conv" && type != "full_attention")
      text.fail("layer_types", "has '" + type.substr(0, 60) + "'; conv and full_attention are accepted");
    attends.push_back(type == "full_attention");
  }
  if (!attends.empty()) {
    expect_one_per_layer(text, "layer_types", attends.size());
    return attends;
  }
  attends.assign(layer_count(text), false);
  if (!text.has("full_attn_idxs")) text.fail("layer_types", "required, but missing");
  const auto last = static_cast<std::int64_t>(attends.size()) - 1;
  for (const std::int64_t i : counts(text, "full_attn_idxs", 0, last)) attends[static_cast<std::size_t>(i)] = true;
  return attends;
}

}  // namespace

void add_nemotron_h_layers(const Section& text, Architecture& a) {
  a.positions = Positions::none;
  const std::string blocks = nemotron_blocks(text);
  if (blocks.find('E') != std::string::npos) a.gguf_architecture = "nemotron_h_moe";
  for (const char block : blocks) {
    Layer layer{.mixer = Absent{}, .feed_forward = Absent{}};
    if (block == 'M') layer.mixer = mamba2(text);
    if (block == '*') layer.mixer = grouped(text, a.hidden);
    if (block == '-')
      layer.feed_forward = DenseFeedForward{
          .intermediate = text.count("intermediate_size", 1, most_hf_intermediate),
          .activation = nemotron_activation(text),
          .bias = text.flag("mlp_bias", false),
      };
    if (block == 'E') layer.feed_forward = nemotron_experts(text);
    a.add_layer(layer);
  }
}

void add_lfm2_layers(const Section& text, Architecture& a) {
  const bool sparse = a.gguf_architecture == "lfm2moe";
  a.tied_embeddings = text.flag("tie_embedding", a.tied_embeddings);
  GroupedAttention attention = grouped(text, a.hidden);
  attention.qk_norm = QkNorm::head;
  const ShortConvolution convolution{.convolution = text.count("conv_L_cache", 2, most_hf_head_dim)};
  if (text.flag("conv_bias", false)) text.fail("conv_bias", "is true; convolutions without a bias are accepted");
  const DenseFeedForward dense{.intermediate = lfm2_intermediate(text, sparse)};
  ExpertFeedForward experts;
  if (sparse) {
    experts.experts = text.count("num_experts", 1, most_hf_experts);
    experts.used = text.count("num_experts_per_tok", 1, experts.experts);
    experts.intermediate = text.count("moe_intermediate_size", 1, most_hf_intermediate);
    experts.router_bias = text.flag("use_expert_bias", true);
  }
  const auto leading = static_cast<std::size_t>(sparse ? text.count_or("num_dense_layers", 0, 0, most_hf_layers) : 0);
  const std::vector<bool> attends = lfm2_attention_layers(text);
  for (std::size_t i = 0; i < attends.size(); ++i) {
    Layer layer{.mixer = convolution, .feed_forward = dense};
    if (attends[i]) layer.mixer = attention;
    if (sparse && i >= leading) layer.feed_forward = experts;
    a.add_layer(layer);
  }
}

void add_deepseek_v4_layers(const Section& text, Architecture& a) {
  a.hyper_connections = text.count_or("hc_mult", 0, 0, most_hf_heads);
  CompressedAttention attention;
  attention.heads = text.count("num_attention_heads", 1, most_hf_heads);
  attention.head_dim = text.count("head_dim", 1, most_hf_head_dim);
  attention.q_lora_rank = text.count("q_lora_rank", 1, most_hf_hidden);
  attention.output_groups = text.count("o_groups", 1, attention.heads);
  attention.output_rank = text.count("o_lora_rank", 1, most_hf_hidden);
  attention.window = text.count("sliding_window", 1, Section::count_limit);
  ExpertFeedForward experts;
  experts.experts = text.count("n_routed_experts", 1, most_hf_experts);
  experts.used = text.count("num_experts_per_tok", 1, experts.experts);
  experts.intermediate = text.count("moe_intermediate_size", 1, most_hf_intermediate);
  experts.shared_intermediate = text.count_or("n_shared_experts", 0, 0, most_hf_heads) * experts.intermediate;

  constexpr std::int64_t with_indexer = 4;  // the others are read whole
  constexpr std::int64_t longest_entry = 1 << 16;
  const auto ratios = counts(text, "compress_ratios", 0, longest_entry);
  const std::size_t layers = layer_count(text);
  if (ratios.size() < layers) expect_one_per_layer(text, "compress_ratios", ratios.size());
  const auto hashed = static_cast<std::size_t>(text.count_or("num_hash_layers", 0, 0, most_hf_layers));
  for (std::size_t i = 0; i < layers; ++i) {
    CompressedAttention here = attention;
    here.compression = ratios[i];
    if (here.compression == with_indexer) {
      here.index_heads = text.count("index_n_heads", 1, most_hf_heads);
      here.index_dim = text.count("index_head_dim", 1, most_hf_head_dim);
      here.index_top = text.count("index_topk", 1, Section::count_limit);
    }
    experts.hash_routed = i < hashed;
    experts.router_bias = !experts.hash_routed;
    a.add_layer({.mixer = here, .feed_forward = experts});
  }
}

void add_deci_layers(const Section& text, Architecture& a) {
  constexpr std::string_view key = "num_key_value_heads_per_layer";
  GroupedAttention attention = grouped(text, a.hidden);
  const DenseFeedForward dense{.intermediate = text.count("intermediate_size", 1, most_hf_intermediate)};
  const auto kv_heads = counts(text, key, 1, most_hf_heads);
  if (kv_heads.empty()) text.fail(key, "required, but missing");
  expect_one_per_layer(text, key, kv_heads.size());
  for (const std::int64_t heads : kv_heads) {
    attention.kv_heads = heads;
    a.add_layer({.mixer = attention, .feed_forward = dense});
  }
}

}  // namespace silicast
