// SPDX-License-Identifier: Apache-2.0
// What `--model` names: a catalogue entry, a model or workload YAML, a config.json, a GGUF.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/database.h"
#include "workloads/step.h"

namespace silicast {

struct ModelSource {
  std::shared_ptr<const Architecture> architecture;        // shapes alone; null where the file is a whole workload
  std::shared_ptr<const Workload> workload;                // with the types that the file brings; else null
  std::vector<std::pair<std::string, std::string>> files;  // of the user: path, fingerprint of what was read

  [[nodiscard]] const Architecture& shapes() const { return workload ? workload->architecture : *architecture; }
};

// Throws InputError and RefusedError, as the readers do.
ModelSource read_model_source(const std::string& name, const Database& database);

struct QuantizedModel {
  std::shared_ptr<const Workload> workload;
  std::shared_ptr<const QuantScheme> scheme;  // null where the file brought types of its own
};

// By the scheme named as `parse_quant_name` reads it. Throws UsageError where the file brings its own types.
QuantizedModel quantized(const ModelSource& source, const std::string& quant, const Database& database);

// A model in a quantization, all that compile() needs of it whatever the device.
struct PreparedModel {
  ModelSource source;
  QuantizedModel quantized;
  StepGraph graph;
};
// Without a quantization that of the file, which must bring one.
PreparedModel prepare_model(ModelSource source, const std::string& quant, const Database& database);

}  // namespace silicast
