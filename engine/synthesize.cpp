// SPDX-License-Identifier: Apache-2.0
#include "engine/synthesize.h"

#include "base/error.h"
#include "engine/gguf_metadata.h"
#include "engine/random_weights.h"

namespace silicast::engine {

namespace {

constexpr std::size_t tensor_alignment = 64;

// The whole file but for its data.
GgufWriter writer_of(const Workload& workload, const std::vector<BlockType>& types) {
  GgufWriter writer;
  write_metadata(writer, workload);
  for (std::size_t i = 0; i < workload.tensors.size(); ++i) {
    const Tensor& tensor = workload.tensors[i];
    writer.add_tensor(gguf_name(tensor), std::span(tensor.shape).first(static_cast<std::size_t>(tensor.dimensions())),
                      types[i]);
  }
  return writer;
}

GgufWriter::Fill filled_from(const Workload& workload, const std::vector<BlockType>& types, RandomWeights& weights) {
  return [&](std::size_t i, std::uint64_t offset, std::span<std::byte> out) {
    weights.fill(workload.tensors[i], types[i], offset, out);
  };
}

}  // namespace

std::vector<BlockType> block_types(const Workload& workload) {
  std::vector<BlockType> types;
  for (std::size_t i = 0; i < workload.tensors.size(); ++i) {
    const TensorType& type = (*workload.type_table)[workload.types[i]];
    const auto found = type.gguf_number ? find_block_type(*type.gguf_number) : std::nullopt;
    if (!found)
      throw RefusedError("tensor '" + gguf_name(workload.tensors[i]) + "': is of type " + type.name +
                         ", for which the engine has no kernels");
    types.push_back(*found);
  }
  return types;
}

std::shared_ptr<const Model> synthesize_model(const Workload& workload, SynthesisOptions options) {
  expect_runnable(workload.architecture);
  const std::vector<BlockType> types = block_types(workload);
  auto model = std::make_shared<Model>();
  model->architecture = workload.architecture;
  model->quantization = workload.quantization;
  model->parameters = usual_parameters(workload.architecture);
  std::size_t bytes = 0;
  std::vector<std::size_t> offsets;
  for (std::size_t i = 0; i < workload.tensors.size(); ++i) {
    const Tensor& tensor = workload.tensors[i];
    StoredTensor& stored = model->tensors.emplace_back();
    stored.name = gguf_name(tensor);
    stored.type = types[i];
    stored.shape = tensor.shape;
    offsets.push_back(bytes);
    bytes += (stored.bytes() + tensor_alignment - 1) / tensor_alignment * tensor_alignment;
  }
  expect_memory(bytes, "synthetic weights of " + workload.architecture.name);
  Mapping& memory = model->mappings.emplace_back(Mapping::of_memory(bytes));
  ThreadPool pool({.threads = options.threads});
  RandomWeights weights(options.seed, parameter_count(workload.architecture), pool);
  for (std::size_t i = 0; i < model->tensors.size(); ++i) {
    StoredTensor& stored = model->tensors[i];
    stored.data = memory.data() + offsets[i];
    weights.fill(workload.tensors[i], stored.type, 0, {memory.data() + offsets[i], stored.bytes()});
  }
  bind_weights(*model, workload.architecture.name);
  return model;
}

void synthesize_file(const Workload& workload, const std::filesystem::path& path, SynthesisOptions options,
                     const GgufWriter::Progress& progress) {
  const std::vector<BlockType> types = block_types(workload);
  const GgufWriter writer = writer_of(workload, types);
  ThreadPool pool({.threads = options.threads});
  RandomWeights weights(options.seed, parameter_count(workload.architecture), pool);
  writer.write(path, filled_from(workload, types, weights), progress);
}

std::vector<std::byte> synthesize_bytes(const Workload& workload, SynthesisOptions options) {
  const std::vector<BlockType> types = block_types(workload);
  ThreadPool pool({.threads = options.threads});
  RandomWeights weights(options.seed, parameter_count(workload.architecture), pool);
  return writer_of(workload, types).bytes(filled_from(workload, types, weights));
}

}  // namespace silicast::engine
