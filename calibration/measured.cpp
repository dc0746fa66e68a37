// SPDX-License-Identifier: Apache-2.0
#include "calibration/measured.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/text.h"
#include "model/steady_state.h"

namespace silicast {

namespace {

constexpr std::array<std::int64_t, 8> class_ends{1, 4, 8, 16, 32, 64, 256, 1'000'000};

bool says(const std::string& notes, std::initializer_list<std::string_view> signs) {
  return std::any_of(signs.begin(), signs.end(),
                     [&](std::string_view sign) { return notes.find(sign) != std::string::npos; });
}

}  // namespace

Measured measured_how(const Observation& row) {
  const std::string notes = lower(row.notes);
  if (says(notes, {"batched-bench"})) return Measured::apart;
  if (says(notes,
           {"static batch", "prefill time", "whole batch", "tokens)*batch/latency", "gen tokens / wall", "incl. ttft"}))
    return Measured::whole_batch;
  // llama-benchy: "total t/s over N concurrent requests" runs from the first token of any to the last of all.
  if (says(notes, {"concurrent requests"})) return Measured::burst;
  // A rate of decoding, where nothing says that clients were served.
  const bool server = says(lower(row.backend), {"vllm", "tensorrt", "trt", "sglang"});
  const bool served = says(notes, {"aggre", "clients", "serving", "server", "concurren"});
  return server || served ? Measured::closed_loop : Measured::apart;
}

MeasuredSteps measured_steps(const Query& query, Measured how, const PromptCut& cut, std::int64_t most_prefill,
                             std::int64_t most_decode) {
  const auto b = static_cast<double>(query.concurrency);
  const auto gen = static_cast<double>(query.gen);
  MeasuredSteps result{.tokens = b * gen, .prompts = b * static_cast<double>(query.prompt), .requests = 1};
  if (how == Measured::closed_loop) {
    result.steps = steady_cycle(query, cut).steps;
    return result;
  }
  // The first token comes with the prompt.
  const double decoded = query.prompt > 0 ? gen - 1 : gen;
  if (query.prompt > 0 && how != Measured::apart) {
    result.steps = prefill_steps(query, cut, most_prefill);
    if (how == Measured::burst) {
      // Before the first token of any request its own prompt is read.
      for (RepeatedStep& step : result.steps) step.times *= (b - 1) / b;
      result.prompts *= (b - 1) / b;
      result.tokens = b * decoded;
      result.requests = 0;
    }
  }
  if (how == Measured::apart) result.prompts = result.requests = 0;
  if (query.gen > 0)
    for (RepeatedStep step : decode_steps(query, most_decode)) {
      step.times *= how == Measured::apart ? gen : decoded;
      result.steps.push_back(std::move(step));
    }
  return result;
}

std::int64_t sequences_class_end(double sequences) {
  return *std::find_if(class_ends.begin(), class_ends.end() - 1,
                       [&](std::int64_t end) { return sequences <= static_cast<double>(end); });
}

std::string sequences_class(double sequences) {
  const std::int64_t end = sequences_class_end(sequences);
  if (end == class_ends.front()) return "1";
  const std::int64_t from = *(std::find(class_ends.begin(), class_ends.end(), end) - 1) + 1;
  return std::to_string(from) + (end == class_ends.back() ? " and more" : " to " + std::to_string(end));
}

}  // namespace silicast
