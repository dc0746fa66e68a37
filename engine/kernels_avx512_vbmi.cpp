// SPDX-License-Identifier: Apache-2.0
#include "engine/product_vbmi.h"

namespace silicast::engine {

void set_avx512_vbmi(Kernels& kernels) {
  set_avx512_vnni(kernels);
  using enum BlockType;
  set_few<iq3_s, iq3_xxs, iq2_xxs, iq2_xs, iq2_s, iq1_s, iq1_m>(kernels);
}

}  // namespace silicast::engine
