// SPDX-License-Identifier: Apache-2.0
#include "engine/session.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "engine/topology.h"

namespace silicast::engine {

namespace {

constexpr std::int64_t most_positions = std::int64_t{1} << 30;
constexpr std::int64_t most_sequences = 4096;
constexpr std::int64_t most_ubatch = 1 << 16;

void expect_between(const char* what, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most)
    throw InputError(std::string(what) + ": " + std::to_string(value) + "; " + std::to_string(least) + " to " +
                     std::to_string(most) + " is accepted");
}

const Kernels& chosen_kernels(const SessionOptions& options) {
  if (!options.isa) return best_kernels();
  if (!is_supported(*options.isa)) {
    std::string supported;
    for (const Isa isa : all_isas())
      if (is_supported(isa)) supported += (supported.empty() ? "" : ", ") + std::string(name_of(isa));
    throw UsageError("this processor does not run the instruction set " + std::string(name_of(*options.isa)) +
                     "; it runs " + supported);
  }
  return kernels_of(*options.isa);
}

int thread_count(const SessionOptions& options) {
  return options.threads > 0 ? options.threads : static_cast<int>(usable_processors().size());
}

// Tokens of a step: a micro-batch, or one of each sequence.
std::int64_t step_tokens(const SessionOptions& options) {
  return std::max(std::min(options.ubatch, options.context), options.sequences);
}

KvCache::Shape cache_shape(const SessionOptions& options) {
  return {.sequences = options.sequences,
          .context = options.context,
          .step = std::min(options.ubatch, options.context),
          .type = options.kv_type};
}

// Checks the options before anything is made of them.
SessionOptions checked(const Model& model, const SessionOptions& options) {
  expect_between("context", options.context, 1, most_positions);
  expect_between("sequences", options.sequences, 1, most_sequences);
  expect_between("ubatch", options.ubatch, 1, most_ubatch);
  const SessionMemory memory = session_memory(model, options);
  // The weights of a mapped file count as well: they are read at every step, and what does not stay is read from disk.
  const std::uint64_t resident = model.file == nullptr ? 0 : model.tensor_bytes();
  expect_memory(memory.kv_cache + memory.buffers + resident, "a session of " + model.architecture.name);
  return options;
}

}  // namespace

SessionMemory session_memory(const Model& model, const SessionOptions& options) {
  const auto vocabulary = static_cast<std::uint64_t>(model.architecture.vocabulary);
  return {.kv_cache = KvCache::bytes_for(model.architecture, cache_shape(options)),
          .buffers = Transformer::buffer_bytes_for(model, step_tokens(options), thread_count(options)) +
                     vocabulary * static_cast<std::uint64_t>(options.sequences) * sizeof(float)};
}

Session::Session(std::shared_ptr<const Model> model, SessionOptions options)
    : model_(std::move(model)),
      options_(checked(*model_, options)),
      kernels_(chosen_kernels(options)),
      pool_({.threads = options.threads, .pin = options.pin}),
      cache_(model_->architecture, cache_shape(options)),
      transformer_(model_, kernels_, pool_, step_tokens(options)),
      depth_(static_cast<std::size_t>(options.sequences)),
      logits_(static_cast<std::size_t>(options.sequences * model_->architecture.vocabulary) * sizeof(float)) {
  batch_.reserve(static_cast<std::size_t>(step_tokens(options)));
  if (topology().numa_nodes > 1) cache_.touch(pool_);
}

void Session::expect_room(std::int64_t tokens, std::int64_t sequence) const {
  expect_between("sequence", sequence, 0, options_.sequences - 1);
  const std::int64_t filled = depth(sequence);
  if (tokens > options_.context - filled)
    throw InputError("the context is " + std::to_string(options_.context) + " tokens: " + std::to_string(filled) +
                     " are filled, and " + std::to_string(tokens) + " more are asked for");
}

void Session::expect_tokens(std::span<const Token> tokens) const {
  if (tokens.empty()) throw InputError("no tokens; at least one is accepted");
  for (const Token token : tokens)
    if (token < 0 || token >= vocabulary())
      throw InputError("token " + std::to_string(token) + ": outside of the vocabulary; 0 to " +
                       std::to_string(vocabulary() - 1) + " is accepted");
}

// all_logits: room for a row of each token, or null for the last one's in logits_.
void Session::append(std::span<const Token> tokens, std::int64_t sequence, float* all_logits) {
  expect_tokens(tokens);
  expect_room(static_cast<std::int64_t>(tokens.size()), sequence);
  std::int64_t& depth = depth_[static_cast<std::size_t>(sequence)];
  while (!tokens.empty()) {
    const auto step = tokens.first(std::min<std::size_t>(tokens.size(), static_cast<std::size_t>(options_.ubatch)));
    tokens = tokens.subspan(step.size());
    batch_.clear();
    for (const Token token : step)
      batch_.push_back({token, static_cast<std::int32_t>(sequence), depth + static_cast<std::int64_t>(batch_.size()),
                        all_logits != nullptr});
    batch_.back().logits = batch_.back().logits || tokens.empty();
    transformer_.forward(batch_, cache_, all_logits != nullptr ? all_logits : logits_.as<float>());
    depth += static_cast<std::int64_t>(step.size());
    if (all_logits != nullptr) all_logits += static_cast<std::int64_t>(step.size()) * vocabulary();
  }
}

std::span<const float> Session::prefill(std::span<const Token> tokens, std::int64_t sequence) {
  append(tokens, sequence, nullptr);
  return {logits_.as<float>(), static_cast<std::size_t>(vocabulary())};
}

std::vector<float> Session::prefill_all(std::span<const Token> tokens, std::int64_t sequence) {
  const std::uint64_t values = tokens.size() * static_cast<std::uint64_t>(vocabulary());
  expect_memory(values * sizeof(float), "the logits of " + std::to_string(tokens.size()) + " tokens");
  std::vector<float> logits(values);
  append(tokens, sequence, logits.data());
  return logits;
}

std::span<const float> Session::decode(Token token, std::int64_t sequence) {
  return prefill(std::span(&token, 1), sequence);
}

std::span<const float> Session::decode(std::span<const Token> tokens) {
  expect_tokens(tokens);
  expect_between("sequences of a step", static_cast<std::int64_t>(tokens.size()), 1, options_.sequences);
  batch_.clear();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    expect_room(1, static_cast<std::int64_t>(i));
    batch_.push_back({tokens[i], static_cast<std::int32_t>(i), depth_[i], true});
  }
  transformer_.forward(batch_, cache_, logits_.as<float>());
  for (std::size_t i = 0; i < tokens.size(); ++i) ++depth_[i];
  return {logits_.as<float>(), tokens.size() * static_cast<std::size_t>(vocabulary())};
}

void Session::set_depth(std::int64_t depth, std::int64_t sequence) {
  expect_between("sequence", sequence, 0, options_.sequences - 1);
  expect_between("depth", depth, 0, options_.context);
  cache_.jump(sequence, depth);
  depth_[static_cast<std::size_t>(sequence)] = depth;
}

void Session::reset() {
  for (std::int64_t s = 0; s < options_.sequences; ++s) set_depth(0, s);
}

}  // namespace silicast::engine
