// SPDX-License-Identifier: Apache-2.0
// The main job on all of the catalogue: every pair of device and model, and every scheme and stack at least once.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/database.h"
#include "model/prediction.h"
#include "tests/unit/shipped_data.h"

namespace silicast {
namespace {

std::vector<std::string> ids(const Catalogue& catalogue) {
  std::vector<std::string> result;
  for (const Entry& entry : catalogue.all()) result.push_back(entry.id);
  return result;
}

bool positive(double value) { return std::isfinite(value) && value > 0; }

// Finite and positive, or infeasible with a reason.
void expect_an_answer(Query q) {
  const bool encoder = database().architecture(q.model)->encoder;  // generates nothing
  if (encoder) q.gen = 0;
  const Prediction p = predict(q, database());
  const std::string what = q.model + " " + q.quant + " on " + q.device + " " + q.stack;
  EXPECT_TRUE(positive(p.file_bytes.value())) << what;
  EXPECT_EQ(p.feasible, p.limiting.empty()) << what;
  if (!p.feasible) return;
  if (encoder) {
    ASSERT_TRUE(p.prefill) << what;
    EXPECT_TRUE(positive(p.prefill->seconds.value())) << what;
    EXPECT_FALSE(p.decode) << what;
    return;
  }
  ASSERT_TRUE(p.prefill && p.decode && p.ttft && p.tpot && p.e2e_latency) << what;
  EXPECT_TRUE(positive(p.prefill->seconds.value()) && positive(p.decode->seconds.value())) << what;
  EXPECT_TRUE(positive(p.ttft->p10) && positive(p.e2e_latency->p90) && positive(p.output_token_throughput->value))
      << what;
}

TEST(Catalogue, EveryDeviceWithEveryModelHasAnAnswer) {
  const auto models = ids(database().models());
  const auto devices = ids(database().devices());
  ASSERT_GT(models.size(), 100U);
  ASSERT_GT(devices.size(), 100U);
  for (const auto& device : devices) {
    const auto formats = database().stack(database().device(device)->default_stack)->formats;
    const bool reads_gguf = std::find(formats.begin(), formats.end(), QuantFormat::gguf) != formats.end();
    for (const auto& model : models)
      expect_an_answer(
          {.model = model, .quant = reads_gguf ? "Q4_K_M" : "", .device = device, .prompt = 100, .gen = 16});
  }
}

TEST(Catalogue, EverySchemeRunsOnAStackThatReadsIt) {
  for (const auto& quant : ids(database().quants()))
    for (const char* device : {"m3-ultra-80", "b200-sxm"}) {
      try {
        expect_an_answer({.model = "qwen3-30b-a3b", .quant = quant, .device = device, .prompt = 100, .gen = 16});
      } catch (const RefusedError& refused) {
        EXPECT_FALSE(std::string(refused.what()).empty());
      }
    }
}

TEST(Catalogue, EveryStackPredictsOnSomeDevice) {
  for (const auto& stack : ids(database().stacks())) {
    int answered = 0;
    for (const char* device :
         {"m3-ultra-80", "rtx-4090", "h100-sxm", "mi300x", "rx-7900-xtx", "arc-b580", "ryzen-9-7950x"}) {
      const auto formats = database().stack(stack)->formats;
      const char* quant = formats.front() == QuantFormat::gguf  ? "Q4_K_M"
                          : formats.front() == QuantFormat::mlx ? "MLX-4bit"
                                                                : "BF16";
      try {
        expect_an_answer(
            {.model = "llama-3.2-1b", .quant = quant, .device = device, .stack = stack, .prompt = 100, .gen = 16});
        ++answered;
      } catch (const RefusedError&) {
      }
    }
    EXPECT_GT(answered, 0) << stack;
  }
}

}  // namespace
}  // namespace silicast
