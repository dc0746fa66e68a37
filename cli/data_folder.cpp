// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#ifdef __APPLE__
#include <mach-o/dyld.h>

#include <array>
#endif

#include "cli/command.h"

namespace silicast::cli {

namespace fs = std::filesystem;

namespace {

// Empty where the system does not tell.
fs::path executable() {
  std::error_code error;
#ifdef __APPLE__
  std::array<char, 4096> path{};
  std::uint32_t size = path.size();
  if (_NSGetExecutablePath(path.data(), &size) != 0) return {};
  return fs::canonical(path.data(), error);
#else
  return fs::read_symlink("/proc/self/exe", error);
#endif
}

}  // namespace

fs::path executable_folder() { return executable().parent_path(); }

fs::path data_folder(const std::string& asked) {
  if (!asked.empty()) return asked;
  if (const char* folder = std::getenv("SILICAST_DATA"); folder != nullptr && *folder != '\0') return folder;
  std::error_code error;
  fs::path installed = executable_folder().parent_path() / "share" / "silicast" / "data";
  if (fs::is_directory(installed, error)) return installed;
  fs::path source = SILICAST_SOURCE_DATA;
  if (fs::is_directory(source, error)) return source;
  throw InputError("no data folder: neither " + installed.string() + " nor " + source.string() +
                   " exists; give one with --data or SILICAST_DATA");
}

}  // namespace silicast::cli
