// SPDX-License-Identifier: Apache-2.0
#include "cli/query_reader.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <mutex>

#include "base/error.h"
#include "cli/query_options.h"

namespace silicast::cli {

namespace {

// The options of a command that is never parsed: values are given to them one at a time.
class Reader {
 public:
  Reader() {
    app_.set_help_flag();
    add_query_options(Command(app_), query_);
  }

  [[nodiscard]] const CLI::App& app() const { return app_; }

  void read(Query& query, const std::string& option, const std::string& text) {
    const std::lock_guard lock(mutex_);
    query_ = query;
    CLI::Option* at = app_.get_option("--" + option);
    at->clear();
    at->add_result(at->get_type_size() == 0 ? "true" : text);
    at->run_callback();
    query = query_;
  }

 private:
  std::mutex mutex_;
  Query query_;
  CLI::App app_;
};

}  // namespace

std::vector<GridOption> query_option_list() {
  const Reader reader;
  std::vector<GridOption> options;
  for (const CLI::Option* option : reader.app().get_options()) {
    GridOption::Kind kind = GridOption::Kind::value;
    if (option->get_type_size() == 0) kind = GridOption::Kind::flag;
    if (option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll) kind = GridOption::Kind::assignment;
    options.push_back({option->get_lnames().front(), kind});
  }
  return options;
}

OptionReader query_option_reader() {
  return [reader = std::make_shared<Reader>()](Query& query, const std::string& option, const std::string& text) {
    reader->read(query, option, text);
  };
}

}  // namespace silicast::cli
