// SPDX-License-Identifier: Apache-2.0
#include "workloads/architecture.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/unit/workloads_data.h"

namespace silicast {
namespace {

using namespace testing_data;

const std::string base_text = "architecture: llama\nlayers: 6\nhidden: 64\nvocabulary: 100\ncontext: 32\n";
const std::string attention_text = "attention: {heads: 4, kv_heads: 2, head_dim: 16}\n";
const std::string dense_text = "feed_forward: {intermediate: 128}\n";

std::string message_of(const std::string& yaml) {
  try {
    model_of(yaml);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

const GroupedAttention& attention_of(const Architecture& a, std::size_t layer) {
  return std::get<GroupedAttention>(a.layer(layer).mixer);
}

TEST(ReadArchitecture, DefaultsAreThoseOfALlama) {
  const Architecture a = model_of(base_text + attention_text + dense_text);
  EXPECT_EQ(a.kinds.size(), 1U);
  EXPECT_EQ(a.layers.size(), 6U);
  EXPECT_EQ(attention_of(a, 0).value_dim, 16);
  EXPECT_EQ(a.queries_per_kv_head(), 2);
  EXPECT_FALSE(a.has_experts());
  EXPECT_EQ(a.norms_per_layer, 2);
}

TEST(ReadArchitecture, WindowPatternAndLocalHeads) {
  const Architecture a =
      model_of(base_text +
               "attention: {heads: 4, kv_heads: 1, head_dim: 32, window: 8, window_layers: [window, window, full], "
               "local: {kv_heads: 2, head_dim: 16}}\n" +
               dense_text);
  EXPECT_EQ(attention_of(a, 0).window, 8);
  EXPECT_EQ(attention_of(a, 1).kv_heads, 2);
  EXPECT_EQ(attention_of(a, 1).value_dim, 16);
  EXPECT_EQ(attention_of(a, 2).window, 0);
  EXPECT_EQ(attention_of(a, 5).key_dim, 32);
  EXPECT_EQ(a.kinds.size(), 2U);
}

TEST(ReadArchitecture, WindowAloneMeansEveryLayer) {
  const Architecture a =
      model_of(base_text + "attention: {heads: 4, kv_heads: 2, head_dim: 16, window: 8}\n" + dense_text);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(attention_of(a, i).window, 8);
}

TEST(ReadArchitecture, LeadingDenseAndEverySecondLayer) {
  const Architecture a =
      model_of(base_text + attention_text + dense_text +
               "experts: {count: 8, used: 2, intermediate: 32, shared: 2, leading_dense_layers: 2, every: 2}\n");
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_EQ(std::holds_alternative<ExpertFeedForward>(a.layer(i).feed_forward), i == 3 || i == 5) << i;
  EXPECT_EQ(std::get<ExpertFeedForward>(a.layer(3).feed_forward).shared_intermediate, 64);
  EXPECT_EQ(a.experts(), 8);
}

TEST(ReadArchitecture, LinearLayersAlternate) {
  const Architecture a =
      model_of(base_text + attention_text + dense_text +
               "linear_attention: {key_heads: 2, value_heads: 4, key_dim: 8, value_dim: 8, convolution: 4}\n"
               "layer_pattern: [linear, linear, attention]\n");
  EXPECT_TRUE(std::holds_alternative<GatedDeltaNet>(a.layer(0).mixer));
  EXPECT_TRUE(std::holds_alternative<GroupedAttention>(a.layer(5).mixer));
  EXPECT_EQ(a.queries_per_kv_head(), 2);
}

TEST(ReadArchitecture, LatentAttentionHasOneKeyHead) { EXPECT_EQ(model("deepseek-v3").queries_per_kv_head(), 128); }

TEST(ReadArchitecture, KindsNameEveryLayer) {
  const Architecture a = model_of(
      base_text +
      "kinds:\n  big:\n    attention: {heads: 4, kv_heads: 2, head_dim: 16}\n    feed_forward: {intermediate: 9}\n"
      "  small:\n    attention: {heads: 2, kv_heads: 2, head_dim: 16, window: 3}\n    experts: {count: 4, used: 1, "
      "intermediate: 5}\n"
      "layer_kinds: [big, big, small]\n");
  EXPECT_EQ(a.layers, (std::vector<int>{0, 0, 1, 0, 0, 1}));
  EXPECT_EQ(attention_of(a, 2).window, 3);
}

TEST(ReadArchitecture, WrongFilesAreRefusedWithPlaceAndRule) {
  const std::pair<std::string, const char*> cases[] = {
      {attention_text + dense_text, "architecture"},
      {base_text + dense_text, "attention"},
      {base_text + attention_text, "feed_forward"},
      {base_text + dense_text + "attention: {heads: 4, kv_heads: 3, head_dim: 16}\n", "multiple of attention.kv_heads"},
      {base_text + dense_text + "attention: {heads: 0, kv_heads: 1, head_dim: 16}\n", "heads"},
      {base_text + dense_text + "attention: {heads: 4, kv_heads: 2, head_dim: 16, window_layers: [full]}\n",
       "no `window`"},
      {base_text + dense_text + "attention: {heads: 4, kv_heads: 2, head_dim: 16, window: 4, window_layers: [local]}\n",
       "neither"},
      {base_text + dense_text + attention_text + "experts: {count: 4, used: 5, intermediate: 8}\n",
       "at most experts.count"},
      {base_text + dense_text + attention_text + "layer_pattern: [linear, attention]\n", "linear_attention"},
      {base_text + dense_text + attention_text + "norms: {per_layer: 3}\n", "per_layer"},
      {base_text + dense_text + attention_text + "colour: blue\n", "colour"},
      {base_text + attention_text + "experts: {count: 4, used: 2, intermediate: 8, leading_dense_layers: 1}\n",
       "layer 0"},
      {base_text + "kinds:\n  a: {}\n", "feed_forward"},
      {base_text + "kinds:\n  a: {attention: {heads: 1, kv_heads: 1, head_dim: 4}, feed_forward: {intermediate: "
                   "3}}\nlayer_kinds: [b]\n",
       "no kind 'b'"},
      {"{architecture: x, layers: 99999999, hidden: 1, vocabulary: 1, context: 1}", "layers"}};
  for (const auto& [yaml, expected] : cases) {
    const std::string message = message_of(yaml);
    EXPECT_NE(message.find(expected), std::string::npos) << yaml << message;
    EXPECT_NE(message.find("model.yaml"), std::string::npos) << message;
  }
}

TEST(ArchitectureYaml, EveryModelReadsBackEqual) {
  for (const Entry& entry : models().all()) {
    const Architecture a = read_architecture(entry.section());
    const Architecture back = model_of(architecture_yaml(a));
    EXPECT_EQ(back.kinds, a.kinds) << entry.id;
    EXPECT_EQ(back.layers, a.layers) << entry.id;
    EXPECT_EQ(back.gguf_architecture, a.gguf_architecture) << entry.id;
    EXPECT_EQ(back.tied_embeddings, a.tied_embeddings) << entry.id;
    EXPECT_EQ(back.norms_per_layer, a.norms_per_layer) << entry.id;
    EXPECT_EQ(back.norm, a.norm) << entry.id;
    EXPECT_EQ(back.positions, a.positions) << entry.id;
    EXPECT_EQ(back.extra_layers, a.extra_layers) << entry.id;
    EXPECT_EQ(back.published_quants, a.published_quants) << entry.id;
    EXPECT_EQ(back.stated_parameters, a.stated_parameters) << entry.id;
    EXPECT_EQ(architecture_yaml(back), architecture_yaml(a)) << entry.id;
  }
}

TEST(Architecture, AddLayerReusesEqualKinds) {
  Architecture a = small_llama(4, 2);
  const Layer first = a.layer(0);
  a.add_layer(first);
  EXPECT_EQ(a.kinds.size(), 1U);
  Layer other = first;
  std::get<DenseFeedForward>(other.feed_forward).intermediate = 7;
  a.add_layer(other);
  EXPECT_EQ(a.kinds.size(), 2U);
  EXPECT_EQ(a.layers, (std::vector<int>{0, 0, 0, 0, 0, 1}));
}

}  // namespace
}  // namespace silicast
