// SPDX-License-Identifier: Apache-2.0
// Names of products as vendors, drivers and model hubs write them.
#pragma once

#include <string>
#include <string_view>

namespace silicast {

// What is left of a name without what tells nothing apart: case, separators, vendors, trademark signs, the owner of a
// repository, and words such as GPU, Processor, Instruct or GGUF. "NVIDIA GeForce RTX 4090" and "rtx4090" come to the
// same, "meta-llama/Llama-3.1-8B-Instruct-GGUF" and "llama3.1:8b" too. Sizes and numbers stay: an "RTX 3080 12GB" is no
// "RTX 3080". Empty when nothing is left.
std::string product_name(std::string_view name);

}  // namespace silicast
