// SPDX-License-Identifier: Apache-2.0
// Memory by the page: files mapped to be read in place, and large blocks that are touched by who uses them first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace silicast::engine {

// One mapping, released with the object. At least a page of zeros can be read past its end, since kernels load whole
// vectors.
class Mapping {
 public:
  Mapping() = default;
  // The file, read-only, shared with the page cache. Throws InputError with the system's reason.
  static Mapping of_file(const std::filesystem::path& path);
  // Zeroed, not yet touched; in huge pages where the system gives them. Throws Error (exit code 1) where there is no
  // address space left.
  static Mapping of_memory(std::size_t bytes);

  ~Mapping();
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }  // of a file: only to be read
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  Mapping(std::byte* data, std::size_t size, std::size_t mapped) : data_(data), size_(size), mapped_(mapped) {}

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;
};

// Bytes that can be had without swapping: MemAvailable of Linux, lowered to what the control group leaves; three
// quarters of the memory elsewhere. 0 where the system does not tell.
std::uint64_t available_memory();

// Throws Error with exit code 1 ("the answer is no") when `needed` bytes, which are for `what`, exceed
// available_memory(). Before anything is allocated.
void expect_memory(std::uint64_t needed, std::string_view what);

}  // namespace silicast::engine
