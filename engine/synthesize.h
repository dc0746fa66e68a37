// SPDX-License-Identifier: Apache-2.0
// A model without a download: an architecture, types for its tensors by the predictor's rules, random weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "engine/gguf_writer.h"
#include "engine/model.h"
#include "engine/thread_pool.h"
#include "workloads/workload.h"

namespace silicast::engine {

struct SynthesisOptions {
  std::uint64_t seed = 1;
  int threads = 0;  // 0: all
};

// Into memory, ready to run. Throws RefusedError for architectures that the engine does not run and types that it has
// no kernels for, Error (exit code 1) where memory is short.
std::shared_ptr<const Model> synthesize_model(const Workload& workload, SynthesisOptions options = {});

// Into a GGUF, with the same weights: metadata, a tokenizer, tensors. Also for architectures that the engine does not
// run, as far as the format describes them (engine/gguf_metadata.h). Throws as GgufWriter::write.
void synthesize_file(const Workload& workload, const std::filesystem::path& path, SynthesisOptions options,
                     const GgufWriter::Progress& progress);
// The same as bytes in memory, for tests.
std::vector<std::byte> synthesize_bytes(const Workload& workload, SynthesisOptions options = {});

// The kernels' types of a workload's tensors. Throws RefusedError, naming the tensor and its type.
std::vector<BlockType> block_types(const Workload& workload);

}  // namespace silicast::engine
