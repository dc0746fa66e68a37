// SPDX-License-Identifier: Apache-2.0
#include "engine/attention.h"
#include "engine/product_float.h"
#include "engine/simd_portable.h"
#include "engine/vectors.h"

namespace silicast::engine {

void set_portable(Kernels& kernels) {
  set_products<Portable>(kernels);
  set_float_products<Portable>(kernels);
  set_vectors<Portable>(kernels);
  set_attention<Portable>(kernels);
}

}  // namespace silicast::engine
