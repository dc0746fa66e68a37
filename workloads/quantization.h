// SPDX-License-Identifier: Apache-2.0
// Quantization as data: block formats (types) and schemes, the rules by which a scheme gives every tensor its type.
// Formats: ggml-common.h of ggml. Mix rules: llama-quant.cpp of llama.cpp. Both as data in data/quants/ with sources.
//
// Everything in a scheme file is resolved when it is read (names to TypeIds, selectors to enums, roles to bits), so
// that assigning types to a model's tensors costs no text work: see data/quants/README.md for the rule language.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.h"
#include "workloads/architecture.h"
#include "workloads/tensors.h"

namespace silicast {

class Section;

// Index into a TypeTable.
enum class TypeId : std::uint8_t {};
constexpr std::size_t index_of(TypeId id) { return static_cast<std::size_t>(id); }

// A block format: `block` consecutive weights in `bytes` bytes.
struct TensorType {
  std::string name;
  std::int64_t block = 1;
  std::int64_t bytes = 0;
  std::optional<int> gguf_number;  // ggml_type
  bool whole_blocks = true;  // false: a row may end within a block and takes its share (formats that are not GGUF's)
  TypeId fallback{};         // the type used when a row is no multiple of the block
  bool needs_imatrix = false;
  std::string only;  // the one family of stacks that has it ("ik-llama.cpp", on any processor); empty: any may
  std::string summary;

  [[nodiscard]] double bits_per_weight() const { return 8.0 * static_cast<double>(bytes) / static_cast<double>(block); }
  // Whether rows of so many weights can be stored.
  [[nodiscard]] bool fits(std::int64_t weights) const { return !whole_blocks || weights % block == 0; }
};

class TypeTable {
 public:
  // From data/quants/types.yaml. Throws InputError.
  explicit TypeTable(const Section& file);

  [[nodiscard]] const TensorType& operator[](TypeId id) const { return types_[index_of(id)]; }
  [[nodiscard]] std::optional<TypeId> find(std::string_view name) const;  // case-insensitive
  [[nodiscard]] std::optional<TypeId> find_gguf(int number) const;
  [[nodiscard]] TypeId at(std::string_view name) const;  // must exist: a name that silicast itself uses
  [[nodiscard]] std::span<const TensorType> all() const { return types_; }
  // Bytes of a tensor: rows of shape[0] weights, each row whole blocks (a last, partial block counts whole).
  [[nodiscard]] Bytes bytes(const Tensor& tensor, TypeId id) const;
  [[nodiscard]] Bytes row_bytes(std::int64_t weights, TypeId id) const;

 private:
  std::vector<TensorType> types_;
  std::vector<std::string> canonical_names_;  // of each type, for look-ups
};

enum class QuantFormat { gguf, safetensors, mlx };
std::string_view name_of(QuantFormat format);

struct QuantOptions {
  bool imatrix = false;
  std::string date;  // year-month of the quantizing release; empty: the newest rules
};

// When a rule applies at all; absent: always.
struct QuantConditions {
  std::optional<std::int64_t> experts;  // exactly so many
  std::optional<std::int64_t> experts_at_least;
  std::optional<std::int64_t> queries_per_kv_head_at_least;
  std::optional<std::int64_t> layers;  // exactly so many
  std::optional<bool> imatrix;         // an importance matrix was used
  std::optional<bool> tied_embeddings;
  std::vector<std::string> architectures;  // general.architecture is one of these
  std::string since;                       // year-month, inclusive: rules change between releases
  std::string until;                       // year-month, exclusive

  [[nodiscard]] bool hold(const QuantOptions& options, const Architecture& architecture) const;
};

// Which of a model's layers, or of its tensors of the rule's roles, a rule applies to. Divisions are integer divisions.
struct LayerSelector {
  enum class Kind {
    all,
    first,        // i < number
    first_share,  // i < n / number
    inner,        // n / number <= i < (number - 1) n / number
    more_bits,    // i < n/8, or i >= 7n/8, or (i - n/8) mod 3 = 2
  };
  // What i and n count. `tensor_of_layers`: i counts tensors, n layers.
  enum class Count { layer, tensor, tensor_of_layers };

  Kind kind = Kind::all;
  std::int64_t number = 0;
  Count count = Count::layer;

  [[nodiscard]] bool selects(std::int64_t i, std::int64_t n) const;
};

using RoleSet = std::bitset<role_count>;
using TypeSet = std::bitset<256>;  // by TypeId

// "The last rule that applies decides."
struct QuantRule {
  RoleSet roles;
  LayerSelector layers;
  TypeSet replaces;  // only where the type so far is one of these; none: any
  QuantConditions conditions;
  TypeId type{};
  std::optional<TypeId> fallback;  // where a row is no multiple of the block, instead of the type's own
};

struct QuantQuality {
  std::string model;
  std::optional<double> perplexity;
  std::optional<double> reference_perplexity;
  std::optional<double> kld;  // mean Kullback-Leibler divergence from the unquantized model
  std::optional<bool> imatrix;
  std::string source;
};

struct QuantScheme {
  std::string id;  // the caller sets id and name where a Catalogue took them out
  std::string name;
  QuantFormat format = QuantFormat::gguf;
  TypeId default_type{};
  TypeId unquantized{};         // norms, biases, routers: F32 in GGUF
  bool always_imatrix = false;  // the format cannot be made without an importance matrix
  bool approximate = false;     // its maker does not publish the rules: files differ in size
  std::vector<QuantRule> rules;
  std::vector<QuantQuality> quality;
};

// Throws InputError; type names are checked against the table.
QuantScheme read_quant_scheme(const Section& file, const TypeTable& types);

// A name as users write it, "Q4_K_M", "Q4_K_M@2024-04" (rules of that date), "IQ3_XXS+imatrix", split into its parts.
struct QuantName {
  std::string scheme;
  QuantOptions options;
};
QuantName parse_quant_name(std::string_view text);

// The type of each tensor, in order. Norms, biases, routers and other tensors that are never quantized take the
// scheme's unquantized type; a row that is no multiple of the block takes the type's fallback.
std::vector<TypeId> assign_types(const QuantScheme& scheme, const QuantOptions& options,
                                 const Architecture& architecture, std::span<const Tensor> tensors,
                                 const TypeTable& types);

}  // namespace silicast
