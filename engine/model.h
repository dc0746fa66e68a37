// SPDX-License-Identifier: Apache-2.0
// A model ready to run: its architecture, its numbers, and every weight where it lies, in a mapped GGUF or in memory.
//
//   auto model = load_model("model.gguf", types);                 // engine/model.h
//   auto model = synthesize_model(workload, {.seed = 1});          // engine/synthesize.h: random weights, no file
//
// Weights are used in place; only vectors that are not F32 (norms, biases) are copied. A Model does not change and may
// be shared by sessions (engine/session.h).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kernels.h"
#include "engine/mapping.h"
#include "engine/parameters.h"
#include "workloads/gguf.h"
#include "workloads/workload.h"

namespace silicast::engine {

// A tensor's blocks; shape[0] is contiguous.
struct StoredTensor {
  std::string name;  // "blk.0.attn_q.weight"
  BlockType type{};
  std::array<std::int64_t, 3> shape{1, 1, 1};
  const std::byte* data = nullptr;

  [[nodiscard]] std::int64_t rows() const { return shape[1] * shape[2]; }
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(rows()) * row_bytes(type, shape[0]); }
};

// A matrix of each expert, one after the other.
struct ExpertMatrices {
  Matrix all;  // rows of all experts
  std::int64_t experts = 0;

  [[nodiscard]] Matrix expert(std::int64_t index) const;
};

// Vectors are null where the architecture has none.
struct LayerWeights {
  const float* attn_norm = nullptr;
  Matrix q, k, v, output;
  const float* q_bias = nullptr;
  const float* k_bias = nullptr;
  const float* v_bias = nullptr;
  const float* output_bias = nullptr;
  const float* q_norm = nullptr;  // head_dim values
  const float* k_norm = nullptr;
  const float* post_attention_norm = nullptr;
  const float* ffn_norm = nullptr;
  Matrix gate, up, down;  // dense
  Matrix router;          // with experts
  ExpertMatrices expert_gate, expert_up, expert_down;
  const float* post_ffn_norm = nullptr;
};

struct Weights {
  Matrix embedding;
  const float* output_norm = nullptr;
  Matrix output;  // the embedding where they are tied
  std::vector<LayerWeights> layers;
};

struct Model {
  Architecture architecture;
  std::string quantization;  // what the file says of itself, or the scheme's id
  Parameters parameters;
  RopeTable rope;  // of the layers without a window
  Weights weights;
  std::vector<StoredTensor> tensors;
  std::shared_ptr<const GgufFile> file;  // null: not from a file

  // What the weights lie in.
  std::vector<Mapping> mappings;
  std::vector<std::vector<float>> copies;

  [[nodiscard]] std::uint64_t tensor_bytes() const;  // as llama-bench prints model_size
  [[nodiscard]] std::int64_t parameters_count() const;
  [[nodiscard]] const GroupedAttention& attention(std::size_t layer) const;
};

struct LoadOptions {
  // True: read in place from the page cache, in pages of 4 KiB wherever they lie. False: copied into memory of its own,
  // in huge pages where the system gives them, each row by the thread that a session with the same threads multiplies
  // it with: on a machine of several NUMA nodes every thread then reads from its own. Absent: copied where twice the
  // file's size is to be had.
  std::optional<bool> map{};
  ThreadPool::Options threads{};  // that copy: those of the session to come
};

// From one GGUF, or all parts of a split one. Throws InputError: whatever read_gguf and workload_of refuse, a tensor
// that is missing, misshaped, misaligned or of a type that the engine has no kernels for; RefusedError for an
// architecture that it does not run.
std::shared_ptr<const Model> load_model(const std::filesystem::path& path,
                                        const std::shared_ptr<const TypeTable>& types, LoadOptions options = {});

// The same on the bytes of a whole file, which must outlive the model and be aligned to 32: for tests and fuzzing.
std::shared_ptr<const Model> load_model(std::span<const std::byte> file, const std::string& name,
                                        const std::shared_ptr<const TypeTable>& types);

// Finds the architecture's tensors among model.tensors and fills model.weights and model.rope. `name` is for messages.
void bind_weights(Model& model, const std::string& name);

}  // namespace silicast::engine
