// SPDX-License-Identifier: Apache-2.0
// One published model per family: compact configurations with the real figures, and the published parameter counts.
#include "workloads/hf_config.h"

#include <gtest/gtest.h>

#include "workloads/tensors.h"

namespace silicast {
namespace {

Architecture read(const std::string& json) {
  return architecture_of_hf_config(parse_json(json, "config.json"), "model");
}

struct Published {
  const char* name;
  const char* gguf;
  std::int64_t parameters;
  const char* json;
};

void PrintTo(const Published& p, std::ostream* stream) { *stream << p.name; }

class PublishedModel : public testing::TestWithParam<Published> {};

TEST_P(PublishedModel, HasThePublishedParameterCount) {
  const Architecture a = read(GetParam().json);
  EXPECT_EQ(a.gguf_architecture, GetParam().gguf);
  EXPECT_EQ(parameter_count(a), GetParam().parameters);
}

constexpr Published published[] = {
    {"Llama-3.1-8B", "llama", 8030261312, R"({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
      "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
      "max_position_embeddings": 131072, "attention_bias": false, "mlp_bias": false, "tie_word_embeddings": false,
      "rope_scaling": {"factor": 8.0, "rope_type": "llama3"}})"},
    {"Llama-2-7B", "llama", 6738415616, R"({"model_type": "llama", "_name_or_path": "", "hidden_size": 4096,
      "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 32000,
      "max_position_embeddings": 4096, "rope_scaling": null})"},
    {"Mistral-7B-v0.1", "llama", 7241732096,
     R"({"model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336,
      "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000,
      "max_position_embeddings": 32768, "sliding_window": 4096, "tie_word_embeddings": false})"},
    {"Mixtral-8x7B", "llama", 46702792704, R"({"model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336,
      "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8,
      "num_experts_per_tok": 2, "vocab_size": 32000, "max_position_embeddings": 32768, "sliding_window": null})"},
    {"Ministral-3-14B", "mistral3", 13506073600,
     R"({"model_type": "mistral3", "text_config": {"model_type": "ministral3",
      "hidden_size": 5120, "intermediate_size": 16384, "num_hidden_layers": 40, "num_attention_heads": 32,
      "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131072, "max_position_embeddings": 262144,
      "tie_word_embeddings": false}, "vision_config": {"model_type": "pixtral"}})"},
    {"Qwen2.5-0.5B", "qwen2", 494032768, R"({"model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864,
      "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936,
      "max_position_embeddings": 32768, "tie_word_embeddings": true, "sliding_window": 32768,
      "use_sliding_window": false, "max_window_layers": 21})"},
    {"Qwen3-0.6B", "qwen3", 596049920, R"({"model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072,
      "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
      "max_position_embeddings": 40960, "tie_word_embeddings": true, "sliding_window": null, "use_sliding_window": false})"},
    {"Qwen3-30B-A3B", "qwen3moe", 30532122624,
     R"({"model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144,
      "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
      "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8, "decoder_sparse_step": 1, "mlp_only_layers": [],
      "vocab_size": 151936, "max_position_embeddings": 40960, "tie_word_embeddings": false})"},
    {"Qwen3-Next-80B-A3B", "qwen3next", 79674391296, R"({"model_type": "qwen3_next", "hidden_size": 2048,
      "intermediate_size": 5120, "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512,
      "num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256, "num_experts": 512,
      "num_experts_per_tok": 10, "full_attention_interval": 4, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
      "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_value_head_dim": 128, "vocab_size": 151936,
      "max_position_embeddings": 262144, "decoder_sparse_step": 1, "mlp_only_layers": [], "tie_word_embeddings": false})"},
    {"Qwen3.5-35B-A3B", "qwen35moe", 34660610688, R"({"model_type": "qwen3_5_moe", "tie_word_embeddings": false,
      "text_config": {"model_type": "qwen3_5_moe_text", "attn_output_gate": true, "full_attention_interval": 4,
      "head_dim": 256, "hidden_size": 2048, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
      "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_value_head_dim": 128,
      "max_position_embeddings": 262144, "mlp_only_layers": [], "moe_intermediate_size": 512, "mtp_num_hidden_layers": 1,
      "num_attention_heads": 16, "num_experts": 256, "num_experts_per_tok": 8, "num_hidden_layers": 40,
      "num_key_value_heads": 2, "shared_expert_intermediate_size": 512, "vocab_size": 248320}})"},
    {"Gemma-2-2B", "gemma2", 2614341888, R"({"model_type": "gemma2", "hidden_size": 2304, "intermediate_size": 9216,
      "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 256000,
      "max_position_embeddings": 8192, "sliding_window": 4096})"},
    {"Gemma-3-4B", "gemma3", 3880099328, R"({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text",
      "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024,
      "vocab_size": 262144}})"},
    {"Phi-3-mini", "phi3", 3821079552, R"({"model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192,
      "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32064,
      "max_position_embeddings": 4096, "sliding_window": 2047, "tie_word_embeddings": false, "rope_scaling": null})"},
    {"Phi-4", "phi3", 14659507200, R"({"model_type": "phi3", "hidden_size": 5120, "intermediate_size": 17920,
      "num_hidden_layers": 40, "num_attention_heads": 40, "num_key_value_heads": 10, "vocab_size": 100352,
      "max_position_embeddings": 16384, "sliding_window": null, "tie_word_embeddings": false})"},
    {"gpt-oss-20b", "gpt-oss", 20914757184, R"({"model_type": "gpt_oss", "attention_bias": true, "head_dim": 64,
      "hidden_size": 2880, "intermediate_size": 2880, "max_position_embeddings": 131072, "num_attention_heads": 64,
      "num_experts_per_tok": 4, "num_hidden_layers": 24, "num_key_value_heads": 8, "num_local_experts": 32,
      "sliding_window": 128, "tie_word_embeddings": false, "vocab_size": 201088})"},
    {"DeepSeek-V2-Lite", "deepseek2", 15706484224, R"({"model_type": "deepseek_v2", "first_k_dense_replace": 1,
      "hidden_size": 2048, "intermediate_size": 10944, "kv_lora_rank": 512, "max_position_embeddings": 163840,
      "moe_intermediate_size": 1408, "moe_layer_freq": 1, "n_routed_experts": 64, "n_shared_experts": 2,
      "num_attention_heads": 16, "num_experts_per_tok": 6, "num_hidden_layers": 27, "num_key_value_heads": 16,
      "q_lora_rank": null, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "vocab_size": 102400})"},
    {"DeepSeek-V3", "deepseek2", 671026419200, R"({"model_type": "deepseek_v3", "first_k_dense_replace": 3,
      "hidden_size": 7168, "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
      "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_routed_experts": 256, "n_shared_experts": 1,
      "num_attention_heads": 128, "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 128,
      "num_nextn_predict_layers": 1, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
      "topk_method": "noaux_tc", "v_head_dim": 128, "vocab_size": 129280})"},
    {"GLM-4-32B", "glm4", 32566081536, R"({"model_type": "glm4", "attention_bias": false, "head_dim": 128,
      "hidden_size": 6144, "intermediate_size": 23040, "max_position_embeddings": 32768, "num_attention_heads": 48,
      "num_hidden_layers": 61, "num_key_value_heads": 2, "tie_word_embeddings": false, "vocab_size": 151552})"},
    {"GLM-4.5-Air", "glm4moe", 106852251264, R"({"model_type": "glm4_moe", "attention_bias": true, "head_dim": 128,
      "hidden_size": 4096, "intermediate_size": 10944, "max_position_embeddings": 131072, "moe_intermediate_size": 1408,
      "n_routed_experts": 128, "n_shared_experts": 1, "first_k_dense_replace": 1, "num_attention_heads": 96,
      "num_experts_per_tok": 8, "num_hidden_layers": 46, "num_key_value_heads": 8, "num_nextn_predict_layers": 1,
      "use_qk_norm": false, "tie_word_embeddings": false, "vocab_size": 151552})"},
    {"MiniMax-M2.5", "minimax-m2", 228689764864, R"({"model_type": "minimax_m2", "num_hidden_layers": 62,
      "hidden_size": 3072, "num_attention_heads": 48, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 1536,
      "vocab_size": 200064, "num_experts_per_tok": 8, "num_local_experts": 256, "max_position_embeddings": 196608,
      "tie_word_embeddings": false, "use_qk_norm": true, "use_routing_bias": true})"},
    {"SmolLM3-3B", "smollm3", 3075098624, R"({"model_type": "smollm3", "hidden_size": 2048, "intermediate_size": 11008,
      "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 4, "vocab_size": 128256,
      "max_position_embeddings": 65536, "sliding_window": null, "use_sliding_window": false})"},
    {"Granite-3.1-8B", "granite", 8170848256,
     R"({"model_type": "granite", "hidden_size": 4096, "intermediate_size": 12800,
      "num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 49155,
      "max_position_embeddings": 131072, "tie_word_embeddings": true})"},
    {"Nemotron-3-Nano-30B-A3B", "nemotron_h_moe", 31577940288, R"({"model_type": "nemotron_h", "attention_bias": false,
      "conv_kernel": 4, "expand": 2, "head_dim": 128, "hidden_size": 2688,
      "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME", "intermediate_size": 1856,
      "mamba_head_dim": 64, "mamba_num_heads": 64, "max_position_embeddings": 262144, "mlp_hidden_act": "relu2",
      "moe_intermediate_size": 1856, "moe_shared_expert_intermediate_size": 3712, "n_groups": 8, "n_routed_experts": 128,
      "n_shared_experts": 1, "num_attention_heads": 32, "num_experts_per_tok": 6, "num_hidden_layers": 52,
      "num_key_value_heads": 2, "ssm_state_size": 128, "tie_word_embeddings": false, "vocab_size": 131072})"},
    {"Nemotron-Nano-9B-v2", "nemotron_h", 8888227328, R"({"model_type": "nemotron_h", "conv_kernel": 4, "head_dim": 128,
      "hidden_size": 4480, "hybrid_override_pattern": "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-",
      "intermediate_size": 15680, "mamba_head_dim": 80, "mamba_num_heads": 128, "mamba_num_groups": 8,
      "mamba_state_dim": 128, "max_position_embeddings": 131072, "num_attention_heads": 40, "num_hidden_layers": 56,
      "num_key_value_heads": 8, "vocab_size": 131072})"},
    {"LFM2-350M", "lfm2", 354483968, R"({"model_type": "lfm2", "hidden_size": 1024, "block_ff_dim": 6656,
      "block_auto_adjust_ff_dim": true, "block_ffn_dim_multiplier": 1.0, "block_multiple_of": 256, "conv_bias": false,
      "conv_L_cache": 3, "num_attention_heads": 16, "num_key_value_heads": 8, "num_hidden_layers": 16,
      "full_attn_idxs": [2, 5, 8, 10, 12, 14], "vocab_size": 65536, "tie_embedding": true,
      "max_position_embeddings": 128000})"},
    {"LFM2-8B-A1B", "lfm2moe", 8339930560, R"({"model_type": "lfm2_moe", "conv_L_cache": 3, "conv_bias": false,
      "hidden_size": 2048, "intermediate_size": 7168, "moe_intermediate_size": 1792, "num_attention_heads": 32,
      "num_dense_layers": 2, "num_experts": 32, "num_experts_per_tok": 4, "num_hidden_layers": 24,
      "num_key_value_heads": 8, "use_expert_bias": true, "vocab_size": 65536, "max_position_embeddings": 128000,
      "layer_types": ["conv", "conv", "full_attention", "conv", "conv", "conv", "full_attention", "conv", "conv", "conv",
        "full_attention", "conv", "conv", "conv", "full_attention", "conv", "conv", "conv", "full_attention", "conv",
        "conv", "full_attention", "conv", "conv"]})"},
    {"Gemma-4-E2B", "gemma4", 4647450112, R"({"model_type": "gemma4", "text_config": {"model_type": "gemma4_text",
      "attention_k_eq_v": false, "global_head_dim": 512, "head_dim": 256, "hidden_size": 1536,
      "hidden_size_per_layer_input": 256, "intermediate_size": 6144, "max_position_embeddings": 131072,
      "num_attention_heads": 8, "num_hidden_layers": 35, "num_key_value_heads": 1, "num_kv_shared_layers": 20,
      "sliding_window": 512, "sliding_window_pattern": 5, "use_double_wide_mlp": true, "vocab_size": 262144,
      "vocab_size_per_layer_input": 262144}})"},
    {"Gemma-3n-E4B", "gemma3n", 6866696688, R"({"model_type": "gemma3n", "text_config": {"model_type": "gemma3n_text",
      "altup_num_inputs": 4, "head_dim": 256, "hidden_size": 2048, "hidden_size_per_layer_input": 256,
      "intermediate_size": [16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384,
        16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384, 16384,
        16384, 16384, 16384, 16384, 16384, 16384], "laurel_rank": 64, "max_position_embeddings": 32768,
      "num_attention_heads": 8, "num_hidden_layers": 35, "num_key_value_heads": 2, "num_kv_shared_layers": 15,
      "sliding_window": 512, "vocab_size": 262400, "vocab_size_per_layer_input": 262144}})"},
    {"OLMo-2-7B", "olmo2", 7298617344, R"({"model_type": "olmo2", "hidden_size": 4096, "intermediate_size": 11008,
      "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 100352,
      "max_position_embeddings": 4096, "tie_word_embeddings": false})"},
};

INSTANTIATE_TEST_SUITE_P(Families, PublishedModel, testing::ValuesIn(published));

std::string llama(const std::string& more, const std::string& type = "llama") {
  return R"({"model_type": ")" + type + R"(", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 6,
    "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 512)" +
         more + "}";
}

const GroupedAttention& attention(const Architecture& a, std::size_t layer) {
  return std::get<GroupedAttention>(a.layer(layer).mixer);
}

std::string windows_of(const Architecture& a) {
  std::string text;
  for (std::size_t i = 0; i < a.layers.size(); ++i) text += attention(a, i).window > 0 ? 'w' : 'f';
  return text;
}

TEST(HfConfig, AbsentFieldsTakeTheDefaultsOfTransformers) {
  const Architecture a = read(llama(""));
  EXPECT_EQ(attention(a, 0).kv_heads, 4);
  EXPECT_EQ(attention(a, 0).key_dim, 16);
  EXPECT_FALSE(a.tied_embeddings);
  EXPECT_FALSE(a.rope_frequencies);
  EXPECT_EQ(a.id, "model");
  EXPECT_TRUE(read(llama(R"(, "sliding_window": 8)", "gemma2")).tied_embeddings);
}

TEST(HfConfig, WindowsFollowThePatternOfTheFamilyOrTheList) {
  EXPECT_EQ(windows_of(read(llama(R"(, "sliding_window": 8)", "gemma2"))), "wfwfwf");
  EXPECT_EQ(windows_of(read(llama(R"(, "sliding_window": 8)", "gemma3_text"))), "wwwwwf");
  EXPECT_EQ(windows_of(read(llama(R"(, "sliding_window": 8, "sliding_window_pattern": 3)", "gemma3_text"))), "wwfwwf");
  EXPECT_EQ(windows_of(read(llama(R"(, "sliding_window": 8)", "mistral"))), "wwwwww");
  EXPECT_EQ(windows_of(read(llama(R"(, "sliding_window": 8)", "qwen2"))), "ffffff");
  EXPECT_EQ(
      windows_of(read(llama(R"(, "sliding_window": 8, "use_sliding_window": true, "max_window_layers": 4)", "qwen2"))),
      "ffffww");
  EXPECT_EQ(windows_of(read(llama(R"(, "sliding_window": 4096)", "phi3"))), "ffffff") << "longer than the context";
  EXPECT_EQ(windows_of(read(llama(R"(, "sliding_window": 8, "layer_types": ["full_attention", "sliding_attention",
    "full_attention", "full_attention", "full_attention", "sliding_attention"])"))),
            "fwfffw");
}

TEST(HfConfig, TheLastLayersMayShareKeysAndValues) {
  const Architecture a = read(llama(R"(, "sliding_window": 8, "num_kv_shared_layers": 2)", "gemma4_text"));
  EXPECT_FALSE(attention(a, 3).shared_kv);
  EXPECT_TRUE(attention(a, 4).shared_kv);
}

TEST(HfConfig, NumbersThatJsonLacksAreNull) {
  const std::string text =
      llama(R"(, "time_step_limit": [0.0, Infinity], "a": -Infinity, "b": NaN, "_name_or_path": "NaN\"Infinity")");
  EXPECT_EQ(architecture_of_hf_config(parse_hf_config(text, "config.json"), "m").hidden, 64);
  EXPECT_THROW(static_cast<void>(parse_hf_config(R"({"a": Infinit})", "x")), InputError);
}

TEST(HfConfig, KvHeadsMayDifferByLayer) {
  const Architecture a = read(llama(R"(, "num_key_value_heads_per_layer": [4, 4, 2, 2, 1, 4])", "deci"));
  EXPECT_EQ(a.kinds.size(), 3U);
  EXPECT_EQ(attention(a, 4).kv_heads, 1);
}

const std::string compressed_config = R"(, "head_dim": 16, "q_lora_rank": 8, "o_groups": 2, "o_lora_rank": 8,
  "sliding_window": 16, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8)";

TEST(HfConfig, DeepSeekV4SaysHowEachLayersCacheIsPooled) {
  const Architecture a = read(llama(compressed_config + R"(, "hc_mult": 4, "num_hash_layers": 3, "n_shared_experts": 1,
    "index_n_heads": 2, "index_head_dim": 8, "index_topk": 4, "compress_ratios": [0, 0, 4, 128, 4, 128, 0])",
                                    "deepseek_v4"));
  EXPECT_EQ(a.hyper_connections, 4);
  EXPECT_EQ(std::get<CompressedAttention>(a.layer(0).mixer).compression, 0);
  EXPECT_EQ(std::get<CompressedAttention>(a.layer(2).mixer).index_top, 4);
  EXPECT_EQ(std::get<CompressedAttention>(a.layer(3).mixer).index_heads, 0);
  EXPECT_TRUE(std::get<ExpertFeedForward>(a.layer(2).feed_forward).hash_routed);
  EXPECT_FALSE(std::get<ExpertFeedForward>(a.layer(3).feed_forward).hash_routed);
}

TEST(HfConfig, ExpertLayersFollowStepAndExceptions) {
  const std::string experts = R"(, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32)";
  const auto kinds = [](const Architecture& a) {
    std::string text;
    for (std::size_t i = 0; i < a.layers.size(); ++i)
      text += std::holds_alternative<ExpertFeedForward>(a.layer(i).feed_forward) ? 'e' : 'd';
    return text;
  };
  EXPECT_EQ(kinds(read(llama(experts, "qwen3_moe"))), "eeeeee");
  EXPECT_EQ(kinds(read(llama(experts + R"(, "decoder_sparse_step": 2)", "qwen3_moe"))), "dedede");
  EXPECT_EQ(kinds(read(llama(experts + R"(, "mlp_only_layers": [0, 3])", "qwen3_moe"))), "deedee");
}

TEST(HfConfig, Gemma4TakesValuesFromKeysInFullLayers) {
  const Architecture a =
      read(R"({"model_type": "gemma4", "text_config": {"model_type": "gemma4_text", "attention_k_eq_v": true,
    "enable_moe_block": true, "global_head_dim": 512, "head_dim": 256, "hidden_size": 2816, "hidden_size_per_layer_input": 0,
    "intermediate_size": 2112, "max_position_embeddings": 262144, "moe_intermediate_size": 704, "num_attention_heads": 16,
    "num_experts": 128, "num_global_key_value_heads": 2, "num_hidden_layers": 30, "num_key_value_heads": 8,
    "num_kv_shared_layers": 0, "sliding_window": 1024, "top_k_experts": 8, "vocab_size": 262144}})");
  EXPECT_FALSE(attention(a, 0).value_is_key);
  EXPECT_EQ(attention(a, 0).key_dim, 256);
  EXPECT_EQ(attention(a, 0).kv_heads, 8);
  EXPECT_TRUE(attention(a, 5).value_is_key);
  EXPECT_EQ(attention(a, 5).key_dim, 512);
  EXPECT_EQ(attention(a, 5).kv_heads, 2);
  EXPECT_EQ(std::get<ExpertFeedForward>(a.layer(0).feed_forward).shared_intermediate, 2112);
  EXPECT_NEAR(static_cast<double>(parameter_count(a)), 25.23e9, 0.01e9);
}

std::string message_of(const std::string& json) {
  try {
    static_cast<void>(read(json));
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

const std::string mamba = R"(, "mamba_num_heads": 4, "mamba_head_dim": 8, "n_groups": 2, "ssm_state_size": 8,
  "conv_kernel": 4)";

struct BrokenFile {
  const char* name;
  std::string json;
  const char* expected;
};
void PrintTo(const BrokenFile& b, std::ostream* stream) { *stream << b.name; }

class BrokenConfig : public testing::TestWithParam<BrokenFile> {};

TEST_P(BrokenConfig, NamesTheFileTheFieldAndWhatIsExpected) {
  const std::string message = message_of(GetParam().json);
  EXPECT_EQ(message.rfind("config.json: ", 0), 0U) << message;
  EXPECT_NE(message.find(GetParam().expected), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

const BrokenFile broken[] = {
    {"Missing", R"({"model_type": "llama", "hidden_size": 64})", "vocab_size: required, but missing"},
    {"Nested", R"({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}})",
     "text_config.hidden_size: required"},
    {"Negative", llama(R"(, "num_key_value_heads": -1)"), "num_key_value_heads: a whole number from 1 to"},
    {"Fraction", llama(R"(, "head_dim": 1.5)"), "head_dim: a whole number from 1"},
    {"Text", llama(R"(, "head_dim": "many")"), "got 'many'"},
    {"List", llama(R"(, "num_key_value_heads": [1, 2])"), "got a list"},
    {"TooLarge", llama(R"(, "head_dim": 123456789012345678)"), "head_dim: a whole number from 1 to 4096"},
    {"OddGroups", llama(R"(, "num_key_value_heads": 3)"), "must be a multiple of"},
    {"OddHeads", R"({"model_type": "llama", "hidden_size": 65, "num_hidden_layers": 1, "intermediate_size": 1,
      "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 512})",
     "hidden_size, 65, is no multiple of the 4 heads"},
    {"FewTypes", llama(R"(, "layer_types": ["full_attention"])"),
     "layer_types: has 1 entries; num_hidden_layers, 6, are expected"},
    {"OddType", llama(R"(, "layer_types": ["full_attention", "mamba", "a", "b", "c", "d"])"),
     "layer_types: has 'mamba'"},
    {"NoWindow", llama(R"(, "layer_types": ["sliding_attention", "full_attention", "full_attention", "full_attention",
      "full_attention", "full_attention"])"),
     "sliding_window: required, but missing"},
    {"TooManyUsed", llama(R"(, "num_local_experts": 4, "num_experts_per_tok": 5)", "mixtral"),
     "num_experts_per_tok: a whole number from 1 to 4"},
    {"OddException",
     llama(R"(, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
      "mlp_only_layers": [6])",
           "qwen3_moe"),
     "mlp_only_layers: has '6'; layers from 0 to 5 are accepted"},
    {"UnknownFamily", R"({"model_type": "lama"})", "'lama' is not modelled (did you mean 'llama'"},
    {"PerLayerInput", llama(R"(, "sliding_window": 8, "hidden_size_per_layer_input": -2)", "gemma4_text"),
     "hidden_size_per_layer_input: a whole number from 0"},
    {"AllShared", llama(R"(, "sliding_window": 8, "num_kv_shared_layers": 6)", "gemma4_text"),
     "num_kv_shared_layers: a whole number from 0 to 5"},
    {"FewWidths",
     llama(R"(, "sliding_window": 8, "altup_num_inputs": 4, "laurel_rank": 4, "intermediate_size": [1, 2])", "gemma3n"),
     "intermediate_size"},
    {"NoStreams", llama(R"(, "sliding_window": 8)", "gemma3n"), "altup_num_inputs: required, but missing"},
    {"NoPattern", llama(mamba, "nemotron_h"), "hybrid_override_pattern: required, but missing"},
    {"ShortPattern", llama(mamba + R"(, "hybrid_override_pattern": "M*-")", "nemotron_h"),
     "hybrid_override_pattern: has 3 entries; num_hidden_layers, 6, are expected"},
    {"OddBlock", llama(mamba + R"(, "hybrid_override_pattern": "MM*-X-")", "nemotron_h"),
     "hybrid_override_pattern: has 'X'; M (Mamba-2)"},
    {"OddBlockName", llama(mamba + R"(, "layers_block_type": ["mamba", "conv"])", "nemotron_h"),
     "layers_block_type: has 'conv'; mamba, attention, mlp and moe"},
    {"NoState",
     llama(R"(, "hybrid_override_pattern": "MM*-M-", "mamba_num_heads": 4, "mamba_head_dim": 8, "n_groups": 1)",
           "nemotron_h"),
     "ssm_state_size: required, but missing"},
    {"OddGroupsOfHeads",
     llama(R"(, "hybrid_override_pattern": "MM*-M-", "mamba_num_heads": 4, "mamba_head_dim": 8,
      "n_groups": 3, "ssm_state_size": 8, "conv_kernel": 4)",
           "nemotron_h"),
     "mamba2.heads: must be a multiple of mamba2.groups"},
    {"NoConvolution", llama(R"(, "layer_types": ["conv", "conv", "conv", "conv", "conv", "full_attention"])", "lfm2"),
     "conv_L_cache: required, but missing"},
    {"OddLayer", llama(R"(, "conv_L_cache": 3, "layer_types": ["conv", "mamba"])", "lfm2"),
     "layer_types: has 'mamba'; conv and full_attention"},
    {"NoLayers", llama(R"(, "conv_L_cache": 3)", "lfm2"), "layer_types: required, but missing"},
    {"FarLayer", llama(R"(, "conv_L_cache": 3, "full_attn_idxs": [2, 6])", "lfm2"),
     "full_attn_idxs: has '6'; whole numbers from 0 to 5"},
    {"NoHeadsPerLayer", llama("", "deci"), "num_key_value_heads_per_layer: required, but missing"},
    {"FewHeadsPerLayer", llama(R"(, "num_key_value_heads_per_layer": [4, 2])", "deci"),
     "num_key_value_heads_per_layer: has 2 entries"},
    {"FewRatios", llama(compressed_config + R"(, "compress_ratios": [0, 4])", "deepseek_v4"),
     "compress_ratios: has 2 entries"},
    {"NoIndexer", llama(compressed_config + R"(, "compress_ratios": [0, 0, 4, 128, 4, 128])", "deepseek_v4"),
     "index_n_heads: required, but missing"},
    {"NoType", R"({"architectures": ["LlamaForCausalLM"]})", "model_type: required, but missing"},
};

INSTANTIATE_TEST_SUITE_P(Rules, BrokenConfig, testing::ValuesIn(broken));

TEST(HfConfig, AnUnknownFamilyIsRefusedNotWrong) {
  EXPECT_THROW(static_cast<void>(read(R"({"model_type": "mamba"})")), RefusedError);
  EXPECT_THROW(static_cast<void>(read(R"({"model_type": "llama"})")), InputError);
}

TEST(HfConfig, IsRecognisedByItsKeys) {
  EXPECT_TRUE(is_hf_config(parse_json(R"({"model_type": "llama"})", "x")));
  EXPECT_TRUE(is_hf_config(parse_json(R"({"architectures": ["A"]})", "x")));
  EXPECT_FALSE(is_hf_config(parse_json(R"({"architecture": "llama"})", "x")));
  EXPECT_FALSE(is_hf_config(parse_json("[1]", "x")));
}

}  // namespace
}  // namespace silicast
