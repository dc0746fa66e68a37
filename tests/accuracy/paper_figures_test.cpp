// SPDX-License-Identifier: Apache-2.0
// The printed figures of arXiv:2605.00519 (Javat and Kazakov, "Silicon Showdown") beside silicast's, row by row, with
// what the paper leaves open stated as the row's assumption. Rows that are not met yet are listed with the reason, and
// the test fails when such a row comes to be met: then it is to be held. Prompts of 496 tokens, 256 generated.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <functional>

#include "model/database.h"
#include "model/prediction.h"

namespace silicast {
namespace {

const Database& database() {
  static const Database instance(SILICAST_SOURCE_ROOT "/data");
  return instance;
}

Query query(const char* model, const char* quant, const char* device, const char* stack = "") {
  return {.model = model, .quant = quant, .device = device, .stack = stack, .prompt = 496, .gen = 256};
}

Query offloaded(Query q, const char* host, std::int64_t gpu_layers) {
  q.host = host;
  q.offload = {.layers = Offload::Layers::count, .gpu_layers = gpu_layers};
  return q;
}

double decode(const Query& q) {
  const Prediction p = predict(q, database());
  EXPECT_TRUE(p.decode) << q.model << " on " << q.device << ": " << p.limiting;
  return p.decode ? p.decode->tokens_per_second.value : 0;
}

double ttft(const Query& q) {
  const Prediction p = predict(q, database());
  EXPECT_TRUE(p.ttft) << q.model << " on " << q.device << ": " << p.limiting;
  return p.ttft ? p.ttft->value : 0;
}

struct Row {
  const char* what;
  double paper;
  std::function<double()> silicast;
  double tolerance;        // relative
  const char* assumption;  // what the paper leaves open
  const char* open;        // why it is not met yet; empty: it must be
};

const Query dense_resident = query("llama-3.3-70b", "IQ3_XXS", "rtx-5090");
// A quarter of the 80 layers on a host whose DRAM moves about 41 GB/s.
const Query dense_offloaded = offloaded(query("llama-3.3-70b", "Q4_K_M", "rtx-5090"), "desktop-ddr4-3200", 61);
const Query m3_dense = query("llama-3.3-70b", "MLX-4bit", "m3-ultra-60");
const Query m4_dense = query("llama-3.3-70b", "MLX-4bit", "m4-pro-20");
const Query m3_glm = query("glm-4.7-flash", "MLX-4bit", "m3-ultra-60");
const Query m4_glm = query("glm-4.7-flash", "MLX-4bit", "m4-pro-20");
const Query m3_next = query("qwen3-next-80b-a3b", "MLX-4bit", "m3-ultra-60");
const Query m4_next = query("qwen3-next-80b-a3b", "MLX-4bit", "m4-pro-20");
const Query nvfp4 = query("qwen3-8b", "NVFP4", "rtx-5090", "tensorrt-llm");
const Query nvfp4_cpp = query("qwen3-8b", "NVFP4", "rtx-5090", "tensorrt-llm-cpp");
const Query bf16 = query("qwen3-8b", "BF16", "rtx-5090");
const Query small_5090 = query("qwen2.5-1.5b", "BF16", "rtx-5090", "tensorrt-llm");
const Query small_m3 = query("qwen2.5-1.5b", "BF16", "m3-ultra-60", "mlx");

constexpr const char* no_die_penalty =
    "mixtures of experts run 1.4 to 1.6 times slower on the M3 Ultra than on the M4 Pro relative to their bandwidths; "
    "no cost of "
    "two dies for scattered reads is modelled";

constexpr const char* faster_in_the_record =
    "other sources' runs of MLX on M3 Ultra and M4, to which its profile is fitted, are 15 to 30 % faster than the "
    "paper's; the "
    "uncalibrated model is within 4 %";

const std::vector<Row>& rows() {
  static const std::vector<Row> table{
      {"5090, 70B IQ3_XXS resident, tok/s", 46.5, [] { return decode(dense_resident); }, 0.15, "", ""},
      {"5090, 70B Q4_K_M 25 % on the host, tok/s", 2.3, [] { return decode(dense_offloaded); }, 0.3,
       "host not stated: DDR4-3200, two channels, 0.8 of 51.2 GB/s; 2.3 tok/s needs 26 GB/s", ""},
      {"offload cliff, dense: offloaded over resident", 0.049,
       [] { return decode(dense_offloaded) / decode(dense_resident); }, 0.3, "as above; the text says 'over 90 %' lost",
       ""},
      {"M3 Ultra, 70B MLX 4-bit, tok/s", 13.1, [] { return decode(m3_dense); }, 0.15, "", faster_in_the_record},
      {"M4 Pro, 70B MLX 4-bit, tok/s", 5.1, [] { return decode(m4_dense); }, 0.15, "", faster_in_the_record},
      {"dense scaling, M3 Ultra over M4 Pro", 2.57, [] { return decode(m3_dense) / decode(m4_dense); }, 0.1, "", ""},
      {"M4 Pro, GLM-4.7-Flash MLX 4-bit, tok/s", 53.6, [] { return decode(m4_glm); }, 0.15, "", faster_in_the_record},
      {"M4 Pro, Qwen3-Next-80B MLX 4-bit, tok/s", 52.3, [] { return decode(m4_next); }, 0.15, "", faster_in_the_record},
      {"MoE inversion, GLM: M3 Ultra over M4 Pro", 1.03, [] { return decode(m3_glm) / decode(m4_glm); }, 0.15, "",
       no_die_penalty},
      {"MoE inversion, Qwen3-Next: M3 Ultra over M4 Pro", 0.94, [] { return decode(m3_next) / decode(m4_next); }, 0.15,
       "", no_die_penalty},
      {"5090, Qwen3-8B BF16 llama.cpp, tok/s", 92.2, [] { return decode(bf16); }, 0.15, "", ""},
      {"NVFP4 over BF16, TensorRT-LLM PyTorch", 1.64, [] { return decode(nvfp4) / decode(bf16); }, 0.15,
       "the stack's NVFP4 bandwidth share was worked back from this cell", ""},
      {"NVFP4 over BF16, TensorRT-LLM C++", 1.01, [] { return decode(nvfp4_cpp) / decode(bf16); }, 0.15,
       "the stack's NVFP4 bandwidth share was worked back from this cell", ""},
      {"5090, Qwen3-8B BF16 llama.cpp, TTFT s", 0.044, [] { return ttft(bf16); }, 0.25, "", ""},
      {"5090, Qwen3-8B NVFP4 PyTorch, TTFT s", 0.0322, [] { return ttft(nvfp4); }, 0.25,
       "FP16 accumulation was worked back from the paper's TTFT", ""},
      {"5090 over M3 Ultra, Qwen2.5-1.5B 16 bit", 1.71, [] { return decode(small_5090) / decode(small_m3); }, 0.2, "",
       "TensorRT-LLM on small models is predicted 1.5 times too fast: host overheads of its PyTorch back end are not "
       "known"},
  };
  return table;
}

TEST(SiliconShowdown, FiguresOfThePaper) {
  std::printf("%-52s %9s %9s  %s\n", "", "paper", "silicast", "");
  for (const Row& row : rows()) {
    const double value = row.silicast();
    const bool met = std::abs(value / row.paper - 1) <= row.tolerance;
    std::printf("%-52s %9.4g %9.4g  %s%s%s\n", row.what, row.paper, value, met ? "met" : "not met",
                *row.assumption != 0 ? "; " : "", row.assumption);
    if (*row.open == 0)
      EXPECT_TRUE(met) << row.what << ": paper " << row.paper << ", silicast " << value;
    else
      EXPECT_FALSE(met) << row.what << " is met now (" << value << "): hold it. It was open because " << row.open;
  }
}

// Check 3 (4.7 tok/s for Qwen3-Next with 28 % on the host): an active-expert roofline gives far more, as does the
// measured 26 to 48 tok/s of arXiv:2604.26334 for a partly offloaded 30B. Checks 10 (4090 before 5090 in TTFT) and 11
// (23 times the tokens per joule) are software and measurement boundaries: not modelled.

TEST(SiliconShowdown, Crossovers) {
  // 9: unified memory beats the offloaded card, the resident card beats both.
  EXPECT_GT(decode(m3_dense), 2 * decode(dense_offloaded));
  EXPECT_GT(decode(m4_dense), decode(dense_offloaded));
  EXPECT_GT(decode(dense_resident), 2 * decode(m3_dense));
  // 2: more than 90 % are lost.
  EXPECT_LT(decode(dense_offloaded), 0.1 * decode(dense_resident));
}

TEST(SiliconShowdown, TimeToFirstTokenNearTheComputeBound) {
  // 5: 8.19 B weights x 496 tokens take 19 to 39 ms at 419 and 209 dense FP16 TFLOPS; all engines are near it.
  EXPECT_GT(ttft(bf16), 0.019);
  EXPECT_LT(ttft(bf16), 0.06);
  EXPECT_LT(ttft(nvfp4_cpp), ttft(bf16));
}

}  // namespace
}  // namespace silicast
