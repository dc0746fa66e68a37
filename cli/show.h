// SPDX-License-Identifier: Apache-2.0
// What the files of `silicast show` share.
#pragma once

#include <cstdint>
#include <string>

#include "cli/command.h"
#include "model/database.h"
#include "report/table.h"

namespace silicast::cli {

struct ShowOptions {
  std::string kind;
  std::string name;
  std::string quant;
  bool per_layer = false;
  bool ops = false;
  std::int64_t prompt = 1;  // new tokens of each sequence in the step
  std::int64_t depth = 0;
  std::int64_t concurrency = 1;
  std::string data;
  Format format = Format::text;
};

// One thing in every format: what it is, its tables with their headings, and sentences about it.
struct Page {
  struct Part {
    std::string key;
    std::string heading;
    Table table;
  };
  std::vector<Field> facts;  // id, name, ...: the first lines of the text
  std::vector<Part> parts;
  std::vector<std::string> sources;  // numbered from 1 in the tables, for people
  std::vector<std::string> notes;
};
std::string formatted(const Page& page, Format format);

// The figures of a catalogue entry, each with its source.
Page entry_page(const Entry& entry, const std::string& kind);
// A model as its file stores it: tensors by groups of equal layers or one by one, and the operations of a step.
std::string show_model(const ShowOptions& options, const Database& database);
// The operations of a step, each once with the number of layers that run it.
Table ops_table(const Workload& workload, const ShowOptions& options);

}  // namespace silicast::cli
