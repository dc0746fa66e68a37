// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace silicast {
namespace {

TEST(Text, LowerTrimSplitJoin) {
  EXPECT_EQ(lower("Q4_K_M"), "q4_k_m");
  EXPECT_EQ(trim(" \t a b \r\n"), "a b");
  EXPECT_EQ(trim("  "), "");
  EXPECT_EQ(split("a..b", '.'), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(split("", '.'), (std::vector<std::string_view>{""}));
  EXPECT_EQ(join({"a", "b"}, ", "), "a, b");
  EXPECT_EQ(join({}, ", "), "");
  // Used to lose the separator after an empty first part.
  EXPECT_EQ(join({"", "b", ""}, ","), ",b,");
}

TEST(Text, CanonicalName) {
  EXPECT_EQ(canonical_name(" Apple M2 Ultra_76c "), "apple-m2-ultra-76c");
  EXPECT_EQ(canonical_name("Q4_K_M"), canonical_name("q4-k-m"));
}

TEST(Text, ParseNumberTakesAllOfTheTextOrNothing) {
  EXPECT_EQ(parse_number("12.5"), 12.5);
  EXPECT_EQ(parse_number(" -3e2 "), -300);
  EXPECT_EQ(parse_number("+4"), 4);
  for (const char* bad : {"", " ", "nan", "inf", "-inf", "1e999", "0x10", "12a", "1 2", "1,5", "--5", "+-5", "++5", "-",
                          "e5", ".", "1e", "infinity"})
    EXPECT_EQ(parse_number(bad), std::nullopt) << "'" << bad << "'";
  EXPECT_EQ(parse_number(std::string(64, '1')), std::nullopt) << "no number has that many digits";
}

TEST(Text, ParseInteger) {
  EXPECT_EQ(parse_integer("128256"), 128256);
  EXPECT_EQ(parse_integer("-1"), -1);
  EXPECT_EQ(parse_integer("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  for (const char* bad : {"", "9223372036854775808", "1.0", "1e3", "12abc", "0x1"})
    EXPECT_EQ(parse_integer(bad), std::nullopt) << "'" << bad << "'";
}

TEST(Text, ParseShare) {
  EXPECT_EQ(parse_share("2/3"), 2.0 / 3.0);
  EXPECT_EQ(parse_share("0.92"), 0.92);
  for (const char* bad : {"2/0", "/3", "2/", "1/2/3", "a/b", "1e300/1e-300"})
    EXPECT_EQ(parse_share(bad), std::nullopt) << "'" << bad << "'";
}

// The whole unit table, written down a second time: unit, factor. accepted_units() proves that no unit is left out.
struct UnitRow {
  const char* unit;
  double factor;
};

template <class Q>
void expect_units(const std::vector<UnitRow>& rows) {
  std::size_t accepted = split(accepted_units<Q>(), ',').size();
  EXPECT_EQ(accepted, rows.size()) << "a unit is accepted that this test does not know: " << accepted_units<Q>();
  for (const auto& [unit, factor] : rows) {
    const auto spaced = parse_quantity<Q>(std::string("2.5 ") + unit);
    ASSERT_TRUE(spaced.has_value()) << unit;
    EXPECT_DOUBLE_EQ(spaced->value(), 2.5 * factor) << unit;
    EXPECT_EQ(parse_quantity<Q>(std::string("2.5") + unit), spaced) << "without the blank: " << unit;
  }
}

TEST(Text, EveryUnit) {
  expect_units<Bytes>({{"B", 1},
                       {"kB", 1e3},
                       {"MB", 1e6},
                       {"GB", 1e9},
                       {"TB", 1e12},
                       {"KiB", std::ldexp(1, 10)},
                       {"MiB", std::ldexp(1, 20)},
                       {"GiB", std::ldexp(1, 30)},
                       {"TiB", std::ldexp(1, 40)}});
  expect_units<BytesPerSecond>({{"B/s", 1},
                                {"kB/s", 1e3},
                                {"MB/s", 1e6},
                                {"GB/s", 1e9},
                                {"TB/s", 1e12},
                                {"KiB/s", std::ldexp(1, 10)},
                                {"MiB/s", std::ldexp(1, 20)},
                                {"GiB/s", std::ldexp(1, 30)},
                                {"TiB/s", std::ldexp(1, 40)}});
  expect_units<Hertz>({{"Hz", 1}, {"kHz", 1e3}, {"MHz", 1e6}, {"GHz", 1e9}});
  expect_units<FlopsPerSecond>({{"FLOPS", 1},
                                {"MFLOPS", 1e6},
                                {"GFLOPS", 1e9},
                                {"TFLOPS", 1e12},
                                {"PFLOPS", 1e15},
                                {"GOPS", 1e9},
                                {"TOPS", 1e12},
                                {"POPS", 1e15}});
  expect_units<Seconds>({{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}});
  expect_units<Watts>({{"mW", 1e-3}, {"W", 1}, {"kW", 1e3}});
  expect_units<Joules>({{"pJ", 1e-12}, {"nJ", 1e-9}, {"uJ", 1e-6}, {"mJ", 1e-3}, {"J", 1}});
}

TEST(Text, QuantitiesThatAreRefused) {
  for (const char* bad : {"", "24", "GB", "24 gb", "24 Gb", "24 GB/s", "24 GB x", "24 GB GB", "x24 GB", "2 4 GB",
                          "nan GB", "inf GB", "-inf GB", "1e400 GB", "1e308 TB", "24 G B", "24 GB.", "0x10 GB"})
    EXPECT_EQ(parse_quantity<Bytes>(bad), std::nullopt) << "'" << bad << "'";
  EXPECT_EQ(parse_quantity<BytesPerSecond>("1008 GB"), std::nullopt) << "an amount is not a rate";
  EXPECT_EQ(parse_quantity<Hertz>("2520 mhz"), std::nullopt) << "units are spelled one way";
  EXPECT_NE(parse_quantity<Bytes>("24 GB"), parse_quantity<Bytes>("24 GiB"));
}

TEST(Text, ExactReadsBack) {
  for (const double value : {0.0, 0.1, 1.0 / 3.0, 1e300, 5e-324, 123456789.123456789, -2.5, 67.0}) {
    EXPECT_EQ(std::strtod(exact(value).c_str(), nullptr), value) << exact(value);
  }
  EXPECT_EQ(exact(0.1), "0.1");
  EXPECT_EQ(exact(67), "67");
}

TEST(Text, Rounded) {
  EXPECT_EQ(rounded(0, 3), "0");
  EXPECT_EQ(rounded(1234.4, 3), "1234") << "whole numbers keep their digits";
  EXPECT_EQ(rounded(12.345, 3), "12.3");
  EXPECT_EQ(rounded(0.012345, 3), "0.0123");
  EXPECT_EQ(rounded(-0.5, 2), "-0.50");
  // The digit that rounding up adds is not one too many.
  EXPECT_EQ(rounded(9.996, 3), "10.0");
  EXPECT_EQ(rounded(99.96, 3), "100");
  // Used to print as zero and to be cut off after 63 characters.
  EXPECT_EQ(rounded(1.5e-13, 2), "1.5e-13");
  EXPECT_EQ(rounded(1.25e300, 3), "1.25e+300");
}

TEST(Text, Human) {
  EXPECT_EQ(human(4.58_GiB), "4.58 GiB");
  EXPECT_EQ(human(512_MiB), "512 MiB");
  EXPECT_EQ(human(1023_B), "1023 B");
  EXPECT_EQ(human(1_KiB), "1.00 KiB");
  EXPECT_EQ(human(1.5 * 1024_GiB), "1.50 TiB");
  EXPECT_EQ(human(Bytes()), "0 B");
  EXPECT_EQ(human(12.34_ms), "12.3 ms");
  EXPECT_EQ(human(41_us), "41.0 us");
  EXPECT_EQ(human(2.31_s), "2.31 s");
  EXPECT_EQ(human(Seconds()), "0 s");
}

TEST(Text, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("bandwidth", "bandwidth"), 0);
  EXPECT_EQ(edit_distance("bandwith", "bandwidth"), 1);
  EXPECT_EQ(edit_distance("bandwdith", "bandwidth"), 1) << "two swapped letters are one slip";
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

}  // namespace
}  // namespace silicast
