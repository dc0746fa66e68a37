// SPDX-License-Identifier: Apache-2.0
#include "workloads/gguf.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/unit/gguf_writer.h"
#include "workloads/hf_config.h"

namespace silicast {
namespace {

using testing_gguf::ArchitectureWriter;
using testing_gguf::few_types;
using testing_gguf::little;
using testing_gguf::Writer;

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

void expect_message(const std::string& message, const std::string& expected) {
  EXPECT_NE(message.find(expected), std::string::npos) << message;
  EXPECT_EQ(message.rfind("model.gguf: ", 0), 0U) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

std::string parse_message(const Writer& writer) {
  return message_of([&] { static_cast<void>(writer.parsed()); });
}

Architecture from_config(const std::string& json) {
  return architecture_of_hf_config(parse_json(json, "config.json"), "model");
}

std::string config(const std::string& type, const std::string& more) {
  return R"({"model_type": ")" + type + R"(", "hidden_size": 64, "num_hidden_layers": 6, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 96, "vocab_size": 100, "max_position_embeddings": 512)" +
         more + "}";
}

Architecture small_llama() { return from_config(config("llama", "")); }
Writer llama_writer() { return ArchitectureWriter(small_llama()).written(); }

Workload read_back(const Architecture& a) {
  return workload_of(ArchitectureWriter(a).written().parsed(), "model.gguf", few_types());
}

struct Family {
  const char* name;
  const char* more;
};
void PrintTo(const Family& f, std::ostream* stream) { *stream << f.name << f.more; }

class EveryFamily : public testing::TestWithParam<Family> {};

// What a GGUF says of a model is what its config.json says.
TEST_P(EveryFamily, ComesBackFromItsGguf) {
  Architecture expected = from_config(config(GetParam().name, GetParam().more));
  const Workload workload = read_back(expected);
  const Architecture& read = workload.architecture;
  ASSERT_EQ(read.layers.size(), expected.layers.size());
  for (std::size_t i = 0; i < read.layers.size(); ++i) EXPECT_TRUE(read.layer(i) == expected.layer(i)) << "layer " << i;
  EXPECT_EQ(read.gguf_architecture, expected.gguf_architecture);
  EXPECT_EQ(read.hidden, expected.hidden);
  EXPECT_EQ(read.vocabulary, expected.vocabulary);
  EXPECT_EQ(read.context, expected.context);
  EXPECT_EQ(read.tied_embeddings, expected.tied_embeddings);
  EXPECT_EQ(read.rope_frequencies, expected.rope_frequencies);
  EXPECT_EQ(read.norms_per_layer, expected.norms_per_layer);
  EXPECT_EQ(read.extra_layers, expected.extra_layers);
  EXPECT_EQ(read.per_layer_input, expected.per_layer_input);
  EXPECT_EQ(read.alternating_updates, expected.alternating_updates);
  EXPECT_EQ(read.hyper_connections, expected.hyper_connections);
  EXPECT_EQ(read.positions, expected.positions);
  EXPECT_EQ(parameter_count(read), parameter_count(expected));
  EXPECT_EQ(workload.quantization, "F16");
  EXPECT_EQ(workload.tensors.size(), tensors_of(expected).size() + static_cast<std::size_t>(expected.extra_layers));
}

constexpr const char* experts = R"(, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32)";
constexpr const char* shared_experts = R"(, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
  "shared_expert_intermediate_size": 48)";
constexpr const char* linear_experts = R"(, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
  "shared_expert_intermediate_size": 48, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
  "linear_value_head_dim": 8, "linear_conv_kernel_dim": 4)";
constexpr const char* linear = R"(, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
  "linear_value_head_dim": 8, "linear_conv_kernel_dim": 4)";
constexpr const char* latent =
    R"(, "kv_lora_rank": 24, "q_lora_rank": 40, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
  "v_head_dim": 20, "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_shared_experts": 2,
  "first_k_dense_replace": 2)";
constexpr const char* latent_lite = R"(, "kv_lora_rank": 24, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
  "v_head_dim": 20, "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32)";
constexpr const char* glm_experts = R"(, "attention_bias": true, "n_routed_experts": 8, "num_experts_per_tok": 2,
  "moe_intermediate_size": 32, "n_shared_experts": 1, "first_k_dense_replace": 1, "num_nextn_predict_layers": 1)";
constexpr const char* gemma4 = R"(, "sliding_window": 32, "global_head_dim": 32, "num_global_key_value_heads": 1,
  "attention_k_eq_v": true)";
constexpr const char* gemma4_experts =
    R"(, "sliding_window": 32, "global_head_dim": 32, "num_global_key_value_heads": 1,
  "attention_k_eq_v": true, "enable_moe_block": true, "num_experts": 8, "top_k_experts": 2, "moe_intermediate_size": 32)";

constexpr const char* hybrid = R"(, "hybrid_override_pattern": "M-M*M-", "mamba_num_heads": 4, "mamba_head_dim": 8,
  "n_groups": 2, "ssm_state_size": 8, "conv_kernel": 4)";
constexpr const char* hybrid_experts = R"(, "hybrid_override_pattern": "MEM*ME", "mamba_num_heads": 4,
  "mamba_head_dim": 8, "n_groups": 2, "ssm_state_size": 8, "conv_kernel": 4, "n_routed_experts": 8,
  "num_experts_per_tok": 2, "moe_intermediate_size": 32, "moe_shared_expert_intermediate_size": 48, "moe_latent_size": 24)";
constexpr const char* convolutions = R"(, "conv_L_cache": 3, "tie_embedding": true,
  "layer_types": ["conv", "conv", "full_attention", "conv", "conv", "full_attention"])";
constexpr const char* convolutions_experts = R"(, "conv_L_cache": 3, "num_experts": 8, "num_experts_per_tok": 2,
  "moe_intermediate_size": 32, "num_dense_layers": 2,
  "layer_types": ["conv", "conv", "full_attention", "conv", "conv", "full_attention"])";

constexpr const char* gemma3n = R"(, "sliding_window": 32, "num_kv_shared_layers": 2, "hidden_size_per_layer_input": 8,
  "altup_num_inputs": 4, "laurel_rank": 4)";

constexpr const char* compressed_keys = R"(, "q_lora_rank": 8, "o_groups": 2, "o_lora_rank": 8, "sliding_window": 16,
  "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_shared_experts": 1, "hc_mult": 2,
  "num_hash_layers": 3, "index_n_heads": 2, "index_head_dim": 8, "index_topk": 4,
  "compress_ratios": [0, 0, 4, 128, 4, 128])";

constexpr Family families[] = {
    {"llama", ""},
    {"llama", R"(, "rope_scaling": {"rope_type": "llama3"}, "tie_word_embeddings": true)"},
    {"llama", R"(, "attention_bias": true, "mlp_bias": true)"},
    {"mistral", ""},
    {"ministral3", ""},
    {"mixtral", R"(, "num_local_experts": 8, "num_experts_per_tok": 2)"},
    {"mistral4", latent},
    {"qwen2", ""},
    {"qwen2_moe", shared_experts},
    {"qwen3", ""},
    {"qwen3_moe", experts},
    {"qwen3_next", linear_experts},
    {"qwen3_5", linear},
    {"qwen3_5_moe", linear_experts},
    {"gemma", ""},
    {"gemma2", R"(, "sliding_window": 32)"},
    {"gemma3", R"(, "sliding_window": 32)"},
    {"gemma4", gemma4},
    {"gemma4", gemma4_experts},
    {"gemma4", R"(, "sliding_window": 32, "num_kv_shared_layers": 2)"},
    {"gemma4", R"(, "sliding_window": 32, "num_kv_shared_layers": 2, "hidden_size_per_layer_input": 8,
      "use_double_wide_mlp": true)"},
    {"gemma3n", R"(, "sliding_window": 32, "num_kv_shared_layers": 2, "hidden_size_per_layer_input": 8,
      "altup_num_inputs": 4, "laurel_rank": 4)"},
    {"deepseek_v4", compressed_keys},
    {"nemotron_h", hybrid},
    {"nemotron_h", hybrid_experts},
    {"lfm2", convolutions},
    {"lfm2_moe", convolutions_experts},
    {"deci", R"(, "num_key_value_heads_per_layer": [4, 2, 2, 1, 1, 4])"},
    {"phi3", ""},
    {"gpt_oss", R"(, "sliding_window": 32, "num_local_experts": 8, "num_experts_per_tok": 2)"},
    {"deepseek_v2", latent},
    {"deepseek_v2", latent_lite},
    {"deepseek_v3", latent},
    {"glm4", R"(, "attention_bias": true)"},
    {"glm4_moe", glm_experts},
    {"smollm3", ""},
    {"granite", ""},
    {"olmo2", ""},
    {"seed_oss", ""},
};
INSTANTIATE_TEST_SUITE_P(Gguf, EveryFamily, testing::ValuesIn(families));

TEST(Gguf, VersionsTwoAndThreeAreAccepted) {
  for (const std::uint32_t version : {2U, 3U}) {
    Writer writer = llama_writer();
    writer.version = version;
    EXPECT_EQ(writer.parsed().version, version);
  }
}

TEST(Gguf, EveryPrefixOfAFileIsRefused) {
  const Writer writer = llama_writer();
  const std::string whole = writer.header();
  for (std::size_t size = 0; size < whole.size() - writer.alignment; ++size) {
    const std::string part = whole.substr(0, size);
    const auto message = message_of(
        [&] { static_cast<void>(parse_gguf(std::as_bytes(std::span(part)), size, "model.gguf", *few_types())); });
    expect_message(message, "model.gguf: ");
  }
}

TEST(Gguf, UnknownTensorsAreKept) {
  Writer writer = llama_writer();
  writer.tensor("blk.0.strange.weight", {3, 5});
  const Workload workload = workload_of(writer.parsed(), "model.gguf", few_types());
  EXPECT_EQ(workload.tensors.back().role, TensorRole::other);
  EXPECT_EQ(workload.tensors.back().layer, 0);
  EXPECT_EQ(workload.tensors.back().elements(), 15);
}

TEST(Gguf, FourDimensionsFoldIntoThree) {
  Writer writer = llama_writer();
  writer.tensor("v.patch_embd.weight", {2, 3, 4, 5});
  EXPECT_EQ(workload_of(writer.parsed(), "model.gguf", few_types()).tensors.back().elements(), 120);
}

struct BrokenGguf {
  const char* name;
  std::function<Writer()> make;
  const char* expected;
};
void PrintTo(const BrokenGguf& b, std::ostream* stream) { *stream << b.name; }
class BrokenBytes : public testing::TestWithParam<BrokenGguf> {};

TEST_P(BrokenBytes, AreRefusedWithThePlace) { expect_message(parse_message(GetParam().make()), GetParam().expected); }

Writer with(const std::function<void(Writer&)>& change) {
  Writer writer;
  change(writer);
  return writer;
}

const BrokenGguf broken_bytes[] = {
    {"Magic", [] { return with([](Writer& w) { w.magic = "GGML"; }); },
     "byte 0: begins with 'GGML'; a GGUF begins with"},
    {"VersionOne", [] { return with([](Writer& w) { w.version = 1; }); }, "byte 4: GGUF version 1; versions 2 and 3"},
    {"VersionFour", [] { return with([](Writer& w) { w.version = 4; }); }, "GGUF version 4"},
    {"BigEndian", [] { return with([](Writer& w) { w.version = 3U << 24; }); }, "byte 4: a big-endian GGUF"},
    {"ManyTensors", [] { return with([](Writer& w) { w.extra_tensors = std::uint64_t{1} << 63; }); },
     "byte 8: claims 9223372036854775808 tensors; at most"},
    {"ManyEntries", [] { return with([](Writer& w) { w.extra_metadata = ~std::uint64_t{0}; }); },
     "byte 16: claims 18446744073709551615 metadata entries"},
    {"TensorsMissing", [] { return with([](Writer& w) { w.extra_tensors = 9, w.alignment = 1; }); },
     "byte 24: a tensor name needs 8 bytes, but 0 are left"},
    {"EntriesMissing", [] { return with([](Writer& w) { w.extra_metadata = 9, w.alignment = 1; }); },
     "byte 24: a metadata key needs 8 bytes"},
    {"EmptyKey", [] { return with([](Writer& w) { w.count("", 1); }); }, "a metadata key is empty"},
    {"LongString",
     [] { return with([](Writer& w) { w.raw("k", testing_gguf::text, little(std::uint64_t{1} << 40)); }); },
     "the value of 'k' is 1099511627776 bytes long"},
    {"ShortString", [] { return with([](Writer& w) { w.raw("k", testing_gguf::text, little(std::uint64_t{5000})); }); },
     "the value of 'k' needs 5000 bytes"},
    {"ValueType", [] { return with([](Writer& w) { w.raw("k", 13, ""); }); },
     "the value of 'k' is the unknown value type 13; known are 0 to 12"},
    {"OddBool", [] { return with([](Writer& w) { w.raw("k", testing_gguf::boolean, "\x02"); }); },
     "is a bool of value 2; 0 and 1"},
    {"NestedArray",
     [] { return with([](Writer& w) { w.raw("k", testing_gguf::array, little(9U) + little(std::uint64_t{1})); }); },
     "is an array of arrays"},
    {"LongArray",
     [] {
       return with([](Writer& w) { w.raw("k", testing_gguf::array, little(4U) + little(std::uint64_t{1} << 61)); });
     },
     "the value of 'k' claims 2305843009213693952 elements"},
    {"LongStrings",
     [] {
       return with([](Writer& w) { w.raw("k", testing_gguf::array, little(8U) + little(std::uint64_t{1} << 60)); });
     },
     "claims 1152921504606846976 elements"},
    {"KeyTwice", [] { return with([](Writer& w) { w.count("k", 1).count("k", 1); }); },
     "key 'k': twice in the metadata"},
    {"OddKey", [] { return with([](Writer& w) { w.count("a\nb", 1).count("a\nb", 1); }); }, "key 'a?b': twice"},
    {"Alignment", [] { return with([](Writer& w) { w.count("general.alignment", 24); }); },
     "key 'general.alignment': is 24; a power of two"},
    {"AlignmentZero", [] { return with([](Writer& w) { w.count("general.alignment", 0); }); }, "is 0; a power of two"},
    {"AlignmentText", [] { return with([](Writer& w) { w.string("general.alignment", "x"); }); },
     "is no whole number; a power of two"},
    {"TensorTwice", [] { return with([](Writer& w) { w.tensor("t", {32}).tensor("t", {32}); }); },
     "tensor 't': twice in the file"},
    {"NoName", [] { return with([](Writer& w) { w.tensor("", {32}); }); }, "a tensor has no name"},
    {"LongName", [] { return with([](Writer& w) { w.tensor(std::string(300, 'n'), {32}); }); },
     "a tensor name is 300 bytes long; at most 255"},
    {"NoDimensions", [] { return with([](Writer& w) { w.tensor("t", {}); }); }, "tensor 't' has 0 dimensions; 1 to 4"},
    {"FiveDimensions", [] { return with([](Writer& w) {
                              w.tensor("t", {1, 1, 1, 1, 1});
                            }); }, "has 5 dimensions"},
    {"ZeroDimension", [] { return with([](Writer& w) {
                             w.tensor("t", {32, 0});
                           }); },
     "tensor 't': dimension 1 is 0; at least 1"},
    {"Overflow", [] { return with([](Writer& w) {
                        w.tensor_at("t", {1LL << 40, 1LL << 40}, 1, 0);
                      }); },
     "tensor 't': dimension 1 is 1099511627776, which makes more"},
    {"Huge", [] { return with([](Writer& w) { w.tensor_at("t", {1LL << 60}, 0, 0); }); },
     "tensor 't': needs 4611686018427387904 bytes at offset 0"},
    {"UnknownType", [] { return with([](Writer& w) { w.tensor("t", {32}, 4); }); },
     "tensor 't' is of type 4, which is not in"},
    {"LargeType", [] { return with([](Writer& w) { w.tensor("t", {32}, 0xFFFFFFFF); }); }, "is of type 4294967295"},
    {"OddRow", [] { return with([](Writer& w) { w.tensor("t", {33}, 8); }); },
     "rows of 33 weights are no multiple of the 32 in a block of Q8_0"},
    {"Misaligned", [] { return with([](Writer& w) { w.tensor_at("t", {32}, 1, 8); }); },
     "tensor 't' is misaligned: its offset is 8; multiples of 32"},
    {"Overlap", [] { return with([](Writer& w) { w.tensor("t", {64}).tensor_at("u", {8}, 1, 96); }); },
     "tensor 'u': begins at offset 96, inside of 't', which ends at 128"},
    {"OutOfFile", [] { return with([](Writer& w) { w.tensor("t", {64}).tensor_at("u", {8}, 1, 128); }); },
     "tensor 'u': needs 16 bytes at offset 128 of the data, which has 128"},
    {"FarOffset", [] { return with([](Writer& w) { w.tensor_at("u", {8}, 1, ~std::uint64_t{31}); }); },
     "tensor 'u': needs 16 bytes at offset 18446744073709551584"},
};
INSTANTIATE_TEST_SUITE_P(Gguf, BrokenBytes, testing::ValuesIn(broken_bytes));

Writer minimal(const std::string& architecture = "llama") {
  Writer w;
  const std::string p = architecture + ".";
  w.string("general.architecture", architecture).count(p + "embedding_length", 64).count(p + "context_length", 512);
  w.count(p + "attention.head_count", 4).count(p + "attention.head_count_kv", 2).count(p + "feed_forward_length", 96);
  return w;
}
Writer& with_attention(Writer& w, std::int64_t kv_width = 32) {
  w.tensor("token_embd.weight", {64, 100}).tensor("output_norm.weight", {64});
  w.tensor("blk.0.attn_norm.weight", {64}).tensor("blk.0.ffn_norm.weight", {64});
  w.tensor("blk.0.attn_q.weight", {64, 64})
      .tensor("blk.0.attn_k.weight", {64, kv_width})
      .tensor("blk.0.attn_v.weight", {64, 32});
  return w.tensor("blk.0.attn_output.weight", {64, 64});
}
Writer& with_layer(Writer& w, std::int64_t kv_width = 32) {
  with_attention(w, kv_width).tensor("blk.0.ffn_gate.weight", {64, 96});
  return w.tensor("blk.0.ffn_up.weight", {64, 96}).tensor("blk.0.ffn_down.weight", {96, 64});
}

std::string workload_message(const Writer& writer) {
  return message_of([&] { static_cast<void>(workload_of(writer.parsed(), "model.gguf", few_types())); });
}

TEST(GgufArchitecture, TheMinimumIsAccepted) {
  Writer w = minimal();
  w.count("llama.block_count", 1);
  const Workload workload = workload_of(with_layer(w).parsed(), "model.gguf", few_types());
  EXPECT_EQ(workload.quantization, "custom");
  EXPECT_TRUE(workload.architecture.tied_embeddings);
  EXPECT_EQ(std::get<GroupedAttention>(workload.architecture.layer(0).mixer).key_dim, 16);
}

TEST(GgufArchitecture, MetadataAndShapesMustAgree) {
  const auto one_layer = [](const std::function<void(Writer&)>& add, std::int64_t kv_width = 32) {
    Writer w = minimal();
    w.count("llama.block_count", 1);
    add(w);
    return workload_message(with_layer(w, kv_width));
  };
  const auto nothing = [](Writer&) {};
  expect_message(one_layer(nothing, 48),
                 "tensor 'blk.0.attn_k.weight': is [64, 48], but [64, 32] follows from the metadata");
  expect_message(one_layer([](Writer& w) { w.strings("tokenizer.ggml.tokens", 99); }),
                 "has 99 elements, but token_embd.weight is for 100");
  expect_message(one_layer([](Writer& w) { w.tensor("blk.0.attn_q_norm.weight", {17}); }),
                 "tensor 'blk.0.attn_q_norm.weight': is [17]");
  expect_message(one_layer([](Writer& w) { w.count("llama.nextn_predict_layers", 1); }),
                 "key 'llama.nextn_predict_layers': is 1; less than");
}

TEST(GgufArchitecture, KindsOfLayersMustAgree) {
  const auto changed = [](const std::string& type, const char* more, const std::string& key, std::int64_t value) {
    const Architecture a = from_config(config(type, more));
    return workload_message(ArchitectureWriter(a).written().recount(a.gguf_architecture + "." + key, value));
  };
  expect_message(changed("qwen3_5", linear, "full_attention_interval", 3), "is 3, but layer 2 has linear attention");
  expect_message(changed("deepseek_v3", latent, "leading_dense_block_count", 3), "is 3, but layer 2 has experts");
  expect_message(changed("gemma4", gemma4, "embedding_length_per_layer_input", 8),
                 "tensor 'per_layer_token_embd.weight': is missing");
  expect_message(changed("gemma4", gemma4, "attention.shared_kv_layers", 6), "is 6; less than the block_count, 6");
  expect_message(changed("gemma3n", gemma3n, "altup.num_inputs", 3), "is 3, but altup_proj.weight is for 4");
  expect_message(changed("gemma3n", gemma3n, "embedding_length_per_layer_input", 0), "is missing or 0, but there is a");
  expect_message(changed("gemma3n", gemma3n, "embedding_length_per_layer_input", 4), "follows from the metadata");
  expect_message(changed("deepseek_v4", compressed_keys, "attention.compress_ratios", 0),
                 "is 0 for layer 2, which has a");
  expect_message(changed("deepseek_v4", compressed_keys, "attention.indexer.head_count", 0), "is 0; a count from 1");
  expect_message(changed("deepseek_v4", compressed_keys, "attention.output_lora_rank", 9), "follows from the metadata");
  expect_message(changed("lfm2", convolutions, "shortconv.l_cache", 1), "is 1; a count from 2");
  expect_message(changed("lfm2", convolutions, "shortconv.l_cache", 4), "follows from the metadata");
  expect_message(changed("nemotron_h", hybrid, "ssm.group_count", 3), "is 3; a divisor of ssm.time_step_rank, 4");
  expect_message(changed("nemotron_h", hybrid, "ssm.inner_size", 30),
                 "is 30; a small multiple of ssm.time_step_rank, 4");
  expect_message(changed("nemotron_h", hybrid, "ssm.state_size", 16), "follows from the metadata");
  EXPECT_EQ(changed("qwen3_5", linear, "full_attention_interval", 4), "accepted");
  EXPECT_EQ(changed("deepseek_v3", latent, "leading_dense_block_count", 2), "accepted");
}

TEST(GgufArchitecture, FusedExpertsAreTwoTensors) {
  Writer w = minimal();
  w.count("llama.block_count", 1).count("llama.expert_count", 4).count("llama.expert_used_count", 2);
  with_attention(w).tensor("blk.0.ffn_gate_inp.weight", {64, 4});
  w.tensor("blk.0.ffn_gate_up_exps.weight", {64, 192, 4}).tensor("blk.0.ffn_down_exps.weight", {96, 64, 4});
  const Workload workload = workload_of(w.parsed(), "model.gguf", few_types());
  const auto expected = tensors_of(workload.architecture);
  ASSERT_EQ(workload.tensors.size(), expected.size());
  std::int64_t elements = 0;
  for (const auto& tensor : workload.tensors) elements += tensor.elements();
  EXPECT_EQ(elements, parameter_count(workload.architecture));
}

TEST(GgufArchitecture, MissingAndAbsurdKeysAreNamed) {
  Writer none;
  with_layer(none);
  expect_message(workload_message(none), "key 'general.architecture': is missing");
  Writer blocks = minimal();
  expect_message(workload_message(with_layer(blocks)), "key 'llama.block_count': is missing");
  Writer many = minimal();
  many.count("llama.block_count", 4000);
  expect_message(workload_message(with_layer(many)),
                 "key 'llama.block_count': is 4000, more than the file's 11 tensors");
  Writer two = minimal();
  two.count("llama.block_count", 2);
  expect_message(workload_message(with_layer(two)), "tensor 'blk.1.attn_k.weight': is missing");
  Writer text = minimal();
  text.string("llama.block_count", "many");
  expect_message(workload_message(with_layer(text)), "key 'llama.block_count': is no whole number; a count from 1 to");
  Writer narrow = minimal();
  narrow.count("llama.block_count", 1).count("llama.attention.key_length", 0);
  expect_message(workload_message(with_layer(narrow)), "key 'llama.attention.key_length': is 0; a count from 1");
}

TEST(GgufArchitecture, AnUnknownOneIsRefusedWithTheKnownOnes) {
  Writer w = minimal("qwen33");
  const std::string message = workload_message(w);
  expect_message(message, "the architecture 'qwen33' is not modelled (did you mean 'qwen3'");
  EXPECT_THROW(static_cast<void>(workload_of(w.parsed(), "m", few_types())), RefusedError);
}

class Files : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("silicast_gguf_test_" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) + "_" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The weights are a hole in the file.
  [[nodiscard]] std::filesystem::path write(const std::string& name, const Writer& writer,
                                            std::uint64_t more = 0) const {
    auto path = folder_ / name;
    std::ofstream(path, std::ios::binary) << writer.header();
    std::filesystem::resize_file(path, writer.file_size() + more);
    return path;
  }
  [[nodiscard]] std::string message(const std::filesystem::path& path) const {
    return message_of([&] { static_cast<void>(read_gguf(path, *few_types())); });
  }
  static Writer part(std::int64_t number, std::int64_t count, std::int64_t tensors, const std::string& tensor) {
    Writer w;
    w.raw("split.no", testing_gguf::u16, little(static_cast<std::uint16_t>(number)));
    w.raw("split.count", testing_gguf::u16, little(static_cast<std::uint16_t>(count)));
    w.raw("split.tensors.count", testing_gguf::i32, little(static_cast<std::int32_t>(tensors)));
    return w.tensor(tensor, {64});
  }
  std::filesystem::path folder_;
};

TEST_F(Files, TheWeightsAreNotRead) {
  constexpr std::uint64_t terabyte = 1'000'000'000'000;
  const auto path = write("big.gguf", llama_writer(), terabyte);
  const GgufFile file = read_gguf(path, *few_types());
  EXPECT_EQ(workload_of(file, path.string(), few_types()).architecture.layers.size(), 6U);
  EXPECT_GT(file.file_sizes[0], terabyte);
}

TEST_F(Files, AnyPartOfASplitModelStandsForAll) {
  static_cast<void>(write("m-00001-of-00002.gguf", part(0, 2, 2, "a")));
  const auto second = write("m-00002-of-00002.gguf", part(1, 2, 2, "b"));
  const GgufFile file = read_gguf(second, *few_types());
  ASSERT_EQ(file.tensors.size(), 2U);
  EXPECT_EQ(file.tensors[0].name, "a");
  EXPECT_EQ(file.tensors[1].file, 1);
  EXPECT_EQ(file.data_offsets.size(), 2U);
}

TEST_F(Files, SplitModelsMustBeWholeAndConsistent) {
  const auto first = write("m-00001-of-00002.gguf", part(0, 2, 2, "a"));
  EXPECT_NE(message(first).find("m-00002-of-00002.gguf: no such file"), std::string::npos) << message(first);
  const auto expect = [&](const Writer& second, const std::string& text) {
    static_cast<void>(write("m-00002-of-00002.gguf", second));
    EXPECT_NE(message(first).find(text), std::string::npos) << message(first);
  };
  expect(part(0, 2, 2, "b"), "key 'split.no': is 0; 1 follows from the file's name");
  expect(part(1, 3, 2, "b"), "key 'split.count': is 3; 2 follows");
  expect(part(1, 2, 5, "b"), "key 'split.tensors.count': is 5; 2 follows from the first file");
  expect(part(1, 2, 2, "a"), "tensor 'a': twice");
  expect(Writer(), "key 'split.no': is missing");
  expect(part(1, 2, 2, "b").tensor("c", {32}),
         "key 'split.tensors.count': is 2; 3 follows from the tensors of all files");
  const auto odd = write("odd.gguf", part(0, 2, 2, "a"));
  EXPECT_NE(message(odd).find("not named as one"), std::string::npos) << message(odd);
}

TEST_F(Files, WhatIsNoFileIsSaidSo) {
  EXPECT_NE(message(folder_).find("not a regular file"), std::string::npos);
  EXPECT_NE(message(folder_ / "none").find("no such file"), std::string::npos);
  std::ofstream(folder_ / "empty.gguf").flush();
  EXPECT_NE(message(folder_ / "empty.gguf").find("byte 0: the magic 'GGUF' needs 4 bytes, but 0 are left"),
            std::string::npos);
}

}  // namespace
}  // namespace silicast
