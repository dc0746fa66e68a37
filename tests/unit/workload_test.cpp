// SPDX-License-Identifier: Apache-2.0
#include "workloads/workload.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/unit/workloads_data.h"

namespace silicast {
namespace {

using namespace testing_data;

Workload read_back(const std::string& yaml) {
  const Node document = parse_yaml(yaml, "workload.yaml");
  EXPECT_TRUE(is_workload(Section(document)));
  return read_workload(Section(document), types());
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string message_of(const std::string& yaml) {
  try {
    read_back(yaml);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

// llama-bench model_size (lhl/strix-halo-testing); the other sizes are in tests/accuracy.
TEST(Workload, SumsTensorBytes) {
  const Workload w = quantized(model("llama-3.1-8b"), "Q4_K_M");
  EXPECT_EQ(w.tensor_bytes(), Bytes(4912898304.0));
  EXPECT_NEAR(w.bits_per_weight(), 4.8944, 0.00005);
  EXPECT_EQ(w.tensors.size(), 292U);
}

TEST(WorkloadYaml, ReadsBackEqual) {
  for (const char* id : {"llama-3.2-1b", "gemma-3-4b", "gpt-oss-20b", "deepseek-v2-lite", "qwen3-next-80b-a3b"}) {
    for (const char* quant : {"Q4_K_M", "IQ2_XS", "NVFP4", "MLX-4bit", "MXFP4_MOE"}) {
      const Workload w = quantized(model(id), quant);
      const Workload back = read_back(workload_yaml(w));
      EXPECT_EQ(back.types, w.types) << id << ' ' << quant;
      EXPECT_EQ(back.tensor_bytes(), w.tensor_bytes()) << id << ' ' << quant;
      EXPECT_EQ(back.architecture.kinds, w.architecture.kinds) << id;
      EXPECT_EQ(back.architecture.layers, w.architecture.layers) << id;
      EXPECT_EQ(back.quantization, w.quantization);
      EXPECT_EQ(back.format, w.format);
      EXPECT_EQ(workload_yaml(back), workload_yaml(w)) << id << ' ' << quant;
    }
  }
}

TEST(WorkloadYaml, AnEditedTypeCounts) {
  const Workload w = quantized(small_llama(2, 2), "Q4_K_M");
  const std::string line = "{name: blk.1.attn_k.weight, shape: [1024, 256], type: Q4_K}";
  const Workload edited = read_back(replaced(workload_yaml(w), line, replaced(line, "Q4_K", "Q8_0")));
  EXPECT_EQ(type_of(edited, "blk.1.attn_k.weight"), "Q8_0");
  EXPECT_EQ(edited.tensor_bytes() - w.tensor_bytes(), Bytes(1024.0 * 256 * (8.5 - 4.5) / 8));
}

TEST(WorkloadYaml, WrongLinesAreRefusedWithTheirPlace) {
  const std::string text = workload_yaml(quantized(small_llama(2, 2), "Q4_K_M"));
  const std::string line = "name: blk.1.attn_k.weight, shape: [1024, 256], type: Q4_K";
  const std::pair<const char*, const char*> cases[] = {
      {"name: blk.1.attn_k.weight, shape: [1024, 256], type: Q4_KX", "did you mean"},
      {"name: blk.1.attn_kk.weight, shape: [1024, 256], type: Q4_K", "no tensor name"},
      {"name: blk.2.attn_k.weight, shape: [1024, 256], type: Q4_K", "2 layers"},
      {"name: blk.1.attn_k.weight, shape: [1000, 256], type: Q4_K", "blocks of 256"},
      {"name: blk.1.attn_k.weight, shape: [1024, 0], type: Q4_K", "a width"},
      {"name: blk.1.attn_k.weight, shape: [1, 2, 3, 4], type: Q4_K", "one to three"}};
  for (const auto& [wrong, expected] : cases) {
    const std::string message = message_of(replaced(text, line, wrong));
    EXPECT_NE(message.find(expected), std::string::npos) << message;
    EXPECT_EQ(message.rfind("workload.yaml:", 0), 0U) << message;
  }
}

}  // namespace
}  // namespace silicast
