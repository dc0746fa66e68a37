// SPDX-License-Identifier: Apache-2.0
#include "engine/output_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/error.h"
#include "base/text.h"

namespace silicast::engine {

namespace fs = std::filesystem;

OutputFile::OutputFile(fs::path path, std::uint64_t bytes) : path_(std::move(path)) {
  std::error_code error;
  const fs::path folder = path_.has_parent_path() ? path_.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, error)) throw InputError(path_.string() + ": the folder does not exist");
  if (fs::is_directory(path_, error)) throw InputError(path_.string() + ": is a folder; a file is accepted");
  const fs::space_info space = fs::space(folder, error);
  if (!error && space.available < bytes)
    throw InputError(path_.string() + ": needs " + human(Bytes(static_cast<double>(bytes))) + ", but " +
                     human(Bytes(static_cast<double>(space.available))) + " are free on that disk");
  unfinished_ = path_;
  unfinished_ += ".unfinished-" + std::to_string(getpid());
  file_ = std::fopen(unfinished_.c_str(), "wb");
  if (file_ == nullptr) fail("cannot be written");
}

OutputFile::~OutputFile() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  std::error_code error;
  fs::remove(unfinished_, error);
}

void OutputFile::fail(const char* what) const {
  throw InputError(path_.string() + ": " + what + ": " + std::strerror(errno));
}

void OutputFile::write(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) fail("cannot be written");
}

void OutputFile::commit() {
  if (std::fflush(file_) != 0 || fsync(fileno(file_)) != 0) fail("cannot be written");
  if (std::rename(unfinished_.c_str(), path_.c_str()) != 0) fail("cannot be renamed");
  std::fclose(file_);
  file_ = nullptr;
}

}  // namespace silicast::engine
