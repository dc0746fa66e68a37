// SPDX-License-Identifier: Apache-2.0
#include "planning/sweep_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/document.h"
#include "base/error.h"
#include "base/text.h"

namespace silicast {

namespace {

namespace fs = std::filesystem;
constexpr std::string_view journal_title = "silicast-sweep 1 ";
constexpr auto checkpoint_interval = std::chrono::milliseconds(500);
constexpr unsigned permissions = 0644;

int open_file(const fs::path& path, int flags) {
  const int file = open(path.c_str(), flags | O_CLOEXEC, permissions);
  if (file < 0) throw InputError("cannot write " + path.string() + ": " + std::strerror(errno));
  return file;
}

void write_whole(int file, std::string_view text, const fs::path& path, const std::string& advice) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw InputError("cannot write " + path.string() + ": " + std::strerror(errno) + advice);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void rename_file(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) throw InputError("cannot rename " + from.string() + " to " + to.string() + ": " + error.message());
}

}  // namespace

SweepFile::SweepFile(fs::path path, const std::string& fingerprint, std::string_view header, bool restart)
    : path_(std::move(path)), last_checkpoint_(std::chrono::steady_clock::now()) {
  part_ = path_.string() + ".part";
  journal_ = path_.string() + ".journal";
  std::error_code error;
  const auto status = fs::status(path_, error);
  if (fs::is_directory(status)) throw InputError("cannot write " + path_.string() + ": it is a folder");
  streams_ = fs::exists(status) && !fs::is_regular_file(status);
  if (streams_) {
    data_file_ = open_file(path_, O_WRONLY);
    append(data_file_, header, path_);
  } else {
    open_part(fingerprint, header, restart);
  }
}

SweepFile::~SweepFile() {
  for (const int file : {data_file_, journal_file_})
    if (file >= 0) close(file);
}

// Returns whether there is something to continue.
bool SweepFile::read_journal(const std::string& fingerprint, bool restart) {
  if (!fs::exists(part_) || !fs::exists(journal_) || restart) return false;
  const std::string text = read_text_file(journal_);
  const auto first_line = text.find('\n');
  if (first_line == std::string::npos) return false;
  if (text.substr(0, first_line) != std::string(journal_title) + fingerprint)
    throw UsageError(part_.string() +
                     " is of another sweep (grid, filter, data or version differ); --restart begins anew");
  const std::uint64_t size = fs::file_size(part_);
  bool found = false;
  for (std::size_t at = first_line + 1; at < text.size();) {
    const auto end = text.find('\n', at);
    if (end == std::string::npos) break;  // the process died in the middle of it
    const auto parts = split(std::string_view(text).substr(at, end - at), ' ');
    at = end + 1;
    if (parts.size() != 4 || parts[3] != ".") break;
    const auto next = parse_integer(parts[0]);
    const auto bytes = parse_integer(parts[1]);
    const auto rows = parse_integer(parts[2]);
    if (!next || !bytes || !rows || static_cast<std::uint64_t>(*bytes) > size) break;
    next_ = static_cast<std::uint64_t>(*next);
    bytes_ = static_cast<std::uint64_t>(*bytes);
    rows_ = static_cast<std::uint64_t>(*rows);
    found = true;
  }
  return found;
}

void SweepFile::open_part(const std::string& fingerprint, std::string_view header, bool restart) {
  const bool continues = read_journal(fingerprint, restart);
  if (!continues) {
    data_file_ = open_file(part_, O_WRONLY | O_CREAT | O_TRUNC);
    journal_file_ = open_file(journal_, O_WRONLY | O_CREAT | O_TRUNC);
    append(journal_file_, std::string(journal_title) + fingerprint + "\n", journal_);
    append(data_file_, header, part_);
    bytes_ = header.size();
    return checkpoint();
  }
  data_file_ = open_file(part_, O_WRONLY | O_APPEND);
  if (ftruncate(data_file_, static_cast<off_t>(bytes_)) != 0)
    throw InputError("cannot write " + part_.string() + ": " + std::strerror(errno));
  // The sound state once more, so that a line that was cut off is followed by nothing.
  journal_file_ = open_file(journal_.string() + ".new", O_WRONLY | O_CREAT | O_TRUNC);
  append(journal_file_, std::string(journal_title) + fingerprint + "\n", journal_);
  checkpoint();
  rename_file(journal_.string() + ".new", journal_);
}

void SweepFile::append(int file, std::string_view text, const fs::path& path) {
  write_whole(file, text, path,
              streams_ ? ""
                       : "; what is in " + part_.string() +
                             " stays valid, and the same command goes on from there when there is room");
}

void SweepFile::checkpoint() {
  last_checkpoint_ = std::chrono::steady_clock::now();
  if (streams_) return;
  if (fsync(data_file_) != 0) throw InputError("cannot write " + part_.string() + ": " + std::strerror(errno));
  append(journal_file_, std::to_string(next_) + " " + std::to_string(bytes_) + " " + std::to_string(rows_) + " .\n",
         journal_);
  journalled_ = next_;
}

void SweepFile::write(std::string_view text, std::uint64_t rows, std::uint64_t next) {
  append(data_file_, text, streams_ ? path_ : part_);
  bytes_ += text.size();
  rows_ += rows;
  next_ = next;
  if (std::chrono::steady_clock::now() - last_checkpoint_ >= checkpoint_interval) checkpoint();
}

void SweepFile::finish() {
  if (streams_) return;
  if (fsync(data_file_) != 0) throw InputError("cannot write " + part_.string() + ": " + std::strerror(errno));
  rename_file(part_, path_);
  std::error_code ignored;
  fs::remove(journal_, ignored);
}

void replace_file(const fs::path& path, std::string_view text) {
  const fs::path fresh = path.string() + ".new";
  const int file = open_file(fresh, O_WRONLY | O_CREAT | O_TRUNC);
  try {
    write_whole(file, text, fresh, "");
    if (fsync(file) != 0) throw InputError("cannot write " + fresh.string() + ": " + std::strerror(errno));
  } catch (...) {
    close(file);
    throw;
  }
  close(file);
  rename_file(fresh, path);
}

}  // namespace silicast
