// SPDX-License-Identifier: Apache-2.0
#include "engine/measure/model_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <random>

namespace silicast::engine {

namespace {

double processor_now() {
  timespec now{};
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0) return wall_now();
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::vector<Token> random_tokens(std::int64_t count, std::int64_t vocabulary, std::mt19937& random) {
  std::uniform_int_distribution<std::int32_t> any(0, static_cast<std::int32_t>(vocabulary - 1));
  std::vector<Token> tokens(static_cast<std::size_t>(count));
  for (Token& token : tokens) token = any(random);
  return tokens;
}

void once(Session& session, const ModelTest& test, std::mt19937& random, std::vector<double>& steps) {
  session.reset();
  for (std::int64_t s = 0; s < test.batch; ++s) session.set_depth(test.depth, s);
  if (test.prompt > 0) session.prefill(random_tokens(test.prompt, session.vocabulary(), random));
  for (std::int64_t i = 0; i < test.gen; ++i) {
    const auto next = random_tokens(test.batch, session.vocabulary(), random);
    const double begin = processor_now();
    if (test.batch == 1)
      session.decode(next.front());
    else
      session.decode(next);
    steps.push_back(processor_now() - begin);
  }
}

}  // namespace

std::string ModelTest::name() const {
  std::string text;
  if (prompt > 0) text = "pp" + std::to_string(prompt);
  if (gen > 0) text += (text.empty() ? "tg" : "+tg") + std::to_string(gen);
  if (batch > 1) text += " x" + std::to_string(batch);
  return depth > 0 ? text + " @ d" + std::to_string(depth) : text;
}

double ModelRun::tokens_per_second() const {
  double sum = 0;
  for (const double s : seconds) sum += static_cast<double>(test.tokens()) / s;
  return sum / static_cast<double>(seconds.size());
}

double ModelRun::deviation() const {
  if (seconds.size() < 2) return 0;
  const double mean = tokens_per_second();
  double squares = 0;
  for (const double s : seconds) squares += std::pow(static_cast<double>(test.tokens()) / s - mean, 2);
  return std::sqrt(squares / static_cast<double>(seconds.size() - 1));
}

double ModelRun::undisturbed_tokens_per_second() const {
  if (!sample.is_disturbed()) return static_cast<double>(test.tokens()) / sample.seconds;
  if (test.prompt > 0 || step_seconds.empty()) return static_cast<double>(test.tokens()) / sample.best;
  std::vector<double> sorted = step_seconds;
  std::sort(sorted.begin(), sorted.end());
  return static_cast<double>(test.batch) / sorted[sorted.size() / 4];
}

ModelRun measure_model(Session& session, const ModelTest& test, int repetitions) {
  std::mt19937 random(1);
  ModelRun run{.test = test,
               .threads = session.threads(),
               .seconds = {},
               .processor_seconds = {},
               .sample = {},
               .step_seconds = {}};
  // As llama-bench warms up: the whole prompt, or one token.
  once(session, {.prompt = test.prompt, .gen = test.gen > 0 ? 1 : 0, .depth = test.depth, .batch = test.batch}, random,
       run.step_seconds);
  run.step_seconds.clear();
  std::vector<Repeat> repeats;
  for (int i = 0; i < repetitions; ++i) {
    const double wall = wall_now();
    const double processor = processor_now();
    once(session, test, random, run.step_seconds);
    run.processor_seconds.push_back(processor_now() - processor);
    run.seconds.push_back(wall_now() - wall);
    repeats.push_back({.processor = run.processor_seconds.back(), .wall = run.seconds.back()});
  }
  run.sample = summary_of(std::move(repeats));
  return run;
}

}  // namespace silicast::engine
