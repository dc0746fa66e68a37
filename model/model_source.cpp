// SPDX-License-Identifier: Apache-2.0
#include "model/model_source.h"

#include <array>
#include <cstdio>

#include "base/document.h"
#include "base/text.h"
#include "workloads/gguf.h"
#include "workloads/hf_config.h"

namespace silicast {

namespace {

namespace fs = std::filesystem;

// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), 64 bit: tells files apart, no protection against intent.
std::string fingerprint(std::string_view bytes) {
  constexpr std::uint64_t offset_basis = 14695981039346656037ULL;
  constexpr std::uint64_t prime = 1099511628211ULL;
  std::uint64_t hash = offset_basis;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * prime;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "fnv1a64:%016llx", static_cast<unsigned long long>(hash));
  return text.data();
}

std::string fingerprint(const GgufFile& file) {
  std::string described;
  for (const auto& tensor : file.tensors)
    described += tensor.name + ":" + std::to_string(tensor.type) + ":" + std::to_string(tensor.offset) + ";";
  return fingerprint(described) + " (tensor table)";
}

}  // namespace

ModelSource read_model_source(const std::string& name, const Database& database) {
  const std::string ending = lower(fs::path(name).extension().string());
  const auto& types = database.types();
  // Some measured models go by the name of their file.
  std::error_code error;
  if (ending == ".gguf" && !fs::exists(name, error) && database.models().try_find(name))
    return {database.architecture(name), nullptr, {}};
  if (ending == ".gguf") {
    const GgufFile file = read_gguf(name, *types);
    return {nullptr, std::make_shared<const Workload>(workload_of(file, name, types)), {{name, fingerprint(file)}}};
  }
  if (ending == ".json") {
    const std::string text = read_text_file(name);
    auto shapes = architecture_of_hf_config(parse_hf_config(text, name), fs::path(name).stem().string());
    return {std::make_shared<const Architecture>(std::move(shapes)), nullptr, {{name, fingerprint(text)}}};
  }
  if (ending != ".yaml" && ending != ".yml") return {database.architecture(name), nullptr, {}};
  const std::string text = read_text_file(name);
  const Node root = parse_yaml(text, name);
  if (root.kind == Node::Kind::map && is_workload(Section(root)))
    return {
        nullptr, std::make_shared<const Workload>(read_workload(Section(root), types)), {{name, fingerprint(text)}}};
  return {database.architecture(name), nullptr, {{name, fingerprint(text)}}};
}

namespace {

// The scheme that a file names, where its tensors have the types that the scheme gives them: what is known of the
// scheme's quality holds. Null for mixes of its own and edited types.
std::shared_ptr<const QuantScheme> scheme_of(const Workload& workload, const Database& database) {
  if (!database.quants().try_find(workload.quantization)) return nullptr;
  auto scheme = database.quant(workload.quantization);
  const auto types = assign_types(*scheme, {}, workload.architecture, workload.tensors, *database.types());
  return types == workload.types ? scheme : nullptr;
}

}  // namespace

QuantizedModel quantized(const ModelSource& source, const std::string& quant, const Database& database) {
  if (source.workload) {
    if (!quant.empty())
      throw UsageError("--quant: the file brings its own types (" + source.workload->quantization + ")");
    return {source.workload, scheme_of(*source.workload, database)};
  }
  const QuantName name = parse_quant_name(quant);
  auto scheme = database.quant(name.scheme);
  auto workload =
      std::make_shared<const Workload>(make_workload(*source.architecture, *scheme, name.options, database.types()));
  return {std::move(workload), std::move(scheme)};
}

PreparedModel prepare_model(ModelSource source, const std::string& quant, const Database& database) {
  QuantizedModel made = quantized(source, quant, database);
  StepGraph graph = step_graph(*made.workload);
  return {std::move(source), std::move(made), std::move(graph)};
}

}  // namespace silicast
