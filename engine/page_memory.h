// SPDX-License-Identifier: Apache-2.0
// Large memory straight from the operating system, of small or huge pages, that nobody has touched yet: a page comes to
// lie on the NUMA node of the thread that writes it first.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/thread_pool.h"

namespace silicast::engine {

// huge: where the system has them to give (Linux: madvise), else small.
enum class Pages : std::uint8_t { small, huge };

// Zeros. Throws std::bad_alloc where the address space ends; physical memory is taken page by page as it is written.
class PageMemory {
 public:
  explicit PageMemory(std::size_t bytes, Pages pages = Pages::huge);
  ~PageMemory();
  PageMemory(PageMemory&& other) noexcept;
  PageMemory& operator=(PageMemory&& other) noexcept;
  PageMemory(const PageMemory&) = delete;
  PageMemory& operator=(const PageMemory&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }  // aligned to 2 MiB
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::byte* mapping_ = nullptr;
  std::size_t mapped_ = 0;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Writes a zero into each page of rows, every worker into those of its share (share_of with this granule): the threads
// that will read weights, or a KV cache, by the same shares then find them on their own node.
void first_touch(ThreadPool& pool, std::byte* data, std::int64_t rows, std::int64_t row_bytes, std::int64_t granule);

}  // namespace silicast::engine
