// SPDX-License-Identifier: Apache-2.0
// The file that a sweep writes, so that a kill at any moment costs at most the last second.
//
// Until a sweep is done its rows stand in FILE.part, and FILE.journal says how far they are sound:
//
//   silicast-sweep 1 FINGERPRINT
//   POINTS BYTES ROWS .            of the rows before point POINTS; the last whole line counts
//
// At the end FILE.part becomes FILE and the journal goes: a file of that name is always whole. What is no regular file
// (a pipe, a terminal) is written as it comes, and cannot be continued.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace silicast {

class SweepFile {
 public:
  // Continues what a sweep of the same fingerprint has left, else begins with the header. Throws UsageError where
  // FILE.part is of another sweep (unless `restart`), InputError where nothing can be written.
  SweepFile(std::filesystem::path path, const std::string& fingerprint, std::string_view header, bool restart);
  ~SweepFile();
  SweepFile(const SweepFile&) = delete;
  SweepFile& operator=(const SweepFile&) = delete;

  [[nodiscard]] std::uint64_t next() const { return next_; }  // the first point that is not in it
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

  // Rows of the points up to `next`. Throws InputError when the disk is full: the journal then tells what is sound.
  void write(std::string_view text, std::uint64_t rows, std::uint64_t next);
  void finish();

 private:
  void open_part(const std::string& fingerprint, std::string_view header, bool restart);
  bool read_journal(const std::string& fingerprint, bool restart);
  void append(int file, std::string_view text, const std::filesystem::path& path);
  void checkpoint();

  std::filesystem::path path_;
  std::filesystem::path part_;
  std::filesystem::path journal_;
  bool streams_ = false;  // no regular file
  int data_file_ = -1;
  int journal_file_ = -1;
  std::uint64_t next_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t journalled_ = 0;  // next_ of the last line
  std::chrono::steady_clock::time_point last_checkpoint_;
};

// A small file that is either the old or the new one, whenever the process dies. Throws InputError.
void replace_file(const std::filesystem::path& path, std::string_view text);

}  // namespace silicast
