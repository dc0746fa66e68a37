// SPDX-License-Identifier: Apache-2.0
#include "engine/product_amx_float.h"

namespace silicast::engine {

void set_amx(Kernels& kernels) {
  set_avx512_vbmi(kernels);
  kernels.gemm_wide_from = 32;  // two tiles of activations; with fewer, panels for VNNI are faster (docs/engine.md)
  for_each_format([&]<BlockType type>() {
    if constexpr (Format<type>::weights == super_block)
      kernels.gemm_wide[index_of(type)] = amx_super_gemm<type>;
    else
      kernels.gemm_wide[index_of(type)] = amx_block_gemm<type>;
  });
  kernels.gemm_wide[index_of(BlockType::f32)] = amx_float_gemm<float>;
  kernels.gemm_wide[index_of(BlockType::f16)] = amx_float_gemm<Half>;
  kernels.gemm_wide[index_of(BlockType::bf16)] = amx_float_gemm<Bfloat>;
}

}  // namespace silicast::engine
