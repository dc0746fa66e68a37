// SPDX-License-Identifier: Apache-2.0
// How several sequences were measured at once, and the steps that the measured figure consists of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calibration/observation.h"
#include "model/prediction.h"

namespace silicast {

enum class Measured : std::uint8_t {
  apart,        // prefill and decoding each by itself: llama-bench, llama-batched-bench
  whole_batch,  // so many requests together, from the first request to the last token
  burst,        // so many requests together, from the first token to the last (llama-benchy)
  closed_loop,  // so many clients, each asking again as soon as it is answered
};

// What the notes say of a row with several sequences; where they say nothing, a server's clients ask again, and other
// software's rates are of decoding.
Measured measured_how(const Observation& row);

// The steps in which `tokens` are generated. At batch 1 all ways but `apart` are the whole request.
struct MeasuredSteps {
  std::vector<RepeatedStep> steps;
  double tokens = 0;    // generated
  double prompts = 0;   // tokens of prompts that are read meanwhile
  double requests = 0;  // whose overhead passes one after the other
};
// `most_prefill` and `most_decode` as in prefill_steps and decode_steps.
MeasuredSteps measured_steps(const Query& query, Measured how, const PromptCut& cut, std::int64_t most_prefill,
                             std::int64_t most_decode);

// The class of so many sequences, for tables: "9 to 16"; and its upper end, by which classes are ordered.
std::string sequences_class(double sequences);
std::int64_t sequences_class_end(double sequences);

}  // namespace silicast
