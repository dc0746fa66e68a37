// SPDX-License-Identifier: Apache-2.0
// What the metadata and the tensors of a GGUF say, and the layers that follow: gguf_layers.cpp. Internal to the reader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "workloads/gguf_metadata.h"
#include "workloads/tensors.h"

namespace silicast {

// Far above every published model, and low enough that products and sums over all layers stay within 63 bits.
constexpr std::int64_t most_blocks = 1 << 12;
constexpr std::int64_t most_hidden = 1 << 16;
constexpr std::int64_t most_intermediate = 1 << 19;
constexpr std::int64_t most_experts = 1 << 12;
constexpr std::int64_t most_heads = 1 << 12;
constexpr std::int64_t most_head_dim = 1 << 12;
constexpr std::int64_t most_vocabulary = 1 << 24;
constexpr std::int64_t most_tokens = std::int64_t{1} << 40;

// Which layers attend to a window only.
enum class GgufWindows {
  none,     // the key may be there, llama.cpp ignores it
  pattern,  // attention.sliding_window_pattern, else all but the last of each `period` layers
};
// `hybrid`: attention, Mamba-2 or short convolution, as the tensors of a layer say.
enum class GgufMixer { grouped, latent, compressed, delta_net, hybrid };

struct GgufFamily {
  std::string_view name;                  // general.architecture
  Activation gated = Activation::swiglu;  // where the feed-forward has a gate
  Activation plain = Activation::gelu;    // where it has none
  GgufMixer mixer = GgufMixer::grouped;
  GgufWindows windows = GgufWindows::none;
  std::int64_t period = 1;
  bool partial_layers = false;     // a layer may lack a mixer or a feed-forward block
  std::int64_t own_kv_layers = 0;  // layers with keys and values of their own where the file is silent; 0: all
};

// The file's facts by key and by tensor.
class GgufFacts {
 public:
  GgufFacts(const GgufFile& file, const std::string& name, const GgufFamily& family)
      : file_(file), name_(name), prefix_(std::string(family.name) + ".") {
    for (const auto& tensor : file.tensors) tensors_.emplace(tensor.name, &tensor);
  }

  [[noreturn]] void fail_key(std::string_view key, const std::string& what) const {
    throw InputError(name_ + ": key '" + prefix_ + std::string(key) + "': " + what);
  }
  [[noreturn]] void fail_tensor(std::string_view tensor, const std::string& what) const {
    throw InputError(name_ + ": tensor " + printable(tensor) + ": " + what);
  }

  [[nodiscard]] const GgufValue* value(std::string_view key) const { return file_.find(prefix_ + std::string(key)); }

  [[nodiscard]] std::optional<std::int64_t> count(std::string_view key, std::int64_t most,
                                                  std::int64_t least = 0) const {
    const GgufValue* found = value(key);
    if (found == nullptr) return std::nullopt;
    const auto number = integer_of(*found);
    check(key, number, least, most);
    return number;
  }
  [[nodiscard]] std::int64_t required(std::string_view key, std::int64_t most, std::int64_t least = 1) const {
    const auto number = count(key, most, least);
    if (!number)
      fail_key(key,
               "is missing; a count from " + std::to_string(least) + " to " + std::to_string(most) + " is accepted");
    return *number;
  }
  // One count for all layers or an array with one per layer.
  [[nodiscard]] std::optional<std::int64_t> at_layer(std::string_view key, int layer, std::int64_t most,
                                                     std::int64_t least = 0) const {
    const GgufValue* found = value(key);
    const auto* array = found != nullptr ? std::get_if<GgufArray>(found) : nullptr;
    if (array == nullptr) return count(key, most, least);
    const auto index = static_cast<std::size_t>(layer);
    if (index >= array->integers.size())
      fail_key(key, "has " + std::to_string(array->integers.size()) + " whole numbers; one for each layer is accepted");
    check(key, array->integers[index], least, most);
    return array->integers[index];
  }

  [[nodiscard]] const GgufTensor* tensor(const std::string& name) const {
    const auto at = tensors_.find(name);
    return at == tensors_.end() ? nullptr : at->second;
  }
  [[nodiscard]] const GgufTensor* tensor(TensorRole role, int layer = -1, bool bias = false) const {
    return tensor(gguf_name(Tensor{.role = role, .bias = bias, .layer = layer}));
  }
  [[nodiscard]] bool has(TensorRole role, int layer = -1, bool bias = false) const {
    return tensor(role, layer, bias) != nullptr;
  }
  // Size of a tensor that must be there.
  [[nodiscard]] std::int64_t size(TensorRole role, std::size_t dimension, int layer = -1) const {
    const GgufTensor* found = tensor(role, layer);
    if (found == nullptr)
      fail_tensor(gguf_name(Tensor{.role = role, .layer = layer}), "is missing; the architecture requires it");
    return dimension < found->shape.size() ? found->shape[dimension] : 1;
  }
  [[nodiscard]] std::int64_t bounded_size(TensorRole role, std::size_t dimension, int layer, std::int64_t most) const {
    const std::int64_t found = size(role, dimension, layer);
    if (found > most)
      fail_tensor(gguf_name(Tensor{.role = role, .layer = layer}), "dimension " + std::to_string(dimension) + " is " +
                                                                       std::to_string(found) + "; at most " +
                                                                       std::to_string(most) + " is accepted");
    return found;
  }

 private:
  void check(std::string_view key, std::optional<std::int64_t> number, std::int64_t least, std::int64_t most) const {
    if (number && *number >= least && *number <= most) return;
    fail_key(key, (number ? "is " + std::to_string(*number) : std::string("is no whole number")) + "; a count from " +
                      std::to_string(least) + " to " + std::to_string(most) + " is accepted");
  }

  const GgufFile& file_;
  const std::string& name_;
  std::string prefix_;
  std::unordered_map<std::string_view, const GgufTensor*> tensors_;
};

// The mixer and feed-forward block of a layer. Throws InputError where the file lacks what they need or contradicts
// itself.
Layer gguf_layer(const GgufFacts& facts, const GgufFamily& family, std::int64_t hidden, int index);

}  // namespace silicast
