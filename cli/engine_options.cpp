// SPDX-License-Identifier: Apache-2.0
#include "cli/engine_options.h"

#include <limits>

#include "base/text.h"
#include "cli/command.h"
#include "model/database.h"

namespace silicast::cli {

namespace {

constexpr const char* how_group = "How it runs";

void read_isa(const std::string& name, engine::SessionOptions& session) {
  session.isa = engine::find_isa(lower(name));
  if (session.isa) return;
  std::vector<std::string> known;
  for (const auto isa : engine::all_isas()) known.emplace_back(engine::name_of(isa));
  throw UsageError("--isa: one of " + join(known, ", ") + " is expected, got '" + name + "'" +
                   did_you_mean(lower(name), known));
}

void read_kv_type(const std::string& name, engine::SessionOptions& session) {
  if (lower(name) == "f16")
    session.kv_type = engine::KvType::f16;
  else if (lower(name) == "q8_0")
    session.kv_type = engine::KvType::q8_0;
  else
    throw UsageError("--kv-type: f16 or q8_0 is expected, got '" + name + "'");
}

}  // namespace

void add_count_option(const Command& command, const std::string& name, std::int64_t least, const std::string& help,
                      const char* group, std::optional<std::int64_t>& target) {
  command
      .add_option(
          name,
          [name, least, &target](const std::string& text) {
            const auto value = parse_integer(text);
            if (!value) throw UsageError(name + ": a whole number is expected, got '" + text + "'");
            if (*value < least || *value > std::numeric_limits<std::int32_t>::max())
              throw UsageError(name + ": at least " + std::to_string(least) + " is expected, got " + text);
            target = *value;
          },
          help)
      .type_name("N")
      .group(group);
}

void add_engine_options(const Command& command, EngineOptions& options) {
  command.add_option("file", options.file, "A GGUF, or any part of a split one").required().type_name("FILE");
  const auto count = [&command](const char* name, std::int64_t least, const char* help, auto set) {
    command
        .add_option(
            name,
            [name, least, set](const std::string& text) {
              const auto value = parse_integer(text);
              if (!value || *value < least || *value > (1 << 20))
                throw UsageError(std::string(name) + ": a whole number from " + std::to_string(least) +
                                 " to 1048576 is expected, got '" + text + "'");
              set(*value);
            },
            help)
        .type_name("N")
        .group(how_group);
  };
  count("--threads", 1, "Threads (default: one per processor that may be used)",
        [&options](std::int64_t n) { options.session.threads = static_cast<int>(n); });
  count("--ubatch", 1, "Most tokens of a prefill step (default 512)",
        [&options](std::int64_t n) { options.session.ubatch = n; });
  count("--context", 1, "Positions of the KV cache (default: as many as are needed)",
        [&options](std::int64_t n) { options.context = n; });
  command
      .add_option(
          "--kv-type", [&options](const std::string& name) { read_kv_type(name, options.session); },
          "Type of the KV cache (default f16)")
      .type_name("f16|q8_0")
      .group(how_group);
  command
      .add_option(
          "--isa", [&options](const std::string& name) { read_isa(name, options.session); },
          "Force an instruction set: portable, avx2, avx512, avx512_vnni, avx512_vbmi, amx, "
          "neon, neon_dotprod, neon_i8mm")
      .type_name("NAME")
      .group(how_group);
  command
      .add_flag(
          "--mmap", [&options] { options.map = true; },
          "Read the file where it is mapped (default: copied where memory is ample)")
      .group(how_group);
  command
      .add_flag(
          "--no-mmap", [&options] { options.map = false; },
          "Copy the file into memory, in huge pages, each thread's rows on its own NUMA node")
      .group(how_group);
  command
      .add_flag(
          "--no-pin", [&options] { options.session.pin = false; }, "Let threads move")
      .group(how_group);
  add_data_option(command, options.data);
}

std::shared_ptr<const engine::Model> load(const EngineOptions& options) {
  const Database database(data_folder(options.data));
  return engine::load_model(
      options.file, database.types(),
      {.map = options.map, .threads = {.threads = options.session.threads, .pin = options.session.pin}});
}

engine::SessionOptions session_options(const EngineOptions& options, std::int64_t positions) {
  engine::SessionOptions session = options.session;
  session.context = options.context.value_or(positions);
  return session;
}

std::vector<engine::Token> parse_tokens(std::string_view text) {
  std::vector<engine::Token> tokens;
  for (const auto part : split(text, ',')) {
    const auto number = parse_integer(trim(part));
    if (!number || *number < std::numeric_limits<engine::Token>::min() ||
        *number > std::numeric_limits<engine::Token>::max())
      throw UsageError("--tokens: numbers with commas between are expected, such as 1,2,3, got '" + std::string(text) +
                       "'");
    tokens.push_back(static_cast<engine::Token>(*number));
  }
  return tokens;
}

std::string tokens_text(const std::vector<engine::Token>& tokens) {
  std::string text;
  for (const auto token : tokens) text += (text.empty() ? "" : ",") + std::to_string(token);
  return text;
}

}  // namespace silicast::cli
