// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "base/text.h"
#include "cli/show.h"
#include "model/model_source.h"
#include "workloads/step.h"

namespace silicast::cli {

namespace {

Cell shape_cell(const Tensor& tensor) {
  const std::vector<std::int64_t> widths(tensor.shape.begin(), tensor.shape.begin() + tensor.dimensions());
  std::string text;
  for (const std::int64_t width : widths) text += (text.empty() ? "" : " x ") + std::to_string(width);
  return {widths, text};
}

Cell bytes_cell(Bytes bytes) { return {static_cast<std::int64_t>(bytes.value()), human(bytes)}; }

// "0-2, 5, 7-9"
std::string ranges(const std::vector<int>& layers) {
  std::string text;
  for (std::size_t i = 0; i < layers.size();) {
    std::size_t end = i;
    while (end + 1 < layers.size() && layers[end + 1] == layers[end] + 1) ++end;
    text += (text.empty() ? "" : ", ") + std::to_string(layers[i]) + (end > i ? "-" + std::to_string(layers[end]) : "");
    i = end + 1;
  }
  return text;
}

// Long lists lose their middle.
std::string shortened(const std::string& text) {
  constexpr std::size_t longest = 32;
  if (text.size() <= longest) return text;
  const auto last = text.rfind(", ");
  const auto cut = text.rfind(", ", longest - (text.size() - last) - 3);
  return text.substr(0, cut) + ", .." + text.substr(last + 1);
}

Page::Part every_tensor(const Workload& w) {
  Table table{.columns = {{"name", "tensor"},
                          {"layer", "layer", true},
                          {"shape", "shape", true},
                          {"type", "type"},
                          {"bytes", "size", true}},
              .rows = {}};
  for (std::size_t i = 0; i < w.tensors.size(); ++i) {
    const Tensor& tensor = w.tensors[i];
    table.rows.push_back({{gguf_name(tensor)},
                          tensor.layer < 0 ? Cell{} : Cell{static_cast<std::int64_t>(tensor.layer)},
                          shape_cell(tensor),
                          {(*w.type_table)[w.types[i]].name},
                          bytes_cell(w.type_table->bytes(tensor, w.types[i]))});
  }
  return {"tensors", "Tensors", std::move(table)};
}

Page::Part grouped_tensors(const Workload& w) {
  Table table{.columns = {{"layers", "layers"},
                          {"count", "", true},
                          {"name", "tensor"},
                          {"shape", "shape", true},
                          {"type", "type"},
                          {"bytes", "each", true},
                          {"total_bytes", "together", true}},
              .rows = {}};
  const auto add = [&](int layer, const std::string& layers, std::int64_t count) {
    std::string label = shortened(layers);
    for (std::size_t i = 0; i < w.tensors.size(); ++i) {
      const Tensor& tensor = w.tensors[i];
      if (tensor.layer != layer) continue;
      const Bytes bytes = w.type_table->bytes(tensor, w.types[i]);
      Tensor nameless = tensor;
      nameless.layer = -1;
      Cell layers_cell{layers, label.empty() ? " " : label};
      table.rows.push_back({layers_cell,
                            {count, label.empty() ? " " : "x " + std::to_string(count)},
                            {gguf_name(nameless)},
                            shape_cell(tensor),
                            {(*w.type_table)[w.types[i]].name},
                            bytes_cell(bytes),
                            bytes_cell(bytes * static_cast<double>(count))});
      label.clear();
    }
  };
  add(-1, "", 1);
  for (const LayerGroup& group : step_graph(w).groups)
    add(group.layers.front(), ranges(group.layers), static_cast<std::int64_t>(group.layers.size()));
  return {"tensors", "Tensors, by groups of equal layers", std::move(table)};
}

Page::Part types_part(const Workload& w) {
  struct Sum {
    std::int64_t tensors = 0;
    std::int64_t weights = 0;
    Bytes bytes;
  };
  std::map<std::size_t, Sum> sums;
  for (std::size_t i = 0; i < w.tensors.size(); ++i) {
    Sum& sum = sums[index_of(w.types[i])];
    ++sum.tensors;
    sum.weights += w.tensors[i].elements();
    sum.bytes += w.type_table->bytes(w.tensors[i], w.types[i]);
  }
  Table table{.columns = {{"type", "type"},
                          {"bits", "bits", true},
                          {"tensors", "tensors", true},
                          {"weights", "weights", true},
                          {"bytes", "size", true},
                          {"share", "share", true}},
              .rows = {}};
  std::vector<std::pair<std::size_t, Sum>> sorted(sums.begin(), sums.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  for (const auto& [index, sum] : sorted) {
    const TensorType& type = (*w.type_table)[static_cast<TypeId>(index)];
    const double share = sum.bytes / w.tensor_bytes();
    table.rows.push_back({{type.name},
                          {type.bits_per_weight()},
                          {sum.tensors},
                          {sum.weights},
                          bytes_cell(sum.bytes),
                          {share, rounded(100 * share, 3) + " %"}});
  }
  return {"types", "Types", std::move(table)};
}

std::int64_t parameters_of(const Workload& w) {
  std::int64_t sum = 0;
  for (const Tensor& tensor : w.tensors) sum += tensor.elements();
  return sum;
}

Page workload_page(const Workload& w, const ShowOptions& options) {
  Page page;
  const Architecture& a = w.architecture;
  page.facts = {{"kind", std::string("model")},
                {"id", a.id},
                {"name", a.name},
                {"architecture", a.gguf_architecture},
                {"layers", static_cast<std::int64_t>(a.layers.size())},
                {"hidden", a.hidden},
                {"vocabulary", a.vocabulary},
                {"context", a.context},
                {"parameters", parameters_of(w)},
                {"active_parameters", active_parameter_count(a)},
                {"quantization", w.quantization},
                {"format", std::string(name_of(w.format))},
                {"tensor_bytes", static_cast<std::int64_t>(w.tensor_bytes().value())},
                {"bits_per_weight", w.bits_per_weight()}};
  page.parts.push_back(options.per_layer ? every_tensor(w) : grouped_tensors(w));
  page.parts.push_back(types_part(w));
  if (options.ops)
    page.parts.push_back({"ops",
                          "Operations of a step: " + std::to_string(options.concurrency) + " sequence(s), " +
                              std::to_string(options.prompt) + " new token(s) each, " + std::to_string(options.depth) +
                              " in the cache",
                          ops_table(w, options)});
  return page;
}

// `entry`: of the catalogue, with its sources; none for a config.json.
Page architecture_page(const Architecture& a, const std::optional<Entry>& entry) {
  Page page;
  if (entry)
    page = entry_page(*entry, "model");
  else
    page.facts = {{"kind", std::string("model")}, {"id", a.id}, {"name", a.name}};
  page.facts.push_back({"parameters", parameter_count(a)});
  page.facts.push_back({"active_parameters", active_parameter_count(a)});
  if (page.parts.empty()) {
    Table table{.columns = {{"field", "field"}, {"value", "value"}}, .rows = {}};
    const std::string yaml = architecture_yaml(a);
    for (const auto line : split(yaml, '\n'))
      if (const auto colon = line.find(": "); colon != std::string_view::npos)
        table.rows.push_back({{std::string(line.substr(0, colon))}, {std::string(line.substr(colon + 2))}});
    page.parts.push_back({"figures", "Figures", std::move(table)});
  }
  return page;
}

}  // namespace

std::string show_model(const ShowOptions& options, const Database& database) {
  const ModelSource source = read_model_source(options.name, database);
  const bool has_types = source.workload != nullptr || !options.quant.empty();
  if (has_types) {
    const auto workload = quantized(source, options.quant, database).workload;
    return options.format == Format::yaml ? workload_yaml(*workload)
                                          : formatted(workload_page(*workload, options), options.format);
  }
  if (options.per_layer || options.ops)
    throw UsageError("--per-layer and --ops need --quant: the types of the tensors depend on it");
  if (options.format == Format::yaml) return architecture_yaml(*source.architecture);
  std::optional<Entry> entry;
  if (lower(std::filesystem::path(options.name).extension().string()) != ".json")
    entry = database.models().find_or_read(options.name);
  return formatted(architecture_page(*source.architecture, entry), options.format);
}

}  // namespace silicast::cli
