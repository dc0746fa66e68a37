// SPDX-License-Identifier: Apache-2.0
#include "cli/serving_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/document.h"
#include "base/text.h"
#include "planning/trace.h"

namespace silicast::cli {

namespace {

using serving::ServingQuestion;
using serving::TrafficModel;

constexpr const char* traffic_group = "Who asks, and when";
constexpr const char* lengths_group = "How long prompts and answers are";
constexpr const char* system_group = "How requests are batched";
constexpr const char* goal_group = "What is good enough";

using Read = std::function<void(const std::string&)>;

void add(const Command& command, const std::string& name, const char* type, const char* group, const std::string& help,
         Read read) {
  command.add_option(name, std::move(read), help).type_name(type).group(group);
}

std::int64_t whole(const std::string& name, const std::string& text, std::int64_t least) {
  const auto value = parse_integer(text);
  if (!value || *value < least)
    throw UsageError(name + ": a whole number from " + std::to_string(least) + " on is expected, got '" + text + "'");
  return *value;
}

double number(const std::string& name, const std::string& text, double least) {
  const auto value = parse_number(text);
  if (!value || *value < least)
    throw UsageError(name + ": a number from " + exact(least) + " on is expected, got '" + text + "'");
  return *value;
}

double seconds(const std::string& name, const std::string& text) {
  const auto value = parse_quantity<Seconds>(text);
  if (text == "0") return 0;
  if (!value || value->value() < 0)
    throw UsageError(name + ": a time with its unit, such as 200ms, is expected, got '" + text +
                     "'; accepted units: " + accepted_units<Seconds>());
  return value->value();
}

template <class Enum>
Enum chosen(const std::string& name, const std::string& text, const std::vector<std::string>& names) {
  const auto at = std::find(names.begin(), names.end(), lower(text));
  if (at == names.end())
    throw UsageError(name + ": one of " + join(names, ", ") + " is expected, got '" + text + "'" +
                     did_you_mean(text, names));
  return static_cast<Enum>(at - names.begin());
}

// Options by the type of what they set.
class Group {
 public:
  Group(const Command& command, const char* group) : command_(command), group_(group) {}

  template <class Target>
  void count(const std::string& name, std::int64_t least, const std::string& help, Target& target) {
    add(command_, name, "N", group_, help,
        [name, least, &target](const std::string& text) { target = whole(name, text, least); });
  }
  void real(const std::string& name, const char* type, const std::string& help, double& target) {
    add(command_, name, type, group_, help,
        [name, &target](const std::string& text) { target = number(name, text, 0); });
  }
  template <class Target>
  void time(const std::string& name, const std::string& help, Target& target) {
    add(command_, name, "TIME", group_, help,
        [name, &target](const std::string& text) { target = seconds(name, text); });
  }
  void text(const std::string& name, const char* type, const std::string& help, std::string& target) {
    add(command_, name, type, group_, help, [&target](const std::string& value) { target = value; });
  }
  void flag(const std::string& name, const std::string& help, bool& target, bool value) {
    command_
        .add_flag(
            name, [&target, value] { target = value; }, help)
        .group(group_);
  }

 private:
  Command command_;
  const char* group_;
};

void add_traffic(const Command& command, ServingOptions& options) {
  TrafficModel& traffic = options.question.traffic;
  Group group(command, traffic_group);
  add(command, "--rate", "N", traffic_group, "Requests (or conversations) a second of an open stream",
      [&options](const std::string& text) {
        options.question.traffic.arrivals.rate = number("--rate", text, 0);
        options.rate_given = true;
      });
  add(command, "--arrivals", join(serving::arrival_kind_names(), "|").c_str(), traffic_group,
      "How they arrive (default poisson)", [&traffic](const std::string& text) {
        traffic.arrivals.kind = chosen<serving::ArrivalKind>("--arrivals", text, serving::arrival_kind_names());
      });
  group.real("--cv", "X", "Gamma: deviation of the distances over their mean (default 1)", traffic.arrivals.cv);
  group.real("--burst", "X", "Bursty: rate of a burst over the mean rate (default 4)", traffic.arrivals.burst);
  group.real("--burst-share", "X", "Bursty: share of the time in bursts (default 0.2)", traffic.arrivals.burst_share);
  group.time("--burst-seconds", "Bursty: mean length of a burst (default 10s)", traffic.arrivals.burst_seconds);
  group.time("--period", "Diurnal: length of a day (default 24h)", traffic.arrivals.period);
  group.real("--amplitude", "X", "Diurnal: highest over mean rate, less one (default 0.8)", traffic.arrivals.amplitude);
  group.time("--think", "Closed loop of --concurrency clients: mean pause before the next request (default 0)",
             traffic.think);
  group.text("--trace", "FILE", "Replays recorded traffic: Azure LLM, BurstGPT, Mooncake, or arrival,prompt,output",
             options.trace);
  group.real("--trace-speed", "X", "Times of the trace are divided by it (default 1)", traffic.trace_speed);
  group.count("--requests", 1, "In all (default 1000; of a trace all)", traffic.requests);
  group.time("--duration", "No arrivals after it", traffic.duration);
}

void add_lengths(const Command& command, ServingOptions& options) {
  TrafficModel& traffic = options.question.traffic;
  Group group(command, lengths_group);
  group.real("--prompt-cv", "X", "Deviation of prompts over their mean --prompt, lognormal (default 0: all alike)",
             traffic.lengths.prompt.cv);
  group.real("--gen-cv", "X", "Likewise of answers and --gen", traffic.lengths.output.cv);
  group.text("--lengths", "FILE.csv", "Pairs drawn from a file: columns prompt,output, or a trace", options.lengths);
  group.count("--turns", 1, "Of a conversation; each prompt begins with what was said before (default 1)",
              traffic.turns);
  group.time("--turn-think", "Mean pause before the next turn (default 10s)", traffic.turn_think);
  group.count("--shared-prompt", 0, "Tokens of a system prompt before every prompt (default 0)", traffic.shared_prompt);
  group.count("--max-context", 2, "Longer requests are cut (default: the model's)", traffic.max_context);
}

void add_system(const Command& command, ServingOptions& options) {
  serving::BatchingModel& batching = options.question.batching;
  Group group(command, system_group);
  add(command, "--batching", join(serving::batching_names(), "|").c_str(), system_group,
      "vLLM's scheduler, llama.cpp's slots, or whole batches (default auto: as the stack does)",
      [&batching](const std::string& text) {
        batching.kind = chosen<serving::Batching>("--batching", text, serving::batching_names());
      });
  group.count("--max-sequences", 1, "At once in a replica (default 256; slots 4; static 8)", batching.max_sequences);
  group.count("--token-budget", 1, "Of a step (default: the stack's; slots 2048)", batching.token_budget);
  group.count("--kv-tokens", 1, "Tokens that the cache holds (default: what fits the memory)", batching.kv_tokens);
  group.count("--block-tokens", 1, "Tokens of a block of the paged cache (default 16)", batching.block_tokens);
  group.flag("--no-chunked-prefill", "A prompt is computed in one step", batching.chunked_prefill, false);
  group.flag("--no-prefix-cache", "Nothing is kept between requests", batching.prefix_cache, false);
  group.flag("--split-cache", "Slots: each has its share of the cache", batching.unified_cache, false);
  group.time("--batch-timeout", "Static: how long the first request of a batch waits at most (default 100ms)",
             batching.batch_timeout);
  group.count("--replicas", 1, "Copies of the model, each on --device (default 1)", options.question.system.replicas);
  add(command, "--balancer", join(serving::balancer_names(), "|").c_str(), system_group,
      "Which replica takes a request (default least-loaded)", [&options](const std::string& text) {
        options.question.system.balancer = chosen<serving::Balancer>("--balancer", text, serving::balancer_names());
      });
}

void add_goals(const Command& command, ServingOptions& options) {
  serving::Slo& slo = options.question.system.slo;
  Group group(command, goal_group);
  group.time("--slo-ttft", "First token within", slo.ttft);
  group.time("--slo-tpot", "Each further token within, on average over the answer", slo.tpot);
  group.time("--slo-e2e", "Whole answer within", slo.e2e);
  group.real("--slo-percentile", "P", "Of the requests that have to meet them (default 99)", slo.percentile);
  group.count("--warmup", 0, "First answers that latencies leave out (default 0)", options.question.system.warmup);
  add(command, "--seed", "N", goal_group, "Of the random numbers (default 1)", [&options](const std::string& text) {
    options.question.seed = static_cast<std::uint64_t>(whole("--seed", text, 0));
  });
  group.flag("--no-interval", "Without the runs at both ends of the predictor's interval", options.question.interval,
             false);
}

bool given(const Command& command, const char* name) { return command.app().get_option(name)->count() > 0; }

}  // namespace

void add_serving_options(const Command& command, ServingOptions& options) {
  add_traffic(command, options);
  add_lengths(command, options);
  add_system(command, options);
  add_goals(command, options);
  command.add_option("--config", options.config, "Options from a file, without dashes: rate: 2, slo-ttft: 1s")
      .type_name("FILE.yaml")
      .group("Output");
}

void apply_config(const Command& command, const std::string& file) {
  if (file.empty()) return;
  const Node root = read_yaml_file(file);
  if (root.kind != Node::Kind::map) throw InputError(root.mark, "", "a map of options is expected, got " + shown(root));
  std::vector<std::string> known;
  for (const CLI::Option* option : command.app().get_options())
    for (const auto& name : option->get_lnames()) known.push_back(name);
  for (const Node::Member& member : root.members) {
    CLI::Option* option = command.app().get_option_no_throw("--" + member.key);
    if (option == nullptr || member.key == "config" || member.key == "help")
      throw InputError(member.mark, member.key, "no option is called so" + did_you_mean(member.key, known));
    if (option->count() > 0) continue;
    const bool is_list = member.value.kind == Node::Kind::list;
    if (!is_list && member.value.kind != Node::Kind::scalar)
      throw InputError(member.value.mark, member.key, "a value is expected, got " + shown(member.value));
    const bool is_flag = option->get_items_expected_max() == 0;
    if (is_flag && member.value.scalar == "false") continue;
    try {
      if (is_flag)
        option->add_result("true");
      else if (is_list)
        for (const Node& item : member.value.items) option->add_result(item.scalar);
      else
        option->add_result(member.value.scalar);
      option->run_callback();
    } catch (const UsageError& error) {
      throw InputError(member.value.mark, member.key, error.what());
    } catch (const CLI::ParseError& error) {
      throw InputError(member.value.mark, member.key, error.what());
    }
  }
}

void complete(const Command& command, ServingOptions& options) {
  ServingQuestion& question = options.question;
  TrafficModel& traffic = question.traffic;
  const bool closed = given(command, "--concurrency");
  const int kinds = (options.rate_given ? 1 : 0) + (closed ? 1 : 0) + (options.trace.empty() ? 0 : 1);
  if (kinds == 0)
    throw UsageError("no traffic: --rate for an open stream, --concurrency for a closed loop, or --trace is expected");
  if (kinds > 1) throw UsageError("--rate, --concurrency and --trace exclude each other");
  if (given(command, "--depth")) throw UsageError("--depth: the depth of a served sequence follows from its prompt");
  if (question.query.prompt < 1 || question.query.gen < 1)
    throw UsageError("--prompt and --gen: served requests have at least one token of each");
  traffic.lengths.prompt.mean = static_cast<double>(question.query.prompt);
  traffic.lengths.output.mean = static_cast<double>(question.query.gen);
  if (!options.lengths.empty()) traffic.lengths.observed = serving::read_lengths(options.lengths);
  if (closed) {
    traffic.kind = serving::TrafficKind::closed;
    traffic.clients = question.query.concurrency;
  }
  if (options.trace.empty()) return;
  if (!(traffic.trace_speed > 0)) throw UsageError("--trace-speed: must be above zero");
  traffic.kind = serving::TrafficKind::replay;
  traffic.trace = serving::read_trace(options.trace).requests;
  if (!given(command, "--requests")) traffic.requests = static_cast<std::int64_t>(traffic.trace.size());
}

}  // namespace silicast::cli
