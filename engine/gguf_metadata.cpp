// SPDX-License-Identifier: Apache-2.0
// Keys: gguf-py/gguf/constants.py of llama.cpp; which of them a family reads: its src/models/.
#include "engine/gguf_metadata.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "engine/parameters.h"
#include "engine/tokenizer_vocabulary.h"

namespace silicast::engine {

namespace {

std::uint32_t u32(std::int64_t number) { return static_cast<std::uint32_t>(number); }

class Metadata {
 public:
  Metadata(GgufWriter& writer, const Architecture& a) : writer_(writer), a_(a), prefix_(a.gguf_architecture + ".") {}

  void write() {
    count("block_count", static_cast<std::int64_t>(a_.layers.size()));
    count("context_length", a_.context);
    count("embedding_length", a_.hidden);
    count("vocab_size", a_.vocabulary);
    for (const Layer& layer : a_.kinds) std::visit([this](const auto& mixer) { write(mixer); }, layer.mixer);
    for (const Layer& layer : a_.kinds) std::visit([this](const auto& f) { write(f); }, layer.feed_forward);
    write_heads();
    write_feed_forward();
    write_windows();
    write_numbers();
    write_what_families_require();
  }

 private:
  // The first kind of layer that says so decides.
  bool first(std::string_view key) {
    if (std::find(seen_.begin(), seen_.end(), key) != seen_.end()) return false;
    seen_.emplace_back(key);
    return true;
  }
  void count(std::string_view key, std::int64_t value) {
    if (first(key)) writer_.add(prefix_ + std::string(key), u32(value));
  }
  void number(std::string_view key, double value) {
    if (first(key)) writer_.add(prefix_ + std::string(key), static_cast<float>(value));
  }
  void per_layer(std::string_view key, const std::vector<std::int32_t>& values) {
    if (!first(key)) return;
    const bool same = std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
    if (same)
      writer_.add(prefix_ + std::string(key), static_cast<std::uint32_t>(values.front()));
    else
      writer_.add(prefix_ + std::string(key), values);
  }

  void write(const GroupedAttention& a) {
    const bool local = a.window > 0 && a_.gguf_architecture == "gemma4";
    count(local ? "attention.key_length_swa" : "attention.key_length", a.key_dim);
    count(local ? "attention.value_length_swa" : "attention.value_length", a.value_dim);
    // Qwen's hybrids rotate a quarter of a head.
    const bool quarter = a_.gguf_architecture == "qwen3next" || a_.gguf_architecture.starts_with("qwen35");
    count(local ? "rope.dimension_count_swa" : "rope.dimension_count", quarter ? a.key_dim / 4 : a.key_dim);
    if (a.window > 0) count("attention.sliding_window", a.window);
  }
  void write(const LatentAttention& a) {
    count("attention.head_count", a.heads);
    count("attention.head_count_kv", 1);
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
  void write(const Mamba2& net) {
    count("ssm.group_count", net.groups);
    count("ssm.time_step_rank", net.heads);
    count("ssm.state_size", net.state);
    count("ssm.inner_size", net.inner());
    count("ssm.conv_kernel", net.convolution);
  }
  void write(const ShortConvolution& net) { count("shortconv.l_cache", net.convolution); }
  [[noreturn]] void write(const CompressedAttention&) const {
    throw RefusedError(a_.name + ": files with compressed attention are not written");
  }
  static void write(const Absent&) {}
  static void write(const DenseFeedForward&) {}
  void write(const ExpertFeedForward& f) {
    count("expert_count", f.experts);
    count("expert_used_count", f.used);
    count("expert_feed_forward_length", f.intermediate);
    if (f.shared_intermediate > 0) {
      count("expert_shared_feed_forward_length", f.shared_intermediate);
      if (f.shared_intermediate % f.intermediate == 0)
        count("expert_shared_count", f.shared_intermediate / f.intermediate);
    }
    // The families with a bias for the choice of experts gate with a sigmoid.
    constexpr std::uint32_t softmax_gate = 1;
    constexpr std::uint32_t sigmoid_gate = 2;
    if (f.router_bias || f.shared_intermediate > 0) {
      count("expert_gating_func", f.router_bias ? sigmoid_gate : softmax_gate);
      number("expert_weights_scale", 1);
      if (first("expert_weights_norm")) writer_.add(prefix_ + "expert_weights_norm", true);
    }
  }

  // Layers of one block and hybrids with convolutions state no heads where there is no attention; linear attention is
  // stated by an interval instead.
  void write_heads() {
    std::vector<std::int32_t> heads;
    std::vector<std::int32_t> kv_heads;
    std::int64_t shared = 0;
    std::size_t linear = 0;
    for (std::size_t i = 0; i < a_.layers.size(); ++i) {
      const Mixer& mixer = a_.layer(i).mixer;
      if (std::holds_alternative<LatentAttention>(mixer)) return;
      const auto* attention = std::get_if<GroupedAttention>(&mixer);
      if (std::holds_alternative<GatedDeltaNet>(mixer)) {
        ++linear;
        continue;
      }
      heads.push_back(attention != nullptr ? static_cast<std::int32_t>(attention->heads) : 0);
      kv_heads.push_back(attention != nullptr ? static_cast<std::int32_t>(attention->kv_heads) : 0);
      if (attention != nullptr && attention->shared_kv) ++shared;
    }
    if (heads.empty()) return;
    if (linear > 0)  // the last of each so many layers is full
      count("full_attention_interval", static_cast<std::int64_t>(a_.layers.size() / heads.size()));
    per_layer("attention.head_count", heads);
    per_layer("attention.head_count_kv", kv_heads);
    if (shared > 0) count("attention.shared_kv_layers", shared);
  }

  void write_feed_forward() {
    std::int64_t leading_dense = 0;
    bool experts = false;
    std::vector<std::int32_t> widths;
    for (std::size_t i = 0; i < a_.layers.size(); ++i) {
      const FeedForward& f = a_.layer(i).feed_forward;
      const auto* dense = std::get_if<DenseFeedForward>(&f);
      experts = experts || std::holds_alternative<ExpertFeedForward>(f);
      if (dense != nullptr && !experts) ++leading_dense;
      if (!std::holds_alternative<ExpertFeedForward>(f))
        widths.push_back(dense != nullptr ? static_cast<std::int32_t>(dense->intermediate) : 0);
    }
    if (experts && leading_dense > 0) count("leading_dense_block_count", leading_dense);
    const bool alternating = std::find(widths.begin(), widths.end(), 0) != widths.end();
    if (widths.empty())
      count("feed_forward_length", std::get<ExpertFeedForward>(a_.kinds[0].feed_forward).intermediate);
    else if (alternating && widths.size() == a_.layers.size())
      per_layer("feed_forward_length", widths);
    else
      count("feed_forward_length", *std::max_element(widths.begin(), widths.end()));
  }

  // Gemma 3 and its like have their pattern in llama.cpp itself; the newer ones state it.
  void write_windows() {
    if (a_.gguf_architecture != "gemma4" && a_.gguf_architecture != "olmo2") return;
    std::vector<bool> windows;
    for (std::size_t i = 0; i < a_.layers.size(); ++i) {
      const auto* attention = std::get_if<GroupedAttention>(&a_.layer(i).mixer);
      windows.push_back(attention != nullptr && attention->window > 0);
    }
    writer_.add(prefix_ + "attention.sliding_window_pattern", windows);
  }

  void write_numbers() {
    const bool rms = a_.norm == NormKind::rms;
    const Parameters p = usual_numbers(a_);
    number(rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
           static_cast<double>(p.norm_epsilon));
    if (a_.positions == Positions::rope) number("rope.freq_base", p.rope.base);
    if (p.attention_softcap > 0) number("attn_logit_softcapping", static_cast<double>(p.attention_softcap));
    if (p.logit_softcap > 0) number("final_logit_softcapping", static_cast<double>(p.logit_softcap));
  }

  // Keys without which llama.cpp does not load the family.
  void write_what_families_require() {
    const std::string& family = a_.gguf_architecture;
    if (family == "granite" || family == "granitemoe" || family == "cohere2moe" || family == "muse-glimmer")
      for (const char* key : {"logit_scale", "residual_scale", "embedding_scale"}) number(key, 1);
    if (family == "gemma4") count("embedding_length_per_layer_input", 0);
    if (family == "llama4") count("interleave_moe_layer_step", expert_period());
    if (family == "qwen35" || family == "qwen35moe")
      writer_.add(prefix_ + "rope.dimension_sections", std::vector<std::int32_t>{11, 11, 10, 0});
  }

  // Every so many layers have experts.
  [[nodiscard]] std::int64_t expert_period() const {
    for (std::size_t i = 0; i < a_.layers.size(); ++i)
      if (std::holds_alternative<ExpertFeedForward>(a_.layer(i).feed_forward)) return static_cast<std::int64_t>(i) + 1;
    return 1;
  }

  GgufWriter& writer_;
  const Architecture& a_;
  std::string prefix_;
  std::vector<std::string> seen_;
};

// llama.cpp looks for certain tokens in models whose name has "phi-3" in it, and fails where they are missing.
std::string name_of(const Architecture& architecture) {
  const std::string id = canonical_name(architecture.name);
  return id.find("phi-3") != std::string::npos ? "random weights" : architecture.name + " (random weights)";
}

void write_tokenizer(GgufWriter& writer, std::int64_t size) {
  const SyntheticVocabulary vocabulary = synthetic_vocabulary(size);
  if (vocabulary.tokens.empty()) return writer.add("tokenizer.ggml.model", "no_vocab");
  writer.add("tokenizer.ggml.model", "gpt2");
  writer.add("tokenizer.ggml.pre", "gpt-2");
  writer.add("tokenizer.ggml.tokens", vocabulary.tokens);
  writer.add("tokenizer.ggml.token_type", vocabulary.types);
  writer.add("tokenizer.ggml.merges", vocabulary.merges);
  writer.add("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(vocabulary.end_of_text));
  writer.add("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(vocabulary.end_of_text));
  writer.add("tokenizer.ggml.add_bos_token", false);
}

}  // namespace

void write_metadata(GgufWriter& writer, const Workload& workload) {
  constexpr std::uint32_t quantization_version = 2;  // GGML_QNT_VERSION
  writer.add("general.architecture", workload.architecture.gguf_architecture);
  writer.add("general.type", "model");
  writer.add("general.name", name_of(workload.architecture));
  writer.add("general.quantization_version", quantization_version);
  if (const auto number = gguf_file_type(workload.quantization)) writer.add("general.file_type", u32(*number));
  Metadata(writer, workload.architecture).write();
  write_tokenizer(writer, workload.architecture.vocabulary);
}

}  // namespace silicast::engine
