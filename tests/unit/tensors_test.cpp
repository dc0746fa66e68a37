// SPDX-License-Identifier: Apache-2.0
#include "workloads/tensors.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/workloads_data.h"

namespace silicast {
namespace {

using namespace testing_data;

std::string shape_text(const Tensor& t) {
  std::string text = std::to_string(t.shape[0]);
  for (int i = 1; i < t.dimensions(); ++i) text += "x" + std::to_string(t.shape[static_cast<std::size_t>(i)]);
  return text;
}

// "attn_q.weight 16x32, ..." of one layer, without its number.
std::vector<std::string> layer_list(const Architecture& architecture, int layer) {
  std::vector<std::string> list;
  const std::string prefix = "blk." + std::to_string(layer) + ".";
  for (const Tensor& t : tensors_of(architecture))
    if (t.layer == layer) list.push_back(gguf_name(t).substr(prefix.size()) + " " + shape_text(t));
  return list;
}

std::set<std::string> as_set(std::vector<std::string> list) { return {list.begin(), list.end()}; }

TEST(TensorNames, EveryRoleReadsBack) {
  for (std::size_t i = 0; i < role_count; ++i) {
    for (const bool bias : {false, true}) {
      for (const int layer : {-1, 0, 117}) {
        const Tensor tensor{.role = static_cast<TensorRole>(i), .bias = bias, .layer = layer};
        const Tensor back = tensor_of_name(gguf_name(tensor));
        EXPECT_EQ(back.role, tensor.role) << gguf_name(tensor);
        EXPECT_EQ(back.bias, bias) << gguf_name(tensor);
        EXPECT_EQ(back.layer, layer) << gguf_name(tensor);
      }
    }
  }
}

TEST(TensorNames, FollowTheGgufConvention) {
  EXPECT_EQ(gguf_name({.role = TensorRole::attn_q, .layer = 3}), "blk.3.attn_q.weight");
  EXPECT_EQ(gguf_name({.role = TensorRole::token_embd}), "token_embd.weight");
  EXPECT_EQ(gguf_name({.role = TensorRole::ssm_a, .layer = 0}), "blk.0.ssm_a");
  EXPECT_EQ(gguf_name({.role = TensorRole::ffn_exp_probs_b, .bias = true, .layer = 5}), "blk.5.exp_probs_b.bias");
}

TEST(TensorNames, UnknownNamesKeepTheirLayer) {
  for (const char* name :
       {"blk.7.attn_magic.weight", "blk.7.", "blk.x.attn_q.weight", "blk.-1.attn_q.weight", "", "v.patch_embd.weight"})
    EXPECT_EQ(tensor_of_name(name).role, TensorRole::other) << name;
  EXPECT_EQ(tensor_of_name("blk.7.attn_magic.weight").layer, 7);
  EXPECT_EQ(tensor_of_name("blk.99999999999.attn_q.weight").layer, -1);
}

TEST(TensorsOf, LlamaLayer) {
  const Architecture a = small_llama(2, 2);
  EXPECT_EQ(as_set(layer_list(a, 1)),
            as_set({"attn_norm.weight 1024", "attn_q.weight 1024x1024", "attn_k.weight 1024x256",
                    "attn_v.weight 1024x256", "attn_output.weight 1024x1024", "ffn_norm.weight 1024",
                    "ffn_gate.weight 1024x2048", "ffn_up.weight 1024x2048", "ffn_down.weight 2048x1024"}));
  EXPECT_EQ(tensors_of(a).size(), 2U * 9 + 3);  // and the embedding, its norm, the output
}

TEST(TensorsOf, TiedEmbeddingsHaveNoOutput) {
  const Architecture a = small_llama(1, 8, "tied_embeddings: true\n");
  for (const Tensor& t : tensors_of(a)) EXPECT_NE(t.role, TensorRole::output);
}

TEST(TensorsOf, Phi3IsFused) {
  EXPECT_EQ(as_set(layer_list(model("phi-3-mini"), 0)),
            as_set({"attn_norm.weight 3072", "attn_qkv.weight 3072x9216", "attn_output.weight 3072x3072",
                    "ffn_norm.weight 3072", "ffn_up.weight 3072x16384", "ffn_down.weight 8192x3072"}));
}

TEST(TensorsOf, GptOssHasSinksAndBiases) {
  EXPECT_EQ(as_set(layer_list(model("gpt-oss-20b"), 5)),
            as_set({"attn_norm.weight 2880", "attn_q.weight 2880x4096", "attn_q.bias 4096", "attn_k.weight 2880x512",
                    "attn_k.bias 512", "attn_v.weight 2880x512", "attn_v.bias 512", "attn_output.weight 4096x2880",
                    "attn_output.bias 2880", "attn_sinks.weight 64", "post_attention_norm.weight 2880",
                    "ffn_gate_inp.weight 2880x32", "ffn_gate_inp.bias 32", "ffn_gate_exps.weight 2880x2880x32",
                    "ffn_gate_exps.bias 2880x32", "ffn_up_exps.weight 2880x2880x32", "ffn_up_exps.bias 2880x32",
                    "ffn_down_exps.weight 2880x2880x32", "ffn_down_exps.bias 2880x32"}));
}

TEST(TensorsOf, DeepSeekHasLatentAttention) {
  const auto list = as_set(layer_list(model("deepseek-v3"), 3));
  for (const char* tensor :
       {"attn_q_a.weight 7168x1536", "attn_q_a_norm.weight 1536", "attn_q_b.weight 1536x24576",
        "attn_kv_a_mqa.weight 7168x576", "attn_kv_a_norm.weight 512", "attn_k_b.weight 128x512x128",
        "attn_v_b.weight 512x128x128", "attn_output.weight 16384x7168", "exp_probs_b.bias 256",
        "ffn_gate_inp.weight 7168x256", "ffn_down_shexp.weight 2048x7168"})
    EXPECT_TRUE(list.contains(tensor)) << tensor;
  EXPECT_EQ(as_set(layer_list(model("deepseek-v3"), 0)).count("ffn_gate.weight 7168x18432"), 1U);
}

TEST(TensorsOf, Qwen3NextMixesLinearAndGatedAttention) {
  const Architecture a = model("qwen3-next-80b-a3b");
  const auto linear = as_set(layer_list(a, 2));
  for (const char* tensor :
       {"attn_qkv.weight 2048x8192", "attn_gate.weight 2048x4096", "ssm_conv1d.weight 4x8192", "ssm_dt.bias 32",
        "ssm_a 32", "ssm_ba.weight 2048x64", "ssm_norm.weight 128", "ssm_out.weight 4096x2048",
        "post_attention_norm.weight 2048", "ffn_gate_inp_shexp.weight 2048"})
    EXPECT_TRUE(linear.contains(tensor)) << tensor;
  const auto full = as_set(layer_list(a, 3));
  for (const char* tensor : {"attn_q.weight 2048x8192", "attn_k.weight 2048x512", "attn_q_norm.weight 256"})
    EXPECT_TRUE(full.contains(tensor)) << tensor;
}

TEST(TensorsOf, GemmaHasFourNorms) {
  const auto list = as_set(layer_list(model("gemma-3-4b"), 0));
  for (const char* tensor : {"attn_norm.weight 2560", "post_attention_norm.weight 2560", "ffn_norm.weight 2560",
                             "post_ffw_norm.weight 2560", "attn_q_norm.weight 256", "attn_k_norm.weight 256"})
    EXPECT_TRUE(list.contains(tensor)) << tensor;
}

TEST(TensorsOf, LayerNormsCarryBiases) {
  const auto list = as_set(layer_list(model("opt-6.7b"), 0));
  EXPECT_TRUE(list.contains("attn_norm.bias 4096"));
  EXPECT_TRUE(list.contains("ffn_up.bias 16384"));
}

TEST(TensorsOf, LongRopeHasTwoTables) {
  const Architecture a = model_of(
      "{architecture: phi3, layers: 1, hidden: 96, vocabulary: 10, context: 8, rope_frequencies: true, "
      "attention: {heads: 1, kv_heads: 1, head_dim: 96, fused_qkv: true}, feed_forward: {intermediate: 64}}");
  std::set<std::string> names;
  for (const Tensor& t : tensors_of(a)) names.insert(gguf_name(t) + " " + shape_text(t));
  EXPECT_TRUE(names.contains("rope_factors_long.weight 48"));
  EXPECT_TRUE(names.contains("rope_factors_short.weight 48"));
}

// Every model of the catalogue states the count that its publisher or llama-bench prints.
TEST(ParameterCount, EqualsThePublishedOneOfEveryModel) {
  for (const Entry& entry : models().all()) {
    const Architecture a = read_architecture(entry.section());
    // Of these three no count to the last digit is published.
    if (entry.id == "falcon-40b" || entry.id == "grok-1" || entry.id == "mpt-7b") continue;
    EXPECT_EQ(parameter_count(a), a.stated_parameters.value_or(0)) << entry.id;
  }
}

TEST(ParameterCount, ActiveParametersAreWithinTheRouterBiases) {
  for (const char* id : {"gpt-oss-20b", "qwen3-30b-a3b", "qwen3-next-80b-a3b", "deepseek-v3", "mixtral-8x7b"}) {
    const Architecture a = model(id);
    ASSERT_TRUE(a.stated_active_parameters) << id;
    const auto off = static_cast<double>(active_parameter_count(a) - *a.stated_active_parameters);
    EXPECT_NEAR(off, 0, static_cast<double>(a.experts()) * static_cast<double>(a.layers.size())) << id;
  }
  const Architecture dense = small_llama(3, 4);
  EXPECT_EQ(active_parameter_count(dense), parameter_count(dense));
}

TEST(Quantizable, MatricesThatAreNoTables) {
  const auto quantizable = [](const char* name, std::array<std::int64_t, 3> shape) {
    Tensor t = tensor_of_name(name);
    t.shape = shape;
    return is_quantizable(t);
  };
  EXPECT_TRUE(quantizable("blk.0.attn_q.weight", {64, 64, 1}));
  EXPECT_TRUE(quantizable("blk.0.attn_k_b.weight", {64, 64, 8}));
  EXPECT_FALSE(quantizable("blk.0.ffn_gate_inp.weight", {64, 64, 1}));
  EXPECT_FALSE(quantizable("blk.0.ffn_gate_inp_shexp.weight", {64, 1, 1}));
  EXPECT_FALSE(quantizable("blk.0.ffn_down_exps.bias", {64, 64, 1}));
  EXPECT_FALSE(quantizable("blk.0.ssm_conv1d.weight", {4, 64, 1}));
  EXPECT_FALSE(quantizable("position_embd.weight", {64, 64, 1}));
  EXPECT_FALSE(quantizable("output_norm.weight", {64, 1, 1}));
}

}  // namespace
}  // namespace silicast
