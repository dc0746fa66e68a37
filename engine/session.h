// SPDX-License-Identifier: Apache-2.0
// The engine as a whole, for who generates or measures: a model, threads, a KV cache, and the steps.
//
//   Session session(load_model("model.gguf", types), {.threads = 8, .context = 640});
//   auto logits = session.prefill(prompt);             // 512 tokens: what llama-bench calls pp512
//   logits = session.decode(argmax(logits));           // one more token; repeat for tg128
//   session.set_depth(4096); ...                       // as if 4096 tokens were in the cache
//
// Sequences are numbered from 0. A step that is wrong (a token outside of the vocabulary, more positions than the
// context) throws InputError before anything is computed. Not for several threads at once: it has threads of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/kernels.h"
#include "engine/kv_cache.h"
#include "engine/model.h"
#include "engine/thread_pool.h"
#include "engine/transformer.h"

namespace silicast::engine {

using Token = std::int32_t;

struct SessionOptions {
  int threads = 0;             // 0: one per processor that the process may use
  bool pin = true;             // thread i stays on the i-th of them
  std::int64_t context = 512;  // positions of each sequence; the KV cache is exactly as long
  std::int64_t sequences = 1;
  std::int64_t ubatch = 512;  // most tokens of a step
  KvType kv_type = KvType::f16;
  std::optional<Isa> isa;  // the best one, unless forced
};

// Bytes beside the weights.
struct SessionMemory {
  std::uint64_t kv_cache = 0;
  std::uint64_t buffers = 0;  // activations, logits, and what each thread has
};
SessionMemory session_memory(const Model& model, const SessionOptions& options);

class Session {
 public:
  // Throws Error (exit code 1) when weights, cache and buffers need more memory than there is, UsageError for an
  // instruction set that this processor lacks, InputError for options out of range.
  Session(std::shared_ptr<const Model> model, SessionOptions options);

  // Appends the tokens to the sequence, in steps of up to `ubatch`. The logits after the last of them: `vocabulary`
  // values, valid until the next call.
  std::span<const float> prefill(std::span<const Token> tokens, std::int64_t sequence = 0);
  // The same with the logits after every token, row by row.
  std::vector<float> prefill_all(std::span<const Token> tokens, std::int64_t sequence = 0);
  // One token more of one sequence.
  std::span<const float> decode(Token token, std::int64_t sequence = 0);
  // One token more of sequences 0 ... tokens.size() - 1, in one step; a row of logits for each.
  std::span<const float> decode(std::span<const Token> tokens);

  // Tokens that the sequence has.
  [[nodiscard]] std::int64_t depth(std::int64_t sequence = 0) const {
    return depth_[static_cast<std::size_t>(sequence)];
  }
  // As if the sequence had that many tokens, whatever its cache holds: to measure at a depth without computing it.
  void set_depth(std::int64_t depth, std::int64_t sequence = 0);
  // Forgets all sequences.
  void reset();

  [[nodiscard]] const Model& model() const { return *model_; }
  [[nodiscard]] int threads() const { return pool_.size(); }
  [[nodiscard]] Isa isa() const { return isa_of(kernels_); }
  [[nodiscard]] const SessionOptions& options() const { return options_; }
  [[nodiscard]] std::int64_t vocabulary() const { return model_->architecture.vocabulary; }
  [[nodiscard]] SessionMemory memory() const { return session_memory(*model_, options_); }

 private:
  void expect_room(std::int64_t tokens, std::int64_t sequence) const;
  void expect_tokens(std::span<const Token> tokens) const;
  void append(std::span<const Token> tokens, std::int64_t sequence, float* all_logits);

  std::shared_ptr<const Model> model_;
  SessionOptions options_;
  const Kernels& kernels_;
  ThreadPool pool_;
  KvCache cache_;
  Transformer transformer_;
  std::vector<std::int64_t> depth_;
  std::vector<BatchToken> batch_;
  AlignedBuffer logits_;  // [sequences][vocabulary]
};

}  // namespace silicast::engine
