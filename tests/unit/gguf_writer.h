// SPDX-License-Identifier: Apache-2.0
// A tiny GGUF writer for tests: valid files of a whole architecture, and broken ones by saying what is wrong.
// It writes the header only; `file_size` says how long the file with its weights would be.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/document.h"
#include "workloads/gguf.h"
#include "workloads/quantization.h"
#include "workloads/tensors.h"

namespace silicast::testing_gguf {

// The numbers of the value types in a file.
enum Value : std::uint32_t { u8 = 0, u16 = 2, u32 = 4, i32 = 5, f32 = 6, boolean = 7, text = 8, array = 9, u64 = 10 };

inline std::shared_ptr<const TypeTable> few_types() {
  static const auto types = std::make_shared<const TypeTable>(
      Section(parse_yaml("F32: {block: 1, bytes: 4, ggml_type: 0, summary: s}\n"
                         "F16: {block: 1, bytes: 2, ggml_type: 1, summary: s}\n"
                         "Q8_0: {block: 32, bytes: 34, ggml_type: 8, summary: s}\n"
                         "Q4_K: {block: 256, bytes: 144, ggml_type: 12, summary: s}\n",
                         "types.yaml")));
  return types;
}

template <class T>
std::string little(T value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFF);
  return bytes;
}
inline std::string counted(std::string_view string) {
  return little(std::uint64_t{string.size()}) + std::string(string);
}

class Writer {
 public:
  // Public, so that a test can break any of them.
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;
  std::uint64_t extra_tensors = 0;  // claimed beyond those written
  std::uint64_t extra_metadata = 0;

  Writer& raw(std::string_view key, std::uint32_t type, const std::string& value) {
    entries_.push_back(counted(key) + little(type) + value);
    return *this;
  }
  // In place of what was written under that key.
  Writer& recount(std::string_view key, std::int64_t value) {
    std::erase_if(entries_, [&](const std::string& entry) { return entry.starts_with(counted(key)); });
    return count(key, value);
  }
  Writer& count(std::string_view key, std::int64_t value) {
    return raw(key, u32, little(static_cast<std::uint32_t>(value)));
  }
  Writer& string(std::string_view key, std::string_view value) { return raw(key, text, counted(value)); }
  Writer& counts(std::string_view key, const std::vector<std::int64_t>& values) {
    std::string bytes = little(std::uint32_t{u32}) + little(std::uint64_t{values.size()});
    for (const auto value : values) bytes += little(static_cast<std::uint32_t>(value));
    return raw(key, array, bytes);
  }
  Writer& flags(std::string_view key, const std::vector<bool>& values) {
    std::string bytes = little(std::uint32_t{boolean}) + little(std::uint64_t{values.size()});
    for (const bool value : values) bytes += static_cast<char>(value ? 1 : 0);
    return raw(key, array, bytes);
  }
  Writer& strings(std::string_view key, std::int64_t count) {
    std::string bytes = little(std::uint32_t{text}) + little(static_cast<std::uint64_t>(count));
    for (std::int64_t i = 0; i < count; ++i) bytes += counted("ab");
    return raw(key, array, bytes);
  }
  // At the next free offset, or at the one given.
  Writer& tensor(std::string_view name, const std::vector<std::int64_t>& shape, std::uint32_t type = 1,
                 std::uint64_t bytes_per_weight = 2) {
    const std::uint64_t offset = data_;
    std::uint64_t elements = bytes_per_weight;
    for (const auto size : shape) elements *= static_cast<std::uint64_t>(size);
    data_ = (data_ + elements + alignment - 1) / alignment * alignment;
    return tensor_at(name, shape, type, offset);
  }
  Writer& tensor_at(std::string_view name, const std::vector<std::int64_t>& shape, std::uint32_t type,
                    std::uint64_t offset) {
    std::string info = counted(name) + little(static_cast<std::uint32_t>(shape.size()));
    for (const auto size : shape) info += little(static_cast<std::uint64_t>(size));
    tensors_.push_back(info + little(type) + little(offset));
    return *this;
  }

  [[nodiscard]] std::string header() const {
    std::string bytes = magic + little(version) + little(std::uint64_t{tensors_.size()} + extra_tensors) +
                        little(std::uint64_t{entries_.size()} + extra_metadata);
    for (const auto& entry : entries_) bytes += entry;
    for (const auto& info : tensors_) bytes += info;
    while (bytes.size() % alignment != 0) bytes += '\0';
    return bytes;
  }
  [[nodiscard]] std::uint64_t file_size() const { return header().size() + data_; }

  [[nodiscard]] GgufFile parsed(const std::string& name = "model.gguf") const {
    const std::string bytes = header();
    return parse_gguf(std::as_bytes(std::span(bytes)), file_size(), name, *few_types());
  }

 private:
  std::vector<std::string> entries_;
  std::vector<std::string> tensors_;
  std::uint64_t data_ = 0;
};

// The metadata that llama.cpp's converter writes of an architecture.
class ArchitectureWriter {
 public:
  explicit ArchitectureWriter(const Architecture& a) : a_(a), prefix_(a.gguf_architecture + ".") {}

  [[nodiscard]] Writer written() {
    writer_.string("general.architecture", a_.gguf_architecture).count("general.file_type", 1);
    const auto blocks = static_cast<std::int64_t>(a_.layers.size()) + a_.extra_layers;
    count("block_count", blocks);
    count("embedding_length", a_.hidden);
    count("context_length", a_.context);
    if (a_.per_layer_input.width > 0) count("embedding_length_per_layer_input", a_.per_layer_input.width);
    if (a_.alternating_updates.streams > 0) count("altup.num_inputs", a_.alternating_updates.streams);
    if (a_.hyper_connections > 0) count("hyper_connection.count", a_.hyper_connections);
    if (a_.extra_layers > 0) count("nextn_predict_layers", a_.extra_layers);
    for (const auto& layer : a_.kinds) std::visit([this](const auto& mixer) { write(mixer); }, layer.mixer);
    for (const auto& layer : a_.kinds) std::visit([this](const auto& f) { write(f); }, layer.feed_forward);
    write_layers();
    writer_.strings("tokenizer.ggml.tokens", a_.vocabulary);
    for (const auto& tensor : tensors_of(a_))
      writer_.tensor(gguf_name(tensor), {tensor.shape.begin(), tensor.shape.begin() + tensor.dimensions()});
    for (int i = 0; i < a_.extra_layers; ++i)
      writer_.tensor("blk." + std::to_string(a_.layers.size() + static_cast<std::size_t>(i)) + ".nextn.eh_proj.weight",
                     {64, 32});
    return writer_;
  }

 private:
  void count(const std::string& key, std::int64_t value) {
    if (std::find(seen_.begin(), seen_.end(), key) != seen_.end()) return;
    seen_.push_back(key);
    writer_.count(prefix_ + key, value);
  }
  void write(const GroupedAttention& a) {
    count(a.window > 0 && mixed_heads() ? "attention.key_length_swa" : "attention.key_length", a.key_dim);
    count(a.window > 0 && mixed_heads() ? "attention.value_length_swa" : "attention.value_length", a.value_dim);
    if (a.window > 0) count("attention.sliding_window", a.window);
  }
  void write(const LatentAttention& a) {
    count("attention.head_count", a.heads);
    if (a.q_lora_rank > 0) count("attention.q_lora_rank", a.q_lora_rank);
    count("attention.kv_lora_rank", a.kv_lora_rank);
    count("rope.dimension_count", a.qk_rope_dim);
    count("attention.key_length", a.kv_lora_rank + a.qk_rope_dim);
    count("attention.value_length", a.kv_lora_rank);
    count("attention.key_length_mla", a.qk_nope_dim + a.qk_rope_dim);
    count("attention.value_length_mla", a.value_dim);
  }
  void write(const GatedDeltaNet& net) {
    count("ssm.group_count", net.key_heads);
    count("ssm.time_step_rank", net.value_heads);
    count("ssm.state_size", net.key_dim);
    count("ssm.inner_size", net.value_heads * net.value_dim);
    count("ssm.conv_kernel", net.convolution);
  }
  void write(const CompressedAttention& a) {
    count("attention.head_count", a.heads);
    count("attention.key_length", a.head_dim);
    count("attention.q_lora_rank", a.q_lora_rank);
    count("attention.output_group_count", a.output_groups);
    count("attention.output_lora_rank", a.output_rank);
    count("attention.sliding_window", a.window);
    if (a.index_heads == 0) return;
    count("attention.indexer.head_count", a.index_heads);
    count("attention.indexer.key_length", a.index_dim);
    count("attention.indexer.top_k", a.index_top);
  }
  void write(const Mamba2& m) {
    count("ssm.group_count", m.groups);
    count("ssm.time_step_rank", m.heads);
    count("ssm.state_size", m.state);
    count("ssm.inner_size", m.inner());
    count("ssm.conv_kernel", m.convolution);
  }
  void write(const ShortConvolution& c) { count("shortconv.l_cache", c.convolution); }
  void write(const Absent& /*absent*/) {}
  // One number is said only where all layers agree.
  void write(const DenseFeedForward& f) {
    const auto differs = [&f](const Layer& layer) {
      const auto* other = std::get_if<DenseFeedForward>(&layer.feed_forward);
      return other != nullptr && other->intermediate != f.intermediate;
    };
    if (std::none_of(a_.kinds.begin(), a_.kinds.end(), differs)) count("feed_forward_length", f.intermediate);
  }
  void write(const ExpertFeedForward& f) {
    count("expert_count", f.experts);
    count("expert_used_count", f.used);
    count("expert_feed_forward_length", f.intermediate);
    if (f.shared_intermediate > 0) count("expert_shared_feed_forward_length", f.shared_intermediate);
  }
  [[nodiscard]] bool mixed_heads() const { return a_.gguf_architecture == "gemma4"; }

  void write_layers() {
    std::vector<std::int64_t> heads;
    std::vector<std::int64_t> kv_heads;
    std::vector<bool> windows;
    std::int64_t shared = 0;
    for (std::size_t i = 0; i < a_.layers.size(); ++i) {
      const auto* attention = std::get_if<GroupedAttention>(&a_.layer(i).mixer);
      heads.push_back(attention != nullptr ? attention->heads : 1);
      kv_heads.push_back(attention != nullptr ? attention->kv_heads : 0);
      windows.push_back(attention != nullptr && attention->window > 0);
      shared += attention != nullptr && attention->shared_kv ? 1 : 0;
    }
    if (std::holds_alternative<LatentAttention>(a_.kinds[0].mixer)) return;
    if (std::holds_alternative<CompressedAttention>(a_.kinds[0].mixer)) {
      std::vector<std::int64_t> ratios;
      for (std::size_t i = 0; i < a_.layers.size(); ++i)
        ratios.push_back(std::get<CompressedAttention>(a_.layer(i).mixer).compression);
      writer_.counts(prefix_ + "attention.compress_ratios", ratios);
      return;
    }
    writer_.counts(prefix_ + "attention.head_count", heads).counts(prefix_ + "attention.head_count_kv", kv_heads);
    if (shared > 0) writer_.count(prefix_ + "attention.shared_kv_layers", shared);
    if (mixed_heads() || a_.gguf_architecture == "gemma3n")
      writer_.flags(prefix_ + "attention.sliding_window_pattern", windows);
  }

  const Architecture& a_;
  std::string prefix_;
  Writer writer_;
  std::vector<std::string> seen_;
};

}  // namespace silicast::testing_gguf
