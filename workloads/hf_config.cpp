// SPDX-License-Identifier: Apache-2.0
// One row per model_type says what its transformers configuration class fixes or leaves to a default
// (huggingface/transformers, src/transformers/models/*/configuration_*.py); the rest is read from the file.
#include "workloads/hf_config.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "workloads/hf_hybrid.h"
#include "workloads/hf_limits.h"

namespace silicast {

namespace {

enum class Bias {
  stated_qkv,   // attention_bias: query, key and value
  stated_qkvo,  // attention_bias: the output projection too
  always_qkv,
};

// Where a mixture of experts says what.
enum class Moe {
  none,
  every,    // every layer: num_local_experts of intermediate_size
  sparse,   // num_experts, decoder_sparse_step, mlp_only_layers
  leading,  // n_routed_experts after first_k_dense_replace dense layers
  beside,   // Gemma 4: num_experts beside the dense feed-forward, if enable_moe_block
};

enum class MixerRule { grouped, latent, qwen3_next, qwen3_5 };

struct Family {
  std::string_view name;  // model_type
  std::string_view gguf;  // general.architecture
  MixerRule mixer = MixerRule::grouped;
  Moe moe = Moe::none;
  Bias bias = Bias::stated_qkvo;
  bool biased = false;  // attention_bias where the file is silent
  QkNorm qk_norm = QkNorm::none;
  Activation activation = Activation::swiglu;
  bool tied = false;          // tie_word_embeddings where the file is silent
  std::int64_t heads = 0;     // this and the next three where the file is silent; 0: the file must say it
  std::int64_t kv_heads = 0;  // 0: as many as heads
  std::int64_t vocabulary = 0;
  std::int64_t context = 0;
  std::int64_t head_dim = 0;       // where the file is silent; 0: hidden_size / num_attention_heads
  std::int64_t window_period = 0;  // the last of so many layers is full where the file is silent; 0: all alike
  bool window_switch = false;      // use_sliding_window must be true, from max_window_layers on
  int norms = 2;
  bool fused_qkv = false;
  bool fused_gate_up = false;
  bool sinks = false;
  bool router_bias = false;
  bool stores_extra_layers = false;  // the GGUF keeps the multi-token-prediction blocks
  void (*add_layers)(const Section& text,
                     Architecture& architecture) = nullptr;  // where they need a reader of their own
};

constexpr std::array config_families{
    Family{.name = "llama", .gguf = "llama"},
    Family{.name = "mistral", .gguf = "llama"},
    Family{.name = "ministral3", .gguf = "mistral3"},
    Family{.name = "ministral", .gguf = "llama"},
    Family{.name = "mixtral", .gguf = "llama", .moe = Moe::every},
    Family{.name = "mistral4", .gguf = "mistral4", .mixer = MixerRule::latent, .moe = Moe::leading},
    Family{.name = "qwen2", .gguf = "qwen2", .bias = Bias::always_qkv, .window_switch = true},
    Family{.name = "qwen2_vl", .gguf = "qwen2vl", .bias = Bias::always_qkv, .window_switch = true},
    Family{.name = "qwen2_5_vl", .gguf = "qwen2vl", .bias = Bias::always_qkv, .window_switch = true},
    Family{
        .name = "qwen2_moe", .gguf = "qwen2moe", .moe = Moe::sparse, .bias = Bias::always_qkv, .window_switch = true},
    Family{.name = "qwen3", .gguf = "qwen3", .qk_norm = QkNorm::head, .head_dim = 128, .window_switch = true},
    Family{.name = "qwen3_vl", .gguf = "qwen3vl", .qk_norm = QkNorm::head, .head_dim = 128},
    Family{.name = "qwen3_moe", .gguf = "qwen3moe", .moe = Moe::sparse, .qk_norm = QkNorm::head, .window_switch = true},
    Family{.name = "qwen3_vl_moe", .gguf = "qwen3vlmoe", .moe = Moe::sparse, .qk_norm = QkNorm::head},
    Family{.name = "qwen3_next",
           .gguf = "qwen3next",
           .mixer = MixerRule::qwen3_next,
           .moe = Moe::sparse,
           .qk_norm = QkNorm::head,
           .head_dim = 256},
    Family{.name = "qwen3_5", .gguf = "qwen35", .mixer = MixerRule::qwen3_5, .qk_norm = QkNorm::head, .head_dim = 256},
    Family{.name = "qwen3_5_moe",
           .gguf = "qwen35moe",
           .mixer = MixerRule::qwen3_5,
           .moe = Moe::sparse,
           .qk_norm = QkNorm::head,
           .head_dim = 256},
    Family{.name = "gemma", .gguf = "gemma", .activation = Activation::geglu, .tied = true, .head_dim = 256},
    Family{.name = "gemma2",
           .gguf = "gemma2",
           .activation = Activation::geglu,
           .tied = true,
           .head_dim = 256,
           .window_period = 2,
           .norms = 4},
    Family{.name = "gemma3",
           .gguf = "gemma3",
           .qk_norm = QkNorm::head,
           .activation = Activation::geglu,
           .tied = true,
           .heads = 8,
           .kv_heads = 4,
           .vocabulary = 262208,
           .context = 131072,
           .head_dim = 256,
           .window_period = 6,
           .norms = 4},
    Family{.name = "gemma4",
           .gguf = "gemma4",
           .moe = Moe::beside,
           .qk_norm = QkNorm::head,
           .activation = Activation::geglu,
           .tied = true,
           .head_dim = 256,
           .window_period = 6,
           .norms = 4},
    Family{.name = "gemma3n",
           .gguf = "gemma3n",
           .qk_norm = QkNorm::head,
           .activation = Activation::geglu,
           .tied = true,
           .head_dim = 256,
           .window_period = 5,
           .norms = 4},
    Family{.name = "nemotron_h", .gguf = "nemotron_h", .norms = 1, .add_layers = add_nemotron_h_layers},
    Family{.name = "lfm2", .gguf = "lfm2", .tied = true, .add_layers = add_lfm2_layers},
    Family{.name = "lfm2_moe", .gguf = "lfm2moe", .tied = true, .add_layers = add_lfm2_layers},
    Family{.name = "deepseek_v4", .gguf = "deepseek4", .add_layers = add_deepseek_v4_layers},
    Family{.name = "deci", .gguf = "deci", .add_layers = add_deci_layers},
    Family{.name = "phi3", .gguf = "phi3", .fused_qkv = true, .fused_gate_up = true},
    Family{.name = "gpt_oss",
           .gguf = "gpt-oss",
           .moe = Moe::every,
           .biased = true,
           .head_dim = 64,
           .window_period = 2,
           .sinks = true},
    Family{.name = "deepseek_v2", .gguf = "deepseek2", .mixer = MixerRule::latent, .moe = Moe::leading},
    Family{.name = "deepseek_v3",
           .gguf = "deepseek2",
           .mixer = MixerRule::latent,
           .moe = Moe::leading,
           .router_bias = true},
    Family{
        .name = "kimi_k2", .gguf = "deepseek2", .mixer = MixerRule::latent, .moe = Moe::leading, .router_bias = true},
    Family{.name = "glm4_moe_lite",
           .gguf = "deepseek2",
           .mixer = MixerRule::latent,
           .moe = Moe::leading,
           .router_bias = true},
    Family{
        .name = "glm4", .gguf = "glm4", .bias = Bias::stated_qkv, .head_dim = 128, .norms = 4, .fused_gate_up = true},
    Family{.name = "glm4_moe",
           .gguf = "glm4moe",
           .moe = Moe::leading,
           .bias = Bias::stated_qkv,
           .router_bias = true,
           .stores_extra_layers = true},
    Family{.name = "smollm3", .gguf = "smollm3", .tied = true, .window_switch = true},
    Family{.name = "granite", .gguf = "granite"},
    Family{.name = "granitemoe", .gguf = "granitemoe", .moe = Moe::every},
    Family{.name = "minimax_m2", .gguf = "minimax-m2", .moe = Moe::every, .qk_norm = QkNorm::full, .router_bias = true},
    Family{.name = "olmo2", .gguf = "olmo2", .qk_norm = QkNorm::full},
    Family{.name = "olmo3", .gguf = "olmo2", .qk_norm = QkNorm::full, .window_period = 4},
    Family{.name = "seed_oss", .gguf = "seed_oss", .bias = Bias::stated_qkv, .biased = true, .head_dim = 128},
};

const Family& family_of(const Section& file) {
  const std::string type = file.text("model_type");
  std::string_view stem = type;
  constexpr std::string_view suffix = "_text";
  if (stem.size() > suffix.size() && stem.ends_with(suffix)) stem.remove_suffix(suffix.size());
  std::vector<std::string> known;
  for (const auto& family : config_families) {
    if (family.name == stem) return family;
    known.emplace_back(family.name);
  }
  const std::string place = file.mark().text();
  throw RefusedError((place.empty() ? "" : place + ": ") + file.path_of("model_type") + ": the model type '" +
                     type.substr(0, 60) + "' is not modelled" + did_you_mean(stem, known) + "; known are " +
                     join(known, ", "));
}

// Reads one configuration; `outer` is the multimodal one around it, or the same.
class Reader {
 public:
  Reader(const Section& outer, const Section& text)
      : outer_(outer), text_(text), family_(family_of(text.has("model_type") ? text : outer)) {}

  [[nodiscard]] Architecture architecture() const {
    Architecture result;
    result.gguf_architecture = family_.gguf;
    result.hidden = text_.count("hidden_size", 1, most_hf_hidden);
    result.vocabulary = count("vocab_size", family_.vocabulary, most_hf_vocabulary);
    result.context = context();
    const bool tied = outer_.flag("tie_word_embeddings", family_.tied);
    result.tied_embeddings = text_.flag("tie_word_embeddings", tied);
    result.rope_frequencies = scales_frequencies();
    result.norms_per_layer = family_.norms;
    result.value_norm = result.layer_scale = family_.name == "gemma4";
    if (family_.stores_extra_layers)
      result.extra_layers = static_cast<int>(text_.count_or("num_nextn_predict_layers", 0, 0, most_hf_layers));
    result.per_layer_input = per_layer_input(result.vocabulary);
    result.alternating_updates = alternating_updates();
    if (family_.add_layers != nullptr) {
      family_.add_layers(text_, result);
      return result;
    }
    const auto layers = static_cast<int>(text_.count("num_hidden_layers", 1, most_hf_layers));
    const std::vector<std::string> types = layer_types(layers);
    const std::vector<bool> sparse = expert_layers(layers);
    for (int i = 0; i < layers; ++i) {
      const auto at = static_cast<std::size_t>(i);
      result.add_layer({mixer(types[at], i, layers, result.hidden), feed_forward(sparse[at], i, layers)});
    }
    return result;
  }

 private:
  static constexpr std::string_view full = "full_attention";
  static constexpr std::string_view sliding = "sliding_attention";
  static constexpr std::string_view linear = "linear_attention";

  [[nodiscard]] std::int64_t count(std::string_view key, std::int64_t fallback, std::int64_t most) const {
    return fallback > 0 ? text_.count_or(key, fallback, 1, most) : text_.count(key, 1, most);
  }
  [[nodiscard]] std::int64_t context() const {
    return count("max_position_embeddings", family_.context, Section::count_limit);
  }
  [[nodiscard]] std::int64_t heads() const { return count("num_attention_heads", family_.heads, most_hf_heads); }
  // A window as long as the context limits nothing (Phi-4-mini states such a one).
  [[nodiscard]] std::int64_t window() const {
    const std::int64_t stated = text_.count("sliding_window");
    return stated < context() ? stated : 0;
  }

  // Where the GGUF has a tensor of frequencies: Llama 3.1's scaling, Phi's LongRoPE, Gemma 4's proportional rope.
  [[nodiscard]] bool scales_frequencies() const {
    if (family_.name == "gemma4") return true;
    for (const std::string_view key : {"rope_scaling", "rope_parameters"}) {
      const Node* scaling = text_.optional(key);
      if (scaling == nullptr || scaling->kind != Node::Kind::map) continue;
      for (const std::string_view name : {"rope_type", "type"}) {
        const Node* type = scaling->find(name);
        if (type != nullptr && (type->scalar == "llama3" || (family_.name == "phi3" && type->scalar == "longrope")))
          return true;
      }
    }
    return false;
  }

  // Gemma 3n and the small Gemma 4 add an embedding per layer.
  [[nodiscard]] PerLayerInput per_layer_input(std::int64_t vocabulary) const {
    if (family_.name != "gemma3n" && family_.name != "gemma4") return {};
    const std::int64_t width = text_.count_or("hidden_size_per_layer_input", 0, 0, most_hf_hidden);
    if (width == 0) return {};
    return {.width = width,
            .vocabulary = text_.count_or("vocab_size_per_layer_input", vocabulary, 1, most_hf_vocabulary)};
  }

  [[nodiscard]] AlternatingUpdates alternating_updates() const {
    if (family_.name != "gemma3n") return {};
    constexpr std::int64_t most_streams = 64;
    return {.streams = text_.count("altup_num_inputs", 2, most_streams),
            .laurel_rank = text_.count("laurel_rank", 1, most_hf_hidden)};
  }

  [[nodiscard]] bool is_linear_family() const {
    return family_.mixer == MixerRule::qwen3_next || family_.mixer == MixerRule::qwen3_5;
  }

  [[nodiscard]] std::vector<std::string> layer_types(int layers) const {
    if (!text_.has("layer_types")) return default_layer_types(layers);
    std::vector<std::string> types = text_.texts("layer_types");
    if (types.size() != static_cast<std::size_t>(layers))
      text_.fail("layer_types", "has " + std::to_string(types.size()) + " entries; num_hidden_layers, " +
                                    std::to_string(layers) + ", are expected");
    for (const auto& type : types)
      if (type != full && type != sliding && !(type == linear && is_linear_family()))
        text_.fail("layer_types", "has '" + type.substr(0, 60) + "'; full_attention, sliding_attention" +
                                      (is_linear_family() ? " and linear_attention are" : " are") + " accepted for " +
                                      std::string(family_.name));
    return types;
  }

  [[nodiscard]] std::vector<std::string> default_layer_types(int layers) const {
    constexpr std::int64_t usual_interval = 4;
    const std::int64_t interval =
        is_linear_family() ? text_.count_or("full_attention_interval", usual_interval, 1, most_hf_layers) : 1;
    const std::int64_t period = text_.count_or("sliding_window_pattern", family_.window_period, 0, most_hf_layers);
    const bool switched_off = family_.window_switch && !text_.flag("use_sliding_window", false);
    const bool windows = !switched_off && text_.has("sliding_window");
    const std::int64_t first = family_.window_switch ? text_.count_or("max_window_layers", 0, 0, most_hf_layers) : 0;
    std::vector<std::string> types;
    for (int i = 0; i < layers; ++i) {
      const bool local = windows && i >= first && (period == 0 || (i + 1) % period != 0);
      const bool recurrent = (i + 1) % interval != 0;
      types.emplace_back(recurrent ? linear : local ? sliding : full);
    }
    return types;
  }

  [[nodiscard]] std::vector<bool> expert_layers(int layers) const {
    std::vector<bool> sparse(static_cast<std::size_t>(layers), false);
    const std::int64_t dense =
        family_.moe == Moe::leading ? text_.count_or("first_k_dense_replace", 0, 0, most_hf_layers) : 0;
    const std::string_view step_key = family_.moe == Moe::leading ? "moe_layer_freq" : "decoder_sparse_step";
    const bool steps = family_.moe == Moe::leading || family_.moe == Moe::sparse;
    const std::int64_t step = steps ? text_.count_or(step_key, 1, 1, most_hf_layers) : 1;
    for (std::int64_t i = 0; i < layers; ++i) {
      bool here = has_experts() && i >= dense;
      // DeepSeek counts layers from 0, Qwen from 1.
      if (here) here = (family_.moe == Moe::leading ? i : i + 1) % step == 0;
      sparse[static_cast<std::size_t>(i)] = here;
    }
    for (const std::int64_t i : mlp_only_layers(layers)) sparse[static_cast<std::size_t>(i)] = false;
    return sparse;
  }

  [[nodiscard]] bool has_experts() const {
    switch (family_.moe) {
      case Moe::none: return false;
      case Moe::beside: return text_.flag("enable_moe_block", false);
      case Moe::leading: return text_.has("n_routed_experts");
      case Moe::every:
      case Moe::sparse: break;
    }
    return true;
  }

  [[nodiscard]] std::vector<std::int64_t> mlp_only_layers(int layers) const {
    std::vector<std::int64_t> result;
    if (family_.moe != Moe::sparse) return result;
    for (const auto& item : text_.texts("mlp_only_layers")) {
      const auto layer = parse_integer(item);
      if (!layer || *layer < 0 || *layer >= layers)
        text_.fail("mlp_only_layers", "has '" + item.substr(0, 60) + "'; layers from 0 to " +
                                          std::to_string(layers - 1) + " are accepted");
      result.push_back(*layer);
    }
    return result;
  }

  [[nodiscard]] Mixer mixer(const std::string& type, int layer, int layers, std::int64_t hidden) const {
    if (type == linear) return delta_net();
    if (family_.mixer == MixerRule::latent) return latent_attention();
    GroupedAttention attention = grouped_attention(type == sliding, hidden);
    const std::int64_t shared = text_.count_or("num_kv_shared_layers", 0, 0, layers - 1);
    attention.shared_kv = layer >= layers - shared;
    attention.unused_kv = attention.shared_kv;  // the published weights have them
    return attention;
  }

  [[nodiscard]] GroupedAttention grouped_attention(bool windowed, std::int64_t hidden) const {
    GroupedAttention attention;
    attention.heads = heads();
    const std::int64_t kv_heads = family_.kv_heads > 0 ? family_.kv_heads : attention.heads;
    attention.kv_heads = text_.count_or("num_key_value_heads", kv_heads, 1, most_hf_heads);
    attention.key_dim = head_dim(hidden, attention.heads);
    if (family_.name == "gemma4" && !windowed) {
      attention.key_dim = text_.count_or("global_head_dim", attention.key_dim, 1, most_hf_head_dim);
      attention.value_is_key = text_.flag("attention_k_eq_v", false);
      if (attention.value_is_key)
        attention.kv_heads = text_.count_or("num_global_key_value_heads", attention.kv_heads, 1, most_hf_heads);
    }
    attention.value_dim = attention.key_dim;
    attention.window = windowed ? window() : 0;
    attention.bias = bias();
    attention.qk_norm = family_.qk_norm;
    if (text_.has("use_qk_norm")) attention.qk_norm = text_.flag("use_qk_norm", false) ? stated_norm() : QkNorm::none;
    attention.fused_qkv = family_.fused_qkv;
    attention.gated = is_linear_family() && text_.flag("attn_output_gate", true);
    attention.sinks = family_.sinks;
    return attention;
  }

  [[nodiscard]] QkNorm stated_norm() const { return family_.qk_norm == QkNorm::none ? QkNorm::head : family_.qk_norm; }

  [[nodiscard]] std::int64_t head_dim(std::int64_t hidden, std::int64_t heads) const {
    if (text_.has("head_dim") || family_.head_dim > 0)
      return text_.count_or("head_dim", family_.head_dim, 1, most_hf_head_dim);
    if (hidden % heads != 0)
      text_.fail("num_attention_heads", "hidden_size, " + std::to_string(hidden) + ", is no multiple of the " +
                                            std::to_string(heads) + " heads, and there is no head_dim");
    return hidden / heads;
  }

  [[nodiscard]] AttentionBias bias() const {
    if (family_.bias == Bias::always_qkv) return AttentionBias::qkv;
    if (!text_.flag("attention_bias", family_.biased)) return AttentionBias::none;
    return family_.bias == Bias::stated_qkv ? AttentionBias::qkv : AttentionBias::qkvo;
  }

  [[nodiscard]] LatentAttention latent_attention() const {
    LatentAttention attention;
    attention.heads = heads();
    attention.q_lora_rank = text_.count_or("q_lora_rank", 0, 0, most_hf_hidden);
    attention.kv_lora_rank = text_.count("kv_lora_rank", 1, most_hf_hidden);
    attention.qk_nope_dim = text_.count("qk_nope_head_dim", 1, most_hf_head_dim);
    attention.qk_rope_dim = text_.count("qk_rope_head_dim", 1, most_hf_head_dim);
    attention.value_dim = text_.count("v_head_dim", 1, most_hf_head_dim);
    return attention;
  }

  [[nodiscard]] GatedDeltaNet delta_net() const {
    GatedDeltaNet net;
    net.key_heads = text_.count("linear_num_key_heads", 1, most_hf_heads);
    net.value_heads = text_.count("linear_num_value_heads", 1, most_hf_heads);
    net.key_dim = text_.count("linear_key_head_dim", 1, most_hf_head_dim);
    net.value_dim = text_.count("linear_value_head_dim", 1, most_hf_head_dim);
    net.convolution = text_.count("linear_conv_kernel_dim", 1, most_hf_head_dim);
    net.layout =
        family_.mixer == MixerRule::qwen3_next ? GatedDeltaNet::Layout::qwen3next : GatedDeltaNet::Layout::qwen35;
    return net;
  }

  [[nodiscard]] FeedForward feed_forward(bool sparse, int layer, int layers) const {
    if (sparse) return expert_feed_forward();
    DenseFeedForward dense;
    dense.intermediate = intermediate(layer, layers);
    dense.activation = family_.activation;
    dense.fused_gate_up = family_.fused_gate_up;
    dense.bias = text_.flag("mlp_bias", false);
    return dense;
  }

  // One width for all layers or a list of them. Gemma 4 doubles it in the layers that share keys and values.
  [[nodiscard]] std::int64_t intermediate(int layer, int layers) const {
    constexpr std::string_view key = "intermediate_size";
    const Node* stated = text_.optional(key);
    if (stated != nullptr && stated->kind == Node::Kind::list) {
      const std::vector<std::string> widths = text_.texts(key);
      if (widths.size() != static_cast<std::size_t>(layers))
        text_.fail(key, "has " + std::to_string(widths.size()) + " entries; num_hidden_layers, " +
                            std::to_string(layers) + ", are expected");
      const std::string& item = widths[static_cast<std::size_t>(layer)];
      const auto width = parse_integer(item);
      if (!width || *width < 1 || *width > most_hf_intermediate)
        text_.fail(key, "has '" + item.substr(0, 60) + "'; widths from 1 to " + std::to_string(most_hf_intermediate) +
                            " are accepted");
      return *width;
    }
    const std::int64_t width = text_.count(key, 1, most_hf_intermediate);
    const std::int64_t shared = text_.count_or("num_kv_shared_layers", 0, 0, layers - 1);
    const bool doubled = text_.flag("use_double_wide_mlp", false) && layer >= layers - shared;
    return doubled ? 2 * width : width;
  }

  // The first of the keys that the file has; the last is reported as missing.
  [[nodiscard]] std::int64_t first_count(const std::vector<std::string_view>& keys, std::int64_t most) const {
    for (const auto key : keys)
      if (text_.has(key)) return text_.count(key, 1, most);
    return text_.count(keys.front(), 1, most);
  }

  [[nodiscard]] ExpertFeedForward expert_feed_forward() const {
    ExpertFeedForward experts;
    experts.activation = family_.activation;
    experts.bias = family_.sinks;  // gpt-oss
    experts.router_bias = family_.router_bias;
    experts.experts =
        first_count(family_.moe == Moe::leading ? std::vector<std::string_view>{"n_routed_experts"}
                                                : std::vector<std::string_view>{"num_experts", "num_local_experts"},
                    most_hf_experts);
    experts.used = first_count({"num_experts_per_tok", "top_k_experts", "experts_per_token"}, experts.experts);
    const bool own_width = family_.moe != Moe::every;
    experts.intermediate =
        text_.count(own_width ? "moe_intermediate_size" : "intermediate_size", 1, most_hf_intermediate);
    experts.shared_intermediate = shared_width(experts.intermediate);
    experts.shared_gate = family_.moe == Moe::sparse && experts.shared_intermediate > 0;
    experts.beside_dense = family_.moe == Moe::beside;
    return experts;
  }

  [[nodiscard]] std::int64_t shared_width(std::int64_t intermediate) const {
    if (family_.moe == Moe::beside) return text_.count("intermediate_size", 1, most_hf_intermediate);
    if (family_.moe == Moe::leading)
      return intermediate * text_.count_or("n_shared_experts", 0, 0, most_hf_shared_experts);
    if (family_.moe == Moe::sparse)
      return text_.count_or("shared_expert_intermediate_size", 0, 0, most_hf_intermediate);
    return 0;
  }

  const Section& outer_;
  const Section& text_;
  const Family& family_;
};

}  // namespace

Node parse_hf_config(std::string text, const std::string& file) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && quoted) {
      ++i;
      continue;
    }
    if (text[i] == '"') quoted = !quoted;
    if (quoted) continue;
    // Blanks keep the columns of what follows.
    for (const std::string_view word : {"-Infinity", "Infinity", "NaN"})
      if (std::string_view(text).substr(i).starts_with(word))
        text.replace(i, word.size(), word.size() > 4 ? "null" + std::string(word.size() - 4, ' ') : "null");
  }
  return parse_json(text, file);
}

bool is_hf_config(const Node& document) {
  if (document.kind != Node::Kind::map) return false;
  const Node* architectures = document.find("architectures");
  return document.find("model_type") != nullptr ||
         (architectures != nullptr && architectures->kind == Node::Kind::list);
}

Architecture architecture_of_hf_config(const Node& document, const std::string& id) {
  const Section outer(document);
  const auto nested = outer.section("text_config");
  // Older multimodal configurations name the model type outside only.
  const bool named = nested && nested->has("model_type");
  const Section text = nested && (named || !outer.has("hidden_size")) ? *nested : outer;
  Architecture result = Reader(outer, text).architecture();
  result.id = id;
  result.name = id;
  validate(result, outer.mark().text());
  return result;
}

}  // namespace silicast
