// SPDX-License-Identifier: Apache-2.0
// The types with a codebook: IQ4 and MXFP4 weight by weight, IQ1 to IQ3 vectors of 4 or 8 weights from a grid.
//
// The grid search is plain: each weight takes its nearest level by itself, and where the grid lacks that combination, a
// table gives the grid's nearest one. Valid blocks, fast enough to make files; better ones need an importance matrix.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "engine/codebooks.h"
#include "engine/quantize.h"
#include "engine/scale_search.h"

namespace silicast::engine {

namespace {

using Row = std::span<const float>;

std::uint8_t byte(unsigned value) { return static_cast<std::uint8_t>(value); }

void put_indices(const float* x, float d, const Codebook& values, std::uint8_t* qs) {
  const float inverse = inverse_of(d);
  for (int i = 0; i < 16; ++i) {
    const int low = nearest_index(x[i] * inverse, values);
    const int high = nearest_index(x[i + 16] * inverse, values);
    qs[i] = byte(static_cast<unsigned>(low | (high << 4)));
  }
}

}  // namespace

void encode(const float* x, BlockIQ4_NL& block) {
  block.d = finite_half(codebook_scale(Row(x, 32), iq4_values));
  put_indices(x, to_float(block.d), iq4_values, block.qs);
}

void encode(const float* x, BlockIQ4_XS& block) {
  float fitted[8];
  for (int g = 0; g < 8; ++g) fitted[g] = codebook_scale(Row(x + 32 * g, 32), iq4_values);
  const auto scales = signed_scales(fitted, 32);
  block.d = scales.d;
  block.scales_h = 0;
  std::memset(block.scales_l, 0, sizeof block.scales_l);
  for (int g = 0; g < 8; ++g) {
    const auto stored = static_cast<unsigned>(scales.stored[g] + 32);
    block.scales_l[g / 2] = byte(block.scales_l[g / 2] | ((stored & 15U) << (4 * (g % 2))));
    block.scales_h = static_cast<std::uint16_t>(block.scales_h | ((stored >> 4) << (2 * g)));
    const float d = to_float(scales.d) * static_cast<float>(scales.stored[g]);
    put_indices(x + 32 * g, d, iq4_values, block.qs + 16 * g);
  }
}

// The OCP rule's exponent puts the largest weight in [4, 8); as 6 is the largest value, one more may be better.
void encode(const float* x, BlockMXFP4& block) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::abs(x[i]));
  int exponent = 0;
  std::frexp(largest, &exponent);  // largest in [2^(exponent-1), 2^exponent)
  double best_error = std::numeric_limits<double>::infinity();
  const int first = largest > 0 ? exponent - 3 + 127 : 0;
  for (int candidate = first; candidate <= first + 1; ++candidate) {
    const auto e = byte(static_cast<unsigned>(std::clamp(candidate, 0, 254)));
    const float d = half_of_e8m0(e);
    double error = 0;
    for (int i = 0; i < 32; ++i) {
      const auto index = static_cast<std::size_t>(nearest_index(x[i] / d, fp4_values));
      const double miss = x[i] - static_cast<double>(d) * fp4_values[index];
      error += miss * miss;
    }
    if (error >= best_error) continue;
    best_error = error;
    block.e = e;
  }
  const float d = half_of_e8m0(block.e);
  for (int i = 0; i < 16; ++i) {
    const int low = nearest_index(x[i] / d, fp4_values);
    const int high = nearest_index(x[i + 16] / d, fp4_values);
    block.qs[i] = byte(static_cast<unsigned>(low | (high << 4)));
  }
}

namespace {

// A grid with what the search needs: the levels of its lanes and, for each combination of levels, the nearest entry.
template <class Entry>
class Grid {
 public:
  static constexpr int lanes = static_cast<int>(sizeof(Entry));

  Grid(std::span<const Entry> entries, std::vector<int> levels) : entries_(entries), levels_(std::move(levels)) {
    bits_ = levels_.size() > 4 ? 3 : 2;
    nearest_.resize(std::size_t{1} << (bits_ * lanes));
    for (unsigned code = 0; code < nearest_.size(); ++code) nearest_[code] = search(code);
  }

  // The index of the entry next to values[0 ... lanes), which are in units of the lanes.
  [[nodiscard]] std::uint16_t find(const float* values) const {
    unsigned code = 0;
    for (int k = 0; k < lanes; ++k) {
      unsigned digit = 0;
      while (digit + 1 < levels_.size() && 2 * values[k] > static_cast<float>(levels_[digit] + levels_[digit + 1]))
        ++digit;
      code |= digit << (bits_ * static_cast<unsigned>(k));
    }
    return nearest_[code];
  }
  [[nodiscard]] int lane(std::uint16_t index, int k) const {
    return static_cast<int>((entries_[index] >> (8 * k)) & 255U);
  }

 private:
  [[nodiscard]] std::uint16_t search(unsigned code) const {
    int target[8];
    for (unsigned k = 0; k < lanes; ++k) {
      const unsigned digit = (code >> (bits_ * k)) & ((1U << bits_) - 1);
      if (digit >= levels_.size()) return 0;  // no combination of levels
      target[k] = levels_[digit];
    }
    std::uint16_t best = 0;
    int best_distance = std::numeric_limits<int>::max();
    for (std::size_t i = 0; i < entries_.size() && best_distance > 0; ++i) {
      int distance = 0;
      for (int k = 0; k < lanes; ++k) {
        const int miss = static_cast<int>((entries_[i] >> (8 * k)) & 255U) - target[k];
        distance += miss * miss;
      }
      if (distance >= best_distance) continue;
      best_distance = distance;
      best = static_cast<std::uint16_t>(i);
    }
    return best;
  }

  std::span<const Entry> entries_;
  std::vector<int> levels_;
  unsigned bits_ = 0;
  std::vector<std::uint16_t> nearest_;
};

// How a type uses its grid.
struct GridRules {
  int group;        // weights with one scale
  int top_scale;    // scales are 2 s + 1, s <= top_scale
  bool even_signs;  // the eighth sign of eight follows from the others
  bool shifted;     // IQ1: lanes hold 8 g + 16, and the weight is 8 g -+ 1
  bool one_shift;   // the shift is one per group, else one per eight weights
};

// A super-block in terms of the grid. weight = unit * (2 scale + 1) * lane
struct GridCode {
  float unit = 0;
  int scale[16];
  std::uint16_t index[64];
  std::uint8_t sign[32];  // bits
  bool minus[32];         // shift of eight weights
};

template <class Entry>
class GridSearch {
 public:
  GridSearch(const Grid<Entry>& grid, const GridRules& rules) : grid_(grid), rules_(rules) {}

  // `round` gives the super-block's unit as it will be stored.
  template <class Round>
  GridCode operator()(const float* x, Round round) const {
    GridCode code{};
    const int groups = super_block / rules_.group;
    float scale[16];
    for (int g = 0; g < groups; ++g) scale[g] = best_scale(x, g, code);
    const float largest = *std::max_element(scale, scale + groups);
    code.unit = round(largest / static_cast<float>(2 * rules_.top_scale + 1));
    for (int g = 0; g < groups; ++g) {
      code.scale[g] = nearest((scale[g] * inverse_of(code.unit) - 1) / 2, 0, rules_.top_scale);
      fit(x, g, code.unit * static_cast<float>(2 * code.scale[g] + 1), code);
    }
    return code;
  }

 private:
  struct Fit {
    double xq = 0;
    double qq = 0;
    double error = 0;
  };

  float best_scale(const float* x, int g, GridCode& code) const {
    float largest = 0;
    for (int i = 0; i < rules_.group; ++i) largest = std::max(largest, std::abs(x[g * rules_.group + i]));
    if (!(largest > 0) || !std::isfinite(largest)) return 0;
    // The largest weight at the top of the grid, down to where most weights stand above the lowest level.
    const float top = rules_.shifted                                 ? 9.0F
                      : Grid<Entry>::lanes == 8                      ? 43.0F
                      : rules_.top_scale == 15 && !rules_.even_signs ? 15.0F
                                                                     : 62.0F;
    double best_gain = 0;
    float best = largest / top;
    for (int candidate = 0; candidate < 8; ++candidate) {
      const float trial = largest / top * (1.1F - 0.1F * static_cast<float>(candidate));
      const Fit result = fit(x, g, trial, code);
      if (result.qq <= 0 || result.xq <= 0 || result.xq * result.xq / result.qq <= best_gain) continue;
      best_gain = result.xq * result.xq / result.qq;
      best = static_cast<float>(result.xq / result.qq);
    }
    return best;
  }

  // Chooses the entries of group g for a scale, and says how well they do.
  Fit fit(const float* x, int g, float scale, GridCode& code) const {
    const int first = g * rules_.group / 8;
    const int last = (g + 1) * rules_.group / 8;
    Fit total;
    if (!rules_.shifted) {
      for (int v = first; v < last; ++v) add(total, fit_signed(x + 8 * v, v, scale, code));
      return total;
    }
    if (rules_.one_shift) return fit_shift(x, first, last, scale, code);
    for (int v = first; v < last; ++v) add(total, fit_shift(x, v, v + 1, scale, code));
    return total;
  }

  Fit fit_shift(const float* x, int first, int last, float scale, GridCode& code) const {
    Fit fits[2];
    for (const bool minus : {false, true})
      for (int v = first; v < last; ++v) add(fits[minus], fit_shifted(x + 8 * v, v, scale, minus, code));
    const bool minus = fits[1].error < fits[0].error;
    for (int v = first; v < last; ++v) fit_shifted(x + 8 * v, v, scale, minus, code);
    return fits[minus];
  }

  Fit fit_signed(const float* x, int v, float scale, GridCode& code) const {
    unsigned signs = 0;
    int smallest = 0;
    for (int k = 0; k < 8; ++k) {
      if (x[k] < 0) signs |= 1U << k;
      if (std::abs(x[k]) < std::abs(x[smallest])) smallest = k;
    }
    if (rules_.even_signs && std::popcount(signs) % 2 != 0) signs ^= 1U << smallest;
    code.sign[v] = byte(signs);
    float values[8];
    const float inverse = inverse_of(scale);
    for (int k = 0; k < 8; ++k) values[k] = x[k] * ((signs >> k) & 1U ? -inverse : inverse);
    Fit fit;
    constexpr int lanes = Grid<Entry>::lanes;
    for (int k = 0; k < 8; k += lanes) {
      auto& index = code.index[(8 * v + k) / lanes];
      index = grid_.find(values + k);
      for (int i = 0; i < lanes; ++i)
        note(fit, x[k + i], scale, grid_.lane(index, i) * ((signs >> (k + i)) & 1U ? -1 : 1));
    }
    return fit;
  }

  Fit fit_shifted(const float* x, int v, float scale, bool minus, GridCode& code) const {
    const int shift = minus ? -1 : 1;
    float values[8];
    for (int k = 0; k < 8; ++k) values[k] = x[k] * inverse_of(scale) + static_cast<float>(16 - shift);
    code.index[v] = grid_.find(values);
    code.minus[v] = minus;
    Fit fit;
    for (int k = 0; k < 8; ++k) note(fit, x[k], scale, grid_.lane(code.index[v], k) - 16 + shift);
    return fit;
  }

  static void note(Fit& fit, float x, float scale, int q) {
    const double miss = x - static_cast<double>(scale) * q;
    fit.xq += static_cast<double>(x) * q;
    fit.qq += static_cast<double>(q) * q;
    fit.error += miss * miss;
  }
  static void add(Fit& total, const Fit& part) {
    total.xq += part.xq;
    total.qq += part.qq;
    total.error += part.error;
  }

  const Grid<Entry>& grid_;
  GridRules rules_;
};

// The unit as binary16 gives it back, where d = unit * factor.
auto stored_unit(float factor, Half& d) {
  return [factor, &d](float unit) {
    d = finite_half(unit * factor);
    return to_float(d) / factor;
  };
}

void put_scale_nibbles(const int* scale, int count, std::uint8_t* out) {
  for (int g = 0; g < count; g += 2) out[g / 2] = byte(static_cast<unsigned>(scale[g] | (scale[g + 1] << 4)));
}

std::uint32_t signs_and_scale(const std::uint8_t* sign, int scale) {
  std::uint32_t word = static_cast<std::uint32_t>(scale) << 28;
  for (unsigned i = 0; i < 4; ++i) word |= static_cast<std::uint32_t>(sign[i] & 127U) << (7 * i);
  return word;
}

const std::vector<int> iq2_levels{8, 25, 43};
const std::vector<int> iq1_levels{8, 16, 24};

const Grid<std::uint64_t>& iq1_search_grid() {
  static const Grid<std::uint64_t> grid(iq1_grid, iq1_levels);
  return grid;
}

}  // namespace

void encode(const float* x, BlockIQ3_S& block) {
  static const Grid<std::uint32_t> grid(iq3_s_grid, {1, 3, 5, 7, 9, 11, 13, 15});
  const GridRules rules{.group = 32, .top_scale = 15, .even_signs = false, .shifted = false, .one_shift = false};
  const GridCode code = GridSearch<std::uint32_t>(grid, rules)(x, stored_unit(1, block.d));
  std::memset(block.qh, 0, sizeof block.qh);
  for (int i = 0; i < 64; ++i) {
    block.qs[i] = byte(code.index[i] & 255U);
    block.qh[i / 8] = byte(block.qh[i / 8] | (static_cast<unsigned>(code.index[i] >> 8) << (i % 8)));
  }
  std::memcpy(block.signs, code.sign, sizeof block.signs);
  put_scale_nibbles(code.scale, 8, block.scales);
}

void encode(const float* x, BlockIQ3_XXS& block) {
  static const Grid<std::uint32_t> grid(iq3_xxs_grid, {4, 12, 20, 28, 36, 44, 52, 62});
  const GridRules rules{.group = 32, .top_scale = 15, .even_signs = true, .shifted = false, .one_shift = false};
  const GridCode code = GridSearch<std::uint32_t>(grid, rules)(x, stored_unit(4, block.d));
  for (int i = 0; i < 64; ++i) block.qs[i] = byte(code.index[i]);
  for (int g = 0; g < 8; ++g) {
    const std::uint32_t word = signs_and_scale(code.sign + 4 * g, code.scale[g]);
    std::memcpy(block.qs + 64 + 4 * g, &word, sizeof word);
  }
}

void encode(const float* x, BlockIQ2_XXS& block) {
  static const Grid<std::uint64_t> grid(iq2_xxs_grid, iq2_levels);
  const GridRules rules{.group = 32, .top_scale = 15, .even_signs = true, .shifted = false, .one_shift = false};
  const GridCode code = GridSearch<std::uint64_t>(grid, rules)(x, stored_unit(8, block.d));
  for (int g = 0; g < 8; ++g) {
    std::uint8_t bytes[8];
    for (int i = 0; i < 4; ++i) bytes[i] = byte(code.index[4 * g + i]);
    const std::uint32_t word = signs_and_scale(code.sign + 4 * g, code.scale[g]);
    std::memcpy(bytes + 4, &word, sizeof word);
    std::memcpy(block.qs + 4 * g, bytes, sizeof bytes);
  }
}

void encode(const float* x, BlockIQ2_XS& block) {
  static const Grid<std::uint64_t> grid(iq2_xs_grid, iq2_levels);
  const GridRules rules{.group = 16, .top_scale = 15, .even_signs = true, .shifted = false, .one_shift = false};
  const GridCode code = GridSearch<std::uint64_t>(grid, rules)(x, stored_unit(8, block.d));
  for (int i = 0; i < 32; ++i) block.qs[i] = static_cast<std::uint16_t>(code.index[i] | ((code.sign[i] & 127U) << 9));
  put_scale_nibbles(code.scale, 16, block.scales);
}

void encode(const float* x, BlockIQ2_S& block) {
  static const Grid<std::uint64_t> grid(iq2_s_grid, iq2_levels);
  const GridRules rules{.group = 16, .top_scale = 15, .even_signs = false, .shifted = false, .one_shift = false};
  const GridCode code = GridSearch<std::uint64_t>(grid, rules)(x, stored_unit(8, block.d));
  std::memset(block.qh, 0, sizeof block.qh);
  for (int i = 0; i < 32; ++i) {
    block.qs[i] = byte(code.index[i] & 255U);
    block.qh[i / 4] = byte(block.qh[i / 4] | (static_cast<unsigned>(code.index[i] >> 8) << (2 * (i % 4))));
    block.signs[i] = code.sign[i];
  }
  put_scale_nibbles(code.scale, 16, block.scales);
}

void encode(const float* x, BlockIQ1_S& block) {
  const GridRules rules{.group = 32, .top_scale = 7, .even_signs = false, .shifted = true, .one_shift = true};
  const GridCode code = GridSearch<std::uint64_t>(iq1_search_grid(), rules)(x, stored_unit(8, block.d));
  for (int g = 0; g < 8; ++g) {
    unsigned word = (static_cast<unsigned>(code.scale[g]) << 12) | (code.minus[4 * g] ? 0x8000U : 0U);
    for (int i = 0; i < 4; ++i) {
      block.qs[4 * g + i] = byte(code.index[4 * g + i] & 255U);
      word |= static_cast<unsigned>(code.index[4 * g + i] >> 8) << (3 * i);
    }
    block.qh[g] = static_cast<std::uint16_t>(word);
  }
}

void encode(const float* x, BlockIQ1_M& block) {
  Half d;
  const GridRules rules{.group = 16, .top_scale = 7, .even_signs = false, .shifted = true, .one_shift = false};
  const GridCode code = GridSearch<std::uint64_t>(iq1_search_grid(), rules)(x, stored_unit(8, d));
  std::memset(block.qh, 0, sizeof block.qh);
  for (int i = 0; i < 32; ++i) {
    const unsigned nibble = static_cast<unsigned>(code.index[i] >> 8) | (code.minus[i] ? 8U : 0U);
    block.qs[i] = byte(code.index[i] & 255U);
    block.qh[i / 2] = byte(block.qh[i / 2] | (nibble << (4 * (i % 2))));
  }
  for (int w = 0; w < 4; ++w) {
    unsigned word = ((static_cast<unsigned>(d.bits) >> (4 * w)) & 15U) << 12;
    for (int i = 0; i < 4; ++i) word |= static_cast<unsigned>(code.scale[4 * w + i]) << (3 * i);
    block.scales[2 * w] = byte(word & 255U);
    block.scales[2 * w + 1] = byte(word >> 8);
  }
}

}  // namespace silicast::engine
