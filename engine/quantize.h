// SPDX-License-Identifier: Apache-2.0
// From weights to blocks. Scales come from a search over candidates, each refitted by least squares; integers are the
// nearest ones for the scale as it is stored. No importance matrix: a weight counts by its own size.
#pragma once

#include "engine/blocks.h"

namespace silicast::engine {

// One block each: 32 or 256 weights.
void encode(const float* x, BlockQ4_0& block);
void encode(const float* x, BlockQ4_1& block);
void encode(const float* x, BlockQ5_0& block);
void encode(const float* x, BlockQ5_1& block);
void encode(const float* x, BlockQ8_0& block);
void encode(const float* x, BlockQ8_1& block);
void encode(const float* x, BlockQ8_K& block);
void encode(const float* x, BlockQ2_K& block);
void encode(const float* x, BlockQ3_K& block);
void encode(const float* x, BlockQ4_K& block);
void encode(const float* x, BlockQ5_K& block);
void encode(const float* x, BlockQ6_K& block);
void encode(const float* x, BlockIQ4_NL& block);
void encode(const float* x, BlockIQ4_XS& block);
void encode(const float* x, BlockIQ3_S& block);
void encode(const float* x, BlockIQ3_XXS& block);
void encode(const float* x, BlockIQ2_XXS& block);
void encode(const float* x, BlockIQ2_XS& block);
void encode(const float* x, BlockIQ2_S& block);
void encode(const float* x, BlockIQ1_S& block);
void encode(const float* x, BlockIQ1_M& block);
void encode(const float* x, BlockMXFP4& block);

// The scale as a block stores it: a scale beyond binary16's range becomes its largest number, not infinity.
Half finite_half(float value);

}  // namespace silicast::engine
