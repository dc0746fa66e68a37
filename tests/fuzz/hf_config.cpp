// SPDX-License-Identifier: Apache-2.0
// Any text is a configuration with countable parameters, or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "workloads/hf_config.h"
#include "workloads/tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace silicast;
  try {
    const Node document = parse_json(std::string_view(reinterpret_cast<const char*>(data), size), "config.json");
    if (!is_hf_config(document)) return 0;
    const Architecture architecture = architecture_of_hf_config(document, "fuzz");
    if (parameter_count(architecture) <= 0) __builtin_trap();
    if (active_parameter_count(architecture) > parameter_count(architecture)) __builtin_trap();
  } catch (const Error&) {
    return 0;
  }
  return 0;
}
