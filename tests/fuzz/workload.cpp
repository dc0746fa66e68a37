// SPDX-License-Identifier: Apache-2.0
// Any text is a model or a workload that comes back from its own YAML, or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/document.h"
#include "tests/unit/gguf_writer.h"
#include "workloads/workload.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace silicast;
  const auto types = testing_gguf::few_types();
  try {
    const Node root = parse_yaml(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.yaml");
    const Section file(root);
    if (!is_workload(file)) {
      if (parameter_count(read_architecture(file)) <= 0) __builtin_trap();
      return 0;
    }
    const Workload workload = read_workload(file, types);
    const std::string text = workload_yaml(workload);
    const Node again = parse_yaml(text, "again.yaml");
    if (workload_yaml(read_workload(Section(again), types)) != text) __builtin_trap();
  } catch (const Error&) {
    return 0;
  }
  return 0;
}
