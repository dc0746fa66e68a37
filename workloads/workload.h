// SPDX-License-Identifier: Apache-2.0
// A workload: an architecture with a type for each of its tensors. Built from a model and a quantization scheme, from a
// GGUF (which brings its own types), or from the YAML that `silicast show model NAME --quant Q --format yaml` prints.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "workloads/architecture.h"
#include "workloads/quantization.h"
#include "workloads/tensors.h"

namespace silicast {

class Section;

struct Workload {
  Architecture architecture;
  std::string quantization;  // the scheme's id, or what the file says of itself
  QuantFormat format = QuantFormat::gguf;
  std::vector<Tensor> tensors;
  std::vector<TypeId> types;  // of each tensor
  std::shared_ptr<const TypeTable> type_table;

  // Sum over the tensors, without alignment and metadata: what llama-bench prints as model_size.
  [[nodiscard]] Bytes tensor_bytes() const;
  [[nodiscard]] double bits_per_weight() const;
};

Workload make_workload(Architecture architecture, const QuantScheme& scheme, const QuantOptions& options,
                       std::shared_ptr<const TypeTable> types);

// The YAML document: the architecture's fields and the tensor list; `read_workload` reads it back.
std::string workload_yaml(const Workload& workload);
bool is_workload(const Section& file);
Workload read_workload(const Section& file, std::shared_ptr<const TypeTable> types);

}  // namespace silicast
