// SPDX-License-Identifier: Apache-2.0
// Every fast product of every type against its naive twin, for each instruction set that this machine has.
//
// Tolerance. Twin and kernel multiply the same integers, exactly; they differ in how the groups' products are added:
// the twin in double precision, the kernel in single. A sum of n terms in any order, each of them rounded, is off by at
// most n u sum |term|, u = 2^-24. The kernel's terms per chunk and lane: up to 16 products, 2 for bias and min, each
// with three roundings for the scales; then chunks and 16 lanes are added: n <= 64 + chunks. The bias (q + 128 instead
// of q) makes terms that cancel: |term| counts |q| + 2 bias. Scales times activations below 2^-126 lose their low bits:
// 2^-149 each, times integers of up to 32 * 255 * 127. AMX's products of bfloat16 take digits and sums below 2^-126 as
// zero: of three digits each, of a weight or an activation that meets the other factor.
#include <gtest/gtest.h>

#include "tests/kernels/samples.h"

namespace silicast::engine {
namespace {

using namespace test;

constexpr double unit = 0x1p-24;
constexpr double denormal_floor = 0x1p-149 * 32 * 255 * 127;
constexpr double flushed_digits = 3 * 0x1p-126;

// sum |term| of one output; zero-length template for the float types, whose terms are the products themselves.
template <BlockType type>
double terms(const std::byte* row, const std::vector<float>& x, std::int64_t columns) {
  using F = Format<type>;
  Decoded decoded;
  double total = 0;
  for (std::int64_t b = 0; b < columns / F::weights; ++b) {
    typename F::Block block;
    std::memcpy(&block, row + b * static_cast<std::int64_t>(sizeof block), sizeof block);
    decode(block, decoded);
    for (int i = 0; i < F::weights; ++i) {
      const double size = std::abs(decoded.scale[i / F::group]) * (std::abs(decoded.q[i]) + 2.0 * F::bias) +
                          std::abs(decoded.min[i / F::group]);
      total += size * std::abs(x[static_cast<std::size_t>(b * F::weights + i)]);
    }
  }
  return total;
}

double terms_of(const Weights& weights, std::int64_t r, const std::vector<float>& x) {
  double total = -1;
  for_each_format([&]<BlockType type>() {
    if (type == weights.type) total = terms<type>(weights.row(r), x, weights.columns);
  });
  if (total >= 0) return total;
  std::vector<float> row(x.size());
  traits_of(weights.type).dequantize(weights.row(r), row.data(), weights.columns);
  total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) total += std::abs(static_cast<double>(row[i]) * x[i]);
  return total;
}

// What AMX may take as zero in one product of floats.
double flushed(const Weights& weights, std::int64_t r, const std::vector<float>& x) {
  std::vector<float> row(x.size());
  traits_of(weights.type).dequantize(weights.row(r), row.data(), weights.columns);
  double total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) total += 1 + std::abs(static_cast<double>(row[i])) + std::abs(x[i]);
  return flushed_digits * total;
}

// The activations as their format gives them back: what the kernel multiplies. Q8_1's s is a rounded sum of its own.
std::vector<float> seen(const TypeTraits& traits, const float* x, std::int64_t columns) {
  const ActivationTraits& partner = traits_of(traits.activation);
  std::vector<std::uint32_t> blocks(static_cast<std::size_t>(columns / partner.block * partner.bytes) / 4 + 1);
  std::vector<float> back(static_cast<std::size_t>(columns));
  partner.quantize(x, blocks.data(), columns);
  partner.dequantize(blocks.data(), back.data(), columns);
  return back;
}

void expect_product(const Kernels& kernels, const Weights& weights, const std::vector<float>& x, std::int64_t count,
                    Range rows, const std::string& what) {
  const TypeTraits& traits = traits_of(weights.type);
  std::vector<float> expected(static_cast<std::size_t>(weights.rows * count));
  naive_matmul(weights.type, weights.bytes(), weights.rows, weights.columns, x.data(), count, expected.data());
  constexpr float untouched = -12345.0F;
  std::vector<float> actual(expected.size(), untouched);
  Activations activations(weights.columns, count);
  activations.set(kernels, traits.activation, x.data(), weights.columns, weights.columns, count);
  const Scratch scratch(weights.columns);
  matmul(kernels, weights.matrix(), activations, {.data = actual.data(), .stride = weights.rows}, rows, scratch);
  const bool flushes = isa_of(kernels) == Isa::amx && traits.activation == ActivationType::f32;
  const double roundings = traits.activation == ActivationType::f32 ? static_cast<double>(weights.columns)
                                                                    : 64.0 + static_cast<double>(weights.columns) / 256;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto activation = seen(traits, x.data() + i * weights.columns, weights.columns);
    for (std::int64_t r = 0; r < weights.rows; ++r) {
      const auto at = static_cast<std::size_t>(i * weights.rows + r);
      if (r < rows.begin || r >= rows.end) {
        ASSERT_EQ(actual[at], untouched) << what << ": row " << r << " is not in the range";
        continue;
      }
      const double tolerance = roundings * unit * terms_of(weights, r, activation) +
                               denormal_floor * static_cast<double>(weights.columns) / 16 +
                               (flushes ? flushed(weights, r, activation) : 0);
      ASSERT_NEAR(actual[at], expected[at], tolerance)
          << traits.name << " " << name_of(isa_of(kernels)) << " " << what << ": row " << r << " of " << weights.rows
          << ", activation " << i << " of " << count << ", columns " << weights.columns;
    }
  }
}

class Product : public testing::TestWithParam<BlockType> {
 protected:
  static std::vector<const Kernels*> all_kernels() {
    std::vector<const Kernels*> result;
    for (const Isa isa : supported_isas()) result.push_back(&kernels_of(isa));
    return result;
  }
  // Rows end within a chunk where the type's blocks are smaller.
  [[nodiscard]] std::vector<std::int64_t> widths() const {
    return traits_of(GetParam()).block == 256 ? shapes({256, 1280}, {768}) : shapes({32, 224, 1056}, {288});
  }
};

TEST_P(Product, OfQuantizedWeightsAgreesWithTheTwin) {
  for (const Kind kind : all_kinds) {
    const auto weights = quantized(GetParam(), 5, 512, values_of(kind, 5 * 512, 1));
    for (const Kernels* kernels : all_kernels())
      for (const Kind activations : all_kinds)
        expect_product(*kernels, weights, values_of(activations, 512, 2), 1, {0, 5},
                       name_of(kind) + " weights, " + name_of(activations) + " activations");
  }
}

TEST_P(Product, OfManyRowsOfAnyKindAgreesWithTheTwin) {
  for (const Kind kind : {Kind::denormal, Kind::extreme}) {
    const auto weights = quantized(GetParam(), 17, 256, values_of(kind, 17 * 256, 1));
    for (const Kernels* kernels : all_kernels())
      for (const Kind activations : {Kind::zero, Kind::denormal, Kind::extreme})
        for (const std::int64_t count : shapes({33}, {9}))
          expect_product(*kernels, weights, values_of(activations, count * 256, 2), count, {0, 17},
                         name_of(kind) + " weights, " + name_of(activations) + " activations");
  }
}

TEST_P(Product, OfAnyBitsAgreesWithTheTwin) {
  for (const std::int64_t columns : widths()) {
    const std::int64_t rows = shapes({37}, {9}).front();
    const auto weights = random_blocks(GetParam(), rows, columns, 3);
    for (const Kernels* kernels : all_kernels())
      for (const std::int64_t count : shapes({1, 2, 3, 4, 5, 6, 7, 8, 9, 25, 32, 47}, {1, 3, 8, 9}))
        expect_product(*kernels, weights, values_of(Kind::normal, columns * count, 4), count, {0, rows},
                       "random blocks");
  }
}

TEST_P(Product, StaysInItsRows) {
  const auto weights = quantized(GetParam(), 70, 256, values_of(Kind::normal, 70 * 256, 5));
  for (const Kernels* kernels : all_kernels())
    for (const std::int64_t count : shapes({1, 3, 12, 33}, {1, 12}))
      for (const Range rows : {Range{0, 1}, Range{3, 36}, Range{32, 70}, Range{7, 7}})
        expect_product(*kernels, weights, values_of(Kind::outlier, 256 * count, 6), count, rows, "a range of rows");
}

TEST_P(Product, LongRowsGoThroughSeveralPanels) {
  const std::int64_t columns = 2 * 4096 + 512;
  const auto weights = quantized(GetParam(), 3, columns, values_of(Kind::normal, 3 * columns, 7));
  for (const Kernels* kernels : all_kernels())
    for (const std::int64_t count : shapes({10, 33}, {10}))
      expect_product(*kernels, weights, values_of(Kind::normal, count * columns, 8), count, {0, 3}, "long rows");
}

TEST_P(Product, OfSelectedActivationsIsThatOfThoseAlone) {
  const auto weights = quantized(GetParam(), 33, 256, values_of(Kind::normal, 33 * 256, 9));
  const auto x = values_of(Kind::normal, 20 * 256, 10);
  const Scratch scratch(256);
  for (const Kernels* kernels : all_kernels()) {
    Activations activations(256, 20);
    activations.set(*kernels, traits_of(GetParam()).activation, x.data(), 256, 256, 20);
    std::vector<float> whole(20 * 33);
    matmul(*kernels, weights.matrix(), activations, {.data = whole.data(), .stride = 33}, {0, 33}, scratch);
    for (const std::vector<std::int32_t>& selected : {std::vector<std::int32_t>{7},
                                                      {19, 0, 5},
                                                      {1, 2, 3, 4, 5, 6, 7, 8, 19, 18, 17},
                                                      {0,  2,  4,  6, 8, 10, 12, 14, 16, 18, 1,  3,  5,  7,  9,  11, 13,
                                                       15, 17, 19, 0, 1, 2,  3,  4,  19, 18, 17, 16, 15, 14, 13, 12}}) {
      std::vector<float> part(selected.size() * 33);
      matmul(*kernels, weights.matrix(), activations, selected, {.data = part.data(), .stride = 33}, {0, 33}, scratch);
      for (std::size_t i = 0; i < selected.size(); ++i)
        for (std::size_t r = 0; r < 33; ++r) {
          const float expected = whole[static_cast<std::size_t>(selected[i]) * 33 + r];
          ASSERT_NEAR(part[i * 33 + r], expected, 1e-4 * (1 + std::abs(expected))) << name_of(isa_of(*kernels));
        }
    }
  }
}

std::string test_name(const testing::TestParamInfo<BlockType>& parameter) {
  return std::string(traits_of(parameter.param).name);
}
std::vector<BlockType> types() {
  std::vector<BlockType> result;
  for (const auto& traits : all_types()) result.push_back(traits.type);
  return result;
}
INSTANTIATE_TEST_SUITE_P(EveryType, Product, testing::ValuesIn(types()), test_name);

}  // namespace
}  // namespace silicast::engine
