// SPDX-License-Identifier: Apache-2.0
#include "workloads/quantization.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/text.h"
#include "tests/unit/workloads_data.h"

namespace silicast {
namespace {

using namespace testing_data;

std::string message_of(const std::string& yaml) {
  try {
    scheme_of(yaml);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

// The layers in which a tensor has a type.
std::vector<int> layers_with(const Workload& w, const std::string& stem, const std::string& type) {
  std::vector<int> layers;
  for (int i = 0; i < static_cast<int>(w.architecture.layers.size()); ++i)
    if (type_of(w, "blk." + std::to_string(i) + "." + stem + ".weight") == type) layers.push_back(i);
  return layers;
}

TEST(TypeTable, BlocksHoldTheBitsOfTheirName) {
  const struct {
    const char* name;
    double bits;
  } expected[] = {{"F16", 16},         {"Q4_0", 4.5},       {"Q8_0", 8.5},       {"Q2_K", 2.625},
                  {"Q4_K", 4.5},       {"Q6_K", 6.5625},    {"IQ1_S", 1.5625},   {"IQ4_XS", 4.25},
                  {"MXFP4", 4.25},     {"NVFP4", 4.5},      {"TQ1_0", 1.6875},   {"MLX_Q4_G64", 4.5},
                  {"MLX_Q3_G64", 3.5}, {"MLX_Q4_G32", 5.0}, {"MLX_Q8_G64", 8.5}, {"INT4_G128_ZERO", 4.15625},
                  {"INT4_G32", 4.5},   {"IQ4_K", 4.5},      {"IQ4_KS", 4.25},    {"IQ3_KT", 3.125},
                  {"IQ5_K", 5.5},      {"IQ2_KL", 2.6875},  {"IQ4_K_R4", 4.5},   {"IQ1_S_R4", 1.5}};
  for (const auto& row : expected) EXPECT_EQ((*types())[types()->at(row.name)].bits_per_weight(), row.bits) << row.name;
}

TEST(TypeTable, GgmlNumbersAreThoseOfGgml) {
  const std::pair<const char*, int> expected[] = {{"F32", 0},   {"F16", 1},    {"Q4_0", 2},    {"Q8_0", 8},
                                                  {"Q4_K", 12}, {"Q8_K", 15},  {"IQ4_XS", 23}, {"F64", 28},
                                                  {"BF16", 30}, {"TQ2_0", 35}, {"MXFP4", 39},  {"NVFP4", 40}};
  for (const auto& [name, number] : expected) EXPECT_EQ(types()->find_gguf(number), types()->find(name)) << name;
  EXPECT_FALSE(types()->find_gguf(31));  // removed from ggml
}

TEST(TypeTable, NamesIgnoreCase) {
  EXPECT_EQ(types()->find("q4_k"), types()->find("Q4_K"));
  EXPECT_EQ(types()->find("iq3-xxs"), types()->find("IQ3_XXS"));
  EXPECT_FALSE(types()->find("Q9_K"));
}

TEST(TypeTable, RowsAreWholeBlocksInGgufAndSharesElsewhere) {
  EXPECT_EQ(types()->row_bytes(512, types()->at("Q4_K")), Bytes(288));
  EXPECT_EQ(types()->row_bytes(257, types()->at("Q4_K")), Bytes(288));
  EXPECT_EQ(types()->row_bytes(128, types()->at("INT4_G128_ZERO")), Bytes(67));  // 66.5, rounded up
  const Tensor stack{.role = TensorRole::ffn_down_exps, .layer = 0, .shape = {256, 10, 3}};
  EXPECT_EQ(types()->bytes(stack, types()->at("Q8_0")), Bytes(272.0 * 30));
}

TEST(TypeTable, EveryFallbackFitsWhereTheTypeDoesNot) {
  for (const TensorType& type : types()->all()) {
    const TensorType& fallback = (*types())[type.fallback];
    EXPECT_LT(fallback.block, std::max<std::int64_t>(type.block, 2)) << type.name;
  }
}

TEST(Schemes, EveryFileReadsAndHasItsSources) {
  const auto entries = schemes().all();
  EXPECT_GE(entries.size(), 55U);
  for (const Entry& entry : entries) {
    EXPECT_NO_THROW(read_quant_scheme(entry.section(), *types())) << entry.id;
    EXPECT_TRUE(figures_without_source(entry).empty()) << entry.id;
  }
}

TEST(Schemes, NamesAndAliasesAreUnique) {
  std::map<std::string, std::string> owners;
  for (const Entry& entry : schemes().all()) {
    auto names = entry.aliases;
    names.push_back(entry.id);
    for (const auto& name : names)
      EXPECT_TRUE(owners.emplace(canonical_name(name), entry.id).second) << name << " of " << entry.id;
  }
}

TEST(Schemes, AliasesOfTheMeasurementFiles) {
  const std::pair<const char*, const char*> expected[] = {{"q4_k_m", "Q4_K_M"},
                                                          {"Q4_K", "Q4_K_M"},
                                                          {"fp16", "F16"},
                                                          {"MXFP4", "MXFP4_MOE"},
                                                          {"4bit", "MLX-4bit"},
                                                          {"AWQ-4bit", "INT4-AWQ"},
                                                          {"GPTQ-4bit", "INT4-GPTQ"},
                                                          {"INT8-W8A8", "W8A8"},
                                                          {"FP8-static", "FP8"},
                                                          {"F16 (experts MXFP4, rest F16)", "F16-MXFP4"},
                                                          {"Q5_K", "Q5_K_M"},
                                                          {"Q3_K", "Q3_K_M"},
                                                          {"nvfp4", "NVFP4"}};
  for (const auto& [name, id] : expected) EXPECT_EQ(schemes().find(name).id, id) << name;
}

TEST(LayerSelector, ProbesTheBoundaries) {
  using Kind = LayerSelector::Kind;
  const LayerSelector eighth{.kind = Kind::first_share, .number = 8};
  EXPECT_TRUE(eighth.selects(3, 32));
  EXPECT_FALSE(eighth.selects(4, 32));
  EXPECT_FALSE(eighth.selects(0, 7));  // 7/8 is 0
  const LayerSelector inner{.kind = Kind::inner, .number = 8};
  EXPECT_FALSE(inner.selects(3, 32));
  EXPECT_TRUE(inner.selects(4, 32));
  EXPECT_TRUE(inner.selects(27, 32));
  EXPECT_FALSE(inner.selects(28, 32));
}

// Layers of Q6_K in gpt-oss-120b's Q4_K_M as llama.cpp's tests/snapshots/gpt-oss-120b.schema lists them.
TEST(Mixes, MoreBitsPattern) {
  const std::vector<int> expected{0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 31, 32, 33, 34, 35};
  const LayerSelector more{.kind = LayerSelector::Kind::more_bits};
  std::vector<int> selected;
  for (int i = 0; i < 36; ++i)
    if (more.selects(i, 36)) selected.push_back(i);
  EXPECT_EQ(selected, expected);
}

TEST(Mixes, SeventyBillionSharesItsValues) {
  const Workload w = quantized(model("llama-3.1-70b"), "Q3_K_S");
  EXPECT_EQ(layers_with(w, "attn_v", "Q5_K").size(), 80U);
  EXPECT_EQ(layers_with(w, "attn_k", "Q3_K").size(), 80U);
  EXPECT_EQ(layers_with(quantized(model("llama-3.1-8b"), "Q3_K_S"), "attn_v", "Q3_K").size(), 32U);
}

// llama.cpp tests/snapshots/qwen3-coder-next.schema
TEST(Mixes, HybridCountsValueLikeTensors) {
  const Workload w = quantized(model("qwen3-coder-next"), "Q4_K_S");
  EXPECT_EQ(layers_with(w, "attn_qkv", "Q5_K"), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(layers_with(w, "attn_v", "Q5_K"), (std::vector<int>{3}));
  EXPECT_EQ(layers_with(w, "ffn_down_exps", "Q5_K"), (std::vector<int>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(layers_with(w, "ffn_down_shexp", "Q5_K"), (std::vector<int>{0, 1, 2, 3, 4, 5}));
  const Workload low = quantized(model("qwen3-coder-next"), "IQ2_M");
  EXPECT_EQ(layers_with(low, "ffn_down_exps", "IQ3_S"),
            (std::vector<int>{0, 1, 2}));  // a counter of tensors, two per layer
  EXPECT_EQ(type_of(low, "output.weight"), "Q5_K");
  EXPECT_EQ(type_of(low, "token_embd.weight"), "IQ3_S");
}

// Every second layer has no value projection: 12 attn_v in 24 layers. By layer numbers 5, 11 and 17 would be selected.
TEST(Mixes, ValueTensorsAreCountedNotNumbered) {
  const Architecture a = model_of(
      "architecture: llama\nlayers: 24\nhidden: 256\nvocabulary: 9\ncontext: 8\nkinds:\n"
      "  bare: {attention: {heads: 2, kv_heads: 1, head_dim: 128, value_is_key: true}, feed_forward: {intermediate: "
      "256}}\n"
      "  full: {attention: {heads: 2, kv_heads: 1, head_dim: 128}, feed_forward: {intermediate: 256}}\n"
      "layer_kinds: [bare, full]\n");
  for (const char* quant : {"Q4_K_M", "Q5_K_M"})
    EXPECT_EQ(layers_with(quantized(a, quant), "attn_v", "Q6_K"), (std::vector<int>{1, 7, 13, 19, 21, 23})) << quant;
}

// llama.cpp tests/snapshots/deepseek-v3.1.schema
TEST(Mixes, DeepSeekHasNoValueTensor) {
  const Workload w = quantized(model("deepseek-v3"), "Q3_K_M");
  EXPECT_EQ(layers_with(w, "ffn_down", "Q5_K"), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(layers_with(w, "ffn_down_exps", "Q4_K").size(), 58U);
  EXPECT_EQ(layers_with(w, "attn_output", "Q4_K").size(), 61U);
  EXPECT_EQ(type_of(w, "blk.0.attn_v_b.weight"), "Q3_K");
  EXPECT_EQ(type_of(w, "blk.0.attn_k_b.weight"), "Q4_0");  // rows of 128
}

TEST(Mixes, RowsThatAreNoMultipleFallBack) {
  const Workload q4 = quantized(model("gpt-oss-20b"), "Q4_K_M");  // 2880 = 22.5 x 128
  EXPECT_EQ(type_of(q4, "blk.4.ffn_gate_exps.weight"), "Q5_0");
  EXPECT_EQ(type_of(q4, "blk.0.ffn_down_exps.weight"), "Q8_0");
  EXPECT_EQ(type_of(q4, "blk.0.attn_output.weight"), "Q4_K");  // 4096
  EXPECT_EQ(type_of(q4, "output.weight"), "Q8_0");
  EXPECT_EQ(type_of(quantized(model("gpt-oss-20b"), "IQ2_XXS"), "output.weight"), "Q8_0");  // not Q5_1
  const Architecture odd = model_of(
      "{architecture: llama, layers: 1, hidden: 72, vocabulary: 10, context: 8, attention: {heads: 1, kv_heads: 1, "
      "head_dim: 64}, "
      "feed_forward: {intermediate: 64}}");
  EXPECT_EQ(type_of(quantized(odd, "Q4_K_M"), "blk.0.attn_q.weight"), "F16");
}

TEST(Mixes, EightExpertsSpendBitsOnAttention) {
  const Workload w = quantized(model("mixtral-8x7b"), "Q4_K_M");
  EXPECT_EQ(layers_with(w, "attn_v", "Q8_0").size(), 32U);
  EXPECT_EQ(layers_with(w, "attn_k", "Q8_0").size(), 32U);
  EXPECT_EQ(layers_with(w, "attn_output", "Q5_K").size(), 32U);
  EXPECT_EQ(layers_with(quantized(model("qwen3-30b-a3b"), "Q4_K_M"), "attn_k", "Q4_K").size(), 48U);
}

TEST(Mixes, TiedEmbeddingFollowsTheOutput) {
  EXPECT_EQ(type_of(quantized(small_llama(8, 8, "tied_embeddings: true\n"), "IQ2_XS"), "token_embd.weight"), "Q5_K");
  EXPECT_EQ(type_of(quantized(small_llama(8, 8), "IQ2_XS"), "token_embd.weight"), "Q2_K");
  EXPECT_EQ(type_of(quantized(small_llama(8, 8, "tied_embeddings: true\n"), "Q4_K_L"), "token_embd.weight"), "Q8_0");
  EXPECT_EQ(type_of(quantized(small_llama(8, 8), "Q4_K_L"), "output.weight"), "Q8_0");
}

TEST(Mixes, FusedAttentionChangedInMarch2026) {
  const Architecture phi = model("phi-3-mini");
  EXPECT_EQ(layers_with(quantized(phi, "Q4_K_M@2026-02"), "attn_qkv", "Q5_K").size(), 32U);
  EXPECT_EQ(layers_with(quantized(phi, "Q4_K_M@2026-03"), "attn_qkv", "Q5_K").size(), 0U);
  EXPECT_EQ(layers_with(quantized(phi, "Q4_K_M"), "attn_qkv", "Q6_K").size(), 16U);
}

TEST(Mixes, ImportanceMatrixChangesTheFirstLayers) {
  const Architecture a = small_llama(16, 1);
  EXPECT_EQ(layers_with(quantized(a, "Q4_0+imatrix"), "ffn_down", "Q4_1"), (std::vector<int>{0, 1}));
  EXPECT_TRUE(layers_with(quantized(a, "Q4_0"), "ffn_down", "Q4_1").empty());
  EXPECT_EQ(layers_with(quantized(a, "IQ4_XS"), "ffn_down", "Q5_K"), (std::vector<int>{0, 1}));
  EXPECT_TRUE(layers_with(quantized(a, "IQ4_XS+imatrix"), "ffn_down", "Q5_K").empty());
}

TEST(Mixes, VendorSchemesQuantizeLinearLayers) {
  const Workload w = quantized(small_llama(2, 2), "NVFP4");
  EXPECT_EQ(w.format, QuantFormat::safetensors);
  EXPECT_EQ(type_of(w, "blk.1.ffn_down.weight"), "NVFP4");
  EXPECT_EQ(type_of(w, "token_embd.weight"), "BF16");
  EXPECT_EQ(type_of(w, "output.weight"), "BF16");
  EXPECT_EQ(type_of(w, "output_norm.weight"), "BF16");
  const Workload mlx = quantized(small_llama(2, 2), "4bit");
  EXPECT_EQ(type_of(mlx, "token_embd.weight"), "MLX_Q4_G64");
  EXPECT_EQ(type_of(quantized(model("gpt-oss-20b"), "F16-MXFP4"), "blk.0.attn_q.weight"), "F16");
}

TEST(QuantName, SplitsDateAndMatrix) {
  EXPECT_EQ(parse_quant_name("Q4_K_M").scheme, "Q4_K_M");
  EXPECT_EQ(parse_quant_name("Q4_K_M@2024-04").options.date, "2024-04");
  for (const char* text : {"IQ3_S+imatrix@2024-04", "IQ3_S@2024-04+imatrix", "IQ3_S@2024-04+IMATRIX"}) {
    const QuantName name = parse_quant_name(text);
    EXPECT_EQ(name.scheme, "IQ3_S") << text;
    EXPECT_TRUE(name.options.imatrix) << text;
    EXPECT_EQ(name.options.date, "2024-04") << text;
  }
  EXPECT_THROW(parse_quant_name("Q4_K_M@yesterday"), InputError);
}

TEST(QuantScheme, WrongFilesAreRefusedWithPlaceAndRule) {
  const std::pair<const char*, const char*> cases[] = {
      {"default: Q4_KK\n", "did you mean 'Q4_K'"},
      {"default: Q4_K\nrules: [{tensor: attn_w, type: Q6_K}]\n", "names no kind of tensor"},
      {"default: Q4_K\nrules: [{tensor: attn_v, layers: some, type: Q6_K}]\n", "accepted: all, first 4"},
      {"default: Q4_K\nrules: [{tensor: attn_v, layers: first 1/0, type: Q6_K}]\n", "accepted: all, first 4"},
      {"default: Q4_K\nrules: [{tensor: attn_v, layers: first 0, type: Q6_K}]\n", "accepted: all, first 4"},
      {"default: Q4_K\nrules: [{tensor: attn_v}]\n", "required"},
      {"default: Q4_K\nrules: [{type: Q6_K, if: {since: soon}}]\n", "year and month"},
      {"default: Q4_K\nrules: [{type: Q6_K, unless: 1}]\n", "unless"},
      {"default: Q4_K\nformat: onnx\n", "safetensors"},
      {"rules: []\n", "default"}};
  for (const auto& [yaml, expected] : cases) {
    const std::string message = message_of(yaml);
    EXPECT_NE(message.find(expected), std::string::npos) << yaml << message;
    EXPECT_EQ(message.rfind("scheme.yaml:", 0), 0U) << message;
  }
}

TEST(QuantScheme, TheLastRuleThatAppliesDecides) {
  const QuantScheme s = scheme_of(
      "default: Q4_K\nrules:\n  - {tensor: \"attn_*\", type: Q5_K}\n  - {tensor: attn_v, replaces: Q5_K, type: Q6_K}\n"
      "  - {tensor: attn_v, replaces: Q4_K, type: Q8_0}\n  - {tensor: attn_k, type: default}\n");
  const Workload w = make_workload(small_llama(1, 2), s, {}, types());
  EXPECT_EQ(type_of(w, "blk.0.attn_q.weight"), "Q5_K");
  EXPECT_EQ(type_of(w, "blk.0.attn_v.weight"), "Q6_K");
  EXPECT_EQ(type_of(w, "blk.0.attn_k.weight"), "Q4_K");
  EXPECT_EQ(type_of(w, "blk.0.attn_norm.weight"), "F32");
}

// ggml_type in ggml.h; the numbers left out were removed from it.
TEST(Types, EveryOneOfGgmlIsThere) {
  for (const int number : {0,  1,  2,  3,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                           20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 34, 35, 39, 40, 41, 42})
    EXPECT_TRUE(types()->find_gguf(number)) << number;
}

// llama_ftype in llama.h as llama-quantize spells them, and the formats of other stacks.
TEST(Schemes, EveryFileTypeAndFormatIsThere) {
  for (const char* name :
       {"F32",          "F16",      "BF16",         "Q4_0",     "Q4_1",         "Q5_0",     "Q5_1",
        "Q8_0",         "Q2_K",     "Q2_K_S",       "Q3_K_S",   "Q3_K_M",       "Q3_K_L",   "Q4_K_S",
        "Q4_K_M",       "Q5_K_S",   "Q5_K_M",       "Q6_K",     "IQ1_S",        "IQ1_M",    "IQ2_XXS",
        "IQ2_XS",       "IQ2_S",    "IQ2_M",        "IQ3_XXS",  "IQ3_XS",       "IQ3_S",    "IQ3_M",
        "IQ4_NL",       "IQ4_XS",   "TQ1_0",        "TQ2_0",    "MXFP4_MOE",    "NVFP4",    "GGUF-NVFP4",
        "Q1_0",         "Q2_0",     "FP8",          "INT4-AWQ", "INT4-GPTQ",    "W8A8",     "MLX-3bit",
        "MLX-3bit-g32", "MLX-4bit", "MLX-4bit-g32", "MLX-6bit", "MLX-6bit-g32", "MLX-8bit", "MLX-8bit-g32"}) {
    const QuantScheme s = scheme(name);
    EXPECT_GT((*types())[s.default_type].bits_per_weight(), 0) << name;
  }
}

// Where some layers lack a block, llama.cpp counts the tensors in models without experts: of 6 layers with 3 ffn_down,
// the first of "more bits" are those met first.
TEST(AssignTypes, CountsTensorsWhereLayersLackThem) {
  const Architecture a = model_of(
      "architecture: nemotron_h\nlayers: 16\nhidden: 256\nvocabulary: 512\ncontext: 64\nnorms: {per_layer: 1}\n"
      "kinds:\n  m: {mamba2: {heads: 4, head_dim: 64, groups: 2, state: 64, convolution: 4}}\n"
      "  f: {feed_forward: {intermediate: 512, activation: relu2}}\nlayer_kinds: [m, f]\n");
  const Workload w = quantized(a, "Q4_K_M");
  // i of n = 16: i < 2, or (i - 2) mod 3 = 2, for i = 0..7.
  const bool more[] = {true, true, false, false, true, false, false, true};
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(type_of(w, "blk." + std::to_string(2 * i + 1) + ".ffn_down.weight"), more[i] ? "Q6_K" : "Q4_K") << i;
  EXPECT_EQ(type_of(w, "blk.0.ssm_in.weight"), "Q4_K");
  EXPECT_EQ(type_of(w, "blk.0.ssm_conv1d.weight"), "F32");
}

}  // namespace
}  // namespace silicast
