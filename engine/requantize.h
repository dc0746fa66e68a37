// SPDX-License-Identifier: Apache-2.0
// A model's file in another quantization.
#pragma once

#include <filesystem>

#include "engine/gguf_writer.h"
#include "workloads/gguf.h"
#include "workloads/quantization.h"

namespace silicast::engine {

// Writes `out` with the tensors of `in` in the types that the scheme's rules give them, by the plain quantizers
// (engine/quantize.h: no importance matrix). Metadata is copied, but for what says how the file is quantized. Tensors
// that the rules leave alone keep their type. Throws InputError and RefusedError as the readers do, and when `in` and
// `out` are the same file.
void requantize_file(const std::filesystem::path& in, const QuantScheme& scheme, const QuantOptions& options,
                     const std::filesystem::path& out, const std::shared_ptr<const TypeTable>& types, int threads,
                     const GgufWriter::Progress& progress);

}  // namespace silicast::engine
