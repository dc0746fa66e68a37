// SPDX-License-Identifier: Apache-2.0
// The vocabulary of a synthetic file, and the byte alphabet of byte-level BPE.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace silicast::engine {

// The character that stands for each byte in a byte-level BPE, as UTF-8: printable Latin-1 for itself, the others from
// U+0100 on (bytes_to_unicode of GPT-2's encoder.py).
const std::array<std::string, 256>& byte_characters();

// tokenizer.ggml.token_type
enum class TokenType : std::int32_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct SyntheticVocabulary {
  std::vector<std::string> tokens;  // empty: so few do not make a vocabulary
  std::vector<std::int32_t> types;
  std::vector<std::string> merges;
  std::int64_t end_of_text = 0;
};
// All bytes, merges of frequent English pairs, unused entries, and <|endoftext|> as the last.
SyntheticVocabulary synthetic_vocabulary(std::int64_t size);

}  // namespace silicast::engine
