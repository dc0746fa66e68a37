// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <thread>

#include "base/document.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/option_value.h"
#include "planning/here.h"
#include "planning/recommend.h"
#include "report/recommend_report.h"

namespace silicast::cli {

namespace {

struct RecommendOptions {
  Needs needs;
  RankBy by = RankBy::price;
  std::string needs_file;
  std::string data;
  bool all = false;
  bool here = false;
  Format format = Format::text;
};

// A need, the same on the command line and in a file.
struct NeedOption {
  std::string name;  // without dashes
  const char* type;
  const char* help;
  std::function<void(Needs&, const std::string& option, const std::string& text)> read;
};

std::vector<std::string> names_of(const std::string& option, const std::string& text) {
  std::vector<std::string> names;
  for (const auto part : split(text, ',')) {
    if (trim(part).empty()) throw UsageError(option + ": a name is missing in '" + text + "'");
    names.emplace_back(trim(part));
  }
  return names;
}

std::int64_t whole(const std::string& option, const std::string& text, std::int64_t least) {
  const auto value = parse_integer(text);
  if (!value || *value < least)
    throw UsageError(option + ": a whole number from " + std::to_string(least) + " on is expected, got '" + text + "'");
  return *value;
}

const std::vector<NeedOption>& need_options() {
  using Text = const std::string&;
  static const std::vector<NeedOption> options{
      {"model", "NAME,...", "A model, or several of which one will do",
       [](Needs& n, Text o, Text t) { n.models = names_of(o, t); }},
      {"model-class", "CLASS,...",
       "Or any model of the catalogue of a size: 30b (within a fifth), 20b..40b, any; with -a3b (active), -moe, -dense",
       [](Needs& n, Text o, Text t) { n.classes = names_of(o, t); }},
      {"quant", "NAME,...", "Quantizations to choose from (default: those that are known to lose little)",
       [](Needs& n, Text o, Text t) { n.quants = names_of(o, t); }},
      {"device", "NAME,...", "Devices to choose from, NAMExN for several (default: all of the catalogue)",
       [](Needs& n, Text o, Text t) { n.devices = names_of(o, t); }},
      {"context", "N", "Tokens of a conversation, at whose end it still has to be fast (default 4096)",
       [](Needs& n, Text o, Text t) { n.context = whole(o, t, 1); }},
      {"prompt", "N", "Tokens of the last turn's prompt (default 512)",
       [](Needs& n, Text o, Text t) { n.prompt = whole(o, t, 0); }},
      {"gen", "N", "Tokens of its answer (default 128)", [](Needs& n, Text o, Text t) { n.gen = whole(o, t, 0); }},
      {"users", "N", "Conversations at once (default 1)", [](Needs& n, Text o, Text t) { n.users = whole(o, t, 1); }},
      {"min-decode", "RATE", "Tokens a second of each user, at least",
       [](Needs& n, Text o, Text t) { n.min_decode = positive(o, t); }},
      {"max-ttft", "TIME", "Time to the first token, at most, such as 2s",
       [](Needs& n, Text o, Text t) { n.max_ttft = quantity<Seconds>(o, t); }},
      {"max-watts", "POWER", "Power while decoding, at most, such as 300W",
       [](Needs& n, Text o, Text t) {
         const auto plain = parse_number(t);
         n.max_watts = plain && *plain > 0 ? Watts(*plain) : quantity<Watts>(o, t);
       }},
      {"budget", "MONEY", "Price of the devices, at most, such as 4000 or 4000EUR",
       [](Needs& n, Text o, Text t) {
         const Money budget = money(o, t, "");
         n.budget = budget.amount;
         n.budget_currency = budget.currency;
       }},
      {"min-quality", "RATIO", "Perplexity over that of the unquantized model, at most, such as 1.02",
       [](Needs& n, Text o, Text t) { n.max_perplexity_ratio = positive(o, t); }},
      {"host", "NAME|none",
       "The machine around a discrete GPU, for layers that it does not hold (default "
       "desktop-ddr5-6000)",
       [](Needs& n, Text, Text t) { n.host = lower(t) == "none" ? "" : t; }},
  };
  return options;
}

std::string text_of(const Node& node, const std::string& key) {
  if (node.kind == Node::Kind::scalar) return node.scalar;
  if (node.kind == Node::Kind::list && !node.items.empty()) {
    std::vector<std::string> texts;
    for (const Node& item : node.items) texts.push_back(text_of(item, key));
    return join(texts, ",");
  }
  throw InputError(node.mark, key, "a value or a list is expected, got " + shown(node));
}

// What the command line does not say.
void read_needs_file(RecommendOptions& options, const std::vector<std::string>& given) {
  const Node root = read_yaml_file(options.needs_file);
  std::vector<std::string> known;
  for (const NeedOption& option : need_options()) known.push_back(option.name);
  if (root.kind != Node::Kind::map) throw InputError(root.mark, "", "a map of needs is expected: " + join(known, ", "));
  for (const Node::Member& member : root.members) {
    const auto& all = need_options();
    const auto at = std::find_if(all.begin(), all.end(), [&](const NeedOption& o) { return o.name == member.key; });
    if (at == all.end())
      throw InputError(member.mark, member.key,
                       "unknown need" + did_you_mean(member.key, known) + "; there are " + join(known, ", "));
    if (std::find(given.begin(), given.end(), member.key) != given.end()) continue;
    try {
      at->read(options.needs, member.key, text_of(member.value, member.key));
    } catch (const UsageError& error) {
      const std::string what = error.what();
      throw InputError(member.mark, member.key, what.substr(what.find(": ") + 2));
    }
  }
}

void read_by(const std::string& text, RankBy& target) {
  const std::vector<std::string> names{"price", "decode", "energy", "quality"};
  const auto at = std::find(names.begin(), names.end(), lower(text));
  if (at == names.end())
    throw UsageError("--by: one of " + join(names, ", ") + " is expected, got '" + text + "'" +
                     did_you_mean(text, names));
  target = static_cast<RankBy>(at - names.begin());
}

ExitCode run(RecommendOptions options, const std::vector<std::string>& given) {
  if (!options.needs_file.empty()) read_needs_file(options, given);
  const Database database(data_folder(options.data));
  if (std::string& currency = options.needs.budget_currency; !currency.empty()) {
    *options.needs.budget *= database.prices().rate(currency).usd;
    currency.clear();
  }
  std::unique_ptr<HereMachine> here;
  if (options.here) {
    if (!options.needs.devices.empty()) throw UsageError("--here and --device exclude each other");
    here = std::make_unique<HereMachine>(database);
    for (const std::string& note : here->notes()) progress_line(note);
    options.needs.devices = here->devices();
    options.needs.own_memory = here->memory();
    if (!here->host().empty()) options.needs.host = here->host();
  }
  const int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const Recommendation result = recommend(options.needs, options.by, database, threads);
  constexpr std::size_t most_rows = 10;
  const std::size_t most = options.all ? 0 : most_rows;
  switch (options.format) {
    case Format::json: print(recommendation_json(result, options.needs)); break;
    case Format::csv: print(recommendation_csv(result)); break;
    case Format::md: print(recommendation_markdown(result, options.needs, most)); break;
    case Format::text:
    case Format::yaml: print(recommendation_text(result, options.needs, most)); break;
  }
  return result.proposals.empty() ? ExitCode::no : ExitCode::done;
}

}  // namespace

void add_recommend(const Command& app, Action& action) {
  const auto options = std::make_shared<RecommendOptions>();
  const auto given = std::make_shared<std::vector<std::string>>();
  const Command command = app.add_command(
      "recommend", "The devices, quantizations and placements that meet given needs, and what the others lack");
  for (const NeedOption& option : need_options())
    command
        .add_option(
            "--" + option.name,
            [options, given, &option](const std::string& text) {
              given->push_back(option.name);
              option.read(options->needs, "--" + option.name, text);
            },
            option.help)
        .type_name(option.type)
        .group("Needs");
  command.add_option("--needs", options->needs_file, "A YAML file with needs; the command line goes before it")
      .type_name("FILE")
      .group("Needs");
  command.add_flag("--here", options->here, "Only for this machine, as far as it can be detected").group("Needs");
  command
      .add_option(
          "--by", [options](const std::string& text) { read_by(text, options->by); },
          "What ranks (default price; where none is known, speed)")
      .type_name("price|decode|energy|quality")
      .group("Output");
  command.add_flag("--all", options->all, "All rows of the tables, not the first ten").group("Output");
  add_format_option(command, options->format, {Format::text, Format::json, Format::csv, Format::md});
  add_data_option(command, options->data);
  command.examples(
      "silicast recommend --model llama-3.3-70b --min-decode 8 --budget 6000\n"
      "silicast recommend --model qwen3-30b-a3b,gpt-oss-20b --users 4 --context 16000 --min-decode 15 --max-ttft 2s\n"
      "silicast recommend --model-class 20b..40b-moe --budget 4000 --min-decode 30 --context 32000\n"
      "silicast recommend --model llama-3.1-8b --min-quality 1.02 --max-watts 60 --by energy\n"
      "silicast recommend --model llama-3.1-8b --min-decode 5 --here\n"
      "silicast recommend --needs examples/household/needs.yaml --format md");
  command.when_asked([options, given, &action] { action = [options, given] { return run(*options, *given); }; });
}

}  // namespace silicast::cli
