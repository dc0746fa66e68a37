// SPDX-License-Identifier: Apache-2.0
// What kernel descriptions of a stack do to the work of a step: bytes, operations and launches by arithmetic on paper.
#include <gtest/gtest.h>

#include <cmath>

#include "model/database.h"
#include "model/prediction.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

Compiled compiled(const char* model, const char* quant, const char* stack) {
  Query q{.model = model, .quant = quant, .device = "ryzen-ai-max-395", .stack = stack, .prompt = 512, .gen = 1};
  q.calibrated = false;
  return compile(q, database());
}

std::string kernel_of_experts(const Compiled& c, double tokens) {
  for (const auto& op : c.evaluator.per_op(StepShape{.new_tokens = tokens}))
    if (op.op->kind == OpKind::expert_matmul && op.kernel != "dequantize") return std::string(op.kernel);
  return "none";
}

TEST(KernelChoice, DequantizationBeforeAProductReadsBlocksAndWritesF16) {
  const Compiled c = compiled("llama-2-7b", "Q4_0", "llama.cpp-rocm-2025-08-hipblaslt");
  double written = 0, weights = 0;
  for (const auto& op : c.evaluator.per_op(StepShape{.new_tokens = 512})) {
    if (op.op->kind != OpKind::matmul || op.op->matmul.outputs_only) continue;
    if (op.kernel == "dequantize")
      written += op.cost.dram_bytes.value();
    else
      weights += op.op->layers * static_cast<double>(op.op->matmul.in * op.op->matmul.out);
  }
  // 18 bytes for 32 weights are read, 2 for each are written (the product's own reading is another operation).
  EXPECT_NEAR(written, weights * (18.0 / 32 + 2), weights * 1e-9);
  // 32 layers of 4 x 4096 x 4096 and 3 x 4096 x 11008.
  EXPECT_DOUBLE_EQ(weights, 32 * (4 * 4096.0 * 4096 + 3 * 4096.0 * 11008));
}

TEST(KernelChoice, ProductsInALoopGoByTheTokensOfAnExpert) {
  const Compiled c = compiled("qwen3-30b-a3b", "Q4_K_M", "llama.cpp-rocm-2025-08");
  // 8 of 128 experts a token: 64 tokens are 4.06 for each expert that is chosen, 512 are 32.
  EXPECT_EQ(kernel_of_experts(c, 1), "mmvq");
  EXPECT_EQ(kernel_of_experts(c, 63), "mmq experts (dp4a)");
  EXPECT_EQ(kernel_of_experts(c, 64), "mmq in a loop");
  EXPECT_EQ(kernel_of_experts(c, 512), "mmq or rocBLAS in a loop");
  // 1 of 16: 64 tokens are 4.06 as well, 4 x 16 x 64 = 4096 tokens would be 256 and the library's.
  EXPECT_EQ(kernel_of_experts(compiled("llama-4-scout", "Q4_K_M", "llama.cpp-rocm-2025-08"), 4096),
            "dequantize rocBLAS 6.5");
}

TEST(KernelChoice, ProductsOfScoresAreOfAllCellsWithoutFlashAttention) {
  Query q{.model = "llama-2-7b", .quant = "Q4_0", .device = "ryzen-ai-max-395", .stack = "llama.cpp-rocm-2025-08"};
  q.prompt = 500, q.gen = 1, q.calibrated = false, q.flash_attention = FlashAttention::off;
  const Compiled c = compile(q, database());
  double operations = 0;
  for (const auto& op : c.evaluator.per_op(StepShape{.new_tokens = 500}))
    if (op.op->kind == OpKind::attention) operations += op.cost.operations.value();
  // Cells are padded to 32: 512 for 500 tokens; 32 layers, 32 heads, keys and values of 128.
  EXPECT_NEAR(operations, 32 * 2.0 * 32 * 256 * 512 * 500, 1);
}

}  // namespace
}  // namespace silicast
