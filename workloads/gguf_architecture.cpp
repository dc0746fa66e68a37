// SPDX-License-Identifier: Apache-2.0
// A GGUF's metadata and tensor table to an Architecture and a Workload.
// The metadata says what shapes cannot (heads, windows, experts per token); the tensors say what the metadata leaves
// out (biases, norms, fused projections, tied embeddings). Afterwards the shapes that follow from the architecture are
// compared with those of the file. Keys: gguf-py/gguf/constants.py of llama.cpp; rules per architecture: src/models/.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "workloads/gguf_layers.h"

namespace silicast {

namespace {

constexpr std::array gguf_families{
    GgufFamily{.name = "llama"},
    GgufFamily{.name = "mistral3"},
    GgufFamily{.name = "mistral4", .mixer = GgufMixer::latent},
    GgufFamily{.name = "qwen2"},
    GgufFamily{.name = "qwen2vl"},
    GgufFamily{.name = "qwen2moe"},
    GgufFamily{.name = "qwen3"},
    GgufFamily{.name = "qwen3vl"},
    GgufFamily{.name = "qwen3moe"},
    GgufFamily{.name = "qwen3vlmoe"},
    GgufFamily{.name = "qwen3next", .mixer = GgufMixer::delta_net},
    GgufFamily{.name = "qwen35", .mixer = GgufMixer::delta_net},
    GgufFamily{.name = "qwen35moe", .mixer = GgufMixer::delta_net},
    GgufFamily{.name = "gemma", .gated = Activation::geglu},
    GgufFamily{.name = "gemma2", .gated = Activation::geglu, .windows = GgufWindows::pattern, .period = 2},
    GgufFamily{.name = "gemma3", .gated = Activation::geglu, .windows = GgufWindows::pattern, .period = 6},
    GgufFamily{.name = "gemma4", .gated = Activation::geglu, .windows = GgufWindows::pattern, .period = 6},
    GgufFamily{.name = "gemma3n",
               .gated = Activation::geglu,
               .windows = GgufWindows::pattern,
               .period = 5,
               .own_kv_layers = 20},
    GgufFamily{.name = "lfm2", .mixer = GgufMixer::hybrid},
    GgufFamily{.name = "lfm2moe", .mixer = GgufMixer::hybrid},
    GgufFamily{.name = "nemotron_h", .plain = Activation::relu2, .mixer = GgufMixer::hybrid, .partial_layers = true},
    GgufFamily{
        .name = "nemotron_h_moe", .plain = Activation::relu2, .mixer = GgufMixer::hybrid, .partial_layers = true},
    GgufFamily{.name = "deci", .partial_layers = true},
    GgufFamily{.name = "phi3"},
    GgufFamily{.name = "gpt-oss", .windows = GgufWindows::pattern, .period = 2},
    GgufFamily{.name = "deepseek"},
    GgufFamily{.name = "deepseek2", .mixer = GgufMixer::latent},
    GgufFamily{.name = "deepseek4", .mixer = GgufMixer::compressed},
    GgufFamily{.name = "glm4"},
    GgufFamily{.name = "glm4moe"},
    GgufFamily{.name = "granite"},
    GgufFamily{.name = "granitemoe"},
    GgufFamily{.name = "smollm3"},
    GgufFamily{.name = "olmo2", .windows = GgufWindows::pattern, .period = 4},
    GgufFamily{.name = "olmoe"},
    GgufFamily{.name = "seed_oss"},
    GgufFamily{.name = "ernie4_5"},
    GgufFamily{.name = "dots1"},
    GgufFamily{.name = "minimax-m2"},
    GgufFamily{.name = "arcee", .plain = Activation::relu2},
    GgufFamily{.name = "starcoder2"},
    GgufFamily{.name = "falcon"},
    GgufFamily{.name = "bloom"},
    GgufFamily{.name = "gpt2"},
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

const GgufFamily& family_of(const GgufFile& file, const std::string& name) {
  const GgufValue* value = file.find("general.architecture");
  const auto* text = value != nullptr ? std::get_if<std::string>(value) : nullptr;
  if (text == nullptr)
    throw InputError(name + ": key 'general.architecture': " + (value == nullptr ? "is missing" : "is no text") +
                     "; a model names its architecture");
  std::vector<std::string> known;
  for (const auto& family : gguf_families) {
    if (family.name == *text) return family;
    known.emplace_back(family.name);
  }
  throw RefusedError(name + ": the architecture " + printable(*text) + " is not modelled" + did_you_mean(*text, known) +
                     "; known are " + join(known, ", "));
}

// Gemma 3n and the small Gemma 4 add an embedding per layer.
PerLayerInput per_layer_input(const GgufFacts& facts) {
  constexpr std::string_view key = "embedding_length_per_layer_input";
  const std::int64_t width = facts.count(key, most_hidden).value_or(0);
  if (width > 0)
    return {.width = width, .vocabulary = facts.bounded_size(TensorRole::per_layer_token_embd, 1, -1, most_vocabulary)};
  if (facts.has(TensorRole::per_layer_token_embd))
    facts.fail_key(key, "is missing or 0, but there is a tensor per_layer_token_embd.weight; its width is accepted");
  return {};
}

AlternatingUpdates alternating_updates(const GgufFacts& facts) {
  if (!facts.has(TensorRole::altup_proj)) return {};
  constexpr std::int64_t most_streams = 64;
  const std::int64_t streams = facts.bounded_size(TensorRole::altup_proj, 2, -1, most_streams - 1) + 1;
  const auto stated = facts.count("altup.num_inputs", most_streams, 1);
  if (stated && *stated != streams)
    facts.fail_key("altup.num_inputs", "is " + std::to_string(*stated) + ", but altup_proj.weight is for " +
                                           std::to_string(streams) + "; both must agree");
  return {.streams = streams, .laurel_rank = facts.bounded_size(TensorRole::laurel_l, 1, 0, most_hidden)};
}

int norms_of(const GgufFacts& facts) {
  int norms = 0;
  for (const auto role : {TensorRole::attn_norm, TensorRole::attn_norm_2, TensorRole::post_attention_norm,
                          TensorRole::ffn_norm, TensorRole::post_ffw_norm})
    norms += facts.has(role, 0) ? 1 : 0;
  return norms;
}

Positions positions_of(const GgufFacts& facts, const GgufFamily& family) {
  if (facts.has(TensorRole::position_embd)) return Positions::learned;
  const bool nowhere = family.partial_layers && family.mixer == GgufMixer::hybrid;  // Nemotron-H
  return nowhere || family.name == "bloom" ? Positions::none : Positions::rope;
}

void read_vocabulary(const GgufFacts& facts, const GgufFile& file, const std::string& name, Architecture& result) {
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

int layer_count(const GgufFacts& facts, const GgufFile& file, Architecture& result) {
  const std::int64_t blocks = facts.required("block_count", most_blocks);
  if (blocks > static_cast<std::int64_t>(file.tensors.size()))
    facts.fail_key("block_count", "is " + std::to_string(blocks) + ", more than the file's " +
                                      std::to_string(file.tensors.size()) + " tensors");
  const std::int64_t extra = facts.count("nextn_predict_layers", most_blocks).value_or(0);
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
void compare_shapes(const GgufFacts& facts, const Architecture& architecture) {
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
  const GgufFamily& family = family_of(file, name);
  const GgufFacts facts(file, name, family);
  Architecture result;
  result.id = canonical_name(std::filesystem::path(name).stem().string());
  result.name = model_name(file, result.id);
  result.gguf_architecture = family.name;
  result.hidden = facts.required("embedding_length", most_hidden);
  result.per_layer_input = per_layer_input(facts);
  result.alternating_updates = alternating_updates(facts);
  constexpr std::int64_t most_copies = 64;
  result.hyper_connections = facts.count("hyper_connection.count", most_copies).value_or(0);
  const int layers = layer_count(facts, file, result);
  read_vocabulary(facts, file, name, result);
  result.context = facts.required("context_length", most_tokens);
  result.tied_embeddings = !facts.has(TensorRole::output);
  result.rope_frequencies = facts.has(TensorRole::rope_freqs) || facts.has(TensorRole::rope_factors_long);
  result.norms_per_layer = norms_of(facts);
  result.value_norm = result.layer_scale = family.name == "gemma4";
  result.norm = facts.has(TensorRole::attn_norm, 0, true) ? NormKind::layer : NormKind::rms;
  result.positions = positions_of(facts, family);
  for (int i = 0; i < layers; ++i) result.add_layer(gguf_layer(facts, family, result.hidden, i));
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
