// SPDX-License-Identifier: Apache-2.0
// The vector kernels against double precision, for each instruction set that this machine has.
//
// Tolerances in units of 2^-24, relative to the size of what is computed: an exponential 8 (its polynomial's remainder
// is 2, the rest rounding); a sum of n terms in single precision n / lanes, with the few lanes of the portable kernels
// n / 4.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/kernel_table.h"
#include "tests/kernels/samples.h"

namespace silicast::engine {
namespace {

using namespace test;

constexpr double unit_roundoff = 0x1p-24;
const std::vector<std::int64_t> lengths{1, 7, 16, 33, 1000, 2048};

class Vectors : public testing::TestWithParam<Isa> {
 protected:
  [[nodiscard]] const Kernels& kernels() const { return kernels_of(GetParam()); }
};

TEST_P(Vectors, RmsNorm) {
  for (const auto n : lengths)
    for (const Kind kind : {Kind::normal, Kind::zero, Kind::denormal, Kind::outlier}) {
      const auto x = values_of(kind, n, 1);
      const auto weight = values_of(Kind::normal, n, 2);
      std::vector<float> out(x.size());
      rms_norm(kernels(), x.data(), weight.data(), 1e-5F, out.data(), n);
      double squares = 0;
      for (const float value : x) squares += static_cast<double>(value) * value;
      const double factor = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double expected = x[i] * factor * weight[i];
        ASSERT_NEAR(out[i], expected, unit_roundoff * (8 + static_cast<double>(n) / 4) * std::abs(expected) + 0x1p-140)
            << n;
      }
    }
}

TEST_P(Vectors, Softmax) {
  for (const auto n : lengths)
    for (const Kind kind : all_kinds) {
      const auto values = values_of(kind, n, 3);
      auto x = values;
      const float scale = 0.125F;
      softmax(kernels(), x.data(), n, scale);
      const double largest = scale * static_cast<double>(*std::max_element(values.begin(), values.end()));
      double total = 0;
      for (const float value : values) total += std::exp(scale * static_cast<double>(value) - largest);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double distance = largest - scale * static_cast<double>(values[i]);
        const double expected = std::exp(-distance) / total;
        // The argument is rounded, too: in proportion to its size. Below e^-87 the kernel stays at e^-87.
        const double relative =
            unit_roundoff * (16 + static_cast<double>(n) / 4 + 2 * std::abs(distance) + 2 * std::abs(largest));
        ASSERT_NEAR(x[i], expected, relative * expected + 0x1p-124) << n << " " << name_of(kind);
      }
    }
}

double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
double silu(double x) { return x / (1 + std::exp(-x)); }

TEST_P(Vectors, GatedUnits) {
  for (const auto n : lengths) {
    auto gate = values_of(Kind::normal, n, 4);
    for (std::size_t i = 0; i < gate.size(); i += 3) gate[i] *= 30;  // where the exponential saturates
    const auto up = values_of(Kind::normal, n, 5);
    std::vector<float> s(gate.size()), g(gate.size());
    swiglu(kernels(), gate.data(), up.data(), s.data(), n);
    geglu(kernels(), gate.data(), up.data(), g.data(), n);
    for (std::size_t i = 0; i < gate.size(); ++i) {
      // The exponential's argument is off by half a unit of its size; 1 / (1 + e^-x) then by as much, relatively.
      const double x = gate[i];
      const double cubic = 1.6 * std::abs(x + 0.044715 * x * x * x);
      ASSERT_NEAR(s[i], silu(x) * up[i], unit_roundoff * (16 + 4 * std::abs(x)) * std::abs(silu(x) * up[i]) + 1e-34);
      ASSERT_NEAR(g[i], gelu(x) * up[i],
                  unit_roundoff * (16 + 8 * cubic) * (std::abs(gelu(x)) + std::abs(x) * 1e-7) * std::abs(up[i]) +
                      unit_roundoff * std::abs(up[i]))
          << x;
    }
  }
}

TEST_P(Vectors, AddScaled) {
  for (const auto n : lengths) {
    const auto x = values_of(Kind::normal, n, 6);
    const auto before = values_of(Kind::outlier, n, 7);
    auto out = before;
    add_scaled(kernels(), x.data(), -0.3F, out.data(), n);
    for (std::size_t i = 0; i < x.size(); ++i)
      ASSERT_NEAR(out[i], before[i] - 0.3 * x[i], unit_roundoff * 2 * (std::abs(before[i]) + std::abs(x[i])));
  }
}

// Rotating keeps lengths, and the scores of rotated vectors depend on the distance of their positions alone.
TEST_P(Vectors, RopeRotates) {
  for (const RopeStyle style : {RopeStyle::norm, RopeStyle::neox})
    for (const std::int64_t dimensions : {32, 64}) {
      const Rope rope{.style = style, .dimensions = dimensions, .base = 10000, .frequency_scale = 1};
      const auto rotated = [&](std::vector<float> x, std::int64_t position) {
        std::vector<float> table(static_cast<std::size_t>(dimensions));
        rope_table(rope, position, table.data());
        apply_rope(kernels(), style, table.data(), dimensions, x.data(), 1, 64);
        return x;
      };
      const auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
        double sum = 0;
        for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
        return sum;
      };
      const auto q = values_of(Kind::normal, 64, 8);
      const auto k = values_of(Kind::normal, 64, 9);
      EXPECT_EQ(rotated(q, 0), q);
      EXPECT_NEAR(dot(rotated(q, 777), rotated(q, 777)), dot(q, q), 1e-4);
      EXPECT_NEAR(dot(rotated(q, 105), rotated(k, 100)), dot(rotated(q, 5), k), 1e-3);
      EXPECT_GT(std::abs(dot(rotated(q, 105), rotated(k, 100)) - dot(q, k)), 1e-2);
      for (std::size_t i = static_cast<std::size_t>(dimensions); i < 64; ++i) EXPECT_EQ(rotated(q, 9)[i], q[i]);
    }
  // Position 1, the first pair: one radian.
  std::vector<float> table(64), x(64);
  x[0] = 1;
  rope_table({.style = RopeStyle::norm, .dimensions = 64}, 1, table.data());
  apply_rope(kernels(), RopeStyle::norm, table.data(), 64, x.data(), 1, 64);
  EXPECT_NEAR(x[0], 0.5403023, 1e-6);
  EXPECT_NEAR(x[1], 0.8414710, 1e-6);
}

// Bit for bit what the activation formats' definition gives.
TEST_P(Vectors, QuantizedActivationsAreTheDefinitions) {
  for (const Kind kind : all_kinds) {
    const auto x = values_of(kind, 512, 10);
    std::vector<ActivationChunk> chunks(2);
    std::vector<BlockQ8_0> eights(16);
    std::vector<BlockQ8_1> sums(16);
    std::vector<BlockQ8_K> super(2);
    traits_of(ActivationType::q8_0).quantize(x.data(), eights.data(), 512);
    traits_of(ActivationType::q8_1).quantize(x.data(), sums.data(), 512);
    traits_of(ActivationType::q8_k).quantize(x.data(), super.data(), 512);
    kernels().quantize_q8_1(x.data(), 512, chunks.data());
    for (std::size_t b = 0; b < 16; ++b) {
      EXPECT_EQ(0, std::memcmp(chunks[b / 8].q + 32 * (b % 8), eights[b].qs, 32)) << name_of(kind);
      EXPECT_EQ(chunks[b / 8].scale[b % 8], to_float(eights[b].d));
      EXPECT_EQ(chunks[b / 8].sum[b % 8], to_float(sums[b].s));
    }
    kernels().quantize_q8_k(x.data(), 512, chunks.data());
    for (std::size_t c = 0; c < 2; ++c) {
      EXPECT_EQ(0, std::memcmp(chunks[c].q, super[c].qs, 256)) << name_of(kind);
      EXPECT_EQ(chunks[c].scale[7], super[c].d);
      for (std::size_t g = 0; g < 16; ++g) EXPECT_EQ(-chunks[c].minus_sum16[g], super[c].bsums[g]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, Vectors, testing::ValuesIn(supported_isas()),
                         [](const auto& parameter) { return std::string(name_of(parameter.param)); });

}  // namespace
}  // namespace silicast::engine
