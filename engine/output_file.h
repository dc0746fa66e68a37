// SPDX-License-Identifier: Apache-2.0
// A file that is there whole or not at all: written beside its place, renamed at the end.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>

namespace silicast::engine {

class OutputFile {
 public:
  // Throws InputError when the folder is missing or not writable, or holds less free space than `bytes`.
  OutputFile(std::filesystem::path path, std::uint64_t bytes);
  // Removes what was not committed.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Throws InputError with the system's reason: a full disk.
  void write(std::span<const std::byte> bytes);
  // Flushes, and gives the file its name.
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;

  std::filesystem::path path_;
  std::filesystem::path unfinished_;
  std::FILE* file_ = nullptr;
};

}  // namespace silicast::engine
