// SPDX-License-Identifier: Apache-2.0
#include "workloads/gguf_layers.h"

#include <algorithm>

namespace silicast {

namespace {

std::int64_t window_of(const GgufFacts& facts, const GgufFamily& family, int layer) {
  if (family.windows == GgufWindows::none) return 0;
  constexpr std::string_view pattern_key = "attention.sliding_window_pattern";
  const std::int64_t window = facts.count("attention.sliding_window", most_tokens).value_or(0);
  const GgufValue* pattern = facts.value(pattern_key);
  if (pattern != nullptr && std::holds_alternative<GgufArray>(*pattern))
    return facts.at_layer(pattern_key, layer, 1).value_or(0) == 1 ? window : 0;
  const std::int64_t period = facts.count(pattern_key, most_blocks).value_or(family.period);
  return period == 0 || layer % period < period - 1 ? window : 0;
}

std::int64_t head_dim(const GgufFacts& facts, std::string_view key, bool windowed, std::int64_t hidden,
                      std::int64_t heads) {
  const std::string local = std::string(key) + "_swa";
  if (windowed)
    if (const auto dim = facts.count(local, most_head_dim, 1)) return *dim;
  if (const auto dim = facts.count(key, most_head_dim, 1)) return *dim;
  if (hidden % heads != 0)
    facts.fail_key(
        key, "is missing, and " + std::to_string(hidden) + " is no multiple of " + std::to_string(heads) + " heads");
  return hidden / heads;
}

AttentionBias bias_of(const GgufFacts& facts, int layer) {
  if (facts.has(TensorRole::attn_output, layer, true)) return AttentionBias::qkvo;
  const bool inputs = facts.has(TensorRole::attn_q, layer, true) || facts.has(TensorRole::attn_qkv, layer, true);
  return inputs ? AttentionBias::qkv : AttentionBias::none;
}

QkNorm norm_of(const GgufFacts& facts, int layer, std::int64_t key_dim) {
  const GgufTensor* norm = facts.tensor(TensorRole::attn_q_norm, layer);
  if (norm == nullptr) return QkNorm::none;
  return norm->shape.size() == 1 && norm->shape[0] == key_dim ? QkNorm::head : QkNorm::full;
}

// llama.cpp fixes it for Gemma 3n: the layers from the twentieth on.
std::int64_t shared_kv_layers(const GgufFacts& facts, const GgufFamily& family) {
  const std::int64_t blocks = facts.required("block_count", most_blocks);
  const std::int64_t usual = family.own_kv_layers > 0 ? std::max<std::int64_t>(blocks - family.own_kv_layers, 0) : 0;
  const std::int64_t shared = facts.count("attention.shared_kv_layers", most_blocks).value_or(usual);
  if (shared >= blocks)
    facts.fail_key("attention.shared_kv_layers", "is " + std::to_string(shared) + "; less than the block_count, " +
                                                     std::to_string(blocks) + ", is accepted");
  return shared;
}

GroupedAttention grouped_attention(const GgufFacts& facts, const GgufFamily& family, std::int64_t hidden, int layer) {
  GroupedAttention attention;
  attention.window = window_of(facts, family, layer);
  const bool windowed = attention.window > 0;
  const auto heads = facts.at_layer("attention.head_count", layer, most_heads, 1);
  if (!heads) facts.fail_key("attention.head_count", "is missing; a count is accepted");
  attention.heads = *heads;
  attention.kv_heads = facts.at_layer("attention.head_count_kv", layer, most_heads, 1).value_or(*heads);
  attention.key_dim = head_dim(facts, "attention.key_length", windowed, hidden, *heads);
  attention.value_dim = head_dim(facts, "attention.value_length", windowed, hidden, *heads);
  attention.bias = bias_of(facts, layer);
  attention.qk_norm = norm_of(facts, layer, attention.key_dim);
  attention.sinks = facts.has(TensorRole::attn_sinks, layer);
  attention.fused_qkv = facts.has(TensorRole::attn_qkv, layer);
  if (!attention.fused_qkv) {
    attention.gated = family.mixer == GgufMixer::delta_net &&
                      facts.size(TensorRole::attn_q, 1, layer) == 2 * attention.heads * attention.key_dim;
    attention.shared_kv = layer >= facts.required("block_count", most_blocks) - shared_kv_layers(facts, family);
    attention.unused_kv = attention.shared_kv && facts.has(TensorRole::attn_k, layer);
    if (!attention.shared_kv) static_cast<void>(facts.size(TensorRole::attn_k, 1, layer));
    attention.value_is_key = !attention.shared_kv && !facts.has(TensorRole::attn_v, layer);
  }
  static_cast<void>(facts.size(TensorRole::attn_output, 1, layer));
  return attention;
}

LatentAttention latent_attention(const GgufFacts& facts, int layer) {
  LatentAttention attention;
  const auto heads = facts.at_layer("attention.head_count", layer, most_heads, 1);
  if (!heads) facts.fail_key("attention.head_count", "is missing; a count is accepted");
  attention.heads = *heads;
  attention.kv_lora_rank = facts.required("attention.kv_lora_rank", most_hidden);
  const bool direct = facts.has(TensorRole::attn_q, layer);
  attention.q_lora_rank = direct ? 0 : facts.required("attention.q_lora_rank", most_hidden);
  attention.qk_rope_dim = facts.required("rope.dimension_count", most_head_dim);
  // Files since 2025-04 describe the latent cache in key_length and the heads in key_length_mla.
  const auto key = facts.count("attention.key_length_mla", most_head_dim, 1);
  const auto value = facts.count("attention.value_length_mla", most_head_dim, 1);
  const std::int64_t key_dim = key ? *key : facts.required("attention.key_length", most_head_dim);
  attention.value_dim = value ? *value : facts.required("attention.value_length", most_head_dim);
  if (key_dim <= attention.qk_rope_dim)
    facts.fail_key(key ? "attention.key_length_mla" : "attention.key_length",
                   "is " + std::to_string(key_dim) + "; more than the " + std::to_string(attention.qk_rope_dim) +
                       " of rope.dimension_count is accepted");
  attention.qk_nope_dim = key_dim - attention.qk_rope_dim;
  static_cast<void>(facts.size(TensorRole::attn_kv_a_mqa, 1, layer));
  static_cast<void>(facts.size(TensorRole::attn_output, 1, layer));
  return attention;
}

// The ratios are per layer, beyond the layers for prediction blocks.
CompressedAttention compressed_attention(const GgufFacts& facts, int layer) {
  CompressedAttention attention;
  const auto heads = facts.at_layer("attention.head_count", layer, most_heads, 1);
  if (!heads) facts.fail_key("attention.head_count", "is missing; a count is accepted");
  attention.heads = *heads;
  attention.head_dim = facts.required("attention.key_length", most_head_dim);
  attention.q_lora_rank = facts.required("attention.q_lora_rank", most_hidden);
  attention.output_groups = facts.required("attention.output_group_count", attention.heads);
  attention.output_rank = facts.required("attention.output_lora_rank", most_hidden);
  attention.window = facts.required("attention.sliding_window", most_tokens);
  constexpr std::string_view ratios = "attention.compress_ratios";
  constexpr std::int64_t longest_entry = 1 << 16;
  if (facts.value(ratios) == nullptr) facts.fail_key(ratios, "is missing; one count for each layer is accepted");
  attention.compression = facts.at_layer(ratios, layer, longest_entry).value_or(0);
  const bool pooled = facts.has(TensorRole::attn_compressor_kv, layer);
  if (pooled != (attention.compression > 0))
    facts.fail_key(ratios, "is " + std::to_string(attention.compression) + " for layer " + std::to_string(layer) +
                               ", which has " + (pooled ? "a" : "no") +
                               " tensor attn_compressor_kv.weight; both must " + "agree");
  if (facts.has(TensorRole::indexer_proj, layer)) {
    attention.index_heads = facts.required("attention.indexer.head_count", most_heads);
    attention.index_dim = facts.required("attention.indexer.key_length", most_head_dim);
    attention.index_top = facts.required("attention.indexer.top_k", most_tokens);
  }
  static_cast<void>(facts.size(TensorRole::attn_output_b, 1, layer));
  return attention;
}

// ssm.inner_size over the heads.
std::int64_t channels_per_head(const GgufFacts& facts, std::int64_t heads) {
  const std::int64_t inner = facts.required("ssm.inner_size", most_heads * most_head_dim);
  if (inner % heads != 0 || inner / heads > most_head_dim)
    facts.fail_key("ssm.inner_size", "is " + std::to_string(inner) + "; a small multiple of ssm.time_step_rank, " +
                                         std::to_string(heads) + ", is accepted");
  return inner / heads;
}

Mamba2 mamba2(const GgufFacts& facts, int layer) {
  Mamba2 m;
  m.heads = facts.required("ssm.time_step_rank", most_heads);
  m.head_dim = channels_per_head(facts, m.heads);
  m.groups = facts.required("ssm.group_count", most_heads);
  m.state = facts.required("ssm.state_size", most_head_dim);
  m.convolution = facts.required("ssm.conv_kernel", most_head_dim);
  if (m.heads % m.groups != 0)
    facts.fail_key("ssm.group_count", "is " + std::to_string(m.groups) + "; a divisor of ssm.time_step_rank, " +
                                          std::to_string(m.heads) + ", is accepted");
  static_cast<void>(facts.size(TensorRole::ssm_out, 1, layer));
  return m;
}

ShortConvolution short_convolution(const GgufFacts& facts, int layer) {
  static_cast<void>(facts.size(TensorRole::shortconv_out_proj, 1, layer));
  return {.convolution = facts.required("shortconv.l_cache", most_head_dim, 2)};
}

GatedDeltaNet delta_net(const GgufFacts& facts, int layer) {
  GatedDeltaNet net;
  net.key_heads = facts.required("ssm.group_count", most_heads);
  net.value_heads = facts.required("ssm.time_step_rank", most_heads);
  net.key_dim = facts.required("ssm.state_size", most_head_dim);
  net.convolution = facts.required("ssm.conv_kernel", most_head_dim);
  net.value_dim = channels_per_head(facts, net.value_heads);
  net.layout = facts.has(TensorRole::ssm_ba, layer) ? GatedDeltaNet::Layout::qwen3next : GatedDeltaNet::Layout::qwen35;
  static_cast<void>(facts.size(TensorRole::ssm_out, 1, layer));
  return net;
}

void expect_width(const GgufFacts& facts, std::string_view key, std::optional<std::int64_t> stated, std::int64_t seen,
                  TensorRole role, int layer) {
  if (stated && *stated > 0 && *stated != seen)
    facts.fail_key(key, "is " + std::to_string(*stated) + ", but " + gguf_name(Tensor{.role = role, .layer = layer}) +
                            " is for " + std::to_string(seen) + "; both must agree");
}

DenseFeedForward dense_feed_forward(const GgufFacts& facts, const GgufFamily& family, int layer) {
  DenseFeedForward dense;
  dense.intermediate = facts.bounded_size(TensorRole::ffn_down, 0, layer, most_intermediate);
  expect_width(facts, "feed_forward_length", facts.at_layer("feed_forward_length", layer, most_intermediate),
               dense.intermediate, TensorRole::ffn_down, layer);
  const bool gate = facts.has(TensorRole::ffn_gate, layer);
  dense.fused_gate_up = !gate && facts.size(TensorRole::ffn_up, 1, layer) == 2 * dense.intermediate;
  dense.activation = gate || dense.fused_gate_up ? family.gated : family.plain;
  dense.bias = facts.has(TensorRole::ffn_down, layer, true);
  return dense;
}

// Gemma 4 runs a dense feed-forward beside the experts: a shared expert by another name.
std::int64_t shared_width(const GgufFacts& facts, int layer) {
  for (const auto role : {TensorRole::ffn_down_shexp, TensorRole::ffn_down})
    if (facts.has(role, layer)) return facts.bounded_size(role, 0, layer, most_intermediate);
  return 0;
}

// Some architectures state a number of shared experts, each as wide as a routed one; the tensors hold them together.
void check_shared_count(const GgufFacts& facts, const ExpertFeedForward& experts, int layer) {
  const std::int64_t shared = facts.count("expert_shared_count", most_experts).value_or(0);
  if (shared == 0 || facts.value("expert_shared_feed_forward_length") != nullptr) return;
  const std::int64_t width = shared * experts.intermediate;
  if (width != experts.shared_intermediate)
    facts.fail_key("expert_shared_count", "is " + std::to_string(shared) + ", which makes a width of " +
                                              std::to_string(width) + ", but the shared experts of layer " +
                                              std::to_string(layer) + " are " +
                                              std::to_string(experts.shared_intermediate) + " wide; both must agree");
}

ExpertFeedForward expert_feed_forward(const GgufFacts& facts, const GgufFamily& family, int layer) {
  ExpertFeedForward experts;
  experts.experts = facts.required("expert_count", most_experts);
  experts.used = facts.required("expert_used_count", most_experts);
  experts.intermediate = facts.bounded_size(TensorRole::ffn_down_exps, 0, layer, most_intermediate);
  expect_width(facts, "expert_feed_forward_length", facts.count("expert_feed_forward_length", most_intermediate),
               experts.intermediate, TensorRole::ffn_down_exps, layer);
  const std::int64_t stored = facts.size(TensorRole::ffn_down_exps, 2, layer);
  expect_width(facts, "expert_count", experts.experts, stored, TensorRole::ffn_down_exps, layer);
  experts.shared_intermediate = shared_width(facts, layer);
  experts.beside_dense = family.name == "gemma4";
  expect_width(facts, "expert_shared_feed_forward_length",
               facts.count("expert_shared_feed_forward_length", most_intermediate), experts.shared_intermediate,
               TensorRole::ffn_down_shexp, layer);
  check_shared_count(facts, experts, layer);
  const bool gated = facts.has(TensorRole::ffn_gate_exps, layer) ||
                     facts.tensor("blk." + std::to_string(layer) + ".ffn_gate_up_exps.weight") != nullptr;
  experts.activation = gated || !family.partial_layers ? family.gated : family.plain;
  if (facts.has(TensorRole::ffn_latent_down, layer))
    experts.latent = facts.bounded_size(TensorRole::ffn_latent_down, 1, layer, most_hidden);
  experts.hash_routed = facts.has(TensorRole::ffn_gate_tid2eid, layer);
  experts.shared_gate = facts.has(TensorRole::ffn_gate_inp_shexp, layer);
  experts.bias = facts.has(TensorRole::ffn_down_exps, layer, true);
  experts.router_bias =
      facts.has(TensorRole::ffn_exp_probs_b, layer, true) || facts.has(TensorRole::ffn_exp_probs_b, layer);
  return experts;
}

// Where a model's layers differ, the number of KV heads is 0 in those without attention.
void check_kv_heads(const GgufFacts& facts, const Layer& layer, int index) {
  constexpr std::string_view key = "attention.head_count_kv";
  const GgufValue* stated = facts.value(key);
  if (stated == nullptr || !std::holds_alternative<GgufArray>(*stated)) return;
  const std::int64_t heads = facts.at_layer(key, index, most_heads).value_or(0);
  const bool attends = std::holds_alternative<GroupedAttention>(layer.mixer);
  if (attends != (heads > 0))
    facts.fail_key(key, "is " + std::to_string(heads) + " for layer " + std::to_string(index) + ", which has " +
                            (attends ? "attention" : "no attention") + "; both must agree");
}

// What the metadata says of the kinds of layers, where it does.
void check_kind(const GgufFacts& facts, const GgufFamily& family, const Layer& layer, int index) {
  if (family.partial_layers || family.mixer == GgufMixer::hybrid) check_kv_heads(facts, layer, index);
  const auto interval = facts.count("full_attention_interval", most_blocks, 1);
  const bool recurrent = std::holds_alternative<GatedDeltaNet>(layer.mixer);
  if (interval && recurrent != ((index + 1) % *interval != 0))
    facts.fail_key("full_attention_interval",
                   "is " + std::to_string(*interval) + ", but layer " + std::to_string(index) +
                       (recurrent ? " has linear attention" : " has full attention") + "; both must agree");
  const std::int64_t dense = facts.count("leading_dense_block_count", most_blocks).value_or(0);
  if (index < dense && std::holds_alternative<ExpertFeedForward>(layer.feed_forward))
    facts.fail_key("leading_dense_block_count", "is " + std::to_string(dense) + ", but layer " + std::to_string(index) +
                                                    " has experts; both must agree");
}

Mixer mixer_of(const GgufFacts& facts, const GgufFamily& family, std::int64_t hidden, int layer) {
  if (family.mixer == GgufMixer::latent) return latent_attention(facts, layer);
  if (family.mixer == GgufMixer::compressed) return compressed_attention(facts, layer);
  if (family.mixer == GgufMixer::delta_net && facts.has(TensorRole::ssm_out, layer)) return delta_net(facts, layer);
  if (facts.has(TensorRole::ssm_in, layer)) return mamba2(facts, layer);
  if (facts.has(TensorRole::shortconv_in_proj, layer)) return short_convolution(facts, layer);
  const bool attends = facts.has(TensorRole::attn_q, layer) || facts.has(TensorRole::attn_qkv, layer);
  if (!attends && family.partial_layers) return Absent{};
  return grouped_attention(facts, family, hidden, layer);
}

FeedForward feed_forward_of(const GgufFacts& facts, const GgufFamily& family, int layer) {
  if (facts.has(TensorRole::ffn_down_exps, layer)) return expert_feed_forward(facts, family, layer);
  if (!facts.has(TensorRole::ffn_down, layer) && family.partial_layers) return Absent{};
  return dense_feed_forward(facts, family, layer);
}

}  // namespace

Layer gguf_layer(const GgufFacts& facts, const GgufFamily& family, std::int64_t hidden, int index) {
  Layer layer{.mixer = mixer_of(facts, family, hidden, index), .feed_forward = feed_forward_of(facts, family, index)};
  check_kind(facts, family, layer, index);
  return layer;
}

}  // namespace silicast
