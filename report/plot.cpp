// SPDX-License-Identifier: Apache-2.0
#include "report/plot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/document.h"
#include "base/error.h"
#include "base/text.h"
#include "report/html.h"
#include "report/table.h"

extern char** environ;

namespace silicast {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// Beside the file that it becomes; removed unless it does.
class Draft {
 public:
  explicit Draft(const fs::path& file, const char* ending = "") : file_(file), path_(file) {
    path_ += "." + std::to_string(getpid()) + ".tmp" + ending;
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() {
    std::error_code ignored;
    if (!kept_) fs::remove(path_, ignored);
  }

  [[nodiscard]] const fs::path& path() const { return path_; }

  void write(const std::string& text) const {
    std::ofstream out(path_, std::ios::binary);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    out.close();
    if (!out) fail(std::strerror(errno));
  }

  void keep() {
    std::error_code error;
    fs::rename(path_, file_, error);
    if (error) fail(error.message());
    kept_ = true;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw InputError("--plot: cannot write " + file_.string() + ": " + why);
  }

  fs::path file_;
  fs::path path_;
  bool kept_ = false;
};

constexpr const char* hint = "run ./dev setup, which installs it where npm is (Debian: nodejs npm, Homebrew: node)";

std::string library(const fs::path& folder, const char* name) {
  std::error_code error;
  if (!fs::exists(folder / name, error))
    throw InputError("--plot: the plot library is not installed (no " + (folder / name).string() + "); " + hint);
  return read_text_file(folder / name);
}

// JSON within a script element: nothing in it may look like the element's end.
std::string in_script(const Json& json) {
  std::string escaped;
  for (const char c : dumped(json)) c == '<' ? escaped.append("\\u003c") : escaped.append(1, c);
  return escaped;
}

std::string tables_of(const Plot& plot) {
  std::string text;
  for (const PlotTable& table : plot.tables)
    text += std::string("<details") + (table.open ? " open" : "") + "><summary>" + html_text(table.title) +
            "</summary><div class=\"table\" tabindex=\"0\">" + table.html + "</div></details>\n";
  return text.empty() ? "" : "<section id=\"tables\"><h2>Tables</h2>\n" + text + "</section>";
}

void replace_all(std::string& text, std::string_view mark, const std::string& by) {
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + by.size()))
    text.replace(at, mark.size(), by);
}

std::string page(const Plot& plot, const fs::path& folder) {
  Json charts = Json::array();
  for (const Chart& chart : plot.charts)
    charts.push_back({{"title", chart.title}, {"text", chart.text}, {"spec", Json::parse(chart.spec)}});
  std::string text = library(folder, "page.html");
  // The libraries last, so that nothing within them is taken for a mark.
  replace_all(text, "@TITLE@", html_text(plot.title));
  replace_all(text, "@SUMMARY@", html_text(plot.summary));
  replace_all(text, "@TABLES@", tables_of(plot));
  replace_all(text, "@CHARTS@", in_script(charts));
  replace_all(text, "@THEME@", in_script(Json::parse(library(folder, "theme.json"))));
  for (const auto& [mark, name] : {std::pair("@VEGA@", "vega.min.js"), std::pair("@VEGA_LITE@", "vega-lite.min.js"),
                                   std::pair("@VEGA_EMBED@", "vega-embed.min.js")})
    replace_all(text, mark, library(folder, name));
  return text;
}

constexpr int picture_width = 860;
constexpr std::size_t subtitle_width = 100;

// The charts below each other; a page's width becomes the picture's.
Json stacked(const Plot& plot) {
  Json charts = Json::array();
  for (const Chart& chart : plot.charts) {
    Json spec = Json::parse(chart.spec);
    Json lines = Json::array();
    const std::string lines_of_text = wrapped(chart.text, subtitle_width, 0);
    for (const auto line : split(lines_of_text, '\n')) lines.push_back(std::string(line));
    spec["title"] = {{"text", chart.title}, {"subtitle", std::move(lines)}, {"frame", "group"}};
    spec["width"] = picture_width;
    charts.push_back(std::move(spec));
  }
  return {{"padding", 20},
          {"title", {{"text", plot.title}, {"fontSize", 18}, {"offset", 20}}},
          {"spacing", 40},
          {"resolve", {{"scale", {{"color", "independent"}, {"shape", "independent"}, {"size", "independent"}}}}},
          {"vconcat", std::move(charts)}};
}

// Runs node with the arguments; what it prints goes to the file. Its exit code, or -1 where there is none.
int run_node(const std::vector<std::string>& arguments, const fs::path& log) {
  std::string name = "node";
  std::vector<char*> words{name.data()};
  std::vector<std::string> copies = arguments;
  for (std::string& word : copies) words.push_back(word.data());
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t process = 0;
  const int error = posix_spawnp(&process, name.c_str(), &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return -1;
  int status = 0;
  while (waitpid(process, &status, 0) < 0)
    if (errno != EINTR) return -1;
  // 127: posix_spawn() of some systems finds out in the child only.
  if (!WIFEXITED(status)) return 1;
  return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

// The line of an uncaught exception that says what it is.
std::string complaint(const fs::path& log) {
  const std::string text = read_text_file(log);
  for (const auto line : split(text, '\n'))
    if (line.find("Error") != std::string_view::npos) return std::string(trim(line));
  return text.substr(0, text.find('\n'));
}

void draw_picture(const Plot& plot, const fs::path& file, const fs::path& folder, const Draft& draft) {
  static_cast<void>(library(folder, "render.mjs"));
  static_cast<void>(library(folder, "vega.min.js"));
  const Draft spec(file, ".json");
  const Draft log(file, ".log");
  spec.write(dumped(stacked(plot)));
  const std::string format = lower(file.extension().string()).substr(1);
  const int code =
      run_node({(folder / "render.mjs").string(), spec.path().string(), draft.path().string(), format}, log.path());
  if (code < 0)
    throw InputError("--plot: node is missing, which draws ." + format +
                     " (Debian: apt-get install nodejs, Homebrew: brew install node); .html needs none");
  if (code > 0) throw InputError("--plot: node could not draw " + file.string() + ": " + complaint(log.path()));
}

}  // namespace

void check_plot_name(const fs::path& file) {
  const std::string ending = lower(file.extension().string());
  if (ending != ".html" && ending != ".svg" && ending != ".png")
    throw UsageError("--plot: a file that ends in .html, .svg or .png is expected, got '" + file.string() + "'");
}

void write_plot(const Plot& plot, const fs::path& file, const fs::path& folder) {
  check_plot_name(file);
  Draft draft(file);
  if (lower(file.extension().string()) == ".html")
    draft.write(page(plot, folder));
  else
    draw_picture(plot, file, folder, draft);
  draft.keep();
}

}  // namespace silicast
