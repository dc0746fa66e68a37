// SPDX-License-Identifier: Apache-2.0
// A GGUF's metadata and tensor table to an Architecture and a Workload.
// The metadata says what shapes cannot (heads, windows, experts per token); the tensors say what the metadata leaves
// out (biases, norms, fused projections, tied embeddings). Afterwards the shapes that follow from the architecture are
// compared with those of the file. Keys: gguf-py/gguf/constants.py of llama.cpp; rules per architecture: src/models/.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "workloads/gguf_metadata.h"

namespace silicast {

namespace {

// Which layers attend to a window only.
enum class Windows {
  none,     // the key may be there, llama.cpp ignores it
  pattern,  // attention.sliding_window_pattern, else all but the last of each `period` layers
};
enum class Mixer { grouped, latent, delta_net };

struct Family {
  std::string_view name;                  // general.architecture
  Activation gated = Activation::swiglu;  // where the feed-forward has a gate
  Activation plain = Activation::gelu;    // where it has none
  Mixer mixer = Mixer::grouped;
  Windows windows = Windows::none;
  std::int64_t period = 1;
};

constexpr std::array families{
    Family{.name = "llama"},
    Family{.name = "mistral3"},
    Family{.name = "mistral4", .mixer = Mixer::latent},
    Family{.name = "qwen2"},
    Family{.name = "qwen2vl"},
    Family{.name = "qwen2moe"},
    Family{.name = "qwen3"},
    Family{.name = "qwen3vl"},
    Family{.name = "qwen3moe"},
    Family{.name = "qwen3vlmoe"},
    Family{.name = "qwen3next", .mixer = Mixer::delta_net},
    Family{.name = "qwen35", .mixer = Mixer::delta_net},
    Family{.name = "qwen35moe", .mixer = Mixer::delta_net},
    Family{.name = "gemma", .gated = Activation::geglu},
    Family{.name = "gemma2", .gated = Activation::geglu, .windows = Windows::pattern, .period = 2},
    Family{.name = "gemma3", .gated = Activation::geglu, .windows = Windows::pattern, .period = 6},
    Family{.name = "gemma4", .gated = Activation::geglu, .windows = Windows::pattern, .period = 6},
    Family{.name = "phi3"},
    Family{.name = "gpt-oss", .windows = Windows::pattern, .period = 2},
    Family{.name = "deepseek"},
    Family{.name = "deepseek2", .mixer = Mixer::latent},
    Family{.name = "glm4"},
    Family{.name = "glm4moe"},
    Family{.name = "granite"},
    Family{.name = "granitemoe"},
    Family{.name = "smollm3"},
    Family{.name = "olmo2", .windows = Windows::pattern, .period = 4},
    Family{.name = "olmoe"},
    Family{.name = "seed_oss"},
    Family{.name = "ernie4_5"},
    Family{.name = "dots1"},
    Family{.name = "minimax-m2"},
    Family{.name = "arcee", .plain = Activation::relu2},
    Family{.name = "starcoder2"},
    Family{.name = "falcon"},
    Family{.name = "bloom"},
    Family{.name = "gpt2"},
};

// llama_ftype of llama.cpp's include/llama.h, as general.file_type holds it, to the schemes of data/quants/.
struct FileType {
  std::int64_t number;
  std::string_view name;
};
constexpr std::array file_types{
    FileType{0, "F32"},        FileType{1, "F16"},         FileType{2, "Q4_0"},    FileType{3, "Q4_1"},
    FileType{7, "Q8_0"},       FileType{8, "Q5_0"},        FileType{9, "Q5_1"},    FileType{10, "Q2_K"},
    FileType{11, "Q3_K_S"},    FileType{12, "Q3_K_M"},     FileType{13, "Q3_K_L"}, FileType{14, "Q4_K_S"},
    FileType{15, "Q4_K_M"},    FileType{16, "Q5_K_S"},     FileType{17, "Q5_K_M"}, FileType{18, "Q6_K"},
    FileType{19, "IQ2_XXS"},   FileType{20, "IQ2_XS"},     FileType{21, "Q2_K_S"}, FileType{22, "IQ3_XS"},
    FileType{23, "IQ3_XXS"},   FileType{24, "IQ1_S"},      FileType{25, "IQ4_NL"}, FileType{26, "IQ3_S"},
    FileType{27, "IQ3_M"},     FileType{28, "IQ2_S"},      FileType{29, "IQ2_M"},  FileType{30, "IQ4_XS"},
    FileType{31, "IQ1_M"},     FileType{32, "BF16"},       FileType{36, "TQ1_0"},  FileType{37, "TQ2_0"},
    FileType{38, "MXFP4_MOE"}, FileType{39, "GGUF-NVFP4"}, FileType{40, "Q1_0"},   FileType{41, "Q2_0"},
};
constexpr std::int64_t guessed_file_type = 1024;  // a flag beside the number

// Far above every published model, and low enough that products and sums over all layers stay within 63 bits.
constexpr std::int64_t most_layers = 1 << 12;
constexpr std::int64_t most_hidden = 1 << 16;
constexpr std::int64_t most_intermediate = 1 << 19;
constexpr std::int64_t most_experts = 1 << 12;
constexpr std::int64_t most_heads = 1 << 12;
constexpr std::int64_t most_head_dim = 1 << 12;
constexpr std::int64_t most_vocabulary = 1 << 24;
constexpr std::int64_t most_tokens = std::int64_t{1} << 40;

const Family& family_of(const GgufFile& file, const std::string& name) {
  const GgufValue* value = file.find("general.architecture");
  const auto* text = value != nullptr ? std::get_if<std::string>(value) : nullptr;
  if (text == nullptr)
    throw InputError(name + ": key 'general.architecture': " + (value == nullptr ? "is missing" : "is no text") +
                     "; a model names its architecture");
  std::vector<std::string> known;
  for (const auto& family : families) {
    if (family.name == *text) return family;
    known.emplace_back(family.name);
  }
  throw RefusedError(name + ": the architecture " + printable(*text) + " is not modelled" + did_you_mean(*text, known) +
                     "; known are " + join(known, ", "));
}

// The file's facts by key and by tensor.
class Facts {
 public:
  Facts(const GgufFile& file, const std::string& name, const Family& family)
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

std::int64_t window_of(const Facts& facts, const Family& family, int layer) {
  if (family.windows == Windows::none) return 0;
  constexpr std::string_view pattern_key = "attention.sliding_window_pattern";
  const std::int64_t window = facts.count("attention.sliding_window", most_tokens).value_or(0);
  const GgufValue* pattern = facts.value(pattern_key);
  if (pattern != nullptr && std::holds_alternative<GgufArray>(*pattern))
    return facts.at_layer(pattern_key, layer, 1).value_or(0) == 1 ? window : 0;
  const std::int64_t period = facts.count(pattern_key, most_layers).value_or(family.period);
  return period == 0 || layer % period < period - 1 ? window : 0;
}

std::int64_t head_dim(const Facts& facts, std::string_view key, bool windowed, std::int64_t hidden,
                      std::int64_t heads) {
  const std::string local = std::string(key) + "_swa";
  if (windowed)
    if (const auto dim = facts.count(local, most_head_dim, 1)) return *dim;
  if (const auto dim = facts.count(key, most_head_dim, 1)) return *dim;
  if (hidden % heads != 0)
    facts.fail_key(
        key, "is missing, and " + std::to_string(hidden) + " is no multiple of " + std::to_string(heads) + " heads");
  return hidden / heads;
}

AttentionBias bias_of(const Facts& facts, int layer) {
  if (facts.has(TensorRole::attn_output, layer, true)) return AttentionBias::qkvo;
  const bool inputs = facts.has(TensorRole::attn_q, layer, true) || facts.has(TensorRole::attn_qkv, layer, true);
  return inputs ? AttentionBias::qkv : AttentionBias::none;
}

QkNorm norm_of(const Facts& facts, int layer, std::int64_t key_dim) {
  const GgufTensor* norm = facts.tensor(TensorRole::attn_q_norm, layer);
  if (norm == nullptr) return QkNorm::none;
  return norm->shape.size() == 1 && norm->shape[0] == key_dim ? QkNorm::head : QkNorm::full;
}

GroupedAttention grouped_attention(const Facts& facts, const Family& family, std::int64_t hidden, int layer) {
  GroupedAttention attention;
  attention.window = window_of(facts, family, layer);
  const bool windowed = attention.window > 0;
  const auto heads = facts.at_layer("attention.head_count", layer, most_heads, 1);
  if (!heads) facts.fail_key("attention.head_count", "is missing; a count is accepted");
  attention.heads = *heads;
  attention.kv_heads = facts.at_layer("attention.head_count_kv", layer, most_heads, 1).value_or(*heads);
  attention.key_dim = head_dim(facts, "attention.key_length", windowed, hidden, *heads);
  attention.value_dim = head_dim(facts, "attention.value_length", windowed, hidden, *heads);
  attention.bias = bias_of(facts, layer);
  attention.qk_norm = norm_of(facts, layer, attention.key_dim);
  attention.sinks = facts.has(TensorRole::attn_sinks, layer);
  attention.fused_qkv = facts.has(TensorRole::attn_qkv, layer);
  if (!attention.fused_qkv) {
    attention.gated = family.mixer == Mixer::delta_net &&
                      facts.size(TensorRole::attn_q, 1, layer) == 2 * attention.heads * attention.key_dim;
    const std::int64_t shared = facts.count("attention.shared_kv_layers", most_layers).value_or(0);
    attention.shared_kv = layer >= facts.required("block_count", most_layers) - shared;
    if (!attention.shared_kv) static_cast<void>(facts.size(TensorRole::attn_k, 1, layer));
    attention.value_is_key = !attention.shared_kv && !facts.has(TensorRole::attn_v, layer);
  }
  static_cast<void>(facts.size(TensorRole::attn_output, 1, layer));
  return attention;
}

LatentAttention latent_attention(const Facts& facts, int layer) {
  LatentAttention attention;
  const auto heads = facts.at_layer("attention.head_count", layer, most_heads, 1);
  if (!heads) facts.fail_key("attention.head_count", "is missing; a count is accepted");
  attention.heads = *heads;
  attention.kv_lora_rank = facts.required("attention.kv_lora_rank", most_hidden);
  const bool direct = facts.has(TensorRole::attn_q, layer);
  attention.q_lora_rank = direct ? 0 : facts.required("attention.q_lora_rank", most_hidden);
  attention.qk_rope_dim = facts.required("rope.dimension_count", most_head_dim);
  // Files since 2025-04 describe the latent cache in key_length and the heads in key_length_mla.
  const auto key = facts.count("attention.key_length_mla", most_head_dim, 1);
  const auto value = facts.count("attention.value_length_mla", most_head_dim, 1);
  const std::int64_t key_dim = key ? *key : facts.required("attention.key_length", most_head_dim);
  attention.value_dim = value ? *value : facts.required("attention.value_length", most_head_dim);
  if (key_dim <= attention.qk_rope_dim)
    facts.fail_key(key ? "attention.key_length_mla" : "attention.key_length",
                   "is " + std::to_string(key_dim) + "; more than the " + std::to_string(attention.qk_rope_dim) +
                       " of rope.dimension_count is accepted");
  attention.qk_nope_dim = key_dim - attention.qk_rope_dim;
  static_cast<void>(facts.size(TensorRole::attn_kv_a_mqa, 1, layer));
  static_cast<void>(facts.size(TensorRole::attn_output, 1, layer));
  return attention;
}

GatedDeltaNet delta_net(const Facts& facts, int layer) {
  GatedDeltaNet net;
  net.key_heads = facts.required("ssm.group_count", most_heads);
  net.value_heads = facts.required("ssm.time_step_rank", most_heads);
  net.key_dim = facts.required("ssm.state_size", most_head_dim);
  net.convolution = facts.required("ssm.conv_kernel", most_head_dim);
  const std::int64_t inner = facts.required("ssm.inner_size", most_heads * most_head_dim);
  if (inner % net.value_heads != 0 || inner / net.value_heads > most_head_dim)
    facts.fail_key("ssm.inner_size", "is " + std::to_string(inner) + "; a small multiple of ssm.time_step_rank, " +
                                         std::to_string(net.value_heads) + ", is accepted");
  net.value_dim = inner / net.value_heads;
  net.layout = facts.has(TensorRole::ssm_ba, layer) ? GatedDeltaNet::Layout::qwen3next : GatedDeltaNet::Layout::qwen35;
  static_cast<void>(facts.size(TensorRole::ssm_out, 1, layer));
  return net;
}

void expect_width(const Facts& facts, std::string_view key, std::optional<std::int64_t> stated, std::int64_t seen,
                  TensorRole role, int layer) {
  if (stated && *stated > 0 && *stated != seen)
    facts.fail_key(key, "is " + std::to_string(*stated) + ", but " + gguf_name(Tensor{.role = role, .layer = layer}) +
                            " is for " + std::to_string(seen) + "; both must agree");
}

DenseFeedForward dense_feed_forward(const Facts& facts, const Family& family, int layer) {
  DenseFeedForward dense;
  dense.intermediate = facts.bounded_size(TensorRole::ffn_down, 0, layer, most_intermediate);
  expect_width(facts, "feed_forward_length", facts.at_layer("feed_forward_length", layer, most_intermediate),
               dense.intermediate, TensorRole::ffn_down, layer);
  const bool gate = facts.has(TensorRole::ffn_gate, layer);
  dense.fused_gate_up = !gate && facts.size(TensorRole::ffn_up, 1, layer) == 2 * dense.intermediate;
  dense.activation = gate || dense.fused_gate_up ? family.gated : family.plain;
  dense.bias = facts.has(TensorRole::ffn_down, layer, true);
  return dense;
}

// Gemma 4 runs a dense feed-forward beside the experts: a shared expert by another name.
std::int64_t shared_width(const Facts& facts, int layer) {
  for (const auto role : {TensorRole::ffn_down_shexp, TensorRole::ffn_down})
    if (facts.has(role, layer)) return facts.bounded_size(role, 0, layer, most_intermediate);
  return 0;
}

// Some architectures state a number of shared experts, each as wide as a routed one; the tensors hold them together.
void check_shared_count(const Facts& facts, const ExpertFeedForward& experts, int layer) {
  const std::int64_t shared = facts.count("expert_shared_count", most_experts).value_or(0);
  if (shared == 0 || facts.value("expert_shared_feed_forward_length") != nullptr) return;
  const std::int64_t width = shared * experts.intermediate;
  if (width != experts.shared_intermediate)
    facts.fail_key("expert_shared_count", "is " + std::to_string(shared) + ", which makes a width of " +
                                              std::to_string(width) + ", but the shared experts of layer " +
                                              std::to_string(layer) + " are " +
                                              std::to_string(experts.shared_intermediate) + " wide; both must agree");
}

ExpertFeedForward expert_feed_forward(const Facts& facts, const Family& family, int layer) {
  ExpertFeedForward experts;
  experts.experts = facts.required("expert_count", most_experts);
  experts.used = facts.required("expert_used_count", most_experts);
  experts.intermediate = facts.bounded_size(TensorRole::ffn_down_exps, 0, layer, most_intermediate);
  expect_width(facts, "expert_feed_forward_length", facts.count("expert_feed_forward_length", most_intermediate),
               experts.intermediate, TensorRole::ffn_down_exps, layer);
  const std::int64_t stored = facts.size(TensorRole::ffn_down_exps, 2, layer);
  expect_width(facts, "expert_count", experts.experts, stored, TensorRole::ffn_down_exps, layer);
  experts.shared_intermediate = shared_width(facts, layer);
  expect_width(facts, "expert_shared_feed_forward_length",
               facts.count("expert_shared_feed_forward_length", most_intermediate), experts.shared_intermediate,
               TensorRole::ffn_down_shexp, layer);
  check_shared_count(facts, experts, layer);
  experts.activation = family.gated;
  experts.shared_gate = facts.has(TensorRole::ffn_gate_inp_shexp, layer);
  experts.bias = facts.has(TensorRole::ffn_down_exps, layer, true);
  experts.router_bias =
      facts.has(TensorRole::ffn_exp_probs_b, layer, true) || facts.has(TensorRole::ffn_exp_probs_b, layer);
  return experts;
}

// What the metadata says of the kinds of layers, where it does.
void check_kind(const Facts& facts, const Layer& layer, int index) {
  const auto interval = facts.count("full_attention_interval", most_layers, 1);
  const bool recurrent = std::holds_alternative<GatedDeltaNet>(layer.mixer);
  if (interval && recurrent != ((index + 1) % *interval != 0))
    facts.fail_key("full_attention_interval",
                   "is " + std::to_string(*interval) + ", but layer " + std::to_string(index) +
                       (recurrent ? " has linear attention" : " has full attention") + "; both must agree");
  const std::int64_t dense = facts.count("leading_dense_block_count", most_layers).value_or(0);
  if (index < dense && std::holds_alternative<ExpertFeedForward>(layer.feed_forward))
    facts.fail_key("leading_dense_block_count", "is " + std::to_string(dense) + ", but layer " + std::to_string(index) +
                                                    " has experts; both must agree");
}

Layer layer_of(const Facts& facts, const Family& family, std::int64_t hidden, int index) {
  Layer layer;
  if (family.mixer == Mixer::latent)
    layer.mixer = latent_attention(facts, index);
  else if (family.mixer == Mixer::delta_net && facts.has(TensorRole::ssm_out, index))
    layer.mixer = delta_net(facts, index);
  else
    layer.mixer = grouped_attention(facts, family, hidden, index);
  if (facts.has(TensorRole::ffn_down_exps, index))
    layer.feed_forward = expert_feed_forward(facts, family, index);
  else
    layer.feed_forward = dense_feed_forward(facts, family, index);
  check_kind(facts, layer, index);
  return layer;
}

// The small Gemma 4 add an embedding per layer.
void refuse_per_layer_input(const Facts& facts, const std::string& name) {
  constexpr std::string_view key = "embedding_length_per_layer_input";
  const std::int64_t width = facts.count(key, most_hidden).value_or(0);
  if (width > 0)
    throw RefusedError(name + ": key '" + std::string(key) + "': is " + std::to_string(width) +
                       "; embeddings per layer are not modelled, 0 is accepted");
}

int norms_of(const Facts& facts) {
  int norms = 0;
  for (const auto role : {TensorRole::attn_norm, TensorRole::attn_norm_2, TensorRole::post_attention_norm,
                          TensorRole::ffn_norm, TensorRole::post_ffw_norm})
    norms += facts.has(role, 0) ? 1 : 0;
  return norms;
}

Positions positions_of(const Facts& facts, const Family& family) {
  if (facts.has(TensorRole::position_embd)) return Positions::learned;
  return family.name == "bloom" ? Positions::none : Positions::rope;
}

void read_vocabulary(const Facts& facts, const GgufFile& file, const std::string& name, Architecture& result) {
  const std::int64_t columns = facts.size(TensorRole::token_embd, 0);
  if (columns != result.hidden)
    facts.fail_key("embedding_length", "is " + std::to_string(result.hidden) + ", but token_embd.weight is for " +
                                           std::to_string(columns) + "; both must agree");
  result.vocabulary = facts.bounded_size(TensorRole::token_embd, 1, -1, most_vocabulary);
  const GgufValue* value = file.find("tokenizer.ggml.tokens");
  const auto* tokens = value != nullptr ? std::get_if<GgufArray>(value) : nullptr;
  if (tokens != nullptr && tokens->count != static_cast<std::uint64_t>(result.vocabulary))
    throw InputError(name + ": key 'tokenizer.ggml.tokens': has " + std::to_string(tokens->count) +
                     " elements, but token_embd.weight is for " + std::to_string(result.vocabulary) +
                     "; both must agree");
}

int layer_count(const Facts& facts, const GgufFile& file, Architecture& result) {
  const std::int64_t blocks = facts.required("block_count", most_layers);
  if (blocks > static_cast<std::int64_t>(file.tensors.size()))
    facts.fail_key("block_count", "is " + std::to_string(blocks) + ", more than the file's " +
                                      std::to_string(file.tensors.size()) + " tensors");
  const std::int64_t extra = facts.count("nextn_predict_layers", most_layers).value_or(0);
  if (extra >= blocks)
    facts.fail_key("nextn_predict_layers", "is " + std::to_string(extra) + "; less than the block_count, " +
                                               std::to_string(blocks) + ", is accepted");
  result.extra_layers = static_cast<int>(extra);
  return static_cast<int>(blocks - extra);
}

// Their width is that of the rotated part of a head, which an Architecture does not know.
bool is_rope_table(TensorRole role) {
  return role == TensorRole::rope_freqs || role == TensorRole::rope_factors_long ||
         role == TensorRole::rope_factors_short;
}

// Whatever the architecture and the file both have must have the same shape.
void compare_shapes(const Facts& facts, const Architecture& architecture) {
  for (const auto& expected : tensors_of(architecture)) {
    if (is_rope_table(expected.role)) continue;
    const std::string name = gguf_name(expected);
    const GgufTensor* found = facts.tensor(name);
    if (found == nullptr) continue;
    std::array<std::int64_t, 3> shape{1, 1, 1};
    std::copy_n(found->shape.begin(), std::min(found->shape.size(), shape.size()), shape.begin());
    const bool fits = shape == expected.shape && (found->shape.size() <= shape.size() || found->shape.back() == 1);
    if (fits) continue;
    std::vector<std::int64_t> wanted(expected.shape.begin(), expected.shape.begin() + expected.dimensions());
    facts.fail_tensor(name,
                      "is " + shape_text(found->shape) + ", but " + shape_text(wanted) + " follows from the metadata");
  }
}

std::string model_name(const GgufFile& file, const std::string& fallback) {
  const GgufValue* value = file.find("general.name");
  const auto* text = value != nullptr ? std::get_if<std::string>(value) : nullptr;
  if (text == nullptr || text->empty()) return fallback;
  const std::string safe = printable(*text);
  return safe.substr(1, safe.size() - 2);
}

std::string file_type_name(const GgufFile& file) {
  const GgufValue* value = file.find("general.file_type");
  const auto number = value != nullptr ? integer_of(*value) : std::nullopt;
  for (const auto& type : file_types)
    if (number && *number >= 0 && type.number == (*number & ~guessed_file_type)) return std::string(type.name);
  return "custom";
}

// Feed-forward parts that the architecture counts as a shared expert, and blocks that inference skips.
Tensor tensor_in(const Architecture& architecture, const GgufTensor& stored) {
  Tensor tensor = tensor_of_name(stored.name);
  for (std::size_t i = 0; i < stored.shape.size(); ++i) {
    auto& size = tensor.shape[std::min(i, tensor.shape.size() - 1)];
    size = i < tensor.shape.size() ? stored.shape[i] : size * stored.shape[i];
  }
  if (tensor.layer < 0) return tensor;
  const auto layer = static_cast<std::size_t>(tensor.layer);
  if (layer >= architecture.layers.size()) {
    tensor.role = TensorRole::other;
    return tensor;
  }
  if (!std::holds_alternative<ExpertFeedForward>(architecture.layer(layer).feed_forward)) return tensor;
  if (tensor.role == TensorRole::ffn_gate) tensor.role = TensorRole::ffn_gate_shexp;
  if (tensor.role == TensorRole::ffn_up) tensor.role = TensorRole::ffn_up_shexp;
  if (tensor.role == TensorRole::ffn_down) tensor.role = TensorRole::ffn_down_shexp;
  return tensor;
}

// Gate and up of all experts in one tensor, as some converters write them: two tensors to the model.
constexpr std::string_view fused_experts = ".ffn_gate_up_exps.weight";

void append(Workload& workload, const GgufTensor& stored, TypeId type) {
  Tensor tensor = tensor_in(workload.architecture, stored);
  const bool fused = stored.name.ends_with(fused_experts) && tensor.shape[1] % 2 == 0;
  if (fused && tensor.layer >= 0 && static_cast<std::size_t>(tensor.layer) < workload.architecture.layers.size()) {
    tensor.shape[1] /= 2;
    tensor.role = TensorRole::ffn_gate_exps;
    workload.tensors.push_back(tensor);
    workload.types.push_back(type);
    tensor.role = TensorRole::ffn_up_exps;
  }
  workload.tensors.push_back(tensor);
  workload.types.push_back(type);
}

}  // namespace

std::optional<std::int64_t> gguf_file_type(std::string_view quantization) {
  const std::string wanted = canonical_name(quantization);
  for (const auto& type : file_types)
    if (canonical_name(type.name) == wanted) return type.number;
  return std::nullopt;
}

Architecture architecture_of_gguf(const GgufFile& file, const std::string& name) {
  const Family& family = family_of(file, name);
  const Facts facts(file, name, family);
  Architecture result;
  result.id = canonical_name(std::filesystem::path(name).stem().string());
  result.name = model_name(file, result.id);
  result.gguf_architecture = family.name;
  result.hidden = facts.required("embedding_length", most_hidden);
  refuse_per_layer_input(facts, name);
  const int layers = layer_count(facts, file, result);
  read_vocabulary(facts, file, name, result);
  result.context = facts.required("context_length", most_tokens);
  result.tied_embeddings = !facts.has(TensorRole::output);
  result.rope_frequencies = facts.has(TensorRole::rope_freqs) || facts.has(TensorRole::rope_factors_long);
  result.norms_per_layer = norms_of(facts);
  result.norm = facts.has(TensorRole::attn_norm, 0, true) ? NormKind::layer : NormKind::rms;
  result.positions = positions_of(facts, family);
  for (int i = 0; i < layers; ++i) result.add_layer(layer_of(facts, family, result.hidden, i));
  validate(result, name);
  compare_shapes(facts, result);
  return result;
}

Workload workload_of(const GgufFile& file, const std::string& name, std::shared_ptr<const TypeTable> types) {
  Workload workload;
  workload.architecture = architecture_of_gguf(file, name);
  workload.quantization = file_type_name(file);
  workload.format = QuantFormat::gguf;
  for (const auto& stored : file.tensors) {
    const auto type = types->find_gguf(static_cast<int>(stored.type));
    if (!type)
      throw InputError(name + ": tensor " + printable(stored.name) + ": is of the unknown type " +
                       std::to_string(stored.type));
    append(workload, stored, *type);
  }
  workload.type_table = std::move(types);
  return workload;
}

}  // namespace silicast
