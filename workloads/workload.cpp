// SPDX-License-Identifier: Apache-2.0
#include "workloads/workload.h"

#include <sstream>

#include "base/document.h"
#include "base/error.h"
#include "base/text.h"

namespace silicast {

namespace {

constexpr double bits_per_byte = 8;
constexpr int model_indent = 2;
constexpr std::int64_t largest_dimension = 1'000'000'000;

std::string shape_text(const Tensor& tensor) {
  std::string text = "[" + std::to_string(tensor.shape[0]);
  for (int i = 1; i < tensor.dimensions(); ++i)
    text += ", " + std::to_string(tensor.shape[static_cast<std::size_t>(i)]);
  return text + "]";
}

std::string whole(Bytes bytes) { return std::to_string(static_cast<std::int64_t>(bytes.value())); }

void write_tensors(const Workload& workload, std::ostream& out) {
  const TypeTable& types = *workload.type_table;
  for (std::size_t i = 0; i < workload.tensors.size(); ++i) {
    const Tensor& tensor = workload.tensors[i];
    const TypeId type = workload.types[i];
    out << "  - {name: " << gguf_name(tensor) << ", shape: " << shape_text(tensor) << ", type: " << types[type].name
        << "}  # " << whole(types.bytes(tensor, type)) << " bytes\n";
  }
}

void read_shape(const Section& s, Tensor& tensor) {
  const auto widths = s.texts("shape");
  if (widths.empty() || widths.size() > tensor.shape.size())
    s.fail("shape", "one to three widths are expected, the contiguous one first");
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const auto width = parse_integer(widths[i]);
    if (!width || *width < 1 || *width > largest_dimension)
      s.fail("shape", "a width is expected, got '" + widths[i] + "'");
    tensor.shape[i] = *width;
  }
}

Tensor read_tensor(const Section& s, std::size_t layers) {
  const std::string name = s.text("name");
  Tensor tensor = tensor_of_name(name);
  if (tensor.role == TensorRole::other && name.find("other") == std::string::npos)
    s.fail("name", "'" + name + "' is no tensor name that silicast knows");
  if (tensor.layer >= static_cast<int>(layers))
    s.fail("name", "'" + name + "': the model has " + std::to_string(layers) + " layers");
  read_shape(s, tensor);
  return tensor;
}

TypeId read_type(const Section& s, const Tensor& tensor, const TypeTable& types) {
  const std::string name = s.text("type");
  const auto type = types.find(name);
  if (!type) {
    std::vector<std::string> known;
    for (const TensorType& t : types.all()) known.push_back(t.name);
    s.fail("type", "no type '" + name + "'" + did_you_mean(name, known));
  }
  if (!types[*type].fits(tensor.shape[0]))
    s.fail("type", name + " stores blocks of " + std::to_string(types[*type].block) + " weights; a row has " +
                       std::to_string(tensor.shape[0]));
  return *type;
}

}  // namespace

Bytes Workload::tensor_bytes() const {
  Bytes sum;
  for (std::size_t i = 0; i < tensors.size(); ++i) sum += type_table->bytes(tensors[i], types[i]);
  return sum;
}

double Workload::bits_per_weight() const {
  double weights = 0;
  for (const Tensor& tensor : tensors) weights += static_cast<double>(tensor.elements());
  return weights > 0 ? tensor_bytes().value() * bits_per_byte / weights : 0;
}

Workload make_workload(Architecture architecture, const QuantScheme& scheme, const QuantOptions& options,
                       std::shared_ptr<const TypeTable> types) {
  Workload workload;
  workload.architecture = std::move(architecture);
  workload.quantization = scheme.id;
  workload.format = scheme.format;
  workload.tensors = tensors_of(workload.architecture);
  workload.types = assign_types(scheme, options, workload.architecture, workload.tensors, *types);
  workload.type_table = std::move(types);
  return workload;
}

std::string workload_yaml(const Workload& workload) {
  std::ostringstream out;
  out << "# " << whole(workload.tensor_bytes()) << " bytes of tensors, " << rounded(workload.bits_per_weight(), 5)
      << " bits per weight. Types may be edited; the byte counts are comments.\n"
      << "workload: 1\n"
      << "quantization: \"" << workload.quantization << "\"\n"
      << "format: " << name_of(workload.format) << "\n"
      << "model:\n"
      << architecture_yaml(workload.architecture, model_indent) << "tensors:\n";
  write_tensors(workload, out);
  return out.str();
}

bool is_workload(const Section& file) { return file.has("workload"); }

Workload read_workload(const Section& file, std::shared_ptr<const TypeTable> types) {
  static const std::vector<std::string> formats{"gguf", "safetensors", "mlx"};
  static_cast<void>(file.count("workload", 1, 1));
  Workload workload;
  workload.architecture = read_architecture(file.required_section("model"));
  workload.quantization = file.text("quantization");
  workload.format = static_cast<QuantFormat>(file.choice("format", formats, 0));
  for (const char* key : {"id", "name", "aliases", "sources", "notes"}) file.ignore(key);
  for (const Section& s : file.sections("tensors")) {
    const Tensor tensor = read_tensor(s, workload.architecture.layers.size());
    workload.types.push_back(read_type(s, tensor, *types));
    workload.tensors.push_back(tensor);
    s.finish();
  }
  if (workload.tensors.empty()) file.fail("tensors", "required, but missing");
  file.finish();
  workload.type_table = std::move(types);
  return workload;
}

}  // namespace silicast
