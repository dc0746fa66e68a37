// SPDX-License-Identifier: Apache-2.0
// The forward pass against the straightforward one in double precision, and against itself: however the tokens are cut
// into steps, batches and shares of threads, the logits are the same.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/reference.h"
#include "tests/engine/small_models.h"

namespace silicast::engine {
namespace {

using namespace testing_engine;

constexpr int token_count = 33;  // beyond the windows of the small models

double worst_error(const std::vector<float>& logits, const std::vector<Row>& reference) {
  double worst = 0;
  for (std::size_t t = 0; t < reference.size(); ++t)
    worst = std::max(worst, relative_error(logits.data() + t * reference[t].size(), reference[t]));
  return worst;
}

// Of each token by itself: half of them are better. Where two experts are nearly tied, rounding chooses among them, and
// the tokens that follow see another key.
double median_error_alone(Session& session, const engine::Model& model, const std::vector<Token>& tokens) {
  std::vector<double> errors;
  Reference reference(model);
  for (const Token token : tokens) {
    session.reset();
    errors.push_back(relative_error(session.decode(token).data(), reference.run({token}).front()));
  }
  std::sort(errors.begin(), errors.end());
  return errors[errors.size() / 2];
}

double error_of(Session& session, const engine::Model& model) {
  const auto tokens = some_tokens(token_count);
  if (model.architecture.has_experts()) return median_error_alone(session, model, tokens);
  return worst_error(session.prefill_all(tokens), Reference(model).run(tokens));
}

std::string name_of_case(const ::testing::TestParamInfo<SmallModel>& test) {
  std::string name = test.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class EveryModel : public ::testing::TestWithParam<SmallModel> {};

INSTANTIATE_TEST_SUITE_P(Architectures, EveryModel, ::testing::ValuesIn(small_models()), name_of_case);

// F32 weights take F32 activations: what is left is the rounding of sums and of the cache's F16, which the reference
// rounds too. 24-bit sums over a few layers of a few hundred terms: 1e-5; a key that falls upon the other side of an
// F16 step moves by 2^-11 of itself.
TEST_P(EveryModel, AgreesWithDoublePrecision) {
  const auto model = small_engine_model(GetParam(), "F32");
  const auto tokens = some_tokens(token_count);
  Session session(model, {.threads = 1, .context = 64, .ubatch = 10});
  EXPECT_LT(worst_error(session.prefill_all(tokens), Reference(*model).run(tokens)), 5e-4);
}

// Activations in 8 bits: a quantum is 1/127 of a block's largest value, an error of 1/127/sqrt(12) of it, or some 0.6 %
// of a normal value's size in each product; products add up over layers.
TEST_P(EveryModel, AgreesWithQuantizedActivations) {
  for (const char* quant : {"Q8_0", "Q4_K_M", "F16"}) {
    const auto model = small_engine_model(GetParam(), quant);
    Session session(model, {.threads = 1, .context = 64});
    EXPECT_LT(error_of(session, *model), 0.07) << quant;
  }
}

// F32 weights: with 8-bit activations, sums in another order fall upon other integers.
TEST_P(EveryModel, MicroBatchesAreTokenByToken) {
  const auto model = small_engine_model(GetParam(), "F32");
  const auto tokens = some_tokens(token_count);
  Session single(model, {.threads = 1, .context = 64});
  std::vector<Row> one_by_one;
  for (const Token token : tokens) {
    const auto logits = single.decode(token);
    one_by_one.emplace_back(logits.begin(), logits.end());
  }
  for (const std::int64_t ubatch : {5, 9, token_count}) {
    Session session(model, {.threads = 1, .context = 64, .ubatch = ubatch});
    EXPECT_LT(worst_error(session.prefill_all(tokens), one_by_one), 5e-4) << ubatch;
    session.reset();
    EXPECT_LT(relative_error(session.prefill(tokens).data(), one_by_one.back()), 5e-4) << ubatch;
  }
}

TEST_P(EveryModel, SequencesOfABatchAreIndependent) {
  const auto model = small_engine_model(GetParam(), "Q8_0");
  Session batch(model, {.threads = 2, .context = 64, .sequences = 3});
  std::vector<std::vector<Token>> prompts{some_tokens(11), some_tokens(17), {5}};
  std::vector<Token> next{1, 2, 3};
  for (std::size_t s = 0; s < prompts.size(); ++s) batch.prefill(prompts[s], static_cast<std::int64_t>(s));
  batch.decode(next);
  const auto together = batch.decode(next);
  for (std::size_t s = 0; s < prompts.size(); ++s) {
    Session alone(model, {.threads = 1, .context = 64});
    alone.prefill(prompts[s]);
    alone.decode(next[s]);
    const auto logits = alone.decode(next[s]);
    EXPECT_LT(relative_error(together.data() + s * logits.size(), Row(logits.begin(), logits.end())), 1e-4) << s;
  }
}

TEST_P(EveryModel, ThreadsDoNotChangeTheResult) {
  const auto model = small_engine_model(GetParam(), "Q4_K_M");
  const auto tokens = some_tokens(token_count);
  Session one(model, {.threads = 1, .context = 64});
  const auto logits = one.prefill_all(tokens);
  for (const int threads : {2, 3}) {
    Session session(model, {.threads = threads, .context = 64});
    EXPECT_EQ(session.prefill_all(tokens), logits) << threads;
  }
}

TEST_P(EveryModel, ACacheOfEightBitsIsClose) {
  const auto model = small_engine_model(GetParam(), "F32");
  Session session(model, {.threads = 1, .context = 64, .kv_type = KvType::q8_0});
  const double error = error_of(session, *model);
  EXPECT_LT(error, 0.06);
  EXPECT_GT(error, 1e-4);  // it is in use
}

}  // namespace
}  // namespace silicast::engine
