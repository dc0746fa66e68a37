// SPDX-License-Identifier: Apache-2.0
#include "report/labels.h"

#include <algorithm>
#include <array>

namespace silicast {

namespace {

constexpr double character_width = 6.6;  // of text at 12 pixels
constexpr double half_height = 8;
constexpr double point_radius = 7;
constexpr double gap = 10;

struct Box {
  double left, right, bottom, top;

  [[nodiscard]] bool meets(const Box& other) const {
    return left < other.right && other.left < right && bottom < other.top && other.bottom < top;
  }
};

Box box_of(const LabelledPoint& point, const LabelPlace& place) {
  const double length = character_width * static_cast<double>(point.text.size());
  const double start = point.x + place.dx - (place.align == "left" ? 0 : place.align == "right" ? length : length / 2);
  const double middle = point.y - place.dy;
  return {start, start + length, middle - half_height, middle + half_height};
}

}  // namespace

std::vector<LabelPlace> placed_labels(const std::vector<LabelledPoint>& points, double width, double height,
                                      const std::vector<Obstacle>& obstacles) {
  const std::array<LabelPlace, 10> candidates{{{true, gap, 0, "left"},
                                               {true, -gap, 0, "right"},
                                               {true, 0, -16, "center"},
                                               {true, 0, 16, "center"},
                                               {true, gap, 16, "left"},
                                               {true, -gap, -16, "right"},
                                               {true, gap, -16, "left"},
                                               {true, -gap, 16, "right"},
                                               {true, 0, 32, "center"},
                                               {true, -gap, 32, "right"}}};
  std::vector<Box> taken;
  for (const Obstacle& o : obstacles) taken.push_back({o.left, o.right, o.bottom, o.top});
  for (const LabelledPoint& p : points)
    taken.push_back({p.x - point_radius, p.x + point_radius, p.y - point_radius, p.y + point_radius});
  std::vector<LabelPlace> places;
  for (const LabelledPoint& point : points) {
    std::vector<LabelPlace> tried(candidates.begin(), candidates.end());
    // Then above or below, as far aside as the edges ask.
    const double length = character_width * static_cast<double>(point.text.size());
    const double start = std::clamp(point.x - length / 2, 0.0, std::max(0.0, width - length));
    for (const double dy : {-16.0, 16.0, -32.0, 32.0, -48.0, 48.0})
      tried.push_back({true, start - point.x, dy, "left"});
    LabelPlace chosen;
    for (const LabelPlace& candidate : tried) {
      const Box box = box_of(point, candidate);
      const bool inside = box.left >= 0 && box.right <= width && box.bottom >= 0 && box.top <= height;
      if (!inside || std::any_of(taken.begin(), taken.end(), [&](const Box& other) { return box.meets(other); }))
        continue;
      chosen = candidate;
      taken.push_back(box);
      break;
    }
    places.push_back(chosen);
  }
  return places;
}

}  // namespace silicast
