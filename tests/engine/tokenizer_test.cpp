// SPDX-License-Identifier: Apache-2.0
// Tokenizers on small vocabularies whose results can be worked out by hand.
#include "engine/tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/gguf_writer.h"
#include "engine/tokenizer_merge.h"
#include "tests/unit/workloads_data.h"

namespace silicast::engine {
namespace {

using Tokens = std::vector<std::int32_t>;

Vocabulary byte_vocabulary(const std::vector<std::string>& merges, const std::string& pre = "gpt-2") {
  Vocabulary v;
  v.model = "gpt2";
  v.pre = pre;
  v.tokens.assign(byte_characters().begin(), byte_characters().end());
  for (const std::string& merge : merges) {
    std::string both = merge;
    both.erase(both.find(' '), 1);
    v.tokens.push_back(both);
  }
  v.merges = merges;
  v.tokens.emplace_back("<|end|>");
  v.types.assign(v.tokens.size(), TokenType::normal);
  v.types.back() = TokenType::control;
  v.end = static_cast<std::int32_t>(v.tokens.size()) - 1;
  return v;
}

Vocabulary piece_vocabulary() {
  Vocabulary v;
  v.model = "llama";
  v.tokens = {"<unk>", "<s>", "</s>"};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    v.tokens.emplace_back(name);
  }
  v.types.assign(3, TokenType::control);
  v.types.resize(v.tokens.size(), TokenType::byte);
  v.scores.assign(v.tokens.size(), 0);
  const std::vector<std::pair<std::string, float>> pieces{{"\xE2\x96\x81", -10},
                                                          {"h", -11},
                                                          {"e", -12},
                                                          {"l", -13},
                                                          {"o", -14},
                                                          {"he", -2},
                                                          {"ll", -3},
                                                          {"el", -1},
                                                          {"lo", -20},
                                                          {"\xE2\x96\x81h", -4},
                                                          {"hell", -5},
                                                          {"ello", -6}};
  for (const auto& [text, score] : pieces) {
    v.tokens.push_back(text);
    v.scores.push_back(score);
    v.types.push_back(TokenType::normal);
  }
  v.begin = 1;
  v.end = 2;
  v.unknown = 0;
  v.add_begin = true;
  return v;
}

Tokens ids(const Vocabulary& v, const std::vector<std::string>& texts) {
  Tokens result;
  for (const auto& text : texts)
    result.push_back(static_cast<std::int32_t>(std::find(v.tokens.begin(), v.tokens.end(), text) - v.tokens.begin()));
  return result;
}

TEST(Pieces, ABlankStandsBeforeEachPartBetweenControlTokens) {
  const Vocabulary v = piece_vocabulary();
  // As llama.cpp does: "</s>h" is "</s>" and " h".
  EXPECT_EQ(Tokenizer::make(v)->encode("h</s>h"), ids(v, {"<s>", "\xE2\x96\x81h", "</s>", "\xE2\x96\x81h"}));
}

TEST(BytePairs, TheEarliestMergeGoesFirst) {
  // "lower": l o w e r -> "lo" (0), then "low" (2); "er" (1) before it by rank.
  const Vocabulary v = byte_vocabulary({"l o", "e r", "lo w", "low er"});
  EXPECT_EQ(Tokenizer::make(v)->encode("lower"), ids(v, {"lower"}));
  EXPECT_EQ(Tokenizer::make(v)->encode("lowe"), ids(v, {"low", "e"}));
  // "w e" is merged before "lo w" here, so that "low" never comes to be.
  const Vocabulary other = byte_vocabulary({"w e", "l o", "lo w"});
  EXPECT_EQ(Tokenizer::make(other)->encode("lowe"), ids(other, {"lo", "we"}));
}

TEST(BytePairs, EqualPairsAreMergedFromTheLeft) {
  const Vocabulary v = byte_vocabulary({"a a"});
  EXPECT_EQ(Tokenizer::make(v)->encode("aaaaa"), ids(v, {"aa", "aa", "a"}));
}

TEST(BytePairs, WordsAreCutBeforeTheyAreMerged) {
  // A blank belongs to the word after it; nothing is merged over a word's end.
  const Vocabulary v = byte_vocabulary({"b \xC4\xA0", "\xC4\xA0 b", "a \xC4\xA0"});
  EXPECT_EQ(Tokenizer::make(v)->encode("ab b"), ids(v, {"a", "b",
                                                        "\xC4\xA0"
                                                        "b"}));
}

TEST(BytePairs, DigitsByFamily) {
  const std::vector<std::string> merges{"1 2", "12 3", "123 4"};
  const Vocabulary gpt2 = byte_vocabulary(merges, "gpt-2");
  EXPECT_EQ(Tokenizer::make(gpt2)->encode("1234"), ids(gpt2, {"1234"}));
  const Vocabulary llama3 = byte_vocabulary(merges, "llama-bpe");  // three digits at most
  EXPECT_EQ(Tokenizer::make(llama3)->encode("1234"), ids(llama3, {"123", "4"}));
  const Vocabulary qwen2 = byte_vocabulary(merges, "qwen2");  // one
  EXPECT_EQ(Tokenizer::make(qwen2)->encode("1234"), ids(qwen2, {"1", "2", "3", "4"}));
}

TEST(BytePairs, WholeWordsBeforeMergesWhereTheFamilyHasIt) {
  Vocabulary v = byte_vocabulary({"a b"}, "llama-bpe");
  v.tokens.emplace_back("xyz");
  v.types.push_back(TokenType::normal);
  EXPECT_EQ(Tokenizer::make(v)->encode("xyz"), ids(v, {"xyz"}));
  v.pre = "qwen2";
  EXPECT_EQ(Tokenizer::make(v)->encode("xyz"), ids(v, {"x", "y", "z"}));
}

TEST(BytePairs, ControlTokensOfTheTextAreTaken) {
  const Vocabulary v = byte_vocabulary({});
  EXPECT_EQ(Tokenizer::make(v)->encode("a<|end|>b"), ids(v, {"a", "<|end|>", "b"}));
  EXPECT_EQ(Tokenizer::make(v)->decode(ids(v, {"a", "<|end|>", "b"})), "ab");
}

TEST(BytePairs, AnyBytesComeBack) {
  const auto tokenizer = Tokenizer::make(byte_vocabulary({"e r", "\xC4\xA0 t"}));
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const std::string& text : {std::string("Grüße, \xE4\xB8\x96\xE7\x95\x8C!\n\t 1.5 the"), all, std::string()})
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

TEST(SentencePieces, TheHighestScoreGoesFirst) {
  // _hello: "el" (-1) is the best pair, so that "he" cannot be; then "_h" (-4), "lo" (-20), and of those "ello" (-6).
  const Vocabulary v = piece_vocabulary();
  const Tokens expected = ids(v, {"<s>", "\xE2\x96\x81h", "ello"});
  EXPECT_EQ(Tokenizer::make(v)->encode("hello"), expected);
  EXPECT_EQ(Tokenizer::make(v)->decode(expected), "hello");
}

TEST(SentencePieces, WhatIsMissingIsSpelledInBytes) {
  const Vocabulary v = piece_vocabulary();
  const auto tokenizer = Tokenizer::make(v);
  const Tokens tokens = tokenizer->encode("h\xC3\xBC");
  EXPECT_EQ(tokens, ids(v, {"<s>", "\xE2\x96\x81h", "<0xC3>", "<0xBC>"}));
  EXPECT_EQ(tokenizer->decode(tokens), "h\xC3\xBC");
}

TEST(SentencePieces, NoBlankWhereTheFileSaysSo) {
  Vocabulary v = piece_vocabulary();
  v.add_space = false;
  v.add_begin = false;
  EXPECT_EQ(Tokenizer::make(v)->encode("he"), ids(v, {"he"}));
}

TEST(Tokenizers, AreReadFromMetadata) {
  const Vocabulary v = byte_vocabulary({"a b"});
  GgufWriter writer;
  writer.add("general.architecture", "llama");
  writer.add("tokenizer.ggml.model", v.model);
  writer.add("tokenizer.ggml.pre", v.pre);
  writer.add("tokenizer.ggml.tokens", v.tokens);
  writer.add("tokenizer.ggml.merges", v.merges);
  writer.add("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(*v.end));
  const auto bytes = writer.bytes({});
  const GgufFile file = parse_gguf(bytes, bytes.size(), "small.gguf", *testing_data::types());
  const auto read = vocabulary_of(file, bytes, "small.gguf");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->tokens, v.tokens);
  EXPECT_EQ(read->merges, v.merges);
  EXPECT_EQ(read->end, v.end);
  EXPECT_FALSE(read->begin);
}

TEST(Tokenizers, SayWhatTheyDoNotKnow) {
  Vocabulary v = byte_vocabulary({}, "some-new-one");
  EXPECT_THROW(Tokenizer::make(v), RefusedError);
  v.model = "bert";
  EXPECT_THROW(Tokenizer::make(v), RefusedError);
}

TEST(Tokenizers, RefuseIdsOutsideOfTheVocabulary) {
  GgufWriter writer;
  writer.add("tokenizer.ggml.model", "gpt2");
  writer.add("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
  writer.add("tokenizer.ggml.bos_token_id", std::uint32_t{2});
  const auto bytes = writer.bytes({});
  const GgufFile file = parse_gguf(bytes, bytes.size(), "small.gguf", *testing_data::types());
  EXPECT_THROW(vocabulary_of(file, bytes, "small.gguf"), InputError);
}

TEST(Tokenizers, LongRunsAreQuick) {
  // Quadratic work would take minutes.
  const Vocabulary v = byte_vocabulary({"a a", "aa aa"});
  EXPECT_EQ(Tokenizer::make(v)->encode(std::string(200'000, 'a')).size(), 50'000U);
}

TEST(SyntheticVocabulary, TokenizesAnyText) {
  const SyntheticVocabulary made = synthetic_vocabulary(400);
  Vocabulary v;
  v.model = "gpt2";
  v.pre = "gpt-2";
  v.tokens = made.tokens;
  v.merges = made.merges;
  for (const auto type : made.types) v.types.push_back(static_cast<TokenType>(type));
  ASSERT_EQ(v.tokens.size(), 400U);
  const auto tokenizer = Tokenizer::make(v);
  EXPECT_EQ(tokenizer->encode(" the"), ids(v, {"\xC4\xA0the"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("the others \xF0\x9F\x98\x80")), "the others \xF0\x9F\x98\x80");
}

}  // namespace
}  // namespace silicast::engine
