// SPDX-License-Identifier: Apache-2.0
// Hugging Face config.json to an Architecture.
#pragma once

#include <string>

#include "base/document.h"
#include "workloads/architecture.h"

namespace silicast {

// The text of a config.json. transformers writes Infinity and NaN, which JSON does not know; they are read as null.
Node parse_hf_config(std::string text, const std::string& file);

// Whether the document looks like a config.json (it has model_type or architectures).
bool is_hf_config(const Node& document);

// Families by model_type: llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, qwen3_next, gemma2, gemma3(_text), phi3,
// gpt_oss, deepseek_v2, deepseek_v3, glm4, glm4_moe and what shares their shape. A multimodal config is read from its
// text_config. Throws InputError for missing, contradictory or impossible fields, RefusedError for an unknown family.
Architecture architecture_of_hf_config(const Node& document, const std::string& id);

}  // namespace silicast
