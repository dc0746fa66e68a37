// SPDX-License-Identifier: Apache-2.0
// The feed-forward of a layer with experts:
//   norm, quantize | router | choose | group | gate, up of each expert, GLU | quantize | down of each expert | weigh, +
//   x
#include <algorithm>

#include "engine/transformer.h"

namespace silicast::engine {

namespace {

// Threads take turns with the shares, so that the odd granules of many experts fall upon all of them.
Range turned_share(const Worker& worker, std::int64_t rows, std::int64_t turn) {
  const int index = static_cast<int>((worker.index() + turn) % worker.count());
  return share_of(rows, row_granule, index, worker.count());
}

}  // namespace

void Transformer::expert_feed_forward(const Worker& worker, const LayerWeights& w, std::int64_t count) {
  prepare(worker, x_.as<float>(), hidden_, w.ffn_norm, {&w.router, &w.expert_gate.all, &w.expert_up.all}, count,
          hidden_);
  project(worker, w.router, nullptr, count, routing_->scores(), w.router.rows);
  worker.barrier();
  route(worker, count);
  expert_gates(worker, w, count);
  worker.barrier();
  const std::int64_t slots = count * routing_->used();
  prepare(worker, first_.as<float>(), w.expert_down.all.columns, nullptr, {&w.expert_down.all}, slots,
          w.expert_down.all.columns);
  expert_results(worker, w, slots);
  worker.barrier();
  add_experts(worker, count);
  worker.barrier();
}

void Transformer::route(const Worker& worker, std::int64_t count) {
  constexpr std::int64_t few = 8;  // tokens: less work than a barrier
  const bool one = worker.index() == 0;
  const Range share = count > few ? worker.share(count) : one ? Range{0, count} : Range{};
  routing_->choose(kernels_, share, model_->parameters.normalized_experts);
  if (count > few) worker.barrier();
  if (one) routing_->group(count);
  worker.barrier();
}

void Transformer::expert_gates(const Worker& worker, const LayerWeights& w, std::int64_t count) {
  const std::int64_t width = w.expert_down.all.columns;
  const Activations& for_gate = prepared(worker, w.expert_gate.all.type, hidden_, count);
  const Activations& for_up = prepared(worker, w.expert_up.all.type, hidden_, count);
  const Scratch& scratch = scratch_of(worker);
  std::int64_t turn = 0;
  for (std::int64_t e = 0; e < routing_->experts(); ++e) {
    const auto tokens = routing_->tokens_of(e);
    if (tokens.empty()) continue;
    const Range rows = turned_share(worker, width, turn++);
    if (rows.empty()) continue;
    const std::int64_t first = routing_->first_slot(e);
    matmul(kernels_, w.expert_gate.expert(e), for_gate, tokens, {first_.as<float>() + first * width, width}, rows,
           scratch);
    matmul(kernels_, w.expert_up.expert(e), for_up, tokens, {second_.as<float>() + first * width, width}, rows,
           scratch);
    for (std::size_t i = 0; i < tokens.size(); ++i)
      activate((first + static_cast<std::int64_t>(i)) * width + rows.begin, rows.size());
  }
}

void Transformer::expert_results(const Worker& worker, const LayerWeights& w, std::int64_t slots) {
  const Activations& x = prepared(worker, w.expert_down.all.type, w.expert_down.all.columns, slots);
  std::int64_t turn = 0;
  for (std::int64_t e = 0; e < routing_->experts(); ++e) {
    const auto of_expert = routing_->slots(e);
    if (of_expert.empty()) continue;
    const Range rows = turned_share(worker, hidden_, turn++);
    if (rows.empty()) continue;
    matmul(kernels_, w.expert_down.expert(e), x, of_expert,
           {second_.as<float>() + routing_->first_slot(e) * hidden_, hidden_}, rows, scratch_of(worker));
  }
}

void Transformer::add_experts(const Worker& worker, std::int64_t count) {
  constexpr std::int64_t line = 16;  // floats of a cache line
  const Range columns = worker.share(hidden_, line);
  if (columns.empty()) return;
  for (std::int64_t t = 0; t < count; ++t)
    for (std::int64_t j = 0; j < routing_->used(); ++j)
      add_scaled(kernels_, second_.as<float>() + routing_->slot(t, j) * hidden_ + columns.begin, routing_->weight(t, j),
                 x_.as<float>() + t * hidden_ + columns.begin, columns.size());
}

}  // namespace silicast::engine
