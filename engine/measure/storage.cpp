// SPDX-License-Identifier: Apache-2.0
#include "engine/measure/storage.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>

#include "base/error.h"
#include "engine/kernels.h"

namespace silicast::engine {

namespace {

constexpr std::int64_t large_read = std::int64_t{1} << 20;
constexpr std::int64_t small_read = 4096;

class File {
 public:
  File(const std::filesystem::path& path, int flags) : path_(path), descriptor_(open(path.c_str(), flags, 0600)) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

 private:
  std::filesystem::path path_;
  int descriptor_;
};

// Incompressible enough that no file system stores it as zeros.
void write_file(const std::filesystem::path& path, std::int64_t bytes, std::byte* buffer) {
  const File file(path, O_CREAT | O_TRUNC | O_WRONLY);
  const auto refuse = [&] { throw InputError(path.string() + ": cannot be written: " + std::strerror(errno)); };
  if (!file.is_open()) refuse();
  std::mt19937_64 random(1);
  auto* words = reinterpret_cast<std::uint64_t*>(buffer);
  for (std::int64_t i = 0; i < large_read / 8; ++i) words[i] = random();
  for (std::int64_t at = 0; at < bytes; at += large_read) {
    words[0] = static_cast<std::uint64_t>(at);
    if (write(file.descriptor(), buffer, large_read) != large_read) refuse();
  }
  if (fsync(file.descriptor()) != 0) refuse();
}

void drop_from_cache(int descriptor) {
#if defined(__linux__)
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
#else
  fcntl(descriptor, F_NOCACHE, 1);
#endif
}

double wall_seconds(auto action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

StorageRead read_file(const File& file, bool random, std::int64_t bytes, int repeats, std::byte* buffer) {
  StorageRead result{.random = random, .bytes = random ? std::min<std::int64_t>(bytes, 2000 * small_read) : bytes};
  std::mt19937_64 places(7);
  std::vector<Repeat> times;
  const std::int64_t step = random ? small_read : large_read;
  for (int i = 0; i < repeats; ++i) {
    drop_from_cache(file.descriptor());
    const double seconds = wall_seconds([&] {
      for (std::int64_t done = 0; done < result.bytes; done += step) {
        const auto block = static_cast<std::int64_t>(places() % static_cast<std::uint64_t>(bytes / small_read));
        const off_t at = random ? block * small_read : done;
        if (pread(file.descriptor(), buffer, static_cast<std::size_t>(step), at) != step)
          throw InputError(std::string("a file just written cannot be read: ") + std::strerror(errno));
      }
    });
    times.push_back({.processor = seconds, .wall = seconds});
  }
  result.sample = summary_of(times);
  return result;
}

struct Removed {
  std::filesystem::path path;
  ~Removed() {
    std::error_code none;
    std::filesystem::remove(path, none);
  }
};

}  // namespace

std::vector<StorageRead> measure_storage(const std::filesystem::path& folder, std::int64_t bytes, int repeats) {
  const Removed file{folder / (".silicast-storage-" + std::to_string(getpid()))};
  const AlignedBuffer memory(static_cast<std::size_t>(large_read) + small_read);
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  std::byte* buffer = memory.data() + (small_read - static_cast<std::int64_t>(address % small_read)) % small_read;
  write_file(file.path, bytes, buffer);
#if defined(__linux__)
  const File direct(file.path, O_RDONLY | O_DIRECT);
  const bool is_direct = direct.is_open() && pread(direct.descriptor(), buffer, small_read, 0) == small_read;
#else
  const File direct(file.path, O_RDONLY);
  const bool is_direct = false;
#endif
  const File plain(file.path, O_RDONLY);
  std::vector<StorageRead> result;
  for (const bool random : {false, true}) {
    result.push_back(read_file(is_direct ? direct : plain, random, bytes, repeats, buffer));
    result.back().how = is_direct ? "direct" : "dropped";
  }
  return result;
}

}  // namespace silicast::engine
