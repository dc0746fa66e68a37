// SPDX-License-Identifier: Apache-2.0
#include "workloads/resize.h"

namespace silicast {

namespace {

template <class T>
void set(const std::optional<std::int64_t>& from, T& to) {
  if (from) to = static_cast<T>(*from);
}

Layer resized(Layer layer, const Sizes& sizes) {
  if (auto* attention = std::get_if<GroupedAttention>(&layer.mixer)) {
    set(sizes.heads, attention->heads);
    set(sizes.kv_heads, attention->kv_heads);
    set(sizes.head_dim, attention->key_dim);
    set(sizes.head_dim, attention->value_dim);
  }
  if (auto* dense = std::get_if<DenseFeedForward>(&layer.feed_forward)) {
    set(sizes.intermediate, dense->intermediate);
  } else {
    auto& experts = std::get<ExpertFeedForward>(layer.feed_forward);
    set(sizes.experts, experts.experts);
    set(sizes.experts_used, experts.used);
    set(sizes.expert_intermediate, experts.intermediate);
  }
  return layer;
}

}  // namespace

bool Sizes::any() const {
  for (const auto* size : {&layers, &hidden, &vocabulary, &context, &heads, &kv_heads, &head_dim, &intermediate,
                           &experts, &experts_used, &expert_intermediate})
    if (size->has_value()) return true;
  return false;
}

Architecture resized(const Architecture& architecture, const Sizes& sizes) {
  if (!sizes.any()) return architecture;
  Architecture result = architecture;
  result.stated_parameters.reset();
  result.stated_active_parameters.reset();
  set(sizes.hidden, result.hidden);
  set(sizes.vocabulary, result.vocabulary);
  set(sizes.context, result.context);
  result.kinds.clear();
  result.layers.clear();
  const auto pattern = architecture.layers.size();
  const std::size_t layers = sizes.layers ? static_cast<std::size_t>(*sizes.layers) : pattern;
  for (std::size_t i = 0; i < layers; ++i) result.add_layer(resized(architecture.layer(i % pattern), sizes));
  validate(result, architecture.name);
  return result;
}

}  // namespace silicast
