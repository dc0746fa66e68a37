// SPDX-License-Identifier: Apache-2.0
// Writes GGUF version 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata, tensor table, data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/type_traits.h"
#include "workloads/gguf.h"

namespace silicast::engine {

class GgufWriter {
 public:
  void add(std::string_view key, std::string_view text);
  void add(std::string_view key, const char* text) { add(key, std::string_view(text)); }  // which else were a bool
  void add(std::string_view key, std::uint32_t number);
  void add(std::string_view key, float number);
  void add(std::string_view key, bool flag);
  void add(std::string_view key, const std::vector<std::string>& texts);
  void add(std::string_view key, const std::vector<std::int32_t>& numbers);
  void add(std::string_view key, const std::vector<float>& numbers);
  void add(std::string_view key, const std::vector<bool>& flags);
  // An entry as its bytes stand in another file: value type and value.
  void add_raw(std::string_view key, std::span<const std::byte> value);

  void add_tensor(std::string_view name, std::span<const std::int64_t> shape, BlockType type);

  // Puts the bytes [offset, offset + out.size()) of the tensor with that index into `out`.
  using Fill = std::function<void(std::size_t tensor, std::uint64_t offset, std::span<std::byte> out)>;
  // Bytes written so far, of how many.
  using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;
  // Writes to a file beside `path`, renamed when it is complete. Pieces of a tensor begin at multiples of `piece_bytes`
  // of its type. Throws InputError: no such folder, not enough space (said before anything is written), a full disk.
  void write(const std::filesystem::path& path, const Fill& fill, const Progress& progress) const;

  // Header and data in memory, for small files.
  [[nodiscard]] std::vector<std::byte> bytes(const Fill& fill) const;
  [[nodiscard]] std::uint64_t file_bytes() const;
  [[nodiscard]] static std::size_t piece_bytes(BlockType type);

 private:
  struct Entry {
    std::string name;
    std::vector<std::int64_t> shape;
    BlockType type{};
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  void entry(std::string_view key, std::uint32_t type, const std::string& value);
  [[nodiscard]] std::string header() const;

  std::string metadata_;
  std::uint64_t entries_ = 0;
  std::vector<Entry> tensors_;
  std::uint64_t data_ = 0;
};

}  // namespace silicast::engine
