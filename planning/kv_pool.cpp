// SPDX-License-Identifier: Apache-2.0
#include "planning/kv_pool.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace silicast::serving {

namespace {

// Mixes 64 bits (the finalizer of SplitMix64, Steele et al. 2014).
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

}  // namespace

KvPool::KvPool(std::int64_t blocks, std::int32_t block_tokens, bool reuse)
    : limited_(blocks > 0),
      total_(blocks > 0 ? blocks : std::numeric_limits<std::int64_t>::max() / 4),
      block_tokens_(block_tokens),
      reuse_(reuse) {}

template <class Visit>
void KvPool::each_span(const Request& request, std::uint64_t own_key, std::int64_t tokens, Visit visit) const {
  std::uint64_t path = 0;
  std::int64_t start = 0;
  const auto segment = [&](std::uint64_t key, std::int64_t end) {
    path = mixed(mixed(path ^ static_cast<std::uint64_t>(start)) ^ key);
    const std::int64_t blocks = std::min(end, tokens) / block_tokens_ - start / block_tokens_;
    start = end;
    return blocks <= 0 || visit(Span{path, blocks});
  };
  const std::uint64_t tail = request.session != 0 ? request.session : own_key;
  for (const PrefixSegment& s : request.prefix) {
    if (start >= tokens) return;
    if (s.key == request.session && request.session != 0) break;  // goes on in the tail
    if (!segment(s.key, start + s.tokens)) return;
  }
  if (start < tokens && tail != 0) segment(tail, tokens);
}

std::int64_t KvPool::cached_tokens(const Request& request, const Holding& holding, std::int64_t most) const {
  std::int64_t blocks = 0;
  if (!reuse_) return 0;
  each_span(request, holding.key, most, [&](const Span& span) {
    const auto at = entries_.find(span.entry);
    const std::int64_t there = at == entries_.end() ? 0 : std::min(at->second.blocks, span.blocks);
    blocks += there;
    return there == span.blocks;
  });
  return blocks * block_tokens_;
}

// One sequence uses `after` blocks of the entry instead of `before`.
void KvPool::use(std::uint64_t key, Entry& entry, std::int64_t before, std::int64_t after) {
  const std::int64_t pinned = entry.pinned();
  if (before > 0)
    if (const auto at = entry.users.find(before); --at->second == 0) entry.users.erase(at);
  if (after > 0) ++entry.users[after];
  const std::int64_t more = entry.pinned() - pinned;
  used_ += more;
  cached_ -= more;
  // What was put down now is used longest ago at last; what still waits keeps its place.
  const bool waits = entry.blocks > entry.pinned();
  if (entry.waits && (!waits || more < 0)) queue_.erase(entry.place);
  if (waits && (!entry.waits || more < 0)) entry.place = queue_.insert(queue_.end(), key);
  entry.waits = waits;
}

void KvPool::pin(const Request& request, Holding& holding, std::int64_t tokens) {
  each_span(request, holding.key, tokens, [&](const Span& span) {
    use(span.entry, entries_.at(span.entry), 0, span.blocks);
    holding.parts.push_back({span.entry, span.blocks});
    holding.shared += span.blocks;
    return true;
  });
}

void KvPool::evict(std::int64_t blocks) {
  while (blocks > 0) {
    ensure(!queue_.empty(), "blocks that are to be evicted are cached");
    const auto at = entries_.find(queue_.front());
    Entry& entry = at->second;
    const std::int64_t taken = std::min(blocks, entry.blocks - entry.pinned());
    entry.blocks -= taken;
    cached_ -= taken;
    blocks -= taken;
    if (entry.blocks > entry.pinned()) continue;
    queue_.pop_front();
    entry.waits = false;
    if (entry.blocks == 0) entries_.erase(at);
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

// Private blocks with the first `tokens` become blocks of entries, as long as nobody else has put his there.
void KvPool::share(const Request& request, std::uint64_t own_key, Holding& holding, std::int64_t tokens) {
  std::size_t i = 0;
  each_span(request, own_key, tokens, [&](const Span& span) {
    if (i == holding.parts.size()) holding.parts.push_back({span.entry, 0});
    Holding::Part& part = holding.parts[i++];
    if (span.blocks <= part.blocks) return true;
    Entry& entry = entries_[span.entry];
    if (entry.blocks != part.blocks) {
      if (part.blocks == 0) holding.parts.pop_back();
      return false;
    }
    const std::int64_t more = span.blocks - part.blocks;
    entry.blocks += more;
    holding.own -= more;
    holding.shared += more;
    used_ -= more;
    cached_ += more;
    use(span.entry, entry, part.blocks, span.blocks);
    part.blocks = span.blocks;
    return true;
  });
}

void KvPool::publish(const Request& request, Holding& holding, std::int64_t tokens) {
  if (!reuse_) return;
  std::int64_t shared = 0;
  for (const PrefixSegment& segment : request.prefix) shared += segment.tokens;
  share(request, 0, holding, std::min(shared, tokens));
}

void KvPool::release(const Request& request, Holding& holding, std::int64_t tokens) {
  if (reuse_ && (limited_ || request.session != 0)) {
    constexpr std::uint64_t own = std::uint64_t{1} << 63U;  // apart from keys of traffic, which count from 1
    if (holding.key == 0) holding.key = own | ++last_key_;
    share(request, holding.key, holding, tokens);
  }
  used_ -= holding.own;
  for (std::size_t i = holding.parts.size(); i-- > 0;) {
    const auto& part = holding.parts[i];
    use(part.entry, entries_.at(part.entry), part.blocks, 0);
  }
  holding = {.key = holding.key};
}

}  // namespace silicast::serving
