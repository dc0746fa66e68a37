// SPDX-License-Identifier: Apache-2.0
// The definition of the types: layouts, values computed on paper, and what quantizing loses.
#include <gtest/gtest.h>

#include <bit>

#include "engine/quantize.h"
#include "tests/kernels/samples.h"

namespace silicast::engine {
namespace {

using namespace test;

TEST(Half, ConvertsThereAndBackExactly) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const Half half{static_cast<std::uint16_t>(bits)};
    const float value = to_float(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(to_float(to_half(value))));
      continue;
    }
    EXPECT_EQ(to_half(value).bits, bits) << value;
  }
}

TEST(Half, RoundsToNearestTiesToEven) {
  EXPECT_EQ(to_half(1.0F + 0x1p-11F).bits, 0x3c00);      // a tie: down to the even one
  EXPECT_EQ(to_half(1.0F + 3 * 0x1p-11F).bits, 0x3c02);  // a tie: up to the even one
  EXPECT_EQ(to_half(1.0F + 0x1.01p-11F).bits, 0x3c01);   // just above a tie
  EXPECT_EQ(to_half(65519.0F).bits, 0x7bff);             // the largest number
  EXPECT_EQ(to_half(65520.0F).bits, 0x7c00);             // half a step beyond: infinity
  EXPECT_EQ(to_half(0x1p-24F).bits, 1);                  // the smallest denormal
  EXPECT_EQ(to_half(0x1p-25F).bits, 0);                  // half of it: to zero, even
  EXPECT_EQ(to_half(-0x1.8p-24F).bits, 0x8002);
  EXPECT_EQ(to_bfloat(1.0F + 0x1p-8F).bits, 0x3f80);
  EXPECT_EQ(to_bfloat(1.0F + 3 * 0x1p-8F).bits, 0x3f82);
}

TEST(Types, HaveGgufsNumbersAndSizes) {
  struct Row {
    const char* name;
    int number;
    std::int64_t block, bytes;
  };
  const Row rows[] = {
      // ggml's enum ggml_type and ggml-common.h
      {"F32", 0, 1, 4},         {"F16", 1, 1, 2},         {"BF16", 30, 1, 2},       {"Q4_0", 2, 32, 18},
      {"Q4_1", 3, 32, 20},      {"Q5_0", 6, 32, 22},      {"Q5_1", 7, 32, 24},      {"Q8_0", 8, 32, 34},
      {"Q2_K", 10, 256, 84},    {"Q3_K", 11, 256, 110},   {"Q4_K", 12, 256, 144},   {"Q5_K", 13, 256, 176},
      {"Q6_K", 14, 256, 210},   {"IQ4_NL", 20, 32, 18},   {"IQ4_XS", 23, 256, 136}, {"IQ3_S", 21, 256, 110},
      {"IQ3_XXS", 18, 256, 98}, {"IQ2_XXS", 16, 256, 66}, {"IQ2_XS", 17, 256, 74},  {"IQ2_S", 22, 256, 82},
      {"IQ1_S", 19, 256, 50},   {"IQ1_M", 29, 256, 56},   {"MXFP4", 39, 32, 17}};
  ASSERT_EQ(std::size(rows), all_types().size());
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    const TypeTraits& traits = all_types()[i];
    EXPECT_EQ(traits.name, rows[i].name);
    EXPECT_EQ(index_of(traits.type), i);
    EXPECT_EQ(traits.gguf_number, rows[i].number) << traits.name;
    EXPECT_EQ(traits.block, rows[i].block) << traits.name;
    EXPECT_EQ(traits.bytes, rows[i].bytes) << traits.name;
    EXPECT_EQ(find_block_type(rows[i].number), traits.type);
  }
  EXPECT_EQ(find_block_type("q4_k"), BlockType::q4_k);
  EXPECT_FALSE(find_block_type(31).has_value());
}

// ---------------------------------------------------------------- on paper

const Half one_half = to_half(0.5F);

template <class Block>
std::vector<float> weights_of(BlockType type, const Block& block) {
  std::vector<float> weights(static_cast<std::size_t>(traits_of(type).block));
  traits_of(type).dequantize(&block, weights.data(), traits_of(type).block);
  return weights;
}

TEST(OnPaper, Fours) {
  BlockQ4_0 a{.d = one_half, .qs = {}};
  a.qs[3] = 0xf1;
  EXPECT_EQ(weights_of(BlockType::q4_0, a)[3], -3.5F);  // 0.5 (1 - 8)
  EXPECT_EQ(weights_of(BlockType::q4_0, a)[19], 3.5F);  // 0.5 (15 - 8)
  BlockQ4_1 b{.d = one_half, .m = to_half(-2), .qs = {}};
  b.qs[0] = 0x4a;
  EXPECT_EQ(weights_of(BlockType::q4_1, b)[0], 3.0F);   // 0.5 * 10 - 2
  EXPECT_EQ(weights_of(BlockType::q4_1, b)[16], 0.0F);  // 0.5 * 4 - 2
  BlockIQ4_NL c{.d = one_half, .qs = {}};
  c.qs[15] = 0xf8;
  EXPECT_EQ(weights_of(BlockType::iq4_nl, c)[15], 0.5F);   // 0.5 * 1
  EXPECT_EQ(weights_of(BlockType::iq4_nl, c)[31], 56.5F);  // 0.5 * 113
  BlockMXFP4 d{.e = 128, .qs = {}};
  d.qs[0] = 0xb7;
  EXPECT_EQ(weights_of(BlockType::mxfp4, d)[0], 12.0F);   // 2^1 * 6
  EXPECT_EQ(weights_of(BlockType::mxfp4, d)[16], -3.0F);  // 2^1 * -1.5
  d.e = 0;
  EXPECT_EQ(weights_of(BlockType::mxfp4, d)[0], 6 * 0x1p-127F);
}

TEST(OnPaper, FivesAndEights) {
  BlockQ5_0 a{.d = one_half, .qh = {0, 0, 0x08, 0x80}, .qs = {}};
  a.qs[15] = 0x30;
  a.qs[3] = 0x20;
  EXPECT_EQ(weights_of(BlockType::q5_0, a)[31], 1.5F);  // bit 31: 0.5 (16 + 3 - 16)
  EXPECT_EQ(weights_of(BlockType::q5_0, a)[19], 1.0F);  // bit 19: 0.5 (16 + 2 - 16)
  EXPECT_EQ(weights_of(BlockType::q5_0, a)[0], -8.0F);
  BlockQ5_1 b{.d = one_half, .m = to_half(1), .qh = {0x01, 0, 0, 0}, .qs = {}};
  EXPECT_EQ(weights_of(BlockType::q5_1, b)[0], 9.0F);  // 0.5 * 16 + 1
  EXPECT_EQ(weights_of(BlockType::q5_1, b)[1], 1.0F);
  BlockQ8_0 c{.d = one_half, .qs = {}};
  c.qs[31] = -128;
  EXPECT_EQ(weights_of(BlockType::q8_0, c)[31], -64.0F);
}

TEST(OnPaper, KTypes) {
  BlockQ2_K a{.scales = {}, .qs = {}, .d = one_half, .dmin = to_half(2)};
  a.scales[15] = 0x35;                                    // scale 5, min 3
  a.qs[63] = 0x80;                                        // weight 128 + 96 + 31: bits 6-7
  EXPECT_EQ(weights_of(BlockType::q2_k, a)[255], -1.0F);  // 0.5 * 5 * 2 - 2 * 3
  BlockQ3_K b{.hmask = {}, .qs = {}, .scales = {}, .d = one_half};
  b.scales[7] = 0x20;                                    // low nibble of scale 15: 2
  b.scales[11] = 0xc0;                                   // its upper bits: 3, so 50 - 32 = 18
  b.qs[63] = 0x40;                                       // low bits of weight 255: 1
  b.hmask[31] = 0x80;                                    // its third bit
  EXPECT_EQ(weights_of(BlockType::q3_k, b)[255], 9.0F);  // 0.5 * 18 * (5 - 4)
  BlockQ4_K c{.d = one_half, .dmin = to_half(1), .scales = {}, .qs = {}};
  c.scales[0] = 7;      // scale 0
  c.scales[4] = 63;     // min 0
  c.scales[3] = 0x80;   // upper bits of scale 7: 2
  c.scales[11] = 0x51;  // scale 7: 32 + 1, min 7: 5
  c.qs[0] = 0x0c;
  c.qs[127] = 0x20;
  EXPECT_EQ(weights_of(BlockType::q4_k, c)[0], -21.0F);   // 0.5 * 7 * 12 - 63
  EXPECT_EQ(weights_of(BlockType::q4_k, c)[255], 28.0F);  // 0.5 * 33 * 2 - 5
  BlockQ5_K d{.d = one_half, .dmin = to_half(1), .scales = {}, .qh = {}, .qs = {}};
  d.scales[1] = 4;
  d.qs[5] = 0x30;  // weight 32 + 5
  d.qh[5] = 0x02;
  EXPECT_EQ(weights_of(BlockType::q5_k, d)[37], 38.0F);  // 0.5 * 4 * (3 + 16)
  BlockQ6_K e{.ql = {}, .qh = {}, .scales = {}, .d = one_half};
  e.scales[15] = -3;
  e.ql[127] = 0x90;  // weight 128 + 96 + 31
  e.qh[63] = 0xc0;
  EXPECT_EQ(weights_of(BlockType::q6_k, e)[255], -37.5F);  // 0.5 * -3 * (9 + 48 - 32)
}

TEST(OnPaper, Iq4XsAndIq3) {
  BlockIQ4_XS a{.d = one_half, .scales_h = 0x8000, .scales_l = {0, 0, 0, 0x40}, .qs = {}};
  a.qs[127] = 0x00;                                           // index 0: -127
  EXPECT_EQ(weights_of(BlockType::iq4_xs, a)[255], -254.0F);  // scale 32 + 4 - 32 = 4: 0.5 * 4 * -127
  BlockIQ3_S b{.d = one_half, .qs = {}, .qh = {}, .signs = {}, .scales = {0x20, 0, 0, 0}};
  b.qh[4] = 0x01;     // entry 256 for weights 128 ... 131
  b.signs[4] = 0x01;  // weight 32
  const auto s = weights_of(BlockType::iq3_s, b);
  EXPECT_EQ(s[32], -2.5F);  // entry 0 is 1 1 1 1: 0.5 (1 + 2 * 2) * -1
  EXPECT_EQ(s[33], 2.5F);
  EXPECT_EQ(s[128], 0.5F * static_cast<float>(iq3_s_grid[256] & 255U));
  BlockIQ3_XXS c{.d = one_half, .qs = {}};
  c.qs[67] = 0x30;  // scale 3 of group 0
  c.qs[64] = 0x01;  // sign index 1: weights 0 and 7
  const auto x = weights_of(BlockType::iq3_xxs, c);
  EXPECT_EQ(x[0], -3.5F);  // 0.5 (1 + 6) / 4 * -4
  EXPECT_EQ(x[1], 3.5F);
  EXPECT_EQ(x[7], -3.5F);
}

TEST(OnPaper, Iq2) {
  BlockIQ2_XXS a{.d = one_half, .qs = {}};
  a.qs[3] = 0x7000;  // scale 7 of group 0
  a.qs[2] = 0x0080;  // sign index 1 of the second eight weights
  const auto xxs = weights_of(BlockType::iq2_xxs, a);
  EXPECT_EQ(xxs[0], 7.5F);  // 0.5 (1 + 14) / 8 * 8
  EXPECT_EQ(xxs[8], -7.5F);
  EXPECT_EQ(xxs[15], -7.5F);
  EXPECT_EQ(xxs[9], 7.5F);
  BlockIQ2_XS b{.d = one_half, .qs = {}, .scales = {0x10, 0, 0, 0, 0, 0, 0, 0}};
  b.qs[2] = 0x0200;  // entry 0, sign index 1
  const auto xs = weights_of(BlockType::iq2_xs, b);
  EXPECT_EQ(xs[0], 0.5F);    // 0.5 / 8 * 8
  EXPECT_EQ(xs[16], -1.5F);  // 0.5 (1 + 2) / 8 * -8
  BlockIQ2_S c{.d = one_half, .qs = {}, .signs = {}, .qh = {}, .scales = {}};
  c.qh[7] = 0xc0;  // entry 768 for the last eight
  c.signs[31] = 0x80;
  EXPECT_EQ(weights_of(BlockType::iq2_s, c)[255], -0.0625F * static_cast<float>(iq2_s_grid[768] >> 56));
}

TEST(OnPaper, Iq1) {
  BlockIQ1_S a{.d = one_half, .qs = {}, .qh = {0xb000, 0x3000, 0, 0, 0, 0, 0, 0}};
  const auto s = weights_of(BlockType::iq1_s, a);
  EXPECT_EQ(s[0], -3.9375F);   // entry 0 is all -1; 0.5 (1 + 6) (-1 - 1/8)
  EXPECT_EQ(s[32], -3.0625F);  // 0.5 (1 + 6) (-1 + 1/8)
  BlockIQ1_M b{.qs = {}, .qh = {}, .scales = {}};
  b.qh[0] = 0x80;      // the second eight weights: minus
  b.scales[7] = 0x30;  // 0.5 is 0x3800: its highest nibble stands in the last word
  b.scales[5] = 0x80;
  b.scales[0] = 0x02;  // scale 0: 2
  const auto m = weights_of(BlockType::iq1_m, b);
  EXPECT_EQ(m[0], -2.1875F);   // 0.5 (1 + 4) (-1 + 1/8)
  EXPECT_EQ(m[8], -2.8125F);   // 0.5 (1 + 4) (-1 - 1/8)
  EXPECT_EQ(m[16], -0.4375F);  // 0.5 (-1 + 1/8)
}

// ---------------------------------------------------------------- what quantizing loses

// Root mean square error over that of the weights.
double loss(BlockType type, const std::vector<float>& values) {
  const auto n = static_cast<std::int64_t>(values.size());
  const auto weights = quantized(type, 1, n, values);
  std::vector<float> back(values.size());
  traits_of(type).dequantize(weights.bytes(), back.data(), n);
  double error = 0, size = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error += std::pow(static_cast<double>(back[i]) - values[i], 2);
    size += std::pow(static_cast<double>(values[i]), 2);
  }
  return std::sqrt(error / size);
}

double bits(const TypeTraits& traits) {
  return 8.0 * static_cast<double>(traits.bytes) / static_cast<double>(traits.block);
}

// No code of R bits represents a Gaussian better than 2^-R (Shannon's rate-distortion function): less would mean that
// the test sees the wrong numbers. The budget is 2.6 times that: 32 normal weights span 4.1 sigma, so Q4_1's 15 steps
// err by 4.1 / 15 / sqrt(12) = 0.079 where 2^-5 = 0.031 is the least. Floats are judged by their mantissa.
TEST(Loss, OfNormalWeightsIsWithinTheBudget) {
  const auto values = values_of(Kind::normal, 256 * 64, 11);
  for (const auto& traits : all_types()) {
    if (traits.block == 1) continue;
    const double least = std::exp2(-bits(traits));
    const double lost = loss(traits.type, values);
    EXPECT_GT(lost, least) << traits.name;
    EXPECT_LT(lost, 2.6 * least) << traits.name << " loses " << lost << ", " << lost / least << " times the least";
  }
  EXPECT_LT(loss(BlockType::f16, values), 0x1p-11);
  EXPECT_LT(loss(BlockType::bf16, values), 0x1p-8);
  EXPECT_EQ(loss(BlockType::f32, values), 0);
}

TEST(Loss, GrowsAsBitsGetFewer) {
  const auto values = values_of(Kind::normal, 256 * 64, 12);
  using enum BlockType;
  for (const auto& order : {std::vector{q8_0, q6_k, q5_k, q4_k, q3_k, q2_k},
                            {q5_1, q4_1},
                            {q8_0, q5_0, q4_0},
                            {q5_k, iq4_nl, iq4_xs, iq3_s, iq3_xxs, iq2_s, iq2_xs, iq2_xxs, iq1_s}})
    for (std::size_t i = 1; i < order.size(); ++i)
      EXPECT_LT(loss(order[i - 1], values), loss(order[i], values) * 1.01)
          << traits_of(order[i - 1]).name << " before " << traits_of(order[i]).name;
}

TEST(Loss, OfZerosIsNothingAndOfAnyInputNeverNoNumber) {
  for (const auto& traits : all_types())
    for (const Kind kind : all_kinds) {
      const auto values = values_of(kind, 512, 13);
      const auto weights = quantized(traits.type, 1, 512, values);
      std::vector<float> back(512);
      traits.dequantize(weights.bytes(), back.data(), 512);
      for (const float value : back) {
        ASSERT_TRUE(std::isfinite(value)) << traits.name << " " << name_of(kind);
        if (kind == Kind::zero) {
          ASSERT_EQ(value, 0) << traits.name;
        }
      }
    }
}

// The twin's dot product is that of what weights and activations mean, but for Q8_1's rounded sums.
TEST(Dot, IsThatOfTheDequantizedRows) {
  const auto x = values_of(Kind::normal, 512, 14);
  for (const auto& traits : all_types()) {
    const auto weights = random_blocks(traits.type, 1, 512, 15);
    const auto& partner = traits_of(traits.activation);
    std::vector<std::uint32_t> blocks(1024);
    std::vector<float> w(512), a(512);
    partner.quantize(x.data(), blocks.data(), 512);
    partner.dequantize(blocks.data(), a.data(), 512);
    traits.dequantize(weights.bytes(), w.data(), 512);
    double expected = 0, size = 0;
    for (std::size_t i = 0; i < 512; ++i) {
      expected += static_cast<double>(w[i]) * a[i];
      size += std::abs(static_cast<double>(w[i]) * a[i]);
    }
    const double rounding = traits.activation == ActivationType::q8_1 ? 0x1p-10 : 0x1p-22;
    EXPECT_NEAR(traits.dot(weights.bytes(), blocks.data(), 512), expected, rounding * size) << traits.name;
  }
}

}  // namespace
}  // namespace silicast::engine
