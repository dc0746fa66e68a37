// SPDX-License-Identifier: Apache-2.0
// Synthetic files: the predictor's bytes, readable again, every type, and as good as their types are fine.
#include "engine/synthesize.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "engine/output_file.h"
#include "engine/requantize.h"
#include "engine/sampler.h"
#include "tests/engine/small_models.h"
#include "workloads/resize.h"

namespace silicast::engine {
namespace {

using namespace testing_engine;

constexpr const char* every_quant[] = {"F32",     "F16",     "BF16",   "Q4_0",   "Q4_1",  "Q5_0",   "Q5_1",     "Q8_0",
                                       "Q2_K",    "Q3_K_M",  "Q4_K_M", "Q5_K_M", "Q6_K",  "IQ4_NL", "IQ4_XS",   "IQ3_S",
                                       "IQ3_XXS", "IQ2_XXS", "IQ2_XS", "IQ2_S",  "IQ1_S", "IQ1_M",  "MXFP4_MOE"};

// Bytes aligned as a mapped file is.
std::vector<std::byte> aligned_copy(const std::vector<std::byte>& bytes, std::span<const std::byte>& view) {
  constexpr std::size_t line = 64;
  std::vector<std::byte> copy(bytes.size() + line);
  const auto at = reinterpret_cast<std::uintptr_t>(copy.data());
  const std::size_t skip = (line - at % line) % line;
  std::copy(bytes.begin(), bytes.end(), copy.begin() + static_cast<std::ptrdiff_t>(skip));
  view = std::span<const std::byte>(copy).subspan(skip, bytes.size());
  return copy;
}

// All inputs of one width, so that a type's blocks are made once.
Workload smallest_workload(const SmallModel& small, const std::string& quant) {
  const Architecture architecture =
      resized(testing_data::model_of(small.yaml), {.layers = 2, .intermediate = 256, .expert_intermediate = 256});
  return testing_data::quantized(architecture, quant);
}

TEST(Synthesis, EveryTypeOfEveryArchitectureGenerates) {
  for (const SmallModel& small : small_models())
    for (const char* quant : every_quant) {
      SCOPED_TRACE(small.name + " " + quant);
      const Workload workload = smallest_workload(small, quant);
      const auto model = synthesize_model(workload, {.seed = 3, .threads = 1});
      EXPECT_EQ(static_cast<double>(model->tensor_bytes()), workload.tensor_bytes().value());
      Session session(model, {.threads = 1, .context = 8});
      auto logits = session.prefill(some_tokens(3));
      for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); }));
        const auto [low, high] = std::minmax_element(logits.begin(), logits.end());
        EXPECT_GT(*high - *low, 0.5F);  // not all the same
        EXPECT_LT(*high - *low, 100.0F);
        logits = session.decode(likeliest(logits));
      }
    }
}

TEST(Synthesis, FileHasThePredictorsTensors) {
  for (const SmallModel& small : small_models()) {
    SCOPED_TRACE(small.name);
    const Workload workload = small_workload(small, "Q4_K_M");
    std::span<const std::byte> bytes;
    const auto memory = aligned_copy(synthesize_bytes(workload), bytes);
    const auto model = load_model(bytes, small.name + ".gguf", testing_data::types());
    EXPECT_EQ(static_cast<double>(model->tensor_bytes()), workload.tensor_bytes().value());
    EXPECT_EQ(model->tensors.size(), workload.tensors.size());
    EXPECT_EQ(model->quantization, "Q4_K_M");
    EXPECT_EQ(model->architecture.layers, workload.architecture.layers);
    EXPECT_EQ(model->architecture.kinds, workload.architecture.kinds);
    for (std::size_t i = 0; i < model->tensors.size(); ++i)
      EXPECT_EQ(traits_of(model->tensors[i].type).name, (*workload.type_table)[workload.types[i]].name);
  }
}

TEST(Synthesis, FileAndMemoryAreTheSameModel) {
  for (const SmallModel& small : small_models()) {
    SCOPED_TRACE(small.name);
    const Workload workload = small_workload(small, "Q5_K_M");
    std::span<const std::byte> bytes;
    const auto memory = aligned_copy(synthesize_bytes(workload, {.seed = 5, .threads = 2}), bytes);
    Session from_file(load_model(bytes, "x.gguf", testing_data::types()), {.threads = 1, .context = 16});
    Session from_memory(synthesize_model(workload, {.seed = 5, .threads = 1}), {.threads = 1, .context = 16});
    EXPECT_EQ(from_file.prefill_all(some_tokens(9)), from_memory.prefill_all(some_tokens(9)));
  }
}

TEST(Synthesis, TheSeedDecides) {
  const Workload workload = small_workload(small_models()[0], "Q8_0");
  EXPECT_EQ(synthesize_bytes(workload, {.seed = 1}), synthesize_bytes(workload, {.seed = 1}));
  EXPECT_NE(synthesize_bytes(workload, {.seed = 1}), synthesize_bytes(workload, {.seed = 2}));
}

TEST(Synthesis, WeightsAreOfUnitGain) {
  const auto model = small_engine_model(small_models()[0], "F32");
  for (const StoredTensor& tensor : model->tensors) {
    if (tensor.rows() == 1) continue;
    const auto* weights = reinterpret_cast<const float*>(tensor.data);
    double sum = 0;
    double squares = 0;
    const auto n = static_cast<double>(tensor.shape[0] * tensor.rows());
    for (std::int64_t i = 0; i < tensor.shape[0] * tensor.rows(); ++i) {
      sum += static_cast<double>(weights[i]);
      squares += static_cast<double>(weights[i]) * static_cast<double>(weights[i]);
    }
    EXPECT_NEAR(squares / n * static_cast<double>(tensor.shape[0]), 1, 0.05) << tensor.name;
    EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n)) << tensor.name;
  }
}

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("silicast-engine-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const char* name) const { return path_ / name; }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

const GgufWriter::Progress silent = [](std::uint64_t, std::uint64_t) {};

// How far a quantization's distribution of the next token is from the original's: the mean of the Kullback-Leibler
// divergence over some tokens.
double divergence(const std::vector<float>& original, const std::vector<float>& quantized, std::size_t vocabulary) {
  double sum = 0;
  const std::size_t rows = original.size() / vocabulary;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto p = std::span(original).subspan(r * vocabulary, vocabulary);
    const auto q = std::span(quantized).subspan(r * vocabulary, vocabulary);
    for (std::int32_t t = 0; t < static_cast<std::int32_t>(vocabulary); ++t) {
      const double log_p = log_probability(p, t);
      sum += std::exp(log_p) * (log_p - log_probability(q, t));
    }
  }
  return sum / static_cast<double>(rows);
}

// Rows of experts and of plain matrices, copied by threads that share them.
TEST(Loading, IntoMemoryKeepsEveryByte) {
  const Folder folder;
  for (const SmallModel& small : small_models()) {
    synthesize_file(small_workload(small, "Q8_0"), folder / "in.gguf", {}, silent);
    const auto mapped = load_model(folder / "in.gguf", testing_data::types());
    const auto copied =
        load_model(folder / "in.gguf", testing_data::types(), {.map = false, .threads = {.threads = 3}});
    ASSERT_EQ(mapped->tensors.size(), copied->tensors.size());
    for (std::size_t i = 0; i < mapped->tensors.size(); ++i) {
      const StoredTensor& a = mapped->tensors[i];
      const StoredTensor& b = copied->tensors[i];
      EXPECT_NE(a.data, b.data);
      EXPECT_EQ(std::memcmp(a.data, b.data, a.bytes()), 0) << small.name << " " << a.name;
    }
    const auto header = [](const Model& model) {
      return model.mappings.front().bytes().first(model.file->data_offsets.front());
    };
    EXPECT_TRUE(std::ranges::equal(header(*mapped), header(*copied))) << "the vocabulary is read from it";
  }
}

TEST(Requantization, FinerTypesAreCloserToTheOriginal) {
  const Folder folder;
  const Workload workload = small_workload(small_models()[0], "F32");
  synthesize_file(workload, folder / "f32.gguf", {}, silent);
  const auto tokens = some_tokens(12);
  const auto logits_of = [&](const char* name) {
    Session session(load_model(folder / name, testing_data::types()), {.threads = 1, .context = 16});
    return session.prefill_all(tokens);
  };
  const auto original = logits_of("f32.gguf");
  // Bits per weight fall, the error of a weight about doubles with each bit less; types of the same width are left out.
  double before = 0;
  for (const char* quant : {"F16", "Q8_0", "Q6_K", "Q5_K_S", "Q4_K_S", "Q3_K_S", "Q2_K", "IQ1_S"}) {
    SCOPED_TRACE(quant);
    const QuantName name = parse_quant_name(quant);
    requantize_file(folder / "f32.gguf", testing_data::scheme(name.scheme), name.options, folder / "q.gguf",
                    testing_data::types(), 1, silent);
    const auto model = load_model(folder / "q.gguf", testing_data::types());
    EXPECT_EQ(static_cast<double>(model->tensor_bytes()),
              small_workload(small_models()[0], quant).tensor_bytes().value());
    const double loss = divergence(original, logits_of("q.gguf"), 320);
    EXPECT_GT(loss, before);
    before = loss;
  }
  EXPECT_EQ(folder.files(), 2U);  // nothing unfinished is left
}

TEST(Requantization, KeepsMetadataAndVectors) {
  const Folder folder;
  synthesize_file(small_workload(small_models()[3], "F16"), folder / "in.gguf", {}, silent);
  requantize_file(folder / "in.gguf", testing_data::scheme("Q8_0"), {}, folder / "out.gguf", testing_data::types(), 2,
                  silent);
  const auto in = load_model(folder / "in.gguf", testing_data::types());
  const auto out = load_model(folder / "out.gguf", testing_data::types());
  EXPECT_EQ(out->quantization, "Q8_0");
  EXPECT_EQ(out->architecture.kinds, in->architecture.kinds);
  EXPECT_EQ(out->file->metadata.size(), in->file->metadata.size());
  ASSERT_EQ(out->tensors.size(), in->tensors.size());
  for (std::size_t i = 0; i < in->tensors.size(); ++i) {
    if (in->tensors[i].rows() > 1) continue;
    EXPECT_TRUE(std::equal(in->tensors[i].data, in->tensors[i].data + in->tensors[i].bytes(), out->tensors[i].data));
  }
}

TEST(Requantization, DoesNotReadWhatItWrites) {
  const Folder folder;
  synthesize_file(small_workload(small_models()[0], "F16"), folder / "in.gguf", {}, silent);
  EXPECT_THROW(requantize_file(folder / "in.gguf", testing_data::scheme("Q8_0"), {}, folder / "in.gguf",
                               testing_data::types(), 1, silent),
               InputError);
}

TEST(OutputFiles, AreThereWholeOrNotAtAll) {
  const Folder folder;
  const Workload workload = small_workload(small_models()[0], "Q8_0");
  const auto interrupted = [](std::uint64_t, std::uint64_t) { throw InputError("interrupted"); };
  EXPECT_THROW(synthesize_file(workload, folder / "x.gguf", {}, interrupted), InputError);
  EXPECT_EQ(folder.files(), 0U);
  EXPECT_THROW(synthesize_file(workload, folder / "missing" / "x.gguf", {}, silent), InputError);
}

TEST(OutputFiles, SayThatTheDiskIsFull) {
  const Folder folder;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 1 << 16, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(synthesize_file(small_workload(small_models()[0], "Q8_0"), folder / "x.gguf", {}, silent), InputError);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(folder.files(), 0U);
  // More than any disk: said before anything is written.
  EXPECT_THROW(OutputFile(folder / "y.gguf", std::uint64_t{1} << 62), InputError);
  EXPECT_EQ(folder.files(), 0U);
}

TEST(Sizes, ChangeTheShapeAlone) {
  const Architecture gemma = testing_data::model("gemma-3-4b");
  const Architecture small = resized(gemma, {.layers = 8, .hidden = 512, .heads = 4, .kv_heads = 2});
  EXPECT_EQ(small.layers.size(), 8U);
  EXPECT_EQ(small.hidden, 512);
  for (std::size_t i = 0; i < 8; ++i) {
    const auto& attention = std::get<GroupedAttention>(small.layer(i).mixer);
    EXPECT_EQ(attention.heads, 4);
    EXPECT_EQ(attention.window > 0, i % 6 != 5);  // the pattern stays
  }
  EXPECT_EQ(resized(gemma, {}).kinds, gemma.kinds);
  EXPECT_THROW(resized(gemma, {.heads = 3, .kv_heads = 2}), InputError);
}

}  // namespace
}  // namespace silicast::engine
