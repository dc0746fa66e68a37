// SPDX-License-Identifier: Apache-2.0
// The metadata by which llama.cpp (and `load_model`) knows a synthetic file: architecture, numbers, tokenizer.
#pragma once

#include "engine/gguf_writer.h"
#include "workloads/workload.h"

namespace silicast::engine {

// Everything but the tensors. The tokenizer is a byte-level BPE with a few merges and unused entries up to the
// vocabulary's size; none where the vocabulary is smaller than that.
void write_metadata(GgufWriter& writer, const Workload& workload);

}  // namespace silicast::engine
