// SPDX-License-Identifier: Apache-2.0
#include "planning/server_slots.h"

#include <algorithm>

#include "base/error.h"

namespace silicast::serving {

namespace {

// Least share of a prompt that a slot's cache must have for the slot to be preferred (--slot-prompt-similarity).
constexpr double least_similarity = 0.1;

}  // namespace

ServerSlots::ServerSlots(const SlotOptions& options)
    : options_(options), builder_(options.ubatch, options.window), slots_(static_cast<std::size_t>(options.slots)) {}

std::int64_t ServerSlots::limit_of_slot() const {
  if (options_.cells == 0) return std::numeric_limits<std::int64_t>::max();
  return options_.unified ? options_.cells : options_.cells / options_.slots;
}

bool ServerSlots::add(std::unique_ptr<Sequence> sequence) {
  if (std::int64_t{sequence->request.prompt} + sequence->request.output - 1 > limit_of_slot()) {
    ++failed_;
    return false;
  }
  waiting_.push_back(std::move(sequence));
  return true;
}

std::int64_t ServerSlots::kv_used() const {
  std::int64_t cells = 0;
  for (const Slot& slot : slots_)
    if (slot.sequence) cells += slot.cells;
  return cells;
}

std::int64_t ServerSlots::common(const Slot& slot, const Request& request) const {
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < std::min(slot.content.size(), request.prefix.size()); ++i) {
    if (slot.content[i].key != request.prefix[i].key) break;
    tokens += std::min(slot.content[i].tokens, request.prefix[i].tokens);
    if (slot.content[i].tokens != request.prefix[i].tokens) break;
  }
  return std::min<std::int64_t>(tokens, request.prompt - 1);
}

ServerSlots::Slot& ServerSlots::slot_for(const Request& request) {
  Slot* best = nullptr;
  Slot* oldest = nullptr;
  std::int64_t most = 0;
  for (Slot& slot : slots_) {
    if (slot.sequence) continue;
    const std::int64_t tokens = common(slot, request);
    if (tokens > most && static_cast<double>(tokens) >= least_similarity * request.prompt) most = tokens, best = &slot;
    if (oldest == nullptr || slot.released < oldest->released) oldest = &slot;
  }
  return best != nullptr ? *best : *oldest;
}

void ServerSlots::start_waiting(double now) {
  while (!waiting_.empty() && running_ < slots_.size()) {
    std::unique_ptr<Sequence> sequence = std::move(waiting_.front());
    waiting_.pop_front();
    Slot& slot = slot_for(sequence->request);
    sequence->computed = options_.prefix_cache ? common(slot, sequence->request) : 0;
    sequence->cached = sequence->computed;
    sequence->started = now;
    slot.cells = sequence->computed;
    slot.content.clear();
    slot.sequence = std::move(sequence);
    ++running_;
  }
}

// Idle slots give up what they keep, the one used longest ago first.
bool ServerSlots::make_room(std::int64_t cells) {
  if (options_.cells == 0) return true;
  std::int64_t held = cells;
  for (const Slot& slot : slots_) held += slot.cells;
  while (held > options_.cells) {
    Slot* oldest = nullptr;
    for (Slot& slot : slots_)
      if (!slot.sequence && slot.cells > 0 && (oldest == nullptr || slot.released < oldest->released)) oldest = &slot;
    if (oldest == nullptr) return false;
    held -= oldest->cells;
    oldest->cells = 0;
    oldest->content.clear();
  }
  return true;
}

void ServerSlots::plan(double now, Step& step) {
  step.clear();
  start_waiting(now);
  builder_.begin(step);
  std::int64_t budget = options_.batch;
  std::int64_t planned = 0;
  const auto take = [&](Slot& slot, std::int64_t tokens) {
    if (!make_room(planned + tokens)) {
      discarded_ += slot.sequence->computed;
      ++failed_;
      given_up_.push_back(std::move(slot.sequence));
      release(slot, false);
      return;
    }
    builder_.add(*slot.sequence, tokens);
    planned += tokens;
    budget -= tokens;
  };
  for (Slot& slot : slots_)
    if (slot.sequence && slot.sequence->generated > 0 && budget > 0) take(slot, 1);
  for (Slot& slot : slots_)
    if (slot.sequence && slot.sequence->generated == 0 && budget > 0)
      take(slot, std::min(slot.sequence->known() - slot.sequence->computed, budget));
  builder_.end();
  const auto sequences = static_cast<std::int64_t>(step.parts.size());
  if (step.parts.size() < running_ || !make_room(sequences * step.most_repeats)) step.most_repeats = 1;
}

void ServerSlots::release(Slot& slot, bool keep) {
  slot.released = ++releases_;
  --running_;
  if (keep) return;
  slot.cells = 0;
  slot.content.clear();
}

void ServerSlots::commit(const Step& step, std::int64_t repeats, std::vector<std::unique_ptr<Sequence>>& done) {
  for (const Scheduled& part : step.parts) {
    Sequence& sequence = *part.sequence;
    sequence.computed += part.tokens + repeats - 1;
    if (sequence.computed >= sequence.known()) sequence.generated = sequence.computed - sequence.request.prompt + 1;
  }
  for (std::unique_ptr<Sequence>& sequence : given_up_) done.push_back(std::move(sequence));
  given_up_.clear();
  for (Slot& slot : slots_) {
    if (!slot.sequence) continue;
    slot.cells = slot.sequence->computed;
    if (!slot.sequence->finished()) continue;
    const Request& request = slot.sequence->request;
    slot.content = request.prefix;
    if (request.session != 0) {
      if (!slot.content.empty() && slot.content.back().key == request.session) slot.content.pop_back();
      slot.content.push_back(
          {request.session, static_cast<std::int32_t>(slot.sequence->computed - request.session_start)});
    }
    done.push_back(std::move(slot.sequence));
    release(slot, options_.prefix_cache && !slot.content.empty());
  }
}

}  // namespace silicast::serving
