// SPDX-License-Identifier: Apache-2.0
#include "engine/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace silicast::engine {

namespace {

std::size_t whole_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

std::size_t page() { return whole_pages(1); }

constexpr std::size_t huge_page = std::size_t{2} << 20;

// Address space, all zeros; null where there is none left.
std::byte* reserve(std::size_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
}

std::byte* aligned(std::byte* base) {
  return base + (huge_page - reinterpret_cast<std::uintptr_t>(base) % huge_page) % huge_page;
}

// Every page of the file at once rather than one by one when it is first read; huge ones where the file system's cache
// has them.
void populate([[maybe_unused]] std::byte* data, [[maybe_unused]] std::size_t bytes) {
#ifdef __linux__
  madvise(data, bytes, MADV_HUGEPAGE);
  constexpr int populate_read = 22;  // MADV_POPULATE_READ, since Linux 5.14; before, pages come when they are read
  madvise(data, bytes, populate_read);
#endif
}

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  throw InputError(path.string() + ": " + what + ": " + std::strerror(errno));
}

#ifdef __linux__
std::uint64_t number_in(const char* path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  return file >> number ? number : 0;
}

std::uint64_t mem_available() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  std::uint64_t kib = 0;
  std::string unit;
  while (file >> key >> kib && std::getline(file, unit))
    if (key == "MemAvailable:") return kib << 10;
  return 0;
}

// What the control group (version 2) leaves; 0 where there is no limit.
std::uint64_t group_leaves() {
  const std::uint64_t limit = number_in("/sys/fs/cgroup/memory.max");
  const std::uint64_t used = number_in("/sys/fs/cgroup/memory.current");
  return limit > used ? limit - used : 0;
}
#endif

}  // namespace

Mapping Mapping::of_file(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path, "cannot be opened");
  struct stat facts {};
  if (fstat(file, &facts) != 0 || facts.st_size <= 0) {
    close(file);
    throw InputError(path.string() + ": is empty or its size cannot be read");
  }
  Mapping mapping;
  mapping.size_ = static_cast<std::size_t>(facts.st_size);
  mapping.mapped_ = whole_pages(mapping.size_) + page() + huge_page;
  mapping.base_ = reserve(mapping.mapped_);
  bool done = mapping.base_ != nullptr;
  if (done) {
    mapping.data_ = aligned(mapping.base_);
    done = mmap(mapping.data_, mapping.size_, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0) !=
           static_cast<void*>(MAP_FAILED);
  }
  close(file);
  if (!done) fail(path, "cannot be mapped");
  populate(mapping.data_, mapping.size_);
  return mapping;
}

Mapping Mapping::of_memory(std::size_t bytes, [[maybe_unused]] Pages pages) {
  Mapping mapping;
  mapping.size_ = bytes;
  mapping.mapped_ = whole_pages(bytes) + page() + huge_page;
  mapping.base_ = reserve(mapping.mapped_);
  if (mapping.base_ == nullptr)
    throw Error(ExitCode::no,
                "no memory for " + human(Bytes(static_cast<double>(bytes))) + ": " + std::string(std::strerror(errno)));
  mapping.data_ = aligned(mapping.base_);
#ifdef __linux__
  if (pages == Pages::small) madvise(mapping.base_, mapping.mapped_, MADV_NOHUGEPAGE);
  // Whole ones only: what lies behind the last would be resident for nothing.
  if (pages == Pages::huge && bytes >= 4 * huge_page)
    madvise(mapping.data_, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  return mapping;
}

Mapping::~Mapping() {
  if (base_ != nullptr) munmap(base_, mapped_);
}

Mapping::Mapping(Mapping&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      mapped_(std::exchange(other.mapped_, 0)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(mapped_, other.mapped_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void touch(std::byte* data, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += page()) data[at] = {};
}

void first_touch(ThreadPool& pool, std::byte* data, std::int64_t rows, std::int64_t row_bytes, std::int64_t granule) {
  pool.run([&](const Worker& worker) {
    const Range share = worker.share(rows, granule);
    touch(data + share.begin * row_bytes, static_cast<std::size_t>(share.size() * row_bytes));
  });
}

std::uint64_t available_memory() {
#ifdef __linux__
  const std::uint64_t machine = mem_available();
  const std::uint64_t group = group_leaves();
  return group > 0 ? std::min(machine, group) : machine;
#elif defined(__APPLE__)
  std::uint64_t memory = 0;
  std::size_t length = sizeof memory;
  return sysctlbyname("hw.memsize", &memory, &length, nullptr, 0) == 0 ? memory / 4 * 3 : 0;
#else
  return 0;
#endif
}

void expect_memory(std::uint64_t needed, std::string_view what) {
  const std::uint64_t available = available_memory();
  if (available == 0 || needed <= available) return;
  throw Error(ExitCode::no, std::string(what) + " needs " + human(Bytes(static_cast<double>(needed))) + ", but " +
                                human(Bytes(static_cast<double>(available))) + " of memory are available");
}

}  // namespace silicast::engine
