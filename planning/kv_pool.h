// SPDX-License-Identifier: Apache-2.0
// A paged KV cache with prefix reuse: blocks of equal size, counted rather than numbered.
//
// A whole block can be shared by all prompts that are equal up to its end. What a prompt is made of is a chain of
// segments (planning/request.h), whose last one is its own; a block that lies across a border belongs to the segment
// behind it. Equal segments behind equal beginnings are one entry here, whose blocks are filled from the first on.
// Sequences pin as many of them as they use. What no sequence uses stays until its blocks are needed: of all entries
// the one used longest ago first, each from its end on. So vLLM does it (PagedAttention, Kwon et al. 2023;
// vllm/v1/core/block_pool.py), where what a finished or preempted sequence leaves waits in the same queue.
//
// Invariant: used + cached + free = total, with used = private blocks + pinned ones.
#pragma once

#include <cstdint>
#include <list>
#include <map>
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
  // Blocks that can be had, those that nothing uses included.
  [[nodiscard]] std::int64_t available() const { return total_ - used_; }
  [[nodiscard]] std::int64_t blocks_of(std::int64_t tokens) const {
    return (tokens + block_tokens_ - 1) / block_tokens_;
  }

  // What a sequence holds.
  struct Holding {
    struct Part {
      std::uint64_t entry = 0;
      std::int64_t blocks = 0;
    };
    std::int64_t own = 0;     // private blocks
    std::vector<Part> parts;  // pinned, in the order of the prompt
    std::int64_t shared = 0;  // blocks of them
    std::uint64_t key = 0;    // of the sequence's own tokens, once it has left some; 0: never

    [[nodiscard]] std::int64_t blocks() const { return own + shared; }
  };

  // Tokens at the beginning of the sequence that are in the cache: whole blocks, of the first `most` tokens.
  [[nodiscard]] std::int64_t cached_tokens(const Request& request, const Holding& holding, std::int64_t most) const;
  // Pins so many, as cached_tokens() has found them.
  void pin(const Request& request, Holding& holding, std::int64_t tokens);
  // Private blocks until the holding has room for `tokens`; false, and nothing changed, when there are not enough.
  bool grow(Holding& holding, std::int64_t tokens);
  // The first `tokens` are computed: what of them others may have can be shared from now on.
  void publish(const Request& request, Holding& holding, std::int64_t tokens);
  // All blocks are given back. `tokens` of them are computed and stay as long as nobody needs the room.
  void release(const Request& request, Holding& holding, std::int64_t tokens);

 private:
  struct Entry {
    std::int64_t blocks = 0;
    std::map<std::int64_t, std::int64_t> users;  // how many use so many of its blocks
    bool waits = false;                          // has blocks that nobody uses: is in the queue
    std::list<std::uint64_t>::iterator place;

    [[nodiscard]] std::int64_t pinned() const { return users.empty() ? 0 : users.rbegin()->first; }
  };
  struct Span {
    std::uint64_t entry = 0;
    std::int64_t blocks = 0;  // of the entry, that the sequence has
  };

  // The entries of a sequence's first `tokens`; of its own tokens where it has a key for them.
  template <class Visit>
  void each_span(const Request& request, std::uint64_t own_key, std::int64_t tokens, Visit visit) const;
  void share(const Request& request, std::uint64_t own_key, Holding& holding, std::int64_t tokens);
  void use(std::uint64_t key, Entry& entry, std::int64_t before, std::int64_t after);
  void evict(std::int64_t blocks);

  bool limited_;
  std::int64_t total_;
  std::int32_t block_tokens_;
  bool reuse_;
  std::int64_t used_ = 0;
  std::int64_t cached_ = 0;
  std::uint64_t last_key_ = 0;
  std::unordered_map<std::uint64_t, Entry> entries_;
  std::list<std::uint64_t> queue_;  // with blocks that nobody uses, longest ago first
};

}  // namespace silicast::serving
