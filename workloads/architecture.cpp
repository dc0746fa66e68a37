// SPDX-License-Identifier: Apache-2.0
#include "workloads/architecture.h"

#include <algorithm>
#include <type_traits>

#include "base/error.h"
#include "workloads/architecture_limits.h"
#include "workloads/layer_fields.h"

namespace silicast {

bool Architecture::has_experts() const { return experts() > 0; }

std::int64_t Architecture::queries_per_kv_head() const {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& here = layer(i);
    if (const auto* grouped = std::get_if<GroupedAttention>(&here.mixer)) return grouped->heads / grouped->kv_heads;
    if (const auto* latent = std::get_if<LatentAttention>(&here.mixer)) return latent->heads;
    if (const auto* compressed = std::get_if<CompressedAttention>(&here.mixer)) return compressed->heads;
  }
  return 1;
}

std::int64_t Architecture::experts() const {
  for (const Layer& kind : kinds)
    if (const auto* f = std::get_if<ExpertFeedForward>(&kind.feed_forward)) return f->experts;
  return 0;
}

void Architecture::add_layer(const Layer& layer) {
  const auto at = std::find(kinds.begin(), kinds.end(), layer);
  layers.push_back(static_cast<int>(at - kinds.begin()));
  if (at == kinds.end()) kinds.push_back(layer);
}

namespace {

// Checks one value after the other; `where` names the file.
class Validator {
 public:
  explicit Validator(const std::string& where) : where_(where) {}

  void require(bool condition, const std::string& rule) const {
    if (!condition) throw InputError((where_.empty() ? std::string("model") : where_) + ": " + rule);
  }
  void in_range(std::int64_t value, const std::string& field, std::int64_t least = 1,
                std::int64_t most = largest_dimension) const {
    require(value >= least && value <= most, field + ": a count from " + std::to_string(least) + " to " +
                                                 std::to_string(most) + " is expected, got " + std::to_string(value));
  }
  void multiple(std::int64_t value, std::int64_t of, const char* rule) const {
    require(value % of == 0, std::string(rule) + " (" + std::to_string(value) + " and " + std::to_string(of) + ")");
  }

  // As a visitor of fields: every one in its range.
  void dimension(const char* key, std::int64_t value) const { in_range(value, prefix_ + key); }
  void count(const char* key, std::int64_t value) const {
    if (value != 0) in_range(value, prefix_ + key);
  }
  void flag(const char* /*key*/, bool /*value*/) const {}
  template <class Enum>
  void choice(const char* /*key*/, Enum /*value*/, const std::vector<std::string>& /*names*/) const {}

  // As a visitor of kinds: ranges first, then what the fields say of each other.
  template <class Kind>
  requires(!std::is_same_v<Kind, Absent>) void operator()(Kind kind) {
    prefix_ = std::string(key_of(kind)) + ".";
    describe(*this, kind);
    check(kind);
  }
  void operator()(const Absent& /*absent*/) const {}

 private:
  void check(const GroupedAttention& a) const {
    in_range(a.value_dim, "attention.value_dim");
    multiple(a.heads, a.kv_heads, "attention.heads: must be a multiple of attention.kv_heads");
    require(!a.value_is_key || a.key_dim == a.value_dim,
            "attention.value_dim: equals head_dim where the value is the key");
    require(!(a.fused_qkv && (a.shared_kv || a.value_is_key)),
            "attention.fused_qkv: excludes shared_kv and value_is_key");
    require(a.shared_kv || !a.unused_kv, "attention.unused_kv: only where shared_kv leaves them unused");
  }
  void check(const LatentAttention& /*attention*/) const {}
  void check(const CompressedAttention& a) const {
    multiple(a.heads, a.output_groups, "attention.heads: must be a multiple of attention.output_groups");
    const bool indexed = a.index_heads > 0;
    require(indexed == (a.index_dim > 0) && indexed == (a.index_top > 0),
            "attention.index_heads, index_dim and index_top: all or none");
    require(a.compression > 0 || !indexed, "attention.index_heads: there are no entries to choose from");
  }
  void check(const GatedDeltaNet& net) const {
    multiple(net.value_heads, net.key_heads, "linear_attention.value_heads: must be a multiple of key_heads");
  }
  void check(const Mamba2& m) const {
    multiple(m.heads, m.groups, "mamba2.heads: must be a multiple of mamba2.groups");
  }
  void check(const ShortConvolution& c) const {
    require(c.convolution >= 2, "short_convolution.convolution: at least 2 tokens wide");
  }
  void check(const DenseFeedForward& /*feed_forward*/) const {}
  void check(const ExpertFeedForward& f) const {
    require(f.used <= f.experts, "experts.used: at most experts.count (" + std::to_string(f.used) + " of " +
                                     std::to_string(f.experts) + ")");
    require(f.shared_intermediate > 0 || !f.shared_gate, "experts.shared_gate: there is no shared expert");
  }

  const std::string& where_;
  std::string prefix_;
};

void check_layers(const Architecture& a, Validator& check) {
  check.in_range(static_cast<std::int64_t>(a.layers.size()), "layers", 1, most_layers);
  for (const int kind : a.layers)
    check.require(kind >= 0 && static_cast<std::size_t>(kind) < a.kinds.size(), "layers: a layer of an unknown kind");
  bool shared = false;
  bool cached = false;
  for (const Layer& kind : a.kinds) {
    check.require(!std::holds_alternative<Absent>(kind.mixer) || !std::holds_alternative<Absent>(kind.feed_forward),
                  "kinds: a layer has a mixer or a feed-forward block, or both");
    std::visit([&check](const auto& mixer) { check(mixer); }, kind.mixer);
    std::visit([&check](const auto& feed_forward) { check(feed_forward); }, kind.feed_forward);
    const auto* attention = std::get_if<GroupedAttention>(&kind.mixer);
    shared = shared || (attention != nullptr && attention->shared_kv);
    cached = cached || (attention != nullptr && !attention->shared_kv);
  }
  check.require(cached || !shared, "attention.shared_kv: no layer has keys and values to share");
}

}  // namespace

void validate(const Architecture& a, const std::string& where) {
  Validator check(where);
  check.in_range(a.hidden, "hidden");
  check.in_range(a.vocabulary, "vocabulary");
  check.in_range(a.context, "context", 1, longest_context);
  check.in_range(a.extra_layers, "extra_layers", 0, most_layers);
  check.require(a.norms_per_layer == 1 || a.norms_per_layer == 2 || a.norms_per_layer == 4,
                "norms.per_layer: 1, 2 or 4");
  check_layers(a, check);
  check.in_range(a.per_layer_input.width, "per_layer_input.width", 0);
  if (a.per_layer_input.width > 0) {
    check.in_range(a.per_layer_input.vocabulary, "per_layer_input.vocabulary");
    check.in_range(a.per_layer_input.width * static_cast<std::int64_t>(a.layers.size()),
                   "per_layer_input.width: of all layers");
  }
  constexpr std::int64_t most_streams = 64;
  check.in_range(a.alternating_updates.streams, "alternating_updates.streams", 0, most_streams);
  if (a.alternating_updates.streams > 0)
    check.in_range(a.alternating_updates.laurel_rank, "alternating_updates.laurel_rank");
  check.in_range(a.hyper_connections, "hyper_connections", 0, most_streams);
}

}  // namespace silicast
