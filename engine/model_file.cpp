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

Mapping copy_of(const Mapping& file) {
  Mapping memory = Mapping::of_memory(file.size());
  std::copy_n(file.data(), file.size(), memory.data());
  return memory;
}

}  // namespace

std::shared_ptr<const Model> load_model(const std::filesystem::path& path,
                                        const std::shared_ptr<const TypeTable>& types, LoadOptions options) {
  const std::string name = path.string();
  GgufFile header = read_gguf(path, *types);
  const std::vector<std::filesystem::path> paths = header.paths;
  const auto model = model_of(std::move(header), name, types);
  if (!options.map) expect_memory(model->file->total_bytes(), name);
  std::vector<std::span<const std::byte>> parts;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    Mapping mapping = Mapping::of_file(paths[i]);
    if (mapping.size() != model->file->file_sizes[i])
      throw InputError(paths[i].string() + ": changed its size while it was read");
    if (!options.map) mapping = copy_of(mapping);
    parts.push_back(mapping.bytes());
    model->mappings.push_back(std::move(mapping));
  }
  model->tensors = tensors_in(*model->file, parts, name);
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
