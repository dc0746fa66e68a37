// SPDX-License-Identifier: Apache-2.0
// Any bytes are a GGUF with an architecture, or an Error.
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/unit/gguf_writer.h"
#include "workloads/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace silicast;
  const auto types = testing_gguf::few_types();
  constexpr std::uint64_t weights = std::uint64_t{1} << 40;  // behind the header, so that tensors fit into the file
  try {
    const GgufFile file = parse_gguf(std::as_bytes(std::span(data, size)), size + weights, "fuzz.gguf", *types);
    const Workload workload = workload_of(file, "fuzz.gguf", types);
    if (workload.tensors.size() != workload.types.size()) __builtin_trap();
    if (parameter_count(workload.architecture) <= 0) __builtin_trap();
  } catch (const Error&) {
    return 0;
  }
  return 0;
}
