// SPDX-License-Identifier: Apache-2.0
#include "engine/tokenizer_merge.h"

#include <queue>

namespace silicast::engine {

namespace {

struct Candidate {
  double cost = 0;
  std::size_t left = 0;
  std::size_t right = 0;
  std::size_t bytes = 0;  // of both when it was found; another size now: it is out of date

  // The cheapest on top of a queue, then the leftmost.
  bool operator<(const Candidate& other) const {
    return cost > other.cost || (cost == other.cost && left > other.left);
  }
};

constexpr std::size_t none = static_cast<std::size_t>(-1);

}  // namespace

std::vector<std::string_view> merged(std::vector<std::string_view> pieces, const PairCost& cost_of) {
  std::vector<std::size_t> next(pieces.size());
  std::vector<std::size_t> previous(pieces.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    next[i] = i + 1 < pieces.size() ? i + 1 : none;
    previous[i] = i > 0 ? i - 1 : none;
  }
  std::priority_queue<Candidate> queue;
  const auto consider = [&](std::size_t left, std::size_t right) {
    if (left == none || right == none) return;
    if (const auto cost = cost_of(pieces[left], pieces[right]))
      queue.push({*cost, left, right, pieces[left].size() + pieces[right].size()});
  };
  for (std::size_t i = 0; i + 1 < pieces.size(); ++i) consider(i, i + 1);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    std::string_view& left = pieces[best.left];
    std::string_view& right = pieces[best.right];
    if (left.empty() || right.empty() || left.size() + right.size() != best.bytes) continue;
    left = {left.data(), best.bytes};  // pieces of one text follow each other
    right = {};
    next[best.left] = next[best.right];
    if (next[best.left] != none) previous[next[best.left]] = best.left;
    consider(previous[best.left], best.left);
    consider(best.left, next[best.left]);
  }
  std::vector<std::string_view> result;
  for (const std::string_view piece : pieces)
    if (!piece.empty()) result.push_back(piece);
  return result;
}

std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> characters;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t expected = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    std::size_t length = 1;
    while (length < expected && i + length < text.size() && (static_cast<unsigned char>(text[i + length]) >> 6) == 2)
      ++length;
    if (length < expected) length = 1;
    characters.push_back(text.substr(i, length));
    i += length;
  }
  return characters;
}

}  // namespace silicast::engine
