// SPDX-License-Identifier: Apache-2.0
#include "engine/tokenizer.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace silicast::engine {

namespace {

// Reads a metadata array from the file's bytes; its extent was checked when the header was read.
class ArrayReader {
 public:
  ArrayReader(const GgufFile& file, std::span<const std::byte> bytes, const std::string& name)
      : file_(file), bytes_(bytes), name_(name) {}

  [[nodiscard]] const GgufArray* find(std::string_view key) const {
    const GgufValue* value = file_.find(key);
    return value != nullptr ? std::get_if<GgufArray>(value) : nullptr;
  }

  [[nodiscard]] std::vector<std::string> texts(std::string_view key) const {
    const GgufArray* array = find(key);
    if (array == nullptr) return {};
    expect(key, *array, text_type, "texts");
    std::vector<std::string> result;
    std::uint64_t at = array->position;
    for (std::uint64_t i = 0; i < array->count; ++i) {
      const auto length = number<std::uint64_t>(at, key);
      at += sizeof(std::uint64_t);
      if (length > bytes_.size() - at) fail(key, "goes beyond the file");
      result.emplace_back(reinterpret_cast<const char*>(bytes_.data() + at), static_cast<std::size_t>(length));
      at += length;
    }
    return result;
  }

  template <class T>
  [[nodiscard]] std::vector<T> numbers(std::string_view key, std::uint32_t type) const {
    const GgufArray* array = find(key);
    if (array == nullptr) return {};
    expect(key, *array, type, "numbers of that type");
    std::vector<T> result;
    for (std::uint64_t i = 0; i < array->count; ++i) result.push_back(number<T>(array->position + i * sizeof(T), key));
    return result;
  }

  [[nodiscard]] std::optional<std::int32_t> token(std::string_view key, std::size_t vocabulary) const {
    const GgufValue* value = file_.find(key);
    if (value == nullptr) return std::nullopt;
    std::uint64_t id = vocabulary;
    if (const auto* u = std::get_if<std::uint64_t>(value)) id = *u;
    if (const auto* i = std::get_if<std::int64_t>(value)) id = *i < 0 ? vocabulary : static_cast<std::uint64_t>(*i);
    if (id >= vocabulary)
      fail(key, "is outside of the vocabulary; 0 to " + std::to_string(vocabulary - 1) + " is accepted");
    return static_cast<std::int32_t>(id);
  }

  [[nodiscard]] std::string text(std::string_view key) const {
    const GgufValue* value = file_.find(key);
    const auto* text = value != nullptr ? std::get_if<std::string>(value) : nullptr;
    return text != nullptr ? *text : "";
  }

  [[nodiscard]] bool flag(std::string_view key, bool otherwise) const {
    const GgufValue* value = file_.find(key);
    const auto* flag = value != nullptr ? std::get_if<bool>(value) : nullptr;
    return flag != nullptr ? *flag : otherwise;
  }

  [[noreturn]] void fail(std::string_view key, const std::string& what) const {
    throw InputError(name_ + ": key '" + std::string(key) + "': " + what);
  }

 private:
  static constexpr std::uint32_t text_type = 8;

  void expect(std::string_view key, const GgufArray& array, std::uint32_t type, const char* what) const {
    if (array.element_type != type) fail(key, std::string("is no array of ") + what);
  }

  template <class T>
  T number(std::uint64_t at, std::string_view key) const {
    if (at > bytes_.size() || sizeof(T) > bytes_.size() - at) fail(key, "goes beyond the file");
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }

  const GgufFile& file_;
  std::span<const std::byte> bytes_;
  const std::string& name_;
};

bool is_special(TokenType type) { return type == TokenType::control || type == TokenType::user_defined; }

}  // namespace

std::optional<Vocabulary> vocabulary_of(const GgufFile& file, std::span<const std::byte> bytes,
                                        const std::string& name) {
  const ArrayReader reader(file, bytes, name);
  Vocabulary v;
  v.model = reader.text("tokenizer.ggml.model");
  if (v.model.empty() || v.model == "no_vocab" || v.model == "none") return std::nullopt;
  v.pre = reader.text("tokenizer.ggml.pre");
  v.tokens = reader.texts("tokenizer.ggml.tokens");
  if (v.tokens.empty()) reader.fail("tokenizer.ggml.tokens", "is missing or empty; the tokens are accepted");
  constexpr std::uint32_t f32 = 6;
  constexpr std::uint32_t i32 = 5;
  v.scores = reader.numbers<float>("tokenizer.ggml.scores", f32);
  v.types.assign(v.tokens.size(), TokenType::normal);
  const auto types = reader.numbers<std::int32_t>("tokenizer.ggml.token_type", i32);
  for (const auto& [key, size] :
       {std::pair("tokenizer.ggml.scores", v.scores.size()), std::pair("tokenizer.ggml.token_type", types.size())})
    if (size != 0 && size != v.tokens.size())
      reader.fail(key, "has " + std::to_string(size) + " elements; one for each of the " +
                           std::to_string(v.tokens.size()) + " tokens is accepted");
  for (std::size_t i = 0; i < types.size(); ++i) v.types[i] = static_cast<TokenType>(types[i]);
  v.merges = reader.texts("tokenizer.ggml.merges");
  v.begin = reader.token("tokenizer.ggml.bos_token_id", v.tokens.size());
  v.end = reader.token("tokenizer.ggml.eos_token_id", v.tokens.size());
  v.unknown = reader.token("tokenizer.ggml.unknown_token_id", v.tokens.size());
  const bool usually =
      v.model == "llama" || v.pre == "llama-bpe" || v.pre == "llama3" || v.pre == "llama-v3" || v.pre == "tekken";
  v.add_begin = reader.flag("tokenizer.ggml.add_bos_token", usually);
  v.add_space = reader.flag("tokenizer.ggml.add_space_prefix", true);
  return v;
}

std::unique_ptr<const Tokenizer> Tokenizer::make(Vocabulary vocabulary) {
  if (vocabulary.model == "gpt2") return make_bpe(std::move(vocabulary));
  if (vocabulary.model == "llama") return make_sentence_piece(std::move(vocabulary));
  throw RefusedError("the tokenizer model '" + vocabulary.model +
                     "' is not known; gpt2 and llama are. Tokens can be given as numbers");
}

Tokenizer::Tokenizer(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {
  for (std::size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    ids_.emplace(vocabulary_.tokens[i], id);
    if (is_special(vocabulary_.types[i]) && !vocabulary_.tokens[i].empty()) specials_.push_back(id);
  }
  std::stable_sort(specials_.begin(), specials_.end(), [&](std::int32_t a, std::int32_t b) {
    return vocabulary_.tokens[static_cast<std::size_t>(a)].size() >
           vocabulary_.tokens[static_cast<std::size_t>(b)].size();
  });
}

std::optional<std::int32_t> Tokenizer::find(std::string_view token) const {
  const auto at = ids_.find(token);
  return at == ids_.end() ? std::nullopt : std::optional(at->second);
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> out;
  if (vocabulary_.add_begin && vocabulary_.begin) out.push_back(*vocabulary_.begin);
  const auto special_at = [&](std::size_t at) -> std::optional<std::int32_t> {
    for (const std::int32_t id : specials_)
      if (text.substr(at).starts_with(vocabulary_.tokens[static_cast<std::size_t>(id)])) return id;
    return std::nullopt;
  };
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto special = special_at(at);
    if (!special) {
      ++at;
      continue;
    }
    if (at > begin) encode_plain(text.substr(begin, at - begin), out);
    out.push_back(*special);
    begin = at += vocabulary_.tokens[static_cast<std::size_t>(*special)].size();
  }
  if (begin < text.size()) encode_plain(text.substr(begin), out);
  return out;
}

std::string Tokenizer::decode(std::span<const std::int32_t> tokens) const {
  std::string text;
  for (const std::int32_t token : tokens) {
    const auto index = static_cast<std::size_t>(token);
    if (token < 0 || index >= vocabulary_.tokens.size() || vocabulary_.types[index] == TokenType::control) continue;
    text += vocabulary_.types[index] == TokenType::user_defined ? vocabulary_.tokens[index] : decode_token(token);
  }
  return without_added(std::move(text));
}

}  // namespace silicast::engine
