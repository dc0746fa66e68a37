// SPDX-License-Identifier: Apache-2.0
// Text to tokens and back, by the tokenizer that a GGUF carries: byte-level BPE ("gpt2") or SentencePiece ("llama").
//
// Both begin with characters and join the best neighbouring pair until none is left: BPE the pair that stands first
// among the merges, within words cut by the pre-tokenizer's regular expression; SentencePiece the pair whose union has
// the highest score. Keys: tokenizer.ggml.* (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/tokenizer_vocabulary.h"
#include "workloads/gguf.h"

namespace silicast::engine {

// What the metadata says.
struct Vocabulary {
  std::string model;  // tokenizer.ggml.model
  std::string pre;    // tokenizer.ggml.pre
  std::vector<std::string> tokens;
  std::vector<float> scores;            // empty: none
  std::vector<TokenType> types;         // of each token
  std::vector<std::string> merges;      // "left right", the best first
  std::optional<std::int32_t> begin;    // put before a text, where add_begin
  std::optional<std::int32_t> end;      // ends a text
  std::optional<std::int32_t> unknown;  // what cannot be said otherwise
  bool add_begin = false;
  bool add_space = true;  // SentencePiece: a blank before the text, and behind each control token
};

// From the metadata of a file (or the first of its parts) whose bytes are given. Throws InputError: arrays of different
// lengths, ids outside of the vocabulary. nullopt where the file has no tokenizer.
std::optional<Vocabulary> vocabulary_of(const GgufFile& file, std::span<const std::byte> bytes,
                                        const std::string& name);

class Tokenizer {
 public:
  // Throws RefusedError for models and pre-tokenizers that are not known.
  static std::unique_ptr<const Tokenizer> make(Vocabulary vocabulary);
  virtual ~Tokenizer() = default;

  // Control tokens that stand in the text are taken as such: "<|endoftext|>".
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const;
  // Bytes; of a part of a text not always whole UTF-8 characters. Control tokens are left out.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> tokens) const;
  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }

 protected:
  explicit Tokenizer(Vocabulary vocabulary);

  // Text without control tokens: the whole, or what stands before, between or behind them.
  virtual void encode_plain(std::string_view text, std::vector<std::int32_t>& out) const = 0;
  virtual std::string decode_token(std::int32_t token) const = 0;
  // What encoding has added at the beginning.
  [[nodiscard]] virtual std::string without_added(std::string text) const { return text; }

  [[nodiscard]] std::optional<std::int32_t> find(std::string_view token) const;

 private:
  Vocabulary vocabulary_;
  std::unordered_map<std::string_view, std::int32_t> ids_;
  std::vector<std::int32_t> specials_;  // control and user-defined tokens, the longest first
};

std::unique_ptr<const Tokenizer> make_bpe(Vocabulary vocabulary);
std::unique_ptr<const Tokenizer> make_sentence_piece(Vocabulary vocabulary);

}  // namespace silicast::engine
