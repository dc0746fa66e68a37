// SPDX-License-Identifier: Apache-2.0
// Runs that other programs measured, as those programs print them, read into observations:
//   llama-bench -o json, jsonl, csv, md       vllm bench serve, latency (--save-result, --output-json)
//   trtllm-bench --report_json, its text      mlx_lm.benchmark (its text)
//   measurement CSVs (docs/data-format.md)    silicast bench model -o json (llama-bench's fields)
//
// What a file cannot give is counted with its reason and its lines, and the rest is taken: a table cut off in the
// middle gives the rows before the cut. Names are turned into the catalogue's where they mean exactly one entry, and
// stay as they were where the catalogue does not know them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/observation.h"
#include "model/database.h"

namespace silicast {

// From the command line: for all runs of the file, before what the file says.
struct Stated {
  std::string device;  // NAME or NAMExN
  std::string model;
  std::string quant;
  std::string backend;
  std::optional<std::int64_t> prompt;
  std::optional<std::int64_t> gen;
  std::optional<std::int64_t> concurrency;
};

struct Run {
  Observation observation;  // its line is that of the file
  std::string machine;      // processors as the program named them
  std::string command;      // what was run, as far as the file tells
};

struct NotTaken {
  int line = 0;  // 0: the whole file
  std::string reason;
  std::string detail;
};

struct Imported {
  std::string format;
  std::vector<Run> runs;
  std::vector<NotTaken> not_taken;
  std::map<std::string, std::size_t> remarks;  // what was assumed -> for how many runs
};

// llama-bench-json (jsonl as well), llama-bench-csv, llama-bench-md, vllm-serve, vllm-latency, vllm-throughput, trtllm,
// mlx, csv.
const std::vector<std::string>& import_formats();

// `format` empty: by what the text holds. Throws InputError when it is none of these, and when what was stated names
// nothing in the catalogue.
Imported import_runs(std::string_view text, const std::string& file, const Stated& stated, const Database& database,
                     const std::string& format = {});

}  // namespace silicast
