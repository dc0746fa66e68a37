// SPDX-License-Identifier: Apache-2.0
// Memory by the page: files mapped to be read in place, and large blocks that are touched by who uses them first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "engine/thread_pool.h"

namespace silicast::engine {

// huge: where the system has them to give (Linux: madvise) and the block is of several, else small.
enum class Pages : std::uint8_t { small, huge };

// One mapping, released with the object. At least a page of zeros can be read past its end, since kernels load whole
// vectors.
class Mapping {
 public:
  Mapping() = default;
  // The file, read-only, shared with the page cache. Throws InputError with the system's reason.
  static Mapping of_file(const std::filesystem::path& path);
  // Zeros, aligned to 2 MiB, not yet touched: a page comes to lie on the NUMA node of the thread that writes it first.
  // Throws Error (exit code 1) where there is no address space left.
  static Mapping of_memory(std::size_t bytes, Pages pages = Pages::huge);

  ~Mapping();
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }  // of a file: only to be read
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  std::byte* base_ = nullptr;
  std::size_t mapped_ = 0;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Writes a zero into each page of [data, data + bytes).
void touch(std::byte* data, std::size_t bytes);
// The same with rows, every worker those of its share (share_of with this granule): threads that will read them by the
// same shares find them on their own node.
void first_touch(ThreadPool& pool, std::byte* data, std::int64_t rows, std::int64_t row_bytes, std::int64_t granule);

// Bytes that can be had without swapping: MemAvailable of Linux, lowered to what the control group leaves; three
// quarters of the memory elsewhere. 0 where the system does not tell.
std::uint64_t available_memory();

// Throws Error with exit code 1 ("the answer is no") when `needed` bytes, which are for `what`, exceed
// available_memory(). Before anything is allocated.
void expect_memory(std::uint64_t needed, std::string_view what);

}  // namespace silicast::engine
