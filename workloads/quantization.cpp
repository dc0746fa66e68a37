// SPDX-License-Identifier: Apache-2.0
#include "workloads/quantization.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"

namespace silicast {

namespace {

// Thirds and eighths of the "more bits" pattern of llama.cpp's use_more_bits.
constexpr std::int64_t more_bits_share = 8;
constexpr std::int64_t more_bits_period = 3;
constexpr double bits_of_source = 16;  // of published weights

bool has_more_bits(std::int64_t i, std::int64_t n) {
  const std::int64_t first = n / more_bits_share;
  return i < first || i >= (more_bits_share - 1) * n / more_bits_share ||
         (i - first) % more_bits_period == more_bits_period - 1;
}

// The rules that hold for one model, as bits by role, and the counters their selectors need.
class Assignment {
 public:
  Assignment(const QuantScheme& scheme, const QuantOptions& options, const Architecture& architecture,
             std::span<const Tensor> tensors, const TypeTable& types)
      : scheme_(scheme),
        types_(types),
        tied_(architecture.tied_embeddings),
        experts_(architecture.experts()),
        layers_(static_cast<std::int64_t>(architecture.layers.size()) + architecture.extra_layers) {
    source_type_ = source_type(architecture);
    select_rules(options, architecture);
    count_tensors(tensors, architecture.extra_layers);
  }

  TypeId type_of(const Tensor& tensor) {
    if (keeps_source_type(tensor)) return source_type_;
    if (!is_quantizable(tensor)) return scheme_.unquantized;
    TypeId type = scheme_.default_type;
    std::optional<TypeId> fallback;
    const std::size_t role = index_of(effective_role(tensor.role));
    const std::int64_t ordinal = met_[index_of(tensor.role)]++;
    for (ActiveRule& active : active_) {
      const QuantRule& rule = *active.rule;
      if (!rule.roles.test(role) || !selected(active, tensor, ordinal)) continue;
      if (rule.replaces.any() && !rule.replaces.test(index_of(type))) continue;
      type = rule.type;
      fallback = rule.fallback;
    }
    return fitting(type, fallback, tensor.shape[0]);
  }

 private:
  struct ActiveRule {
    const QuantRule* rule = nullptr;
    std::int64_t total = 0;    // tensors of the rule's roles
    std::int64_t counted = 0;  // those met so far
  };
  // 16 bits, unless the scheme is wider or says itself how it stores what is not quantized. Only the models with
  // inputs per layer have such tensors.
  [[nodiscard]] TypeId source_type(const Architecture& architecture) const {
    const bool has_some = architecture.per_layer_input.width > 0 || architecture.alternating_updates.streams > 0;
    const bool wide = types_[scheme_.default_type].bits_per_weight() > bits_of_source;
    const bool narrow = types_[scheme_.unquantized].bits_per_weight() <= bits_of_source;
    return !has_some || wide || narrow ? scheme_.unquantized : types_.at("BF16");
  }

  void select_rules(const QuantOptions& options, const Architecture& architecture) {
    QuantOptions effective = options;
    effective.imatrix = options.imatrix || scheme_.always_imatrix;
    active_.reserve(scheme_.rules.size());
    for (const QuantRule& rule : scheme_.rules)
      if (rule.conditions.hold(effective, architecture)) active_.push_back({.rule = &rule});
  }

  // A tied embedding is the output projection as well and follows its rules; the table of per-layer inputs follows the
  // embedding's.
  [[nodiscard]] TensorRole effective_role(TensorRole role) const {
    const bool embedding = role == TensorRole::token_embd || role == TensorRole::per_layer_token_embd;
    if (!embedding) return role;
    return tied_ ? TensorRole::output : TensorRole::token_embd;
  }

  // Every prediction block stored beyond the model's layers has a tensor of each counted role.
  void count_tensors(std::span<const Tensor> tensors, std::int64_t extra_layers) {
    std::array<std::int64_t, role_count> of_role{};
    for (const Tensor& tensor : tensors) of_role[index_of(tensor.role)] += tensor.bias ? 0 : 1;
    for (ActiveRule& active : active_) {
      if (active.rule->layers.count != LayerSelector::Count::tensor) continue;
      active.total = extra_layers;
      for (std::size_t role = 0; role < role_count; ++role)
        if (active.rule->roles.test(role)) active.total += of_role[role];
    }
  }

  // `ordinal`: how many tensors of its role came before.
  bool selected(ActiveRule& active, const Tensor& tensor, std::int64_t ordinal) const {
    const LayerSelector& layers = active.rule->layers;
    switch (layers.count) {
      // Without experts llama.cpp counts the tensors; that differs from the layer's number where layers lack them.
      case LayerSelector::Count::layer: return layers.selects(experts_ > 1 ? tensor.layer : ordinal, layers_);
      case LayerSelector::Count::tensor: return layers.selects(active.counted++, active.total);
      case LayerSelector::Count::tensor_of_layers: return layers.selects(active.counted++, layers_);
    }
    return false;
  }

  [[nodiscard]] TypeId fitting(TypeId type, const std::optional<TypeId>& fallback, std::int64_t weights) const {
    if (types_[type].fits(weights)) return type;
    const TypeId second = fallback.value_or(types_[type].fallback);
    if (types_[second].fits(weights)) return second;
    return types_[second].fallback;
  }

  const QuantScheme& scheme_;
  const TypeTable& types_;
  bool tied_;
  std::int64_t experts_;
  std::int64_t layers_;
  TypeId source_type_{};
  std::vector<ActiveRule> active_;
  std::array<std::int64_t, role_count> met_{};
};

std::int64_t rows_of(const Tensor& tensor) { return tensor.shape[1] * tensor.shape[2]; }

}  // namespace

std::optional<TypeId> TypeTable::find(std::string_view name) const {
  const std::string canonical = canonical_name(name);
  for (std::size_t i = 0; i < types_.size(); ++i)
    if (canonical_names_[i] == canonical) return static_cast<TypeId>(i);
  return std::nullopt;
}

std::optional<TypeId> TypeTable::find_gguf(int number) const {
  for (std::size_t i = 0; i < types_.size(); ++i)
    if (types_[i].gguf_number == number) return static_cast<TypeId>(i);
  return std::nullopt;
}

TypeId TypeTable::at(std::string_view name) const {
  const auto id = find(name);
  ensure(id.has_value(), "data/quants/types.yaml lacks a type that silicast itself names");
  return *id;
}

Bytes TypeTable::row_bytes(std::int64_t weights, TypeId id) const {
  const TensorType& type = (*this)[id];
  const auto blocks_of = [&](std::int64_t amount) { return (amount + type.block - 1) / type.block; };
  const std::int64_t bytes = type.whole_blocks ? blocks_of(weights) * type.bytes : blocks_of(weights * type.bytes);
  return Bytes(static_cast<double>(bytes));
}

Bytes TypeTable::bytes(const Tensor& tensor, TypeId id) const {
  return row_bytes(tensor.shape[0], id) * static_cast<double>(rows_of(tensor));
}

std::string_view name_of(QuantFormat format) {
  switch (format) {
    case QuantFormat::gguf: return "gguf";
    case QuantFormat::safetensors: return "safetensors";
    case QuantFormat::mlx: return "mlx";
  }
  return {};
}

bool QuantConditions::hold(const QuantOptions& options, const Architecture& architecture) const {
  const std::int64_t model_experts = architecture.experts();
  if (experts && *experts != model_experts) return false;
  if (experts_at_least && model_experts < *experts_at_least) return false;
  if (queries_per_kv_head_at_least && architecture.queries_per_kv_head() < *queries_per_kv_head_at_least) return false;
  if (layers && *layers != static_cast<std::int64_t>(architecture.layers.size())) return false;
  if (imatrix && *imatrix != options.imatrix) return false;
  if (tied_embeddings && *tied_embeddings != architecture.tied_embeddings) return false;
  if (!architectures.empty() &&
      std::find(architectures.begin(), architectures.end(), architecture.gguf_architecture) == architectures.end())
    return false;
  // Year-months compare as text. No date means the newest rules.
  if (!since.empty() && !options.date.empty() && options.date < since) return false;
  return until.empty() || (!options.date.empty() && options.date < until);
}

bool LayerSelector::selects(std::int64_t i, std::int64_t n) const {
  switch (kind) {
    case Kind::all: return true;
    case Kind::first: return i < number;
    case Kind::first_share: return i < n / number;
    case Kind::inner: return i >= n / number && i < (number - 1) * n / number;
    case Kind::more_bits: return has_more_bits(i, n);
  }
  return false;
}

std::vector<TypeId> assign_types(const QuantScheme& scheme, const QuantOptions& options,
                                 const Architecture& architecture, std::span<const Tensor> tensors,
                                 const TypeTable& types) {
  Assignment assignment(scheme, options, architecture, tensors, types);
  std::vector<TypeId> result;
  result.reserve(tensors.size());
  for (const Tensor& tensor : tensors) result.push_back(assignment.type_of(tensor));
  return result;
}

}  // namespace silicast
