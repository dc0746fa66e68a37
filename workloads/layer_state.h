// SPDX-License-Identifier: Apache-2.0
// What a layer keeps of a sequence between steps.
#pragma once

#include <cstdint>

#include "workloads/architecture.h"

namespace silicast {

struct LayerState {
  // Per token of the context, at the types of the cache; 0 where an earlier layer's are read.
  std::int64_t keys = 0;
  std::int64_t values = 0;  // 0 where the value is a view of the key (latent attention)
  std::int64_t window = 0;  // tokens that are kept at most; 0: all
  // Beside them, values for every `compression` tokens of the context, at the type of the keys.
  std::int64_t compressed = 0;
  std::int64_t compression = 1;
  // Per sequence, F32, whatever its length. The sizes are llama.cpp's n_embd_r and n_embd_s (src/llama-hparams.cpp).
  std::int64_t convolution = 0;  // the inputs that a causal convolution looks back at
  std::int64_t recurrent = 0;

  [[nodiscard]] std::int64_t fixed() const { return convolution + recurrent; }
  bool operator==(const LayerState&) const = default;
};

// `hidden` is the width of the model.
LayerState state_of(const Mixer& mixer, std::int64_t hidden);

}  // namespace silicast
