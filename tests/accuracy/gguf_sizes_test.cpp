// SPDX-License-Identifier: Apache-2.0
// Does silicast predict the size of published GGUF files? Every row of gguf_sizes.csv, to the byte where it is exact.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/catalogue.h"
#include "base/document.h"
#include "base/text.h"
#include "workloads/workload.h"

namespace silicast {
namespace {

namespace fs = std::filesystem;

const fs::path root = SILICAST_SOURCE_ROOT;
constexpr double alignment = 32;                 // GGUF_DEFAULT_ALIGNMENT, of every tensor in a file
constexpr double same_metadata = 4096;           // file names and settings differ between files of one model
constexpr double least_metadata_per_token = 10;  // a token's text, type and score, and the merges
constexpr double most_metadata_per_token = 110;

struct SizeRow {
  std::string model, quant, size_bytes, size, unit, scope, metadata_group, model_id, scheme, note, source;

  [[nodiscard]] std::string name() const {
    return model + " " + quant + " " + (size_bytes.empty() ? size : size_bytes);
  }
};

// Rows that the rules do not reproduce, by model, quant and figure, and why.
struct Exception {
  const char* row;
  const char* reason;
};
constexpr const char* dynamic_mix = "unsloth's dynamic mixes choose types per tensor and publish no rule";
constexpr const char* ik_rules = "made by ik_llama.cpp, whose mixes differ (attn_kv_b and MoE tensors get more bits)";
constexpr const char* unspecified = "the source does not say which variant; the plain rule gives another size";
constexpr const char* readme_estimate = "the README's memory table is of older rules and predates the 2024 files";
const std::vector<Exception> exceptions{
    {"Llama-3.1-70B Q4_K_M 43.1", readme_estimate},
    {"Llama-3.1-405B Q4_K_M 249.1", readme_estimate},
    {"DeepSeek-V3/R1 671B Q4_K_M 376.65", ik_rules},
    {"DeepSeek-V3/R1 671B Q4_K_S 353.9", ik_rules},
    {"DeepSeek-V3/R1 671B Q4_0 353.47", ik_rules},
    {"DeepSeek-V3/R1 671B Q2_K 211.03", ik_rules},
    {"GLM-4.5-Air UD-Q4_K_XL (unsloth dynamic) 73028549632", dynamic_mix},
    {"Qwen3-30B-A3B UD-Q4_K_XL (unsloth dynamic) 17709692928", dynamic_mix},
    {"Qwen3-235B-A22B UD-Q3_K_XL (unsloth dynamic) 104146921472", dynamic_mix},
    {"Gemma-3-27B UD-Q4_K_XL (unsloth dynamic) 16819763840", dynamic_mix},
    {"Llama-4-Scout-109B UD-Q4_K_XL (unsloth dynamic) 61985006336", dynamic_mix},
    {"Qwen3.6-27B Q8_0 29036089344",
     "the file carries the prediction block: 424673280 weights in Q8_0 and 26112 norm weights are its 451319808 bytes"},
    {"Qwen3-235B-A22B Q2_K 81.96", unspecified},
    {"Qwen3-30B-A3B Q4_K_M 17.35", unspecified},
    {"Qwen3-30B-A3B IQ4_XS 15.32", ik_rules},
    {"Qwen3-Next-80B-A3B Q4_K_M 42.01", dynamic_mix},
    {"Gemma-3-4B Q4_0 2.35", "the embedding of that file is Q8_0, not the rule's Q6_K (2.347 GiB)"},
    {"GLM-4.5-355B-A32B Q4_K_M 189.69", unspecified},
    {"Qwen2.5-32B Q4_K_M 18.50", ik_rules},
    {"Qwen2.5-3B Q5_K_M 2.14", ik_rules},
};

std::vector<std::string> csv_fields(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"')
      fields.back() += line[i++];
    else if (line[i] == '"')
      quoted = !quoted;
    else if (line[i] == ',' && !quoted)
      fields.emplace_back();
    else
      fields.back() += line[i];
  }
  return fields;
}

std::vector<SizeRow> read_rows() {
  std::vector<SizeRow> rows;
  const std::string text = read_text_file(root / "tests/accuracy/gguf_sizes.csv");
  constexpr std::size_t columns = 11;
  bool header = true;
  for (const auto& line : split(text, '\n')) {
    if (std::exchange(header, false) || line.empty()) continue;
    const auto f = csv_fields(std::string(line));
    EXPECT_EQ(f.size(), columns) << line;
    if (f.size() == columns) rows.push_back({f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10]});
  }
  return rows;
}

struct Predicted {
  double tensors = 0;
  double padded = 0;  // every tensor padded to the alignment
  double vocabulary = 0;
  double bits_per_weight = 0;
};

class GgufSizes : public testing::Test {
 protected:
  std::optional<Predicted> predict(const SizeRow& row) {
    const QuantName name = parse_quant_name(row.scheme);
    const auto model =
        row.model_id.ends_with(".yaml") ? models_.read(root / row.model_id) : models_.try_find(row.model_id);
    const auto quant = quants_.try_find(name.scheme);
    if (!model || !quant) return std::nullopt;
    QuantScheme scheme = read_quant_scheme(quant->section(), *types_);
    const Workload w = make_workload(read_architecture(model->section()), scheme, name.options, types_);
    Predicted p;
    p.tensors = w.tensor_bytes().value();
    p.vocabulary = static_cast<double>(w.architecture.vocabulary);
    p.bits_per_weight = w.bits_per_weight();
    for (std::size_t i = 0; i < w.tensors.size(); ++i)
      p.padded += std::ceil(types_->bytes(w.tensors[i], w.types[i]).value() / alignment) * alignment;
    return p;
  }

  Node types_document_ = read_yaml_file(root / "data/quants/types.yaml");
  std::shared_ptr<const TypeTable> types_ = std::make_shared<const TypeTable>(Section(types_document_));
  Catalogue models_{root / "data/models", "model"};
  Catalogue quants_{root / "data/quants", "quant"};
};

double metadata_of(const SizeRow& row, const Predicted& p) { return *parse_number(row.size_bytes) - p.padded; }

bool plausible_metadata(double metadata, const Predicted& p) {
  return metadata >= least_metadata_per_token * p.vocabulary && metadata <= most_metadata_per_token * p.vocabulary;
}

// Half a unit of the last digit given.
double rounding(const std::string& figure) {
  const auto point = figure.find('.');
  const std::size_t decimals = point == std::string::npos ? 0 : figure.size() - point - 1;
  return 0.5 * std::pow(10.0, -static_cast<double>(decimals));
}

// A rounded figure of the tensors, of the file, or of either where the source does not say. Sources truncate or round.
bool rounds_to(const SizeRow& row, const Predicted& p) {
  const double unit = row.unit == "GB" ? 1e9 : 1073741824.0;
  const double figure = *parse_number(row.size);
  const double slack = rounding(row.size) * 1.0001;
  const double least = p.tensors / unit;
  const double most = (p.padded + most_metadata_per_token * p.vocabulary) / unit;
  if (row.scope == "tensors") return std::abs(least - figure) <= slack;
  return least <= figure + slack && most >= figure - slack;
}

// llama.cpp's table states bits per weight to four decimals: finer than its sizes.
bool bits_agree(const SizeRow& row, const Predicted& p) {
  constexpr std::string_view label = "bpw ";
  if (!row.note.starts_with(label)) return true;
  const std::string figure = row.note.substr(label.size());
  return std::abs(p.bits_per_weight - parse_number(figure).value()) <= rounding(figure) * 1.0001;
}

bool reproduces(const SizeRow& row, const Predicted& p, const std::map<std::string, double>& group_metadata) {
  if (row.size_bytes.empty()) return rounds_to(row, p) && bits_agree(row, p);
  if (row.scope == "tensors") return p.tensors == *parse_number(row.size_bytes);
  const double metadata = metadata_of(row, p);
  return plausible_metadata(metadata, p) && std::abs(metadata - group_metadata.at(row.metadata_group)) <= same_metadata;
}

// The median of what the files of a group hold beside their tensors.
std::map<std::string, double> metadata_by_group(const std::vector<SizeRow>& rows,
                                                const std::vector<std::optional<Predicted>>& predicted) {
  std::map<std::string, std::vector<double>> all;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (!rows[i].metadata_group.empty() && predicted[i])
      all[rows[i].metadata_group].push_back(metadata_of(rows[i], *predicted[i]));
  std::map<std::string, double> medians;
  for (auto& [group, values] : all) {
    std::sort(values.begin(), values.end());
    medians[group] = values[values.size() / 2];
  }
  return medians;
}

const char* exception_for(const SizeRow& row) {
  for (const auto& exception : exceptions)
    if (row.name() == exception.row) return exception.reason;
  return nullptr;
}

TEST_F(GgufSizes, EveryPublishedSizeIsReproducedOrExplained) {
  const auto rows = read_rows();
  ASSERT_GT(rows.size(), 200U);
  std::vector<std::optional<Predicted>> predicted;
  predicted.reserve(rows.size());
  for (const SizeRow& row : rows) predicted.push_back(predict(row));
  const auto metadata = metadata_by_group(rows, predicted);

  int exact_tensors = 0, exact_files = 0, rounded_rows = 0, explained = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const SizeRow& row = rows[i];
    const bool good = predicted[i] && reproduces(row, *predicted[i], metadata);
    const char* reason = exception_for(row);
    if (reason != nullptr) {
      ++explained;
      EXPECT_FALSE(good) << row.name() << " is reproduced: take it off the list of exceptions (" << reason << ")";
      continue;
    }
    if (!predicted[i]) {
      ADD_FAILURE() << row.name() << ": no model '" << row.model_id << "' or no scheme '" << row.scheme << "'";
      continue;
    }
    const double off = row.size_bytes.empty() ? 0 : *parse_number(row.size_bytes) - predicted[i]->tensors;
    EXPECT_TRUE(good) << row.name() << " (" << row.scheme << ", " << row.scope << "): predicted tensors "
                      << static_cast<std::int64_t>(predicted[i]->tensors) << " = "
                      << predicted[i]->tensors / 1073741824.0 << " GiB = " << predicted[i]->tensors / 1e9
                      << " GB; published minus predicted " << static_cast<std::int64_t>(off) << " bytes; " << row.note;
    (row.size_bytes.empty() ? rounded_rows : row.scope == "tensors" ? exact_tensors : exact_files) += good ? 1 : 0;
  }
  std::printf(
      "%zu published sizes: %d tensor sizes to the byte, %d file sizes with constant metadata, %d within rounding, %d "
      "explained\n",
      rows.size(), exact_tensors, exact_files, rounded_rows, explained);
  EXPECT_EQ(static_cast<std::size_t>(exact_tensors + exact_files + rounded_rows + explained), rows.size());
}

TEST_F(GgufSizes, EveryExceptionNamesARow) {
  const auto rows = read_rows();
  for (const auto& exception : exceptions)
    EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [&](const SizeRow& row) { return row.name() == exception.row; }))
        << exception.row;
}

}  // namespace
}  // namespace silicast
