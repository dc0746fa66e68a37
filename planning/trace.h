// SPDX-License-Identifier: Apache-2.0
// Recorded traffic, line by line. Formats, told apart by their first line:
//   Azure LLM inference (github.com/Azure/AzurePublicDataset): CSV TIMESTAMP,ContextTokens,GeneratedTokens, dates with
//     fractions of a second;
//   BurstGPT (github.com/HPMLL/BurstGPT): CSV Timestamp,[Session ID,Elapsed time,]Model,Request tokens,Response tokens,
//     Total tokens,Log Type, seconds; 0 response tokens are failures, which are left out;
//   Mooncake (github.com/kvcache-ai/Mooncake): JSON lines of timestamp (ms), input_length, output_length and hash_ids,
//     each of which stands for 512 tokens of the prompt, equal where prompts are;
//   arrival,prompt,output: CSV of seconds and tokens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "planning/lengths.h"
#include "planning/request.h"

namespace silicast::serving {

struct Trace {
  std::string format;             // "azure", "burstgpt", "mooncake", "arrivals"
  std::vector<Request> requests;  // by arrival, the first at 0
  std::int64_t left_out = 0;      // rows without an answer
};

// Throws InputError: an unknown first line, no requests, or bad rows, of which the first 20 are named with their lines.
Trace read_trace(std::istream& text, const std::string& file);
Trace read_trace(const std::filesystem::path& file);

// Pairs of prompt and answer lengths: of a trace, or CSV prompt,output.
std::vector<LengthPair> read_lengths(std::istream& text, const std::string& file);
std::vector<LengthPair> read_lengths(const std::filesystem::path& file);

}  // namespace silicast::serving
