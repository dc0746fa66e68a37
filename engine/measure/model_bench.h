// SPDX-License-Identifier: Apache-2.0
// Whole models timed as llama-bench times them: pp, tg, and both, at a depth, repeated after a rehearsal.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/measure/sample.h"
#include "engine/session.h"

namespace silicast::engine {

struct ModelTest {
  std::int64_t prompt = 0;  // tokens of one prefill; 0: none
  std::int64_t gen = 0;     // tokens decoded after it, one by one; 0: none
  std::int64_t depth = 0;   // tokens that the cache is taken to hold before
  std::int64_t batch = 1;   // sequences decoded at once

  // Tokens of all sequences.
  [[nodiscard]] std::int64_t tokens() const { return prompt + gen * batch; }
  [[nodiscard]] std::string name() const;  // "pp512", "tg128 @ d4096"
};

struct ModelRun {
  ModelTest test;
  int threads = 1;
  std::vector<double> seconds;  // of each repetition, by the clock on the wall
  // By the processor time of the calling thread, which works or spins through all of a step; what other programs took
  // from it is not in there, waiting for a thread that they took is.
  std::vector<double> processor_seconds;
  Sample sample;  // of both
  // Likewise of each decoded step, in all repetitions.
  std::vector<double> step_seconds;

  [[nodiscard]] double tokens_per_second() const;  // mean over the repetitions, as llama-bench's avg_ts
  [[nodiscard]] double deviation() const;          // of them
  // What would have been seen alone: of decoding by the faster quartile of the steps, which a thread that waits for
  // another, itself kept from its processor, has not lengthened; of prompts by the fastest repetition.
  [[nodiscard]] double undisturbed_tokens_per_second() const;
};

// The session's context must hold depth, prompt and gen of each of `batch` sequences. Token ids are drawn at random.
ModelRun measure_model(Session& session, const ModelTest& test, int repetitions);

}  // namespace silicast::engine
