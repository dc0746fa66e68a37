// SPDX-License-Identifier: Apache-2.0
// Charts to a file: a page that stands on its own (.html), or a picture (.svg, .png) by way of node. The charts are
// Vega-Lite specifications; the libraries come from the plot folder that ./dev fills (report/plot/README.md).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace silicast {

struct Chart {
  std::string title;
  std::string text;  // what one sees in it
  std::string spec;  // Vega-Lite JSON without width: the page's, or the picture's, is taken
};

// A table below the charts, of pages alone.
struct PlotTable {
  std::string title;
  std::string html;   // table_html()
  bool open = false;  // shown at once, not when asked for
};

struct Plot {
  std::string title;
  std::string summary;
  std::vector<Chart> charts;
  std::vector<PlotTable> tables;
};

// A specification for a Chart, from nlohmann-json.
template <class Json>
std::string spec_text(const Json& spec) {
  return spec.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Throws UsageError unless the name ends in .html, .svg or .png.
void check_plot_name(const std::filesystem::path& file);

// Written whole or not at all: beside the file first, then renamed. Throws InputError where the plot folder is not
// filled, node is missing (pictures only) or the file cannot be written.
void write_plot(const Plot& plot, const std::filesystem::path& file, const std::filesystem::path& plot_folder);

}  // namespace silicast
