// SPDX-License-Identifier: Apache-2.0
// A small model of each architecture that the engine runs, with random weights.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/session.h"
#include "engine/synthesize.h"
#include "tests/unit/workloads_data.h"

namespace silicast::testing_engine {

struct SmallModel {
  std::string name;
  std::string yaml;
};

inline const std::string small_sizes = "layers: 3\nhidden: 256\nvocabulary: 320\ncontext: 256\n";

inline const std::vector<SmallModel>& small_models() {
  const std::string dense = "feed_forward: {intermediate: 512}\n";
  const std::string heads = "attention: {heads: 4, kv_heads: 2, head_dim: 64";
  static const std::vector<SmallModel> models{
      {"llama", "architecture: llama\n" + small_sizes + heads + "}\n" + dense},
      {"llama-tied-factors",
       "architecture: llama\ntied_embeddings: true\nrope_frequencies: true\n" + small_sizes + heads + "}\n" + dense},
      {"mixtral", "architecture: llama\n" + small_sizes + heads + "}\n" + dense +
                      "experts: {count: 4, used: 2, intermediate: 256}\n"},
      {"qwen2", "architecture: qwen2\n" + small_sizes + heads + ", bias: qkv}\n" + dense},
      {"qwen3", "architecture: qwen3\n" + small_sizes + heads + ", qk_norm: head}\n" + dense},
      {"qwen3moe", "architecture: qwen3moe\n" + small_sizes + heads + ", qk_norm: head}\n" + dense +
                       "experts: {count: 8, used: 3, intermediate: 256}\n"},
      {"gemma3",
       "architecture: gemma3\ntied_embeddings: true\nlayers: 7\nhidden: 256\nvocabulary: 320\ncontext: 256\n" + heads +
           ", qk_norm: head, window: 8, window_layers: [window, window, window, window, window, full]}\n"
           "feed_forward: {intermediate: 512, activation: geglu}\nnorms: {per_layer: 4, kind: rms}\n"},
      {"gemma2", "architecture: gemma2\ntied_embeddings: true\n" + small_sizes + heads +
                     ", window: 8, window_layers: [window, full]}\n"
                     "feed_forward: {intermediate: 512, activation: geglu}\nnorms: {per_layer: 4, kind: rms}\n"},
  };
  return models;
}

inline Workload small_workload(const SmallModel& model, const std::string& quant) {
  Architecture architecture = testing_data::model_of(model.yaml);
  architecture.name = model.name;
  architecture.id = model.name;
  return testing_data::quantized(architecture, quant);
}

inline std::shared_ptr<const engine::Model> small_engine_model(const SmallModel& model, const std::string& quant,
                                                               std::uint64_t seed = 1) {
  return engine::synthesize_model(small_workload(model, quant), {.seed = seed, .threads = 1});
}

// Tokens that go all over the vocabulary.
inline std::vector<engine::Token> some_tokens(int count, int vocabulary = 320) {
  std::vector<engine::Token> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back((i * 97 + 13) % vocabulary);
  return tokens;
}

}  // namespace silicast::testing_engine
