// SPDX-License-Identifier: Apache-2.0
// SentencePiece's BPE with byte fallback, as llama's and gemma's vocabularies use it: blanks are U+2581, and what the
// vocabulary lacks is spelled in the tokens <0x00> to <0xFF>.
#include <array>

#include "engine/tokenizer.h"
#include "engine/tokenizer_merge.h"

namespace silicast::engine {

namespace {

constexpr std::string_view blank = "\xE2\x96\x81";

std::string byte_name(unsigned byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  return std::string("<0x") + digits[byte >> 4U] + digits[byte & 15U] + ">";
}

class SentencePiece final : public Tokenizer {
 public:
  explicit SentencePiece(Vocabulary given) : Tokenizer(std::move(given)) {
    for (unsigned byte = 0; byte < bytes_.size(); ++byte) bytes_[byte] = find(byte_name(byte));
  }

 protected:
  void encode_plain(std::string_view text, std::vector<std::int32_t>& out) const override {
    std::string spelled;
    if (vocabulary().add_space) spelled += blank;
    for (const char c : text) {
      if (c == ' ')
        spelled += blank;
      else
        spelled += c;
    }
    std::string both;
    const auto cost = [&](std::string_view left, std::string_view right) -> std::optional<double> {
      both.assign(left).append(right);
      const auto token = find(both);
      if (!token) return std::nullopt;
      return -score(*token);
    };
    for (const std::string_view piece : merged(characters_of(spelled), cost)) push(piece, out);
  }

  std::string decode_token(std::int32_t token) const override {
    const auto index = static_cast<std::size_t>(token);
    if (vocabulary().types[index] == TokenType::byte)
      for (unsigned byte = 0; byte < bytes_.size(); ++byte)
        if (bytes_[byte] == token) return {static_cast<char>(byte)};
    std::string text = vocabulary().tokens[index];
    for (std::size_t at = text.find(blank); at != std::string::npos; at = text.find(blank, at + 1))
      text.replace(at, blank.size(), " ");
    return text;
  }

  [[nodiscard]] std::string without_added(std::string text) const override {
    if (vocabulary().add_space && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

 private:
  [[nodiscard]] double score(std::int32_t token) const {
    const auto& scores = vocabulary().scores;
    return scores.empty() ? 0 : static_cast<double>(scores[static_cast<std::size_t>(token)]);
  }

  void push(std::string_view piece, std::vector<std::int32_t>& out) const {
    if (const auto token = find(piece)) return out.push_back(*token);
    for (const char c : piece) {
      const auto byte = bytes_[static_cast<unsigned char>(c)];
      if (byte)
        out.push_back(*byte);
      else if (vocabulary().unknown)
        out.push_back(*vocabulary().unknown);
    }
  }

  std::array<std::optional<std::int32_t>, 256> bytes_;
};

}  // namespace

std::unique_ptr<const Tokenizer> make_sentence_piece(Vocabulary vocabulary) {
  return std::make_unique<SentencePiece>(std::move(vocabulary));
}

}  // namespace silicast::engine
