// SPDX-License-Identifier: Apache-2.0
// A paged KV cache with prefix reuse: blocks of equal size, counted rather than numbered.
//
// Blocks are private to a sequence, part of a shared chain, or free. A chain holds the first blocks of what has the
// same key (a system prompt, a conversation, a block of a trace); while sequences use it, it is pinned, afterwards it
// stays until its blocks are needed, the chain that was used longest ago first and from its end on (vLLM's order:
// PagedAttention, Kwon et al. 2023; vllm/v1/core/kv_cache_manager.py).
//
// Invariant: used + cached + free = total, with used = private blocks + blocks of pinned chains.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "planning/request.h"

namespace silicast::serving {

class KvPool {
 public:
  // `blocks` 0: without limit. `reuse` false: nothing is kept after use.
  KvPool(std::int64_t blocks, std::int32_t block_tokens, bool reuse);

  [[nodiscard]] std::int32_t block_tokens() const { return block_tokens_; }
  [[nodiscard]] std::int64_t total() const { return total_; }
  [[nodiscard]] std::int64_t used() const { return used_; }
  [[nodiscard]] std::int64_t cached() const { return cached_; }
  // Blocks that can be had, those of unused chains included.
  [[nodiscard]] std::int64_t available() const;
  [[nodiscard]] std::int64_t blocks_of(std::int64_t tokens) const {
    return (tokens + block_tokens_ - 1) / block_tokens_;
  }

  // What a sequence holds.
  struct Holding {
    std::int64_t own = 0;               // private blocks
    std::vector<std::uint64_t> chains;  // pinned, in the order of the prompt
    std::int64_t shared = 0;            // blocks of them that it uses

    [[nodiscard]] std::int64_t blocks() const { return own + shared; }
  };

  // Tokens at the beginning of the prompt that are in the cache, whole blocks only.
  [[nodiscard]] std::int64_t cached_tokens(const Request& request) const;
  // Pins them.
  void pin(const Request& request, Holding& holding);
  // Private blocks until the holding has room for `tokens`; false, and nothing changed, when there are not enough.
  bool grow(Holding& holding, std::int64_t tokens);
  // The prompt is computed: its segments may be shared from now on.
  void publish(const Request& request, Holding& holding);
  // All blocks are given back; of a conversation `tokens` stay under its key. 0: a preempted sequence, nothing stays.
  void release(const Request& request, Holding& holding, std::int64_t tokens);

 private:
  struct Chain {
    std::int64_t blocks = 0;
    std::int64_t users = 0;
    std::list<std::uint64_t>::iterator place;  // among the unused, when there are no users
  };

  void evict(std::int64_t blocks);
  void pin(Chain& chain);
  void unpin(std::uint64_t key);
  void extend(std::uint64_t key, std::int64_t blocks, Holding& holding);
  void make_chain(std::uint64_t key, std::int64_t blocks, Holding& holding);

  std::int64_t total_;
  std::int32_t block_tokens_;
  bool reuse_;
  std::int64_t used_ = 0;
  std::int64_t cached_ = 0;
  std::unordered_map<std::uint64_t, Chain> chains_;
  std::list<std::uint64_t> unused_;  // longest ago first
};

}  // namespace silicast::serving
