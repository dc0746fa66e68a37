// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE. Every byte is a character of an alphabet of 256 (byte_characters), so nothing is unknown.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <map>

#include "base/error.h"
#include "engine/tokenizer.h"
#include "engine/tokenizer_merge.h"

namespace silicast::engine {

namespace {

// How a text is cut into words: the patterns of the models' published tokenizers (tokenizer.json, pre_tokenizer).
struct Pattern {
  std::string_view name;  // tokenizer.ggml.pre
  const char* expression;
  bool whole_words = false;  // a word that is a token is not cut, whatever the merges say ("ignore_merges")
};
constexpr const char* gpt2_words = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* llama3_words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* qwen2_words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* tekken_words =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::array patterns{
    Pattern{"gpt-2", gpt2_words},          Pattern{"mpt", gpt2_words},
    Pattern{"olmo", gpt2_words},           Pattern{"llama-bpe", llama3_words, true},
    Pattern{"llama3", llama3_words, true}, Pattern{"llama-v3", llama3_words, true},
    Pattern{"dbrx", llama3_words},         Pattern{"smaug-bpe", llama3_words},
    Pattern{"qwen2", qwen2_words},         Pattern{"deepseek-r1-qwen", qwen2_words},
    Pattern{"tekken", tekken_words, true},
};

const Pattern& pattern_of(const std::string& name) {
  std::string known;
  for (const Pattern& pattern : patterns) {
    if (pattern.name == name) return pattern;
    known += (known.empty() ? "" : ", ") + std::string(pattern.name);
  }
  throw RefusedError("the pre-tokenizer '" + name + "' is not known; known are " + known +
                     ". Tokens can be given as numbers");
}

class Words {
 public:
  explicit Words(const char* expression) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression), PCRE2_ZERO_TERMINATED,
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &error, &offset, nullptr));
    ensure(code_ != nullptr, "the pre-tokenizer's expression is right");
  }

  // The words of the text and what is between them, in order.
  [[nodiscard]] std::vector<std::string_view> cut(std::string_view text) const {
    std::vector<std::string_view> words;
    const std::unique_ptr<pcre2_match_data, Free> match(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    std::size_t at = 0;
    while (at < text.size()) {
      const int found =
          pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, 0, match.get(), nullptr);
      const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.get());
      if (found < 0 || range[1] <= at) break;
      if (range[0] > at) words.push_back(text.substr(at, range[0] - at));
      words.push_back(text.substr(range[0], range[1] - range[0]));
      at = range[1];
    }
    if (at < text.size()) words.push_back(text.substr(at));
    return words;
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
};

class BytePairs final : public Tokenizer {
 public:
  explicit BytePairs(Vocabulary given)
      : Tokenizer(std::move(given)), pattern_(pattern_of(vocabulary().pre)), words_(pattern_.expression) {
    const auto& merges = vocabulary().merges;
    for (std::size_t i = 0; i < merges.size(); ++i) ranks_.emplace(merges[i], static_cast<double>(i));
    for (unsigned byte = 0; byte < byte_characters().size(); ++byte) bytes_[byte_characters()[byte]] = byte;
  }

 protected:
  void encode_plain(std::string_view text, std::vector<std::int32_t>& out) const override {
    for (const std::string_view word : words_.cut(text)) encode_word(word, out);
  }

  std::string decode_token(std::int32_t token) const override {
    std::string text;
    for (const std::string_view character : characters_of(vocabulary().tokens[static_cast<std::size_t>(token)])) {
      const auto byte = bytes_.find(character);
      if (byte == bytes_.end())
        text.append(character);
      else
        text += static_cast<char>(byte->second);
    }
    return text;
  }

 private:
  void encode_word(std::string_view word, std::vector<std::int32_t>& out) const {
    std::string spelled;
    for (const char c : word) spelled += byte_characters()[static_cast<unsigned char>(c)];
    if (pattern_.whole_words)
      if (const auto token = find(spelled)) return out.push_back(*token);
    const auto rank = [&](std::string_view left, std::string_view right) -> std::optional<double> {
      const auto at = ranks_.find(std::string(left) + " " + std::string(right));
      return at == ranks_.end() ? std::nullopt : std::optional(at->second);
    };
    for (const std::string_view piece : merged(characters_of(spelled), rank)) push(piece, out);
  }

  void push(std::string_view piece, std::vector<std::int32_t>& out) const {
    if (const auto token = find(piece)) return out.push_back(*token);
    for (const std::string_view character : characters_of(piece)) {
      if (const auto token = find(character))
        out.push_back(*token);
      else if (vocabulary().unknown)
        out.push_back(*vocabulary().unknown);
    }
  }

  const Pattern& pattern_;
  Words words_;
  std::unordered_map<std::string, double> ranks_;  // of "left right"
  std::map<std::string, unsigned, std::less<>> bytes_;
};

}  // namespace

std::unique_ptr<const Tokenizer> make_bpe(Vocabulary vocabulary) {
  return std::make_unique<BytePairs>(std::move(vocabulary));
}

}  // namespace silicast::engine
