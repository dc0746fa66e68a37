// SPDX-License-Identifier: Apache-2.0
// The layers beyond attention and feed-forward against published parameter counts and file sizes, and against closed
// forms of what they compute and keep.
#include <gtest/gtest.h>

#include <cmath>

#include "model/database.h"
#include "model/memory.h"
#include "tests/unit/shipped_data.h"
#include "workloads/layer_state.h"

namespace silicast {
namespace {

Workload workload(const std::string& model, const std::string& quant) {
  return make_workload(*database().architecture(model), *database().quant(quant), {}, database().types());
}

struct Count {
  const char* model;
  double parameters;
  double rounding;  // half of the last digit that is published
};
void PrintTo(const Count& c, std::ostream* stream) { *stream << c.model; }

class PublishedCount : public testing::TestWithParam<Count> {};

TEST_P(PublishedCount, FollowsFromTheShapes) {
  EXPECT_NEAR(static_cast<double>(parameter_count(*database().architecture(GetParam().model))), GetParam().parameters,
              GetParam().rounding);
}

// Exact ones are of the safetensors on Hugging Face, rounded ones of llama-bench or the model card.
INSTANTIATE_TEST_SUITE_P(
    Models, PublishedCount,
    testing::Values(Count{"nemotron-3-nano-30b-a3b", 31.58e9, 0.005e9},
                    Count{"nemotron-3-super-120b-a12b", 120.67e9, 0.005e9},
                    Count{"nemotron-3-nano-4b", 3.97e9, 0.005e9}, Count{"nemotron-nano-9b-v2", 8888227328.0, 0},
                    Count{"nemotron-nano-12b-v2", 12310001152.0, 0}, Count{"lfm2-350m", 354483968.0, 0},
                    Count{"lfm2-700m", 742489344.0, 0}, Count{"lfm2-1.2b", 1170340608.0, 0},
                    Count{"lfm2-8b-a1b", 8339929856.0 + 704, 0}, Count{"lfm2.5-2.6b", 2697198592.0, 0},
                    Count{"gemma-4-e4b", 7.52e9, 0.005e9}, Count{"gemma-3n-e4b", 6.87e9, 0.005e9},
                    Count{"gemma-3n-e2b", 4.46e9, 0.005e9}, Count{"deepseek-v4-flash", 284e9, 0.5e9},
                    Count{"bge-m3", 0.5667e9, 0.00005e9}));

// Model cards: 3.5 B (with embeddings 3.6), 12 B, 1.5 B, 13 B; of Gemma 4 the "effective" 2.3 B and 4.5 B, which leave
// the tables of the layers' inputs out.
TEST(ActiveParameters, AreThePublishedOnes) {
  const auto billions = [](const char* model) {
    return static_cast<double>(active_parameter_count(*database().architecture(model))) / 1e9;
  };
  EXPECT_NEAR(billions("nemotron-3-nano-30b-a3b"), 3.6, 0.05);
  EXPECT_NEAR(billions("nemotron-3-super-120b-a12b"), 12.7, 0.1);
  EXPECT_NEAR(billions("lfm2-8b-a1b"), 1.5, 0.06);
  EXPECT_NEAR(billions("deepseek-v4-flash"), 13, 0.9);
  EXPECT_NEAR(billions("gemma-4-e2b"), 2.3, 0.05);
  EXPECT_NEAR(billions("gemma-4-e4b"), 4.5, 0.2);
}

// Files: https://huggingface.co/LiquidAI/LFM2.5-1.2B-Instruct-GGUF. What is not tensors is metadata, the same in each.
TEST(FileSize, OfShortConvolutionsLeavesTheSameMetadata) {
  const double q8 = 1246253888.0 - workload("lfm2.5-1.2b", "Q8_0").tensor_bytes().value();
  const double q4 = 730895168.0 - workload("lfm2.5-1.2b", "Q4_K_M").tensor_bytes().value();
  EXPECT_GT(q8, 0);
  EXPECT_LT(q8, 8e6);
  EXPECT_NEAR(q8, q4, 4096);
}

// llama-bench, tensors in GiB: the record's rows of these models.
TEST(FileSize, OfPerLayerInputsAndMamba2IsAsListed) {
  const auto gib = [](const char* model, const char* quant) { return workload(model, quant).tensor_bytes() / 1_GiB; };
  EXPECT_NEAR(gib("gemma-4-e2b", "Q8_0"), 4.61, 0.005);
  EXPECT_NEAR(gib("gemma-4-e4b", "Q8_0"), 7.46, 0.005);
  EXPECT_NEAR(gib("gemma-3n-e4b", "Q8_0"), 6.84, 0.005);
  EXPECT_NEAR(gib("nemotron-3-nano-4b", "Q8_0"), 3.94, 0.005);
}

// llama_hparams::n_embd_r and n_embd_s of llama.cpp.
TEST(LayerState, IsWhatLlamaCppAllocates) {
  const Mamba2 m{.heads = 64, .head_dim = 64, .groups = 8, .state = 128, .convolution = 4};
  EXPECT_EQ(state_of(m, 2688), (LayerState{.convolution = 3 * (4096 + 2 * 8 * 128), .recurrent = 128 * 4096}));
  EXPECT_EQ(state_of(ShortConvolution{.convolution = 3}, 2048), (LayerState{.convolution = 2 * 2048}));
  EXPECT_EQ(state_of(Absent{}, 2048), LayerState{});
  GroupedAttention shared{.heads = 8, .kv_heads = 2, .key_dim = 256, .value_dim = 256, .window = 512};
  EXPECT_EQ(state_of(shared, 2048), (LayerState{.keys = 512, .values = 512, .window = 512}));
  shared.shared_kv = true;
  EXPECT_EQ(state_of(shared, 2048), LayerState{});
}

Bytes cache(const char* model, double context, double sequences) {
  const TypeTable& types = *database().types();
  return kv_cache_bytes(
      *database().architecture(model),
      {.context = context, .sequences = sequences, .key_type = types.at("F16"), .value_type = types.at("F16")},
      database().stack("llama.cpp-cuda")->allocation, types);
}

TEST(Cache, HoldsStatesOfSequencesAndKeysOfTokens) {
  // Nemotron 3 Nano: 6 attention layers of 2 x 128 keys and values, 23 Mamba-2 layers.
  const double state = 23.0 * (64 * 64 * 128 + 3 * (64 * 64 + 2 * 8 * 128)) * 4;
  EXPECT_EQ(cache("nemotron-3-nano-30b-a3b", 4096, 1), Bytes(6.0 * 2 * 2 * 128 * 2 * 4096 + state));
  EXPECT_EQ(cache("nemotron-3-nano-30b-a3b", 8192, 3), Bytes(3 * (6.0 * 2 * 2 * 128 * 2 * 8192 + state)));
  // LFM2 1.2B: 6 attention layers of 8 x 64, 10 convolutions that look back at two tokens.
  EXPECT_EQ(cache("lfm2-1.2b", 4096, 1), Bytes(6.0 * 2 * 8 * 64 * 2 * 4096 + 10.0 * 2 * 2048 * 4));
  // Gemma 4 E2B: of 35 layers the first 15 keep keys and values: 3 full ones of 512, 12 of 256 over a window.
  EXPECT_EQ(cache("gemma-4-e2b", 8192, 1), Bytes(3.0 * 2 * 512 * 2 * 8192 + 12.0 * 2 * 256 * 2 * 1024));
  // DeepSeek V4 Flash: 43 windows, 21 layers of an entry and an index key every 4 tokens, 20 of one every 128.
  const double window = 43.0 * 512 * 2 * 768;
  const double entries = 21.0 * (512 + 128) * 2 * 8192 / 4 + 20.0 * 512 * 2 * 8192 / 128;
  const double pooling = 21.0 * 2 * 8 * 2 * (512 + 128) * 4 + 20.0 * 2 * 128 * 512 * 4;
  EXPECT_EQ(cache("deepseek-v4-flash", 8192, 1), Bytes(window + entries + pooling));
  EXPECT_EQ(cache("bge-m3", 8192, 1), Bytes(0));
}

struct Totals {
  double matmul = 0;  // operations a token, all layers
  double vector = 0;
  double state = 0;  // values a sequence
  int attentions = 0;
};

Totals totals(const StepGraph& graph, std::string_view name = "") {
  Totals t;
  for (const Op& op : graph.ops) {
    if (!name.empty() && op.name != name) continue;
    t.matmul += 2.0 * static_cast<double>(op.layers * op.matmul.in * op.matmul.out);
    t.vector += op.flops * op.layers;
    t.state += static_cast<double>(op.state * op.layers);
    if (op.kind == OpKind::attention) t.attentions += op.layers;
  }
  return t;
}

TEST(StepOfMamba2, ScansItsState) {
  const StepGraph graph = step_graph(workload("nemotron-3-nano-30b-a3b", "BF16"));
  const double state = 64.0 * 64 * 128;
  EXPECT_EQ(totals(graph, "mamba2").state, 23 * state);
  EXPECT_EQ(totals(graph, "mamba2").vector, 23 * 5 * state);
  EXPECT_EQ(totals(graph, "ssm_conv1d").state, 23.0 * 3 * 6144);
  EXPECT_EQ(totals(graph, "ssm_in").matmul, 23.0 * 2 * 2688 * (2 * 4096 + 2 * 8 * 128 + 64));
  EXPECT_EQ(totals(graph, "ssm_out").matmul, 23.0 * 2 * 4096 * 2688);
  EXPECT_EQ(totals(graph).attentions, 6);
}

TEST(StepOfShortConvolution, GatesAndConvolves) {
  const StepGraph graph = step_graph(workload("lfm2-1.2b", "BF16"));
  EXPECT_EQ(totals(graph, "shortconv.in_proj").matmul, 10.0 * 2 * 2048 * 6144);
  EXPECT_EQ(totals(graph, "shortconv.conv").vector, 10.0 * 2 * 3 * 2048);
  EXPECT_EQ(totals(graph, "shortconv.conv").state, 10.0 * 2 * 2048);
  EXPECT_EQ(totals(graph).attentions, 6);
}

TEST(StepOfSharedKeys, ComputesNoneAndReadsTheEarlierOnes) {
  const StepGraph graph = step_graph(workload("gemma-4-e2b", "BF16"));
  EXPECT_EQ(totals(graph, "attn_k").matmul, 2.0 * 1536 * (12 * 256 + 3 * 512));
  EXPECT_EQ(totals(graph).attentions, 35);
  for (const Op& op : graph.ops) {
    if (op.kind == OpKind::attention) {
      EXPECT_GT(op.attention.cached_keys, 0);
    }
    if (op.name == "per_layer_token_embd") {
      EXPECT_EQ(op.read, 35 * 256);
    }
  }
  EXPECT_EQ(totals(graph, "per_layer_model_proj").matmul, 2.0 * 1536 * 35 * 256);
  EXPECT_EQ(totals(graph, "inp_gate").matmul, 35.0 * 2 * 1536 * 256);
}

TEST(StepOfLatentExperts, WorksInTheLatentWidth) {
  const StepGraph graph = step_graph(workload("nemotron-3-super-120b-a12b", "BF16"));
  EXPECT_EQ(totals(graph, "ffn_latent_down").matmul, 40.0 * 2 * 4096 * 1024);
  for (const Op& op : graph.ops) {
    if (op.name == "ffn_up_exps") {
      EXPECT_EQ(op.matmul.in, 1024);
    }
  }
}

// Beyond the window a query of DeepSeek V4 reads 512 of the entries of 4 tokens, or all of the entries of 128.
TEST(CompressedAttention, ReadsWindowAndEntries) {
  const StepGraph graph = step_graph(workload("deepseek-v4-flash", "BF16"));
  for (const Op& op : graph.ops) {
    if (op.name != "attention_compressed") continue;
    const bool indexed = op.attention.compression == 4;
    EXPECT_EQ(op.layers, indexed ? (op.layers == 1 ? 1 : 20) : 20);
    EXPECT_DOUBLE_EQ(entries_read(op.attention, 65536, 1), 512);
    EXPECT_DOUBLE_EQ(entries_read(op.attention, 1024, 1), indexed ? 256 : 8);
    EXPECT_DOUBLE_EQ(mean_attended(op.attention, 1, 131071), indexed ? 512 : 1024);
  }
  EXPECT_EQ(totals(graph).attentions, 43 + 41 + 21);
  EXPECT_EQ(totals(graph, "hc_attn_fn").matmul, 43.0 * 2 * 4 * 4096 * 24);
}

TEST(Encoder, SeesAllTokensAndMakesNoLogits) {
  const StepGraph graph = step_graph(workload("bge-m3", "F16"));
  for (const Op& op : graph.ops) {
    EXPECT_NE(op.kind, OpKind::kv_append);
    EXPECT_NE(op.stage, Stage::head);
    if (op.kind == OpKind::attention) {
      EXPECT_EQ(mean_attended(op.attention, 512, 0), 512);
    }
  }
}

// The table of per-layer inputs stays in host memory, however much of the model is on the GPU.
TEST(PerLayerInputs, LieOnTheHost) {
  const Workload w = workload("gemma-4-e4b", "Q8_0");
  const TypeId f16 = database().types()->at("F16");
  const auto stack = database().stack("llama.cpp-cuda");
  const CacheRequest request{.context = 4096, .key_type = f16, .value_type = f16};
  const LayerMemory m = layer_memory(w, request, stack->allocation);
  EXPECT_EQ(m.per_layer_inputs, Bytes(262144.0 * 42 * 256 / 32 * 34));
  const auto pools =
      memory_pools(m, w.architecture, *database().device("rtx-4090"), *stack,
                   {.cache = request, .usable = {.capacity = 24_GiB}, .placement = {.device_layers = {42}}});
  ASSERT_EQ(pools.size(), 2U);
  EXPECT_EQ(pools[1].weights, m.per_layer_inputs + m.embedding);
  EXPECT_NEAR((pools[0].weights + pools[1].weights - m.embedding) / w.tensor_bytes(), 1, 1e-12)
      << "tied output: a copy";
}

}  // namespace
}  // namespace silicast
