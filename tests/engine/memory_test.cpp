// SPDX-License-Identifier: Apache-2.0
// What a run keeps resident, against what the predictor says it does.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "model/database.h"
#include "model/prediction.h"
#include "tests/engine/small_models.h"

namespace silicast::engine {
namespace {

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double pages = 0;
  double resident = 0;
  file >> pages >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool shadowed = true;  // AddressSanitizer keeps an eighth of what is used beside it
#else
constexpr bool shadowed = false;
#endif

TEST(ResidentSet, IsWhatThePredictorSays) {
  if (shadowed) GTEST_SKIP() << "the sanitizer's own memory counts";
  if (!std::filesystem::exists("/proc/self/statm")) GTEST_SKIP() << "the system does not tell";
  const std::string file =
      (std::filesystem::temp_directory_path() / ("silicast-resident-" + std::to_string(getpid()) + ".gguf")).string();
  const Architecture architecture = testing_data::model_of(
      "architecture: llama\nlayers: 4\nhidden: 512\nvocabulary: 8000\ncontext: 2048\n"
      "attention: {heads: 8, kv_heads: 4, head_dim: 64}\nfeed_forward: {intermediate: 2048}\n");
  synthesize_file(testing_data::quantized(architecture, "F32"), file, {.threads = 1},
                  [](std::uint64_t, std::uint64_t) {});

  Query query;
  query.model = file;
  query.device = "epyc-9355";
  query.stack = "silicast-engine";
  query.prompt = 1000;
  query.gen = 24;
  const Prediction predicted = predict(query, Database(testing_data::data_folder));

  {  // Program and libraries are resident before: what a run calls has been called.
    Session small(testing_engine::small_engine_model(testing_engine::small_models()[0], "F32"),
                  {.threads = 1, .context = 64});
    small.prefill(testing_engine::some_tokens(40));
    small.decode(1);
  }
  const double before = resident_bytes();
  Session session(load_model(file, testing_data::types()), {.threads = 1, .context = query.prompt + query.gen});
  session.prefill(testing_engine::some_tokens(static_cast<int>(query.prompt), 8000));
  for (int i = 0; i < query.gen; ++i) session.decode(i);
  const double used = resident_bytes() - before;
  std::filesystem::remove(file);
  EXPECT_NEAR(used / predicted.total_bytes().value(), 1, 0.03);
}

}  // namespace
}  // namespace silicast::engine
