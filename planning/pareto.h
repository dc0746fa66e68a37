// SPDX-License-Identifier: Apache-2.0
// The points that no other one beats: at least as good in every objective and better in one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "planning/figures.h"

namespace silicast {

// Comma-separated names of figures. Throws UsageError.
std::vector<Figure> read_objectives(std::string_view text);

// A front that grows point by point. Points with equal objectives do not beat each other: all of them stay. Memory is
// that of the front. Adding a point takes a look at the members of the front up to the first one that beats it.
class ParetoFront {
 public:
  struct Member {
    std::uint64_t point = 0;      // its number
    std::vector<double> figures;  // of the objectives, turned so that less is better
    std::string row;
  };

  explicit ParetoFront(std::vector<Figure> objectives) : objectives_(std::move(objectives)) {}

  // The objectives of a point, turned so that less is better; empty where it lacks one of them.
  [[nodiscard]] std::vector<double> objectives_of(const Figures& figures) const;
  // Whether a member beats such a point.
  [[nodiscard]] bool beaten(const std::vector<double>& figures);
  // Does nothing when the point is beaten.
  void add(Member member);
  // By number.
  [[nodiscard]] std::vector<Member> sorted() const;
  [[nodiscard]] std::size_t size() const { return members_.size(); }

 private:
  std::vector<Figure> objectives_;
  std::vector<Member> members_;
};

}  // namespace silicast
