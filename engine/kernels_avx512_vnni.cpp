// SPDX-License-Identifier: Apache-2.0
#include "engine/attention.h"
#include "engine/product_few.h"
#include "engine/product_float.h"
#include "engine/unpack_avx512.h"
#include "engine/vectors.h"

namespace silicast::engine {

void set_avx512_vnni(Kernels& kernels) {
  set_products<Avx512>(kernels);
  set_float_products<Avx512>(kernels);
  set_vectors<Avx512>(kernels);
  set_attention<Avx512>(kernels);
  using enum BlockType;
  set_few<q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs, mxfp4>(kernels);
}

}  // namespace silicast::engine
