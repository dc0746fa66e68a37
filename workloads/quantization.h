// SPDX-License-Identifier: Apache-2.0
// Quantization as data: block formats (types) and schemes, the rules by which a scheme gives every tensor its type.
// Formats: ggml-common.h of ggml. Mix rules: llama-quant.cpp of llama.cpp. Both as data in data/quants/ with sources.
#pragma once

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
  std::string fallback;            // the type used when a row is no multiple of the block; empty: F16
  bool needs_imatrix = false;
  std::string summary;

  [[nodiscard]] double bits_per_weight() const { return 8.0 * static_cast<double>(bytes) / static_cast<double>(block); }
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
  // Bytes of a tensor: rows of shape[0] weights, each row whole blocks.
  [[nodiscard]] Bytes bytes(const Tensor& tensor, TypeId id) const;
  [[nodiscard]] Bytes row_bytes(std::int64_t weights, TypeId id) const;

 private:
  std::vector<TensorType> types_;
};

enum class QuantFormat { gguf, safetensors, mlx };

// Which rows of a rule's table apply; absent: any.
struct QuantConditions {
  std::optional<std::int64_t> experts;           // exactly so many
  std::optional<std::int64_t> experts_at_least;
  std::optional<std::int64_t> queries_per_kv_head_at_least;
  std::optional<bool> imatrix;                   // an importance matrix was used
  std::optional<bool> is_70b;                    // llama architecture, 80 layers, grouped-query attention
  std::optional<bool> tied_embeddings;
  std::vector<std::string> architectures;        // general.architecture is one of these
  std::string since;                             // year-month, inclusive: rules change between releases
  std::string until;                             // year-month, exclusive
};

// "The last rule that applies decides."
struct QuantRule {
  std::vector<TensorRole> roles;  // empty: all quantizable tensors
  std::string layers;             // selector, see data/quants/README.md; empty: all
  std::vector<std::string> replaces;  // only where the type so far is one of these
  QuantConditions conditions;
  std::string type;
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
  std::string id;
  std::string name;
  QuantFormat format = QuantFormat::gguf;
  std::string default_type;
  std::vector<QuantRule> rules;
  std::vector<QuantQuality> quality;
};

// Throws InputError; type names are checked against the table.
QuantScheme read_quant_scheme(const Section& file, const TypeTable& types);

struct QuantOptions {
  bool imatrix = false;
  std::string date;  // year-month of the quantizing release; empty: the newest rules
};

// A name as users write it, "Q4_K_M", "Q4_K_M@2024-04" (rules of that date), "IQ3_XXS+imatrix", split into its parts.
struct QuantName {
  std::string scheme;
  QuantOptions options;
};
QuantName parse_quant_name(std::string_view text);

// The type of each tensor, in order. Norms, biases, routers and other tensors that are never quantized stay F32 (GGUF)
// or the scheme's unquantized type; a row that is no multiple of the block takes the type's fallback.
std::vector<TypeId> assign_types(const QuantScheme& scheme, const QuantOptions& options, const Architecture& architecture,
                                 std::span<const Tensor> tensors, const TypeTable& types);

}  // namespace silicast
