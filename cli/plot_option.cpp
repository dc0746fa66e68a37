// SPDX-License-Identifier: Apache-2.0
#include "cli/plot_option.h"

#include <cstdlib>

#include "cli/command.h"
#include "report/plot.h"

namespace silicast::cli {

namespace fs = std::filesystem;

void add_plot_option(const Command& command, std::string& file) {
  const auto read = [&file](const std::string& name) {
    check_plot_name(name);
    file = name;
  };
  command.add_option("--plot", read, "Charts: a page that stands on its own, or a picture (by node)")
      .type_name("FILE.html|.svg|.png")
      .group("Output");
}

fs::path plot_folder() {
  if (const char* folder = std::getenv("SILICAST_PLOT"); folder != nullptr && *folder != '\0') return folder;
  std::error_code error;
  const fs::path installed = executable_folder().parent_path() / "share" / "silicast" / "plot";
  return fs::is_directory(installed, error) ? installed : fs::path(SILICAST_SOURCE_PLOT);
}

}  // namespace silicast::cli
