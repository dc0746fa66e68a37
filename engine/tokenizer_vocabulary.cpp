// SPDX-License-Identifier: Apache-2.0
#include "engine/tokenizer_vocabulary.h"

#include <string_view>

namespace silicast::engine {

namespace {

// "Ġ" is the blank. Each pair's parts are bytes or results of earlier merges.
constexpr std::array<std::string_view, 24> frequent_pairs{"Ġ t", "h e", "i n", "r e", "o n",  "Ġt he", "e r",  "Ġ a",
                                                          "a t", "e n", "Ġ o", "e s", "Ġ w",  "o r",   "n d",  "Ġ s",
                                                          "i s", "o u", "i t", "Ġ f", "in g", "Ġa nd", "Ġo f", "Ġ in"};

std::string utf8(unsigned code) {
  constexpr unsigned one_byte = 0x80;
  constexpr unsigned low = 0x3F;
  if (code < one_byte) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0U | (code >> 6U)), static_cast<char>(0x80U | (code & low))};
}

bool stands_for_itself(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

}  // namespace

const std::array<std::string, 256>& byte_characters() {
  static const std::array<std::string, 256> characters = [] {
    std::array<std::string, 256> result;
    unsigned next = 0x100;
    for (unsigned byte = 0; byte < result.size(); ++byte) result[byte] = utf8(stands_for_itself(byte) ? byte : next++);
    return result;
  }();
  return characters;
}

SyntheticVocabulary synthetic_vocabulary(std::int64_t size) {
  SyntheticVocabulary result;
  const auto least = static_cast<std::int64_t>(byte_characters().size() + frequent_pairs.size() + 1);
  if (size < least) return result;
  result.tokens.assign(byte_characters().begin(), byte_characters().end());
  for (const std::string_view pair : frequent_pairs) {
    result.merges.emplace_back(pair);
    std::string merged(pair);
    merged.erase(merged.find(' '), 1);
    result.tokens.push_back(std::move(merged));
  }
  result.types.assign(result.tokens.size(), static_cast<std::int32_t>(TokenType::normal));
  while (static_cast<std::int64_t>(result.tokens.size()) < size - 1)
    result.tokens.push_back("<unused" + std::to_string(result.tokens.size()) + ">");
  result.types.resize(result.tokens.size(), static_cast<std::int32_t>(TokenType::unused));
  result.end_of_text = size - 1;
  result.tokens.emplace_back("<|endoftext|>");
  result.types.push_back(static_cast<std::int32_t>(TokenType::control));
  return result;
}

}  // namespace silicast::engine
