// SPDX-License-Identifier: Apache-2.0
// Places for the labels of points so that none covers another: the most important first, those without room left out.
#pragma once

#include <string>
#include <vector>

namespace silicast {

struct LabelledPoint {
  double x = 0;  // pixels, from the left
  double y = 0;  // pixels, from the bottom
  std::string text;
};

struct LabelPlace {
  bool shown = false;
  double dx = 0;
  double dy = 0;  // downwards, as pictures count
  std::string align = "left";
};

// A rectangle that labels keep off: pixels, from the left and from the bottom.
struct Obstacle {
  double left = 0, right = 0, bottom = 0, top = 0;
};

// The points in order of importance, on a plane of that size.
std::vector<LabelPlace> placed_labels(const std::vector<LabelledPoint>& points, double width, double height,
                                      const std::vector<Obstacle>& obstacles = {});

}  // namespace silicast
