// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <numeric>

#include "base/text.h"
#include "cli/engine_commands.h"
#include "cli/engine_options.h"
#include "engine/output_file.h"
#include "engine/sampler.h"

namespace silicast::cli {

namespace {

struct EngineLogitsOptions {
  EngineOptions engine;
  std::string tokens;
  std::string out;
  Format format = Format::text;
};

// NumPy's format, version 1.0 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): little-endian
// float32, one row for each token.
void write_npy(const std::string& path, std::span<const float> values, std::size_t rows) {
  constexpr std::size_t block = 64;
  std::string head = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                     std::to_string(values.size() / rows) + "), }";
  constexpr std::size_t before = 10;  // magic, version, length
  while ((before + head.size() + 1) % block != 0) head += ' ';
  head += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(head.size() & 0xFFU);
  bytes += static_cast<char>(head.size() >> 8U);
  bytes += head;
  engine::OutputFile file(path, bytes.size() + values.size_bytes());
  file.write(std::as_bytes(std::span(bytes)));
  file.write(std::as_bytes(values));
  file.commit();
}

std::vector<engine::Token> best_of(std::span<const float> logits, std::size_t count) {
  std::vector<engine::Token> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  count = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](engine::Token a, engine::Token b) {
                      return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
                    });
  order.resize(count);
  return order;
}

// The likeliest tokens after each, and how likely the one was that came.
std::string report(const std::vector<engine::Token>& tokens, std::span<const float> logits, Format format) {
  constexpr std::size_t shown = 5;
  const std::size_t vocabulary = logits.size() / tokens.size();
  std::string text = format == Format::json ? "{\n  \"schema\": \"silicast.engine_logits/1\",\n  \"vocabulary\": " +
                                                  std::to_string(vocabulary) + ",\n  \"tokens\": ["
                                            : "";
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const auto row = logits.subspan(t * vocabulary, vocabulary);
    std::string best;
    for (const auto token : best_of(row, shown)) {
      const double logit = static_cast<double>(row[static_cast<std::size_t>(token)]);
      if (format == Format::json)
        best += (best.empty() ? "" : ", ") + ("{\"token\": " + std::to_string(token)) + ", \"logit\": " + exact(logit) +
                "}";
      else
        best += "  " + std::to_string(token) + ":" + rounded(logit, 5);
    }
    const bool known = t + 1 < tokens.size();
    const std::string next = known ? exact(engine::log_probability(row, tokens[t + 1])) : "null";
    if (format == Format::json)
      text += (t == 0 ? "\n    " : ",\n    ") + ("{\"token\": " + std::to_string(tokens[t])) +
              ", \"next_log_probability\": " + next + ", \"best\": [" + best + "]}";
    else
      text += std::to_string(tokens[t]) + " ->" + best + "\n";
  }
  return format == Format::json ? text + "\n  ]\n}\n" : text;
}

ExitCode run(const EngineLogitsOptions& options) {
  const auto tokens = parse_tokens(options.tokens);
  engine::Session session(load(options.engine),
                          session_options(options.engine, static_cast<std::int64_t>(tokens.size())));
  const std::vector<float> logits = session.prefill_all(tokens);
  if (!options.out.empty()) write_npy(options.out, logits, tokens.size());
  print(report(tokens, logits, options.format));
  return ExitCode::done;
}

}  // namespace

void add_engine_logits(const Command& engine, Action& action) {
  const auto options = std::make_shared<EngineLogitsOptions>();
  const Command command = engine.add_command("logits", "The logits after each token of a sequence");
  add_engine_options(command, options->engine);
  command.add_option("--tokens", options->tokens, "Token ids with commas between")
      .required()
      .type_name("N,N,...")
      .group("What is asked");
  command.add_option("--out", options->out, "All of them as a NumPy file: float32, a row for each token")
      .type_name("FILE.npy")
      .group("Output");
  add_format_option(command, options->format, {Format::text, Format::json});
  command.examples(
      "silicast engine logits model.gguf --tokens 1,2,3\n"
      "silicast engine logits model.gguf --tokens 1,2,3 --out logits.npy --format json");
  command.when_asked([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace silicast::cli
