// SPDX-License-Identifier: Apache-2.0
#include "engine/product_vbmi.h"

namespace silicast::engine {

void set_avx512_vbmi(Kernels& kernels) {
  set_avx512_vnni(kernels);
  const auto set = [&]<BlockType... types>(std::integer_sequence<BlockType, types...>) {
    ((kernels.gemv[index_of(types)] = grid_gemv<types>), ...);
  };
  using enum BlockType;
  set(std::integer_sequence<BlockType, iq3_s, iq3_xxs, iq2_xxs, iq2_xs, iq2_s, iq1_s, iq1_m>{});
}

}  // namespace silicast::engine
