// SPDX-License-Identifier: Apache-2.0
#include "planning/filter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace silicast {
namespace {

const std::vector<std::string> options{"model", "depth", "memory"};

struct Sample {
  Figures figures;
  FilteredPoint point;

  Sample() {
    figures[Figure::decode] = 25;
    figures[Figure::memory] = 40.0 * (1 << 30);
    figures[Figure::ttft] = 0.4;
    figures[Figure::power] = 120;
    point.feasible = true;
    point.bound = "dram";
    point.evidence = "same-family";
    point.choices = {{"llama-3.1-8b", std::numeric_limits<double>::quiet_NaN()},
                     {"4096", 4096},
                     {"64GiB", std::numeric_limits<double>::quiet_NaN()}};
    point.figures = &figures;
  }
};

bool holds(const std::string& text) {
  const Sample sample;
  return Filter(text, options)(sample.point);
}

TEST(Filter, EmptyLetsEverythingThrough) { EXPECT_TRUE(Filter()(Sample().point)); }

TEST(Filter, ComparesFiguresWithAndWithoutUnits) {
  for (const char* text : {"feasible",
                           "decode>=25",
                           "decode <= 25",
                           "decode == 25",
                           "decode=25",
                           "decode != 24",
                           "decode > 24.9",
                           "memory<64GiB",
                           "memory < 64 GiB",
                           "memory > 40e9",
                           "ttft<500ms",
                           "ttft >= 0.4",
                           "power < 1kW",
                           "decode.tokens_per_second.value > 24",
                           "bound == DRAM",
                           "bound != matrix",
                           "evidence == same_family",
                           "depth >= 4096",
                           "depth == 4096",
                           "model == Llama-3.1-8B",
                           "model != llama-2-7b",
                           "model == 'llama-3.1-8b'"})
    EXPECT_TRUE(holds(text)) << text;
  for (const char* text : {"not feasible", "decode<25", "decode > 25", "decode != 25", "memory<40GiB", "ttft > 1s",
                           "depth < 4096", "model == llama-2-7b", "bound == matrix"})
    EXPECT_FALSE(holds(text)) << text;
}

TEST(Filter, AndBindsTighterThanOrAndNotThanBoth) {
  // false and false or true: (false and false) or true, not false and (false or true).
  EXPECT_TRUE(holds("decode<1 and decode<1 or feasible"));
  EXPECT_FALSE(holds("decode<1 and (decode<1 or feasible)"));
  EXPECT_TRUE(holds("not decode<1 and feasible"));
  EXPECT_FALSE(holds("not (feasible or decode<1)"));
  EXPECT_TRUE(holds("!decode<1 && feasible || decode<1"));
  EXPECT_TRUE(holds("NOT(decode<1)AND feasible"));
}

TEST(Filter, WhatAPointLacksFailsEveryComparison) {
  EXPECT_FALSE(holds("quality < 2"));
  EXPECT_FALSE(holds("quality >= 2"));
  EXPECT_FALSE(holds("quality != 2"));
  EXPECT_TRUE(holds("not quality < 2"));
}

TEST(Filter, AFigureComesBeforeAnOptionOfTheSameName) {
  EXPECT_TRUE(holds("memory > 1GiB"));      // used
  EXPECT_TRUE(holds("--memory == 64GiB"));  // asked for
  EXPECT_FALSE(holds("--memory == 128GiB"));
}

void expect_refused(const std::string& text, const std::string& column, const std::string& part) {
  try {
    static_cast<void>(Filter(text, options));
    ADD_FAILURE() << "accepted: " << text;
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("column " + column + ":"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Filter, ErrorsNameTheColumnAndWhatIsAccepted) {
  expect_refused("", "1", "the end");
  expect_refused("decod >= 20", "1", "did you mean 'decode'");
  expect_refused("decode", "7", "a comparison");
  expect_refused("decode >=", "10", "a number");
  expect_refused("decode >= fast", "11", "a number");
  expect_refused("memory < 64 parsecs", "10", "a size");
  expect_refused("ttft < 2GiB", "8", "a time");
  expect_refused("feasible feasible", "10", "'and', 'or' or the end");
  expect_refused("(feasible", "10", "')'");
  expect_refused("feasible and", "13", "a figure or an option");
  expect_refused("model < llama", "9", "a number");
  expect_refused("model == 'x", "10", "a closing quote");
  expect_refused(std::string(5000, '('), "102", "fewer parentheses");
}

}  // namespace
}  // namespace silicast
