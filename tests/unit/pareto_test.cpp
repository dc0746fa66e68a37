// SPDX-License-Identifier: Apache-2.0
#include "planning/pareto.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/error.h"

namespace silicast {
namespace {

// Coarse figures, so that ties occur.
std::vector<Figures> random_points(unsigned seed, int count, int levels) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> level(1, levels);
  std::vector<Figures> points(static_cast<std::size_t>(count));
  for (Figures& point : points) {
    point[Figure::decode] = level(random);
    point[Figure::memory] = level(random);
    if (level(random) > 1) point[Figure::cost] = level(random);
  }
  return points;
}

// By definition: every pair is compared.
std::set<std::uint64_t> by_definition(const std::vector<Figures>& points, const ParetoFront& front) {
  std::set<std::uint64_t> result;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto a = front.objectives_of(points[i]);
    const bool beaten = std::any_of(points.begin(), points.end(), [&](const Figures& other) {
      const auto b = front.objectives_of(other);
      if (a.empty() || b.empty() || a == b) return false;
      for (std::size_t k = 0; k < a.size(); ++k)
        if (b[k] > a[k]) return false;
      return true;
    });
    if (!a.empty() && !beaten) result.insert(i);
  }
  return result;
}

TEST(ParetoFront, EqualsTheDefinitionOnRandomPoints) {
  for (unsigned seed = 1; seed <= 20; ++seed)
    for (const int levels : {3, 10, 1000}) {
      const auto points = random_points(seed, 300, levels);
      ParetoFront front(read_objectives("decode, memory,cost"));
      for (std::size_t i = 0; i < points.size(); ++i)
        if (auto objectives = front.objectives_of(points[i]); !objectives.empty())
          front.add({.point = i, .figures = std::move(objectives), .row = {}});
      std::set<std::uint64_t> found;
      const auto sorted = front.sorted();
      for (const auto& member : sorted) found.insert(member.point);
      EXPECT_EQ(found, by_definition(points, front));
      EXPECT_TRUE(
          std::is_sorted(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.point < b.point; }));
    }
}

TEST(ParetoFront, MoreIsBetterForRatesOnly) {
  ParetoFront front(read_objectives("decode,ttft"));
  Figures figures;
  figures[Figure::decode] = 20;
  figures[Figure::ttft] = 0.5;
  EXPECT_EQ(front.objectives_of(figures), (std::vector<double>{-20, 0.5}));
  EXPECT_TRUE(front.objectives_of(Figures()).empty());
}

TEST(ParetoFront, UnknownAndRepeatedObjectivesAreRefused) {
  EXPECT_THROW(static_cast<void>(read_objectives("decode,speed")), UsageError);
  EXPECT_THROW(static_cast<void>(read_objectives("decode,decode")), UsageError);
  EXPECT_THROW(static_cast<void>(read_objectives("")), UsageError);
}

}  // namespace
}  // namespace silicast
