// SPDX-License-Identifier: Apache-2.0
// Any bytes are a model that runs a token, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "engine/session.h"
#include "engine/tokenizer.h"
#include "tests/unit/workloads_data.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace silicast;
  using namespace silicast::engine;
  constexpr std::size_t past_the_end = 4096;  // as a mapped file has
  AlignedBuffer file(size + past_the_end);
  if (size > 0) std::memcpy(file.data(), data, size);
  const std::span<const std::byte> bytes(file.data(), size);
  try {
    const auto model = load_model(bytes, "fuzz.gguf", testing_data::types());
    if (auto vocabulary = vocabulary_of(*model->file, bytes, "fuzz.gguf"))
      static_cast<void>(Tokenizer::make(std::move(*vocabulary))->encode("a text of <0x41> some words"));
    constexpr std::uint64_t most = std::uint64_t{1} << 28;  // what a file of a few kilobytes may claim of buffers
    const SessionOptions options{.threads = 1, .context = 2, .ubatch = 2};
    const SessionMemory memory = session_memory(*model, options);
    if (memory.kv_cache + memory.buffers > most) return 0;
    Session session(model, options);
    static_cast<void>(session.decode(0));
    static_cast<void>(session.decode(static_cast<Token>(session.vocabulary() - 1)));
  } catch (const Error&) {
    return 0;
  }
  return 0;
}
