// SPDX-License-Identifier: Apache-2.0
// GGUF, versions 2 and 3: metadata and tensor table, without reading the weights.
// Layout (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), little-endian:
//   1. magic "GGUF", uint32 version, uint64 tensor count, uint64 metadata count
//   2. metadata: string key (uint64 length, bytes), uint32 value type, value
//   3. tensor infos: string name, uint32 dimensions, uint64 each, uint32 type, uint64 offset into the data
//   4. padding to general.alignment (default 32), then the tensor data
// A model may be split over files NAME-00001-of-00003.gguf with split.no, split.count and split.tensors.count.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/quantity.h"
#include "workloads/quantization.h"
#include "workloads/workload.h"

namespace silicast {

struct GgufArray {
  std::uint32_t element_type = 0;
  std::uint64_t count = 0;
  std::vector<std::int64_t>
      integers;                // of numeric arrays up to 4096 elements; longer ones and strings are counted only
  std::uint64_t position = 0;  // of the first element's bytes in the (first) file, for who reads them there
};

using GgufValue = std::variant<std::int64_t, std::uint64_t, double, bool, std::string, GgufArray>;

struct GgufTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::uint32_t type = 0;    // ggml_type
  std::uint64_t offset = 0;  // from the start of its file's data
  int file = 0;              // index of the split file
};

struct GgufFile {
  std::uint32_t version = 0;
  std::vector<std::pair<std::string, GgufValue>> metadata;
  std::vector<std::pair<std::uint64_t, std::uint64_t>>
      metadata_ranges;  // bytes of each value with its type, to copy it
  std::vector<GgufTensor> tensors;
  std::uint64_t alignment = 32;
  std::vector<std::uint64_t> data_offsets;  // of each split file
  std::vector<std::uint64_t> file_sizes;
  std::vector<std::filesystem::path> paths;  // of the split files; none where bytes in memory were read

  [[nodiscard]] std::uint64_t total_bytes() const;  // of all files
  [[nodiscard]] const GgufValue* find(std::string_view key) const;
};

// Reads the header of one file, or of all files of a split model when given any of them. Memory stays below a small
// multiple of the header's size. Throws InputError: truncated, wrong magic or byte order, absurd counts, unknown types,
// misaligned, overlapping or out-of-file tensors, duplicate names, missing split files.
GgufFile read_gguf(const std::filesystem::path& path, const TypeTable& types);

// The same on bytes in memory, for tests and fuzzing; `file_size` is the size the whole file would have.
GgufFile parse_gguf(std::span<const std::byte> header, std::uint64_t file_size, const std::string& name,
                    const TypeTable& types);

// The architecture from the metadata and the tensor shapes, the types from the tensor table.
Workload workload_of(const GgufFile& file, const std::string& name, std::shared_ptr<const TypeTable> types);

// The number by which general.file_type names a scheme ("Q4_K_M", or its id), as llama_ftype of llama.cpp.
std::optional<std::int64_t> gguf_file_type(std::string_view quantization);

}  // namespace silicast
