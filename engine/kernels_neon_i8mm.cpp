// SPDX-License-Identifier: Apache-2.0
#include "engine/attention.h"
#include "engine/product_float.h"
#include "engine/simd_neon.h"
#include "engine/vectors.h"

namespace silicast::engine {

void set_neon_i8mm(Kernels& kernels) {
  set_products<Neon>(kernels);
  set_float_products<Neon>(kernels);
  set_vectors<Neon>(kernels);
  set_attention<Neon>(kernels);
}

}  // namespace silicast::engine
