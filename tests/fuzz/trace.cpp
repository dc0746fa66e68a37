// SPDX-License-Identifier: Apache-2.0
// Any text is a trace in the order of arrival whose prefixes lie within their prompts, or an Error; so are lengths.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#include "base/error.h"
#include "planning/trace.h"

namespace {

using namespace silicast::serving;

void check_trace(const std::string& text) {
  std::istringstream stream(text);
  const Trace trace = read_trace(stream, "fuzz");
  if (trace.requests.empty() || trace.requests.front().arrival != 0) __builtin_trap();
  double last = 0;
  for (const Request& request : trace.requests) {
    if (!std::isfinite(request.arrival) || request.arrival < last) __builtin_trap();
    last = request.arrival;
    if (request.prompt < 1 || request.output < 1) __builtin_trap();
    std::int64_t shared = 0;
    for (const PrefixSegment& segment : request.prefix) {
      if (segment.tokens < 1 || segment.key == 0) __builtin_trap();
      shared += segment.tokens;
    }
    if (shared > request.prompt) __builtin_trap();
  }
}

void check_lengths(const std::string& text) {
  std::istringstream stream(text);
  for (const LengthPair& pair : read_lengths(stream, "fuzz"))
    if (pair.prompt < 1 || pair.output < 1) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const auto check : {check_trace, check_lengths}) {
    try {
      check(text);
    } catch (const silicast::Error&) {
      continue;
    }
  }
  return 0;
}
