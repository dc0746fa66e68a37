// SPDX-License-Identifier: Apache-2.0
// Attention against the textbook in double precision, over the same stored keys and values: what differs is single
// precision in scores (head_dim terms), exponentials and the sum over positions; all relative to the largest value.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/samples.h"

namespace silicast::engine {
namespace {

using namespace test;

struct Case {
  std::int64_t head_dim, heads, kv_heads, tokens, first_position;
  std::int64_t window = 0;
  float softcap = 0;
  KvType type = KvType::f16;
};

// Keys or values with what they were rounded to.
struct Stored {
  std::vector<std::byte> bytes;
  std::vector<float> values;  // [kv_head][position][dimension]
  KvView view;
};

Stored stored(const Kernels& kernels, const Case& c, unsigned seed) {
  const std::int64_t positions = c.first_position + c.tokens;
  const auto row = static_cast<std::int64_t>(kv_row_bytes(c.type, c.head_dim));
  Stored result;
  result.values = values_of(Kind::normal, c.kv_heads * positions * c.head_dim, seed);
  result.bytes.resize(static_cast<std::size_t>(c.kv_heads * positions * row));
  for (std::int64_t i = 0; i < c.kv_heads * positions; ++i) {
    float* values = result.values.data() + i * c.head_dim;
    std::byte* to = result.bytes.data() + i * row;
    store_kv(kernels, c.type, values, c.head_dim, to);
    const auto type = c.type == KvType::f16 ? BlockType::f16 : BlockType::q8_0;
    traits_of(type).dequantize(to, values, c.head_dim);
  }
  result.view = {.type = c.type, .data = result.bytes.data(), .head_stride = positions * row};
  return result;
}

// One query's output.
std::vector<double> expected(const Case& c, const float* q, std::int64_t position, const float* k, const float* v) {
  const std::int64_t first = c.window > 0 ? std::max<std::int64_t>(0, position - c.window + 1) : 0;
  std::vector<double> out(static_cast<std::size_t>(c.head_dim));
  std::vector<double> scores;
  for (std::int64_t p = first; p <= position; ++p) {
    double score = 0;
    for (std::int64_t d = 0; d < c.head_dim; ++d) score += static_cast<double>(q[d]) * k[p * c.head_dim + d];
    score /= std::sqrt(static_cast<double>(c.head_dim));
    scores.push_back(c.softcap > 0 ? c.softcap * std::tanh(score / c.softcap) : score);
  }
  const double largest = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const double weight = std::exp(scores[i] - largest);
    total += weight;
    const float* value = v + (first + static_cast<std::int64_t>(i)) * c.head_dim;
    for (std::size_t d = 0; d < out.size(); ++d) out[d] += weight * value[d];
  }
  for (auto& x : out) x /= total;
  return out;
}

void expect_attention(const Kernels& kernels, const Case& c) {
  const auto q = values_of(Kind::normal, c.tokens * c.heads * c.head_dim, 1);
  const Stored k = stored(kernels, c, 2);
  const Stored v = stored(kernels, c, 3);
  std::vector<float> out(q.size());
  const Attention task{.q = q.data(),
                       .q_stride = c.heads * c.head_dim,
                       .k = k.view,
                       .v = v.view,
                       .out = out.data(),
                       .out_stride = c.heads * c.head_dim,
                       .tokens = c.tokens,
                       .first_position = c.first_position,
                       .heads = c.heads,
                       .kv_heads = c.kv_heads,
                       .head_dim = c.head_dim,
                       .window = c.window,
                       .scale = 1 / std::sqrt(static_cast<float>(c.head_dim)),
                       .softcap = c.softcap};
  const Scratch scratch(c.head_dim);
  attention(kernels, task, {0, attention_items(task)}, scratch);
  const std::int64_t head_values = (c.first_position + c.tokens) * c.head_dim;
  for (std::int64_t t = 0; t < c.tokens; ++t)
    for (std::int64_t h = 0; h < c.heads; ++h) {
      const std::int64_t at = (t * c.heads + h) * c.head_dim;
      const std::int64_t kv = h / (c.heads / c.kv_heads) * head_values;
      const auto want = expected(c, q.data() + at, c.first_position + t, k.values.data() + kv, v.values.data() + kv);
      for (std::int64_t d = 0; d < c.head_dim; ++d)
        ASSERT_NEAR(out[static_cast<std::size_t>(at + d)], want[static_cast<std::size_t>(d)], 2e-5)
            << name_of(isa_of(kernels)) << " head_dim " << c.head_dim << " heads " << c.heads << "/" << c.kv_heads
            << " token " << t << " of " << c.tokens << " at " << c.first_position << ", head " << h << ", " << d;
    }
}

class AttentionOf : public testing::TestWithParam<Isa> {};

TEST_P(AttentionOf, EveryShape) {
  for (const KvType type : {KvType::f16, KvType::q8_0})
    for (const std::int64_t head_dim : {32, 64, 96, 128, 256, 512})
      for (const Case& shape : {Case{.head_dim = 0, .heads = 1, .kv_heads = 1, .tokens = 1, .first_position = 0},
                                Case{.head_dim = 0, .heads = 4, .kv_heads = 4, .tokens = 1, .first_position = 70},
                                Case{.head_dim = 0, .heads = 14, .kv_heads = 2, .tokens = 1, .first_position = 33},
                                Case{.head_dim = 0, .heads = 6, .kv_heads = 2, .tokens = 19, .first_position = 30},
                                Case{.head_dim = 0, .heads = 32, .kv_heads = 1, .tokens = 9, .first_position = 0}}) {
        Case c = shape;
        c.head_dim = head_dim;
        c.type = type;
        expect_attention(kernels_of(GetParam()), c);
      }
}

TEST_P(AttentionOf, WindowsAndSoftcap) {
  for (const std::int64_t window : {1, 5, 32, 100})
    expect_attention(kernels_of(GetParam()),
                     {.head_dim = 64, .heads = 2, .kv_heads = 1, .tokens = 20, .first_position = 60, .window = window});
  expect_attention(
      kernels_of(GetParam()),
      {.head_dim = 64, .heads = 2, .kv_heads = 1, .tokens = 3, .first_position = 40, .window = 0, .softcap = 1.5F});
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, AttentionOf, testing::ValuesIn(supported_isas()),
                         [](const auto& parameter) { return std::string(name_of(parameter.param)); });

}  // namespace
}  // namespace silicast::engine
