// SPDX-License-Identifier: Apache-2.0
// Some of the query options, read as the command line reads them, for tests without it.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "planning/grid.h"

namespace silicast {

inline std::vector<GridOption> some_options() {
  std::vector<GridOption> options;
  for (const char* name :
       {"model", "quant", "device", "stack", "memory", "prompt", "gen", "depth", "concurrency", "price"})
    options.push_back({name, GridOption::Kind::value});
  options.push_back({"no-mmap", GridOption::Kind::flag});
  options.push_back({"set", GridOption::Kind::assignment});
  return options;
}

inline void read_some_option(Query& query, const std::string& option, const std::string& text) {
  const auto count = [&](std::int64_t least) {
    const auto value = parse_integer(text);
    if (!value || *value < least) throw UsageError("--" + option + ": a whole number is expected, got '" + text + "'");
    return *value;
  };
  if (option == "model") query.model = text;
  if (option == "quant") query.quant = text;
  if (option == "device") query.device = text;
  if (option == "stack") query.stack = text;
  if (option == "prompt") query.prompt = count(0);
  if (option == "gen") query.gen = count(0);
  if (option == "depth") query.depth = count(0);
  if (option == "concurrency") query.concurrency = count(1);
  if (option == "no-mmap") query.mapped = false;
  if (option == "set") query.overrides.push_back({text.substr(0, text.find('=')), text.substr(text.find('=') + 1)});
  if (option == "price") query.cost.price = parse_number(text);
  if (option != "memory") return;
  query.memory = parse_quantity<Bytes>(text);
  if (!query.memory) throw UsageError("--memory: a size such as 24GiB is expected, got '" + text + "'");
}

}  // namespace silicast
