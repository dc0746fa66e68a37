// SPDX-License-Identifier: Apache-2.0
// What kernel descriptions of a stack do to the work of a step: bytes, operations and launches by arithmetic on paper.
#include <gtest/gtest.h>

#include <cmath>

#include "model/database.h"
#include "model/parameter_spread.h"
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
    if (op.op->kind != OpKind::matmul || op.kernel != "dequantize") continue;
    written += op.cost.dram_bytes.value();
    weights += op.layers * static_cast<double>(op.op->matmul.in * op.op->matmul.out);
  }
  // 18 bytes for 32 weights are read, 2 for each are written (the product's own reading is another operation).
  EXPECT_NEAR(written, weights * (18.0 / 32 + 2), weights * 1e-9);
  // 32 layers of 4 x 4096 x 4096 and, as the last one's is for one token, 31 of 3 x 4096 x 11008.
  EXPECT_DOUBLE_EQ(weights, 32 * 4 * 4096.0 * 4096 + 31 * 3 * 4096.0 * 11008);
}

TEST(KernelChoice, ProductsInALoopGoByTheTokensOfAnExpert) {
  const Compiled c = compiled("qwen3-30b-a3b", "Q4_K_M", "llama.cpp-rocm-2025-08");
  // 8 of 128 experts a token: 64 tokens are 4.3 for each expert that is chosen, 128 are 8.1, 512 are 32.
  EXPECT_EQ(kernel_of_experts(c, 1), "mmvq");
  EXPECT_EQ(kernel_of_experts(c, 63), "mmq experts (dp4a)");
  EXPECT_EQ(kernel_of_experts(c, 64), "mmvq in a loop");
  EXPECT_EQ(kernel_of_experts(c, 128), "mmq in a loop");
  EXPECT_EQ(kernel_of_experts(c, 512), "mmq or rocBLAS in a loop");
  // 1 of 16: 4096 tokens are 256, the library's.
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

std::string kernel_of_attention(const Query& q, double tokens) {
  const Compiled c = compile(q, database());
  for (const auto& op : c.evaluator.per_op(StepShape{.new_tokens = tokens, .depth = 100}))
    if (op.op->kind == OpKind::attention) return std::string(op.kernel);
  return "none";
}

TEST(KernelChoice, AttentionGoesBySharedHeadsAndTheTypeOfTheCache) {
  Query q{.model = "llama-3.1-8b", .quant = "Q4_0", .device = "ryzen-ai-max-395", .prompt = 512, .gen = 1};
  q.stack = "llama.cpp-rocm-2025-hipblaslt", q.calibrated = false, q.flash_attention = FlashAttention::off;
  EXPECT_EQ(kernel_of_attention(q, 4), "KQ softmax KQV (2 to 4 tokens)");
  EXPECT_EQ(kernel_of_attention(q, 8), "KQ softmax KQV (few tokens)");
  q.model = "llama-2-7b";  // a head of keys for each of the query
  EXPECT_EQ(kernel_of_attention(q, 8), "KQ softmax KQV (hipBLASLt)");

  Query cpu{.model = "llama-3.1-8b", .quant = "Q4_0", .device = "ryzen-9-7950x", .prompt = 512, .gen = 1};
  cpu.calibrated = false;
  EXPECT_EQ(kernel_of_attention(cpu, 1), "flash attention");
  cpu.key_type = "q8_0", cpu.value_type = "q8_0";
  EXPECT_EQ(kernel_of_attention(cpu, 1), "flash attention (quantized cache)");
}

TEST(KernelChoice, AttentionGoesByTheArchitectureAndTheLengthOfAKey) {
  const auto kernel = [](const char* model, const char* device, const char* stack, double tokens) {
    Query q{.model = model, .quant = "Q4_0", .device = device, .stack = stack, .prompt = 512, .gen = 1};
    q.calibrated = false;
    return kernel_of_attention(q, tokens);
  };
  EXPECT_EQ(kernel("llama-3.1-8b", "rx-7900-xtx", "llama.cpp-rocm", 512), "flash attention WMMA");  // 128
  EXPECT_EQ(kernel("llama-3.1-8b", "mi210", "llama.cpp-rocm", 512), "flash attention tiles");
  EXPECT_EQ(kernel("gemma-3-4b", "rx-7900-xtx", "llama.cpp-rocm", 512), "flash attention tiles");  // 256
  EXPECT_EQ(kernel("llama-3.1-8b", "rtx-3070", "llama.cpp-vulkan", 512), "flash attention coopmat2");
  EXPECT_EQ(kernel("llama-3.1-8b", "gtx-1070", "llama.cpp-vulkan", 512), "flash attention scalar for prompts");
  EXPECT_EQ(kernel("gemma-3-4b", "m2-ultra-76", "llama.cpp-metal", 1), "flash attention vector");
  EXPECT_EQ(kernel("glm-4.7-flash", "m2-ultra-76", "llama.cpp-metal", 1), "flash attention vector (latent)");  // 576
}

// GP104 multiplies F16 at 1/64 of its FP32 rate; the kernel's list names fp16 before fp32, 0.3 of either.
TEST(KernelChoice, HalfPrecisionThatIsSlowerIsNotUsed) {
  Query q{.model = "llama-2-7b", .quant = "Q4_0", .device = "gtx-1070", .stack = "llama.cpp-vulkan"};
  q.prompt = 512, q.gen = 1, q.calibrated = false, q.flash_attention = FlashAttention::off;
  const Compiled c = compile(q, database());
  double operations = 0, seconds = 0;
  for (const auto& op : c.evaluator.per_op(StepShape{.new_tokens = 512}))
    if (op.op->kind == OpKind::attention) {
      operations += op.cost.operations.value();
      seconds += op.cost.seconds.value();
    }
  const double fp32 = c.device->gpu->peak(Unit::fp32).value();
  constexpr double boost = 1.15;  // that the power limit may leave
  EXPECT_GT(seconds, operations / (0.3 * fp32 * boost));
  EXPECT_LT(seconds, operations / (0.3 * fp32 / 8));
}

// Qwen3.6-35B-A3B keeps 32 heads of 128 by 128 values: cores beyond 32 have none of one sequence.
TEST(KernelChoice, ARecurrenceRunsOnAsManyCoresAsThereAreHeads) {
  const auto seconds = [](const char* cores, double sequences) {
    Query q{.model = "qwen3.6-35b-a3b", .quant = "Q4_0", .device = "rtx-5090", .prompt = 4096, .gen = 1};
    q.overrides = {{"gpu.cores", cores}}, q.calibrated = false;
    const Compiled c = compile(q, database());
    double sum = 0;
    for (const auto& op : c.evaluator.per_op(StepShape{.batch = sequences, .new_tokens = 4096}))
      if (op.op->kind == OpKind::linear_attention) sum += op.cost.seconds.value();
    return sum;
  };
  EXPECT_NEAR(seconds("16", 1) / seconds("32", 1), 2, 0.02);
  EXPECT_NEAR(seconds("32", 1) / seconds("128", 1), 1, 0.02);
  EXPECT_NEAR(seconds("128", 4) / seconds("128", 1), 1, 0.02);  // four times the work on four times the cores
}

TEST(KernelChoice, WhereLoadsDoNotOverlapTimesAddUp) {
  OpWork work{.dram = 3, .matrix = 4, .launch = 1, .kernel = {}, .type = {}};
  EXPECT_NEAR(work.seconds(), 1 + std::pow(81.0 + 256, 0.25), 1e-12);
  work.overlaps_loads = false;
  EXPECT_DOUBLE_EQ(work.seconds(), 8);
  // What each part adds is the sum's slope times it: all of the loads, all of the arithmetic.
  const ResourceTimes parts = time_parts(work);
  EXPECT_DOUBLE_EQ(parts[static_cast<std::size_t>(Resource::dram)], 3);
  EXPECT_DOUBLE_EQ(parts[static_cast<std::size_t>(Resource::matrix)], 4);
}

TEST(KernelChoice, InstructionsAreThoseOfTheProcessorsSets) {
  const UnpackCost cost{
      .simple = 0.4, .slow = 0, .lookups = 0, .scaling = 0, .by_set = {{"neon", 0.3}, {"dotprod", 0.2}}};
  Processor p;
  EXPECT_EQ(cost.simple_of(p), 0.4);
  p.instruction_sets = {"avx2"};
  EXPECT_EQ(cost.simple_of(p), 0.4);
  p.instruction_sets = {"neon"};
  EXPECT_EQ(cost.simple_of(p), 0.3);
  p.instruction_sets = {"neon", "dotprod"};
  EXPECT_EQ(cost.simple_of(p), 0.2);
}

}  // namespace
}  // namespace silicast
