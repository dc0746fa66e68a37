// SPDX-License-Identifier: Apache-2.0
// The shipped block formats, schemes and models, and small ones given as text.
#pragma once

#include <memory>
#include <string>

#include "base/catalogue.h"
#include "workloads/workload.h"

namespace silicast::testing_data {

inline const std::string data_folder = SILICAST_SOURCE_ROOT "/data";

inline std::shared_ptr<const TypeTable> types() {
  static const Node document = read_yaml_file(data_folder + "/quants/types.yaml");
  static const auto table = std::make_shared<const TypeTable>(Section(document));
  return table;
}

inline const Catalogue& schemes() {
  static const Catalogue catalogue(data_folder + "/quants", "quant");
  return catalogue;
}

inline const Catalogue& models() {
  static const Catalogue catalogue(data_folder + "/models", "model");
  return catalogue;
}

inline QuantScheme scheme(const std::string& name) {
  const Entry entry = schemes().find(name);
  QuantScheme result = read_quant_scheme(entry.section(), *types());
  result.id = entry.id;
  return result;
}

inline QuantScheme scheme_of(const std::string& yaml) {
  const Node document = parse_yaml(yaml, "scheme.yaml");
  return read_quant_scheme(Section(document), *types());
}

inline Architecture model(const std::string& name) {
  const Entry entry = models().find(name);
  Architecture result = read_architecture(entry.section());
  result.id = entry.id;
  result.name = entry.name;
  return result;
}

inline Architecture model_of(const std::string& yaml) {
  const Node document = parse_yaml(yaml, "model.yaml");
  return read_architecture(Section(document));
}

// A llama of so many layers, 8 query heads to `kv_heads`, and further lines of YAML.
inline Architecture small_llama(int layers, int kv_heads, const std::string& more = "") {
  return model_of("architecture: llama\nlayers: " + std::to_string(layers) +
                  "\nhidden: 1024\nvocabulary: 1000\ncontext: 64\nattention: {heads: 8, kv_heads: " +
                  std::to_string(kv_heads) + ", head_dim: 128}\nfeed_forward: {intermediate: 2048}\n" + more);
}

// The type of the tensor of that GGUF name; "absent" where the model has none.
inline std::string type_of(const Workload& workload, const std::string& name) {
  for (std::size_t i = 0; i < workload.tensors.size(); ++i)
    if (gguf_name(workload.tensors[i]) == name) return (*workload.type_table)[workload.types[i]].name;
  return "absent";
}

inline Workload quantized(const Architecture& architecture, const std::string& quant) {
  const QuantName name = parse_quant_name(quant);
  return make_workload(architecture, scheme(name.scheme), name.options, types());
}

}  // namespace silicast::testing_data
