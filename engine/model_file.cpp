// SPDX-License-Identifier: Apache-2.0
// From a GGUF to a Model.
#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "base/text.h"
#include "engine/model.h"

namespace silicast::engine {

namespace {

// The tensors as they lie in the parts of the file.
std::vector<StoredTensor> tensors_in(const GgufFile& file, std::span<const std::span<const std::byte>> parts,
                                     const std::string& name) {
  std::vector<StoredTensor> tensors;
  for (const GgufTensor& stored : file.tensors) {
    const auto type = find_block_type(static_cast<int>(stored.type));
    if (!type)
      throw RefusedError(name + ": tensor '" + stored.name + "': is of type " + std::to_string(stored.type) +
                         ", for which the engine has no kernels");
    StoredTensor tensor{.name = stored.name, .type = *type, .data = nullptr};
    for (std::size_t i = 0; i < stored.shape.size(); ++i) {
      if (i >= tensor.shape.size() && stored.shape[i] != 1)
        throw InputError(name + ": tensor '" + stored.name + "': has four dimensions; up to three are accepted");
      if (i < tensor.shape.size()) tensor.shape[i] = stored.shape[i];
    }
    const auto part = static_cast<std::size_t>(stored.file);
    const std::uint64_t begin = file.data_offsets[part] + stored.offset;
    if (begin > parts[part].size() || tensor.bytes() > parts[part].size() - begin)
      throw InputError(name + ": tensor '" + stored.name + "': lies outside of the file");
    tensor.data = parts[part].data() + begin;
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

std::shared_ptr<Model> model_of(GgufFile header, const std::string& name,
                                const std::shared_ptr<const TypeTable>& types) {
  auto model = std::make_shared<Model>();
  const Workload workload = workload_of(header, name, types);
  expect_runnable(workload.architecture);
  model->architecture = workload.architecture;
  model->quantization = workload.quantization;
  model->parameters = parameters_of(header, model->architecture, name);
  model->file = std::make_shared<const GgufFile>(std::move(header));
  return model;
}

// Moves the tensors of a part into memory of its own: each row by the worker that multiplies by it (transformer.cpp),
// so that it lies on this one's NUMA node.
Mapping copy_of(const Mapping& file, std::size_t header_bytes, std::span<StoredTensor> tensors, ThreadPool& pool) {
  Mapping memory = Mapping::of_memory(file.size());
  const auto offset_of = [&](const StoredTensor& tensor) { return tensor.data - file.data(); };
  pool.run([&](const Worker& worker) {
    if (worker.index() == 0) std::copy_n(file.data(), std::min(header_bytes, file.size()), memory.data());
    for (const StoredTensor& tensor : tensors) {
      if (tensor.data < file.data() || tensor.data >= file.data() + file.size()) continue;  // of another part
      const auto row = static_cast<std::int64_t>(row_bytes(tensor.type, tensor.shape[0]));
      const Range rows = worker.share(tensor.shape[1], row_granule);
      for (std::int64_t matrix = 0; matrix < tensor.shape[2]; ++matrix) {
        const std::int64_t first = (matrix * tensor.shape[1] + rows.begin) * row;
        std::copy_n(tensor.data + first, rows.size() * row, memory.data() + offset_of(tensor) + first);
      }
    }
  });
  for (StoredTensor& tensor : tensors)
    if (tensor.data >= file.data() && tensor.data < file.data() + file.size())
      tensor.data = memory.data() + offset_of(tensor);
  return memory;
}

}  // namespace

std::shared_ptr<const Model> load_model(const std::filesystem::path& path,
                                        const std::shared_ptr<const TypeTable>& types, LoadOptions options) {
  const std::string name = path.string();
  GgufFile header = read_gguf(path, *types);
  const std::vector<std::filesystem::path> paths = header.paths;
  const auto model = model_of(std::move(header), name, types);
  constexpr std::uint64_t ample = 2;
  const std::uint64_t bytes = model->file->total_bytes();
  const bool map = options.map.value_or(available_memory() < ample * bytes);
  if (!map) expect_memory(bytes, name);
  std::vector<std::span<const std::byte>> parts;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    Mapping mapping = Mapping::of_file(paths[i]);
    if (mapping.size() != model->file->file_sizes[i])
      throw InputError(paths[i].string() + ": changed its size while it was read");
    parts.push_back(mapping.bytes());
    model->mappings.push_back(std::move(mapping));
  }
  model->tensors = tensors_in(*model->file, parts, name);
  if (!map) {
    ThreadPool pool(options.threads);
    for (std::size_t i = 0; i < model->mappings.size(); ++i)
      model->mappings[i] = copy_of(model->mappings[i], model->file->data_offsets[i], model->tensors, pool);
  }
  bind_weights(*model, name);
  return model;
}

std::shared_ptr<const Model> load_model(std::span<const std::byte> file, const std::string& name,
                                        const std::shared_ptr<const TypeTable>& types) {
  const auto model = model_of(parse_gguf(file, file.size(), name, *types), name, types);
  const std::span<const std::byte> parts[] = {file};
  model->tensors = tensors_in(*model->file, parts, name);
  bind_weights(*model, name);
  return model;
}

}  // namespace silicast::engine
