// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <memory>

#include "base/text.h"
#include "cli/engine_commands.h"
#include "cli/engine_options.h"
#include "engine/sampler.h"
#include "engine/tokenizer.h"
#include "engine/tokenizer_merge.h"

namespace silicast::cli {

namespace {

using Clock = std::chrono::steady_clock;

struct EngineRunOptions {
  EngineOptions engine;
  std::string tokens;
  std::string text;
  std::int64_t gen = 32;
  engine::SamplerOptions sampler;
  bool stop_at_end = false;
  Format format = Format::text;
};

struct Phase {
  std::int64_t tokens = 0;
  double seconds = 0;

  [[nodiscard]] double rate() const { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }
};

struct Result {
  std::vector<engine::Token> prompt;
  std::vector<engine::Token> generated;
  Phase prefill;
  Phase decode;
};

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Null where the file has no tokenizer.
std::unique_ptr<const engine::Tokenizer> tokenizer_of(const engine::Model& model, const std::string& file) {
  auto vocabulary = engine::vocabulary_of(*model.file, model.mappings.front().bytes(), file);
  return vocabulary ? engine::Tokenizer::make(std::move(*vocabulary)) : nullptr;
}

std::vector<engine::Token> prompt_of(const EngineRunOptions& options, const engine::Tokenizer* tokenizer) {
  if (!options.tokens.empty()) return parse_tokens(options.tokens);
  if (tokenizer == nullptr)
    throw RefusedError(options.engine.file + ": has no tokenizer for --text; the prompt can be given with --tokens");
  return tokenizer->encode(options.text);
}

Result generate(engine::Session& session, const std::vector<engine::Token>& prompt, const EngineRunOptions& options,
                std::optional<engine::Token> end) {
  Result result{.prompt = prompt};
  engine::Sampler sampler(options.sampler);
  const auto begin = Clock::now();
  auto logits = session.prefill(prompt);
  result.prefill = {static_cast<std::int64_t>(prompt.size()), seconds_since(begin)};
  const auto decoding = Clock::now();
  while (static_cast<std::int64_t>(result.generated.size()) < options.gen) {
    const engine::Token next = sampler.sample(logits);
    result.generated.push_back(next);
    if (options.stop_at_end && next == end) break;
    if (static_cast<std::int64_t>(result.generated.size()) == options.gen) break;
    logits = session.decode(next);
    ++result.decode.tokens;
  }
  result.decode.seconds = seconds_since(decoding);
  return result;
}

// Whether the UTF-8 character is one that RFC 3629 allows: not overlong, no surrogate, at most U+10FFFF.
bool is_character(std::string_view c) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(c[i]); };
  switch (c.size()) {
    case 1: return byte(0) < 0x80;
    case 2: return byte(0) >= 0xC2;
    case 3: return !(byte(0) == 0xE0 && byte(1) < 0xA0) && !(byte(0) == 0xED && byte(1) > 0x9F);
    default: return byte(0) <= 0xF4 && !(byte(0) == 0xF0 && byte(1) < 0x90) && !(byte(0) == 0xF4 && byte(1) > 0x8F);
  }
}

// A generated text may end within a character, or be of bytes that are none: U+FFFD in their place.
std::string quoted(const std::string& text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  for (const std::string_view character : engine::characters_of(text)) {
    const char c = character.front();
    const auto byte = static_cast<unsigned char>(c);
    if (!is_character(character))
      out += "\xEF\xBF\xBD";
    else if (c == '"' || c == '\\')
      out += std::string("\\") + c;
    else if (c == '\n')
      out += "\\n";
    else if (byte < 0x20 || byte == 0x7F)
      out += std::string("\\u00") + digits[byte >> 4U] + digits[byte & 15U];
    else
      out += character;
  }
  return out + "\"";
}

std::string json_phase(const Phase& phase) {
  return "{\"tokens\": " + std::to_string(phase.tokens) + ", \"seconds\": " + exact(phase.seconds) +
         ", \"tokens_per_second\": " + exact(phase.rate()) + "}";
}

std::string as_json(const Result& result, const engine::Session& session, const std::optional<std::string>& text) {
  const engine::Model& model = session.model();
  const engine::SessionMemory memory = session.memory();
  return "{\n  \"schema\": \"silicast.engine_run/1\",\n  \"model\": " + quoted(model.architecture.name) +
         ",\n  \"architecture\": " + quoted(model.architecture.gguf_architecture) +
         ",\n  \"quantization\": " + quoted(model.quantization) +
         ",\n  \"threads\": " + std::to_string(session.threads()) +
         ",\n  \"isa\": " + quoted(std::string(engine::name_of(session.isa()))) + ",\n  \"prompt\": [" +
         tokens_text(result.prompt) + "],\n  \"generated\": [" + tokens_text(result.generated) +
         "],\n  \"text\": " + (text ? quoted(*text) : "null") + ",\n  \"prefill\": " + json_phase(result.prefill) +
         ",\n  \"decode\": " + json_phase(result.decode) +
         ",\n  \"memory\": {\"weights_bytes\": " + std::to_string(model.tensor_bytes()) +
         ", \"kv_cache_bytes\": " + std::to_string(memory.kv_cache) +
         ", \"buffer_bytes\": " + std::to_string(memory.buffers) + "}\n}\n";
}

std::string as_text(const Result& result, const engine::Session& session, const std::optional<std::string>& text) {
  const auto line = [](const char* name, const Phase& phase) {
    return std::string(name) + std::to_string(phase.tokens) + " tokens in " + human(Seconds(phase.seconds)) + ", " +
           rounded(phase.rate(), 4) + " tokens/s\n";
  };
  return (text ? *text : tokens_text(result.generated)) + "\n\n" + line("prefill  ", result.prefill) +
         line("decode   ", result.decode) + "threads  " + std::to_string(session.threads()) + ", " +
         std::string(engine::name_of(session.isa())) + "\n";
}

ExitCode run(const EngineRunOptions& options) {
  if (options.tokens.empty() == options.text.empty())
    throw UsageError("one of --tokens and --text is expected; see silicast engine run --help");
  const auto model = load(options.engine);
  std::unique_ptr<const engine::Tokenizer> tokenizer;
  try {
    tokenizer = tokenizer_of(*model, options.engine.file);
  } catch (const RefusedError&) {
    if (options.tokens.empty()) throw;  // numbers do without
  }
  const auto prompt = prompt_of(options, tokenizer.get());
  engine::Session session(model,
                          session_options(options.engine, static_cast<std::int64_t>(prompt.size()) + options.gen));
  const Result result = generate(session, prompt, options,
                                 tokenizer != nullptr ? tokenizer->vocabulary().end : std::optional<engine::Token>());
  const auto text = tokenizer != nullptr ? std::optional(tokenizer->decode(result.generated)) : std::nullopt;
  print(options.format == Format::json ? as_json(result, session, text) : as_text(result, session, text));
  return ExitCode::done;
}

double number_of(const std::string& option, const std::string& text) {
  const auto number = parse_number(text);
  if (!number) throw UsageError(option + ": a number is expected, got '" + text + "'");
  return *number;
}

void add_sampling(const Command& command, EngineRunOptions& options) {
  constexpr const char* group = "Which token is next";
  engine::SamplerOptions& sampler = options.sampler;
  const auto number = [&](const char* name, const char* help, const char* type, auto set) {
    command
        .add_option(
            name, [name, set](const std::string& text) { set(number_of(name, text)); }, help)
        .type_name(type)
        .group(group);
  };
  number("--temp", "Temperature (default 0: always the likeliest token)", "X",
         [&sampler](double x) { sampler.temperature = static_cast<float>(x); });
  number("--top-k", "Only the N likeliest", "N",
         [&sampler](double x) { sampler.top_k = static_cast<std::int64_t>(x); });
  number("--top-p", "Only the likeliest that have this share of the probability", "X",
         [&sampler](double x) { sampler.top_p = static_cast<float>(x); });
  number("--seed", "Of the draws (default 1)", "N",
         [&sampler](double x) { sampler.seed = static_cast<std::uint64_t>(x < 0 ? 0 : x); });
  command.add_flag("--stop-at-end", options.stop_at_end, "Stop at the token that ends a text").group(group);
}

}  // namespace

void add_engine_run(const Command& engine, Action& action) {
  const auto options = std::make_shared<EngineRunOptions>();
  const Command command = engine.add_command("run", "Generate from a GGUF on this CPU");
  constexpr const char* what = "What is asked";
  add_engine_options(command, options->engine);
  command.add_option("--tokens", options->tokens, "The prompt as token ids").type_name("N,N,...").group(what);
  command.add_option("--text", options->text, "The prompt as text, where the file carries a tokenizer")
      .type_name("TEXT")
      .group(what);
  command
      .add_option(
          "--gen",
          [options = options.get()](const std::string& text) {
            const auto value = parse_integer(text);
            if (!value || *value < 1 || *value > (1 << 24))
              throw UsageError("--gen: a whole number from 1 on is expected, got '" + text + "'");
            options->gen = *value;
          },
          "Tokens to generate (default 32)")
      .type_name("N")
      .group(what);
  add_sampling(command, *options);
  add_format_option(command, options->format, {Format::text, Format::json});
  command.examples(
      "silicast engine run model.gguf --tokens 1,2,3 --gen 32 --threads 2\n"
      "silicast engine run model.gguf --text \"Once upon a time\" --temp 0.8 --top-p 0.95 --seed 7\n"
      "silicast engine run model.gguf --tokens 1,2,3 --kv-type q8_0 --format json");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
