// SPDX-License-Identifier: Apache-2.0
#include "engine/attention.h"
#include "engine/product_float.h"
#include "engine/unpack_avx2.h"
#include "engine/vectors.h"

namespace silicast::engine {

void set_avx2(Kernels& kernels) {
  set_products<Avx2>(kernels);
  set_float_products<Avx2>(kernels);
  set_vectors<Avx2>(kernels);
  set_attention<Avx2>(kernels);
}

}  // namespace silicast::engine
