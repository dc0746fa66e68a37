// SPDX-License-Identifier: Apache-2.0
// The numbers of a forward pass that an Architecture leaves out because they cost nothing: epsilons, rotary bases and
// scalings, multipliers. Read from a GGUF's metadata, or the family's usual ones for a synthetic model.
// Keys: gguf-py/gguf/constants.py of llama.cpp; what each family does: its src/models/.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/kernels.h"
#include "workloads/architecture.h"
#include "workloads/gguf.h"

namespace silicast::engine {

enum class RopeScaling : std::uint8_t { none, linear, yarn };

struct RopeParameters {
  RopeStyle style = RopeStyle::norm;
  std::int64_t dimensions = 0;  // rotated values of a head
  double base = 10000;
  double local_base = 0;  // of layers with a window, which are never scaled; 0: as the others
  RopeScaling scaling = RopeScaling::none;
  double factor = 1;  // positions are divided by it
  // YaRN (arXiv:2309.00071).
  double original_context = 0;
  double attention_factor = 1;
  double beta_fast = 32;
  double beta_slow = 1;
};

struct Parameters {
  float norm_epsilon = 1e-5F;
  RopeParameters rope;
  float embedding_scale = 1;
  float attention_scale = 0;  // of the scores; 0: 1 / sqrt(head_dim)
  float attention_softcap = 0;
  float logit_softcap = 0;
  bool normalized_experts = true;  // the weights of a token's experts sum to one
};

// Whether the forward pass runs that general.architecture; throws RefusedError naming those it runs, and for parts of
// an architecture that it does not (latent or linear attention, sinks, layer norms, ...).
void expect_runnable(const Architecture& architecture);

// The family's usual figures: those of its published models.
Parameters usual_parameters(const Architecture& architecture);
// The same for any architecture: llama's for those that the engine does not run.
Parameters usual_numbers(const Architecture& architecture);
// What the metadata says, where it does. Throws InputError for values outside of what is accepted, RefusedError for
// scalings that are not known.
Parameters parameters_of(const GgufFile& file, const Architecture& architecture, const std::string& name);

// The frequency factors of YaRN and linear scaling as divisors, one for each pair, times those of rope_freqs.weight
// where the file has them (else empty), and the factor of cosines and sines.
struct RopeTable {
  std::vector<float> divisors;
  float magnitude = 1;
};
RopeTable rope_table_of(const RopeParameters& rope, std::span<const float> frequency_factors);
// Of the layers with a window, where they have a base of their own: nothing is scaled.
double window_base(const RopeParameters& rope);

}  // namespace silicast::engine
