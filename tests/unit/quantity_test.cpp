// SPDX-License-Identifier: Apache-2.0
#include "base/quantity.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace silicast {
namespace {

// Dimensions are checked where the compiler checks them.
static_assert(std::is_same_v<decltype(Bytes(1) / Seconds(1)), BytesPerSecond>);
static_assert(std::is_same_v<decltype(Bytes(1) / BytesPerSecond(1)), Seconds>);
static_assert(std::is_same_v<decltype(Flops(1) / FlopsPerSecond(1)), Seconds>);
static_assert(std::is_same_v<decltype(BytesPerSecond(1) * Seconds(1)), Bytes>);
static_assert(std::is_same_v<decltype(Joules(1) / Seconds(1)), Watts>);
static_assert(std::is_same_v<decltype(Watts(1) * Seconds(1)), Joules>);
static_assert(std::is_same_v<decltype(1.0 / Seconds(1)), Hertz>);
static_assert(std::is_same_v<decltype(Flops(1) / Bytes(1)), FlopsPerByte>);
static_assert(std::is_same_v<decltype(FlopsPerSecond(1) / BytesPerSecond(1)), FlopsPerByte>);
static_assert(std::is_same_v<decltype(1.0 / TokensPerSecond(1)), SecondsPerToken>);
static_assert(std::is_same_v<decltype(Seconds(1) / Seconds(1)), double>, "what has no dimension is a plain number");
static_assert(std::is_same_v<decltype(Hertz(1) * Seconds(1)), double>);

template <class A, class B>
concept Addable = requires(A a, B b) {
  a + b;
};
template <class A, class B>
concept Comparable = requires(A a, B b) {
  a < b;
};
static_assert(Addable<Bytes, Bytes>);
static_assert(!Addable<Bytes, Seconds>, "bytes and seconds do not add up");
static_assert(!Addable<Bytes, double>, "a plain number has no unit");
static_assert(!Comparable<Bytes, Flops>);
static_assert(!std::is_convertible_v<double, Bytes>, "a unit is stated, never assumed");
static_assert(!std::is_convertible_v<Bytes, double>);
static_assert(sizeof(Bytes) == sizeof(double) && std::is_trivially_copyable_v<Bytes>);

TEST(Quantity, DecimalAndBinaryUnitsDiffer) {
  EXPECT_EQ((1_GB).value(), 1e9);
  EXPECT_EQ((1_GiB).value(), 1073741824.0);
  EXPECT_LT(1_GB, 1_GiB);
  EXPECT_EQ(1024_MiB, 1_GiB);
  EXPECT_EQ(1000_MB, 1_GB);
  EXPECT_EQ(1024_KiB, 1_MiB);
  EXPECT_EQ(1000_kB, 1_MB);
  EXPECT_EQ(1024_B, 1_KiB);
}

TEST(Quantity, LiteralsAreInBaseUnits) {
  EXPECT_EQ((1008_GBps).value(), 1008e9);
  EXPECT_EQ((82.5_TFLOPS).value(), 82.5e12);
  EXPECT_EQ((2_GFLOP).value(), 2e9);
  EXPECT_EQ((3_FLOP).value(), 3);
  EXPECT_EQ((1.5_s).value(), 1.5);
  EXPECT_EQ((3_ms).value(), 3e-3);
  EXPECT_EQ((41_us).value(), 41 * 1e-6);
  EXPECT_EQ((2520_MHz).value(), 2.52e9);
  EXPECT_EQ((4.5_GHz).value(), 4.5e9);
  EXPECT_EQ((450_W).value(), 450);
}

TEST(Quantity, Arithmetic) {
  Bytes sum = 3_GB + 1_GB - 2_GB;
  EXPECT_EQ(sum, 2_GB);
  sum += 1_GB;
  sum -= 2_GB;
  sum *= 4;
  sum /= 2;
  EXPECT_EQ(sum, 2_GB);
  EXPECT_EQ(2 * 3_GB, 6_GB);
  EXPECT_EQ(3_GB * 2, 6_GB);
  EXPECT_EQ(6_GB / 2, 3_GB);
  EXPECT_EQ(6_GB / 3_GB, 2.0);
  EXPECT_EQ(Bytes().value(), 0) << "a quantity begins at zero";
}

TEST(Quantity, RooflineReadsLikeItsFormula) {
  const Seconds memory_time = 4.58_GiB / 1008_GBps;
  EXPECT_NEAR(memory_time.value(), 4.58 * 1073741824.0 / 1008e9, 1e-15);
  EXPECT_EQ(450_W * 2_s, Joules(900));
  EXPECT_EQ(1.0 / 2_s, Hertz(0.5));
}

}  // namespace
}  // namespace silicast
