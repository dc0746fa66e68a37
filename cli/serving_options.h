// SPDX-License-Identifier: Apache-2.0
// Options of traffic, batching and objectives, and the file that may hold them.
#pragma once

#include <string>
#include "cli/command_line.h"

#include "planning/serving.h"

namespace silicast::cli {

// What is read of files only when the command runs.
struct ServingOptions {
  serving::ServingQuestion question;
  std::string trace;
  std::string lengths;
  std::string config;
  bool rate_given = false;
};

// Adds them to a command that has the query options already; the options must outlive the command.
void add_serving_options(const Command& command, ServingOptions& options);

// Values of --config for the options that the command line does not have. Throws InputError with place and key.
void apply_config(const Command& command, const std::string& file);

// Reads the files and works out what traffic is asked for. Throws UsageError where there is none, or two.
void complete(const Command& command, ServingOptions& options);

}  // namespace silicast::cli
