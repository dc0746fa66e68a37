// SPDX-License-Identifier: Apache-2.0
#include "engine/attention.h"
#include "engine/product_float.h"
#include "engine/unpack_avx512.h"
#include "engine/vectors.h"

namespace silicast::engine {

void set_avx512_vnni(Kernels& kernels) {
  set_products<Avx512>(kernels);
  set_float_products<Avx512>(kernels);
  set_vectors<Avx512>(kernels);
  set_attention<Avx512>(kernels);
}

}  // namespace silicast::engine
