// SPDX-License-Identifier: Apache-2.0
// Hugging Face configurations of models whose layers are of several kinds and state their fields in their own way.
// Each adds the layers to an architecture whose hidden size is set; throws InputError where fields are missing or
// contradict each other. Fields: huggingface/transformers src/transformers/models/*/configuration_*.py.
#pragma once

#include "workloads/architecture.h"

namespace silicast {

class Section;

// nemotron_h: `hybrid_override_pattern` (M Mamba-2, * attention, - feed-forward, E experts) or `layers_block_type`.
void add_nemotron_h_layers(const Section& text, Architecture& architecture);

// lfm2 and lfm2_moe: `layer_types` of conv and full_attention, or `full_attn_idxs`.
void add_lfm2_layers(const Section& text, Architecture& architecture);

// deepseek_v4: `compress_ratios` says how each layer's cache is pooled; `num_hash_layers` route by a table.
void add_deepseek_v4_layers(const Section& text, Architecture& architecture);

// deci: `num_key_value_heads_per_layer`.
void add_deci_layers(const Section& text, Architecture& architecture);

}  // namespace silicast
