// SPDX-License-Identifier: Apache-2.0
#include "engine/page_memory.h"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace silicast::engine {

namespace {
constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::int64_t small_page = 4096;
}  // namespace

PageMemory::PageMemory(std::size_t bytes, Pages pages) : mapped_(bytes + 2 * huge_page), size_(bytes) {
  void* mapping = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<std::byte*>(mapping);
  const auto address = reinterpret_cast<std::uintptr_t>(mapping_);
  data_ = mapping_ + (huge_page - address % huge_page) % huge_page;
#if defined(__linux__)
  madvise(mapping_, mapped_, pages == Pages::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
  static_cast<void>(pages);
#endif
}

PageMemory::~PageMemory() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

PageMemory::PageMemory(PageMemory&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_(std::exchange(other.mapped_, 0)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

PageMemory& PageMemory::operator=(PageMemory&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void first_touch(ThreadPool& pool, std::byte* data, std::int64_t rows, std::int64_t row_bytes, std::int64_t granule) {
  pool.run([&](const Worker& worker) {
    const Range share = worker.share(rows, granule);
    for (std::int64_t at = share.begin * row_bytes; at < share.end * row_bytes; at += small_page) data[at] = {};
  });
}

}  // namespace silicast::engine
