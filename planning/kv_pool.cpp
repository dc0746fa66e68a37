// SPDX-License-Identifier: Apache-2.0
#include "planning/kv_pool.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace silicast::serving {

KvPool::KvPool(std::int64_t blocks, std::int32_t block_tokens, bool reuse)
    : total_(blocks > 0 ? blocks : std::numeric_limits<std::int64_t>::max() / 4),
      block_tokens_(block_tokens),
      reuse_(reuse) {}

std::int64_t KvPool::available() const { return total_ - used_; }

std::int64_t KvPool::cached_tokens(const Request& request) const {
  if (!reuse_) return 0;
  std::int64_t tokens = 0;
  for (const PrefixSegment& segment : request.prefix) {
    const auto chain = chains_.find(segment.key);
    if (chain == chains_.end()) break;
    const std::int64_t whole = segment.tokens / block_tokens_;
    tokens += std::min(chain->second.blocks, whole) * block_tokens_;
    if (chain->second.blocks < whole || segment.tokens % block_tokens_ != 0) break;
  }
  return tokens;
}

void KvPool::pin(Chain& chain) {
  if (chain.users++ > 0) return;
  unused_.erase(chain.place);
  cached_ -= chain.blocks;
  used_ += chain.blocks;
}

void KvPool::pin(const Request& request, Holding& holding) {
  std::int64_t left = cached_tokens(request) / block_tokens_;
  for (const PrefixSegment& segment : request.prefix) {
    if (left <= 0) break;
    Chain& chain = chains_.at(segment.key);
    pin(chain);
    const std::int64_t blocks = std::min<std::int64_t>(left, segment.tokens / block_tokens_);
    holding.chains.push_back(segment.key);
    holding.shared += blocks;
    left -= blocks;
  }
}

void KvPool::evict(std::int64_t blocks) {
  while (blocks > 0) {
    ensure(!unused_.empty(), "blocks that are to be evicted are cached");
    const auto at = chains_.find(unused_.front());
    const std::int64_t taken = std::min(blocks, at->second.blocks);
    at->second.blocks -= taken;
    cached_ -= taken;
    blocks -= taken;
    if (at->second.blocks > 0) continue;
    unused_.pop_front();
    chains_.erase(at);
  }
}

bool KvPool::grow(Holding& holding, std::int64_t tokens) {
  const std::int64_t more = blocks_of(tokens) - holding.blocks();
  if (more <= 0) return true;
  if (more > total_ - used_) return false;
  const std::int64_t free = total_ - used_ - cached_;
  if (more > free) evict(more - free);
  used_ += more;
  holding.own += more;
  return true;
}

// Private blocks become a chain that the holding pins.
void KvPool::make_chain(std::uint64_t key, std::int64_t blocks, Holding& holding) {
  blocks = std::min(blocks, holding.own);
  if (blocks <= 0) return;
  chains_.emplace(key, Chain{.blocks = blocks, .users = 1, .place = unused_.end()});
  holding.own -= blocks;
  holding.shared += blocks;
  holding.chains.push_back(key);
}

// A chain of which the holding is the only user grows by private blocks of it.
void KvPool::extend(std::uint64_t key, std::int64_t blocks, Holding& holding) {
  Chain& chain = chains_.at(key);
  if (chain.users != 1 || holding.chains.empty() || holding.chains.back() != key) return;
  const std::int64_t more = std::clamp<std::int64_t>(blocks - chain.blocks, 0, holding.own);
  chain.blocks += more;
  holding.own -= more;
  holding.shared += more;
}

void KvPool::publish(const Request& request, Holding& holding) {
  if (!reuse_) return;
  if (!holding.chains.empty()) {
    const PrefixSegment& last = request.prefix[holding.chains.size() - 1];
    extend(last.key, last.tokens / block_tokens_, holding);
    if (last.tokens % block_tokens_ != 0) return;
  }
  for (std::size_t i = holding.chains.size(); i < request.prefix.size(); ++i) {
    const PrefixSegment& segment = request.prefix[i];
    if (chains_.contains(segment.key)) return;  // computed by another at the same time; ours stay private
    make_chain(segment.key, segment.tokens / block_tokens_, holding);
    if (segment.tokens % block_tokens_ != 0) return;
  }
}

void KvPool::unpin(std::uint64_t key) {
  Chain& chain = chains_.at(key);
  if (--chain.users > 0) return;
  used_ -= chain.blocks;
  cached_ += chain.blocks;
  chain.place = unused_.insert(unused_.end(), key);
}

void KvPool::release(const Request& request, Holding& holding, std::int64_t tokens) {
  const std::int64_t whole = (tokens - request.session_start) / block_tokens_;
  if (reuse_ && request.session != 0 && tokens > 0 && whole > 0) {
    const auto at = chains_.find(request.session);
    if (at == chains_.end()) {
      make_chain(request.session, whole, holding);
    } else {
      extend(request.session, whole, holding);
    }
  }
  used_ -= holding.own;
  for (auto key = holding.chains.rbegin(); key != holding.chains.rend(); ++key) unpin(*key);
  holding = {};
}

}  // namespace silicast::serving
