// SPDX-License-Identifier: Apache-2.0
// Every query option may be given several times: each combination is a query.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "cli/plot_option.h"
#include "cli/query_options.h"
#include "model/machine.h"
#include "report/compare.h"

namespace silicast::cli {

namespace {

constexpr std::size_t most_combinations = 1000;

// An option with its alternatives, in the order in which they were given.
struct Alternatives {
  std::string option;  // "--device"; "--set memory.bandwidth" for a field of --set
  std::vector<std::string> values;
  bool is_flag = false;
};

struct CompareOptions {
  std::vector<Alternatives> given;
  std::string data;
  std::string plot;
  std::string sort;
  Format format = Format::text;
};

Alternatives& alternatives_of(std::vector<Alternatives>& given, const std::string& option) {
  const auto at = std::find_if(given.begin(), given.end(), [&](const auto& a) { return a.option == option; });
  return at != given.end() ? *at : given.emplace_back(Alternatives{option, {}, false});
}

// Values that hold commas themselves: K,V cache types, shares, depths of a mixed batch and what-ifs. "--set" of
// different fields goes together, and so does "--exchange" of different currencies.
void remember(std::vector<Alternatives>& given, const std::string& option, const std::string& text) {
  if (option == "--set" || option == "--exchange") {
    const auto equals = text.find('=');
    const std::string field(trim(std::string_view(text).substr(0, equals)));
    alternatives_of(given, option + " " + field).values.push_back(text);
    return;
  }
  Alternatives& alternatives = alternatives_of(given, option);
  const bool keeps_commas = option == "--kv-type" || option == "--tensor-split" || option == "--depths";
  if (keeps_commas) return alternatives.values.push_back(text);
  for (const auto value : split(text, ',')) {
    if (trim(value).empty()) throw UsageError(option + ": a value is missing in '" + text + "'");
    alternatives.values.emplace_back(trim(value));
  }
}

// The options of a query, repeatable, with the texts that predict shows.
void add_repeatable(const Command& command, std::vector<Alternatives>& given) {
  Query unused;
  CLI::App single;
  single.set_help_flag();
  add_query_options(Command(single), unused);
  for (const CLI::Option* option : single.get_options()) {
    const std::string name = "--" + option->get_lnames().front();
    if (option->get_type_size() == 0) {
      command
          .add_flag(
              name,
              [&given, name] {
                alternatives_of(given, name) = {name, {""}, true};
              },
              option->get_description())
          .group(option->get_group());
      continue;
    }
    const auto read = [&given, name](const std::vector<std::string>& texts) {
      for (const std::string& text : texts) remember(given, name, text);
    };
    command.add_repeatable(name, read, option->get_description())
        .type_name(option->get_type_name())
        .group(option->get_group());
  }
}

// The query as predict would read it.
Query query_of(const std::vector<Alternatives>& given, const std::vector<std::size_t>& chosen) {
  Query query;
  CLI::App single;
  add_query_options(Command(single), query);
  std::vector<std::string> words;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string option = given[i].option.substr(0, given[i].option.find(' '));
    words.push_back(given[i].is_flag ? option : option + "=" + given[i].values[chosen[i]]);
  }
  std::reverse(words.begin(), words.end());  // as CLI11 wants it
  single.parse(words);
  return query;
}

// The next combination, the last option first; false after the last.
bool advance(const std::vector<Alternatives>& given, std::vector<std::size_t>& chosen) {
  for (std::size_t i = given.size(); i-- > 0;) {
    if (++chosen[i] < given[i].values.size()) return true;
    chosen[i] = 0;
  }
  return false;
}

std::string column_name(const std::string& option) {
  const auto blank = option.find(' ');
  return blank == std::string::npos ? option.substr(2) : option.substr(blank + 1);
}

// What a choice is called in the table: of --set and --exchange the value alone.
std::string choice_name(const Alternatives& alternatives, std::size_t i) {
  const std::string& value = alternatives.values[i];
  return alternatives.option.find(' ') != std::string::npos
             ? std::string(trim(std::string_view(value).substr(value.find('=') + 1)))
             : value;
}

Comparison compared(const std::vector<Alternatives>& given, const Database& database) {
  std::size_t combinations = 1;
  for (const Alternatives& a : given) {
    combinations *= a.values.size();
    if (combinations > most_combinations)
      throw UsageError("compare: more than " + std::to_string(most_combinations) +
                       " combinations; 'silicast sweep' is for those");
  }
  Comparison comparison;
  for (const Alternatives& a : given)
    if (a.values.size() > 1) comparison.varied.push_back(column_name(a.option));
  std::vector<std::size_t> chosen(given.size(), 0);
  std::unique_ptr<Error> first;
  bool answered = false;
  do {
    Candidate candidate;
    for (std::size_t i = 0; i < given.size(); ++i)
      if (given[i].values.size() > 1) candidate.choices.push_back(choice_name(given[i], chosen[i]));
    const Query query = query_of(given, chosen);
    try {
      candidate.prediction = predict(query, database);
      candidate.reason = candidate.prediction->limiting;
      answered = true;
    } catch (const Error& error) {
      // A memory size that one of the devices lacks rules that one out; what every query trips over is an error.
      candidate.reason = error.what();
      if (!first) first = std::make_unique<Error>(error);
    }
    comparison.candidates.push_back(std::move(candidate));
  } while (advance(given, chosen));
  if (!answered && first) throw Error(*first);
  return comparison;
}

// A name that is not known is an error, however many others are.
void check_names(const std::vector<Alternatives>& given, const Database& database) {
  for (const Alternatives& a : given)
    for (const std::string& value : a.values) {
      const std::string ending = lower(std::filesystem::path(value).extension().string());
      const bool is_file = ending == ".gguf" || ending == ".json" || ending == ".yaml" || ending == ".yml";
      if (a.option == "--model" && !is_file) static_cast<void>(database.architecture(value));
      if (a.option == "--device") static_cast<void>(database.device(split_device_count(value, database).first));
      if (a.option == "--quant") static_cast<void>(database.quant(parse_quant_name(value).scheme));
      if (a.option == "--stack" && canonical_name(value) != "llama.cpp") static_cast<void>(database.stack(value));
    }
}

ExitCode run(const CompareOptions& options) {
  const Database database(data_folder(options.data));
  check_names(options.given, database);
  Comparison comparison = compared(options.given, database);
  std::vector<std::string> columns = compared_columns();
  columns.insert(columns.end(), comparison.varied.begin(), comparison.varied.end());
  if (!options.sort.empty() && std::find(columns.begin(), columns.end(), options.sort) == columns.end())
    throw UsageError("--sort: one of " + join(columns, ", ") + " is expected, got '" + options.sort + "'" +
                     did_you_mean(options.sort, columns));
  comparison = compared_by(std::move(comparison), options.sort);
  if (!options.plot.empty()) write_plot(compare_plot(comparison), options.plot, plot_folder());
  switch (options.format) {
    case Format::json: print(compare_json(comparison)); break;
    case Format::csv: print(compare_csv(comparison)); break;
    case Format::md: print(compare_markdown(comparison)); break;
    case Format::text:
    case Format::yaml: print(compare_text(comparison, text_style())); break;
  }
  const auto& all = comparison.candidates;
  return std::any_of(all.begin(), all.end(), [](const Candidate& c) { return c.feasible(); }) ? ExitCode::done
                                                                                              : ExitCode::no;
}

}  // namespace

void add_compare(const Command& app, Action& action) {
  const auto options = std::make_shared<CompareOptions>();
  const Command command =
      app.add_command("compare", "Every combination of options that are given several times, side by side");
  add_repeatable(command, options->given);
  command
      .add_option("--sort", options->sort,
                  "Best first by this column: " + join(compared_columns(), ", ") + ", or an option that varies")
      .type_name("COLUMN")
      .group("Output");
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  add_plot_option(command, options->plot);
  add_data_option(command, options->data);
  command.examples(
      "silicast compare --model llama-3.1-8b --quant Q4_K_M,Q8_0,F16 --device rtx-4090 --device m2-ultra-76\n"
      "silicast compare --model llama-3.3-70b --quant Q4_K_M --device rtx-a6000,m2-ultra-76 --depth 0,8000 --sort "
      "decode\n"
      "silicast compare --model llama-3-8b --device m2-ultra-76 --set gpu.cores=60 --set gpu.cores=76 --plot "
      "cores.html");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
