// SPDX-License-Identifier: Apache-2.0
// What the commands of `silicast engine` share: how a model is loaded and run.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include "cli/command_line.h"

#include "engine/session.h"

namespace silicast::cli {

struct EngineOptions {
  std::string file;
  std::string data;
  engine::SessionOptions session;
  std::optional<std::int64_t> context;  // else what is asked for needs
  std::optional<bool> map;
};

// The GGUF as the first argument, threads, instruction set, micro-batch, type of the cache. Throws UsageError.
void add_engine_options(const Command& command, EngineOptions& options);

// A number above or at `least`, as an option. Throws UsageError.
void add_count_option(const Command& command, const std::string& name, std::int64_t least, const std::string& help,
                      const char* group, std::optional<std::int64_t>& target);

std::shared_ptr<const engine::Model> load(const EngineOptions& options);
// With room for so many positions, unless the context was given.
engine::SessionOptions session_options(const EngineOptions& options, std::int64_t positions);

// "1,2,3"; throws UsageError.
std::vector<engine::Token> parse_tokens(std::string_view text);
std::string tokens_text(const std::vector<engine::Token>& tokens);

}  // namespace silicast::cli
