// SPDX-License-Identifier: Apache-2.0
// Profiles: fallback from device to architecture to stack, levels of evidence, the file and what it rejects.
#include "model/profile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "base/error.h"
#include "model/database.h"
#include "model/prediction.h"

namespace silicast {
namespace {

Profile example() {
  Profile p{.family = "stack", .date = "2026-11-20", .decode_rows = 3, .prefill_rows = 1};
  p.parameters = {{"bandwidth/stack", {0.1, 0.02}},
                  {"bandwidth/architecture/ada", {0.2, 0.03}},
                  {"bandwidth/device/rtx-4090", {0.3, 0.01}},
                  {"matrix/generation/stack-2024", {-0.5, 0.1}},
                  {"unpack/type/Q4_K", {0.4, 0.1}},
                  {"kernel/name/mmq (a, b)", {-0.2, 0.1}},
                  {"step/stack", {0.7, 0.1}}};
  p.spread = {{"bandwidth/architecture", 0.2}, {"bandwidth/device", 0.1}};
  p.measurements = {{"rtx-4090", {{"stack", 4}}}};
  p.architectures = {{"ada", 4}};
  p.residual[0] = {0.05, 0.1};
  return p;
}

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() /
              ("silicast-profile-" + std::to_string(reinterpret_cast<std::uintptr_t>(this)) + ".yaml")) {
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(Profile, ADeviceThatWasNotMeasuredTakesWhatItsArchitectureHas) {
  const Profile p = example();
  EXPECT_DOUBLE_EQ(p.pooled("bandwidth", {"rtx-4090", "ada", "stack"}).log, 0.3);
  EXPECT_DOUBLE_EQ(p.pooled("bandwidth", {"rtx-4070", "ada", "stack"}).log, 0.2);
  EXPECT_DOUBLE_EQ(p.pooled("bandwidth", {"mi100", "cdna", "stack"}).log, 0.1);
  EXPECT_DOUBLE_EQ(p.pooled("matrix", {"rtx-4090", "ada", "stack"}).log, 0);
}

TEST(Profile, TheDeviationGrowsWithEveryLevelThatIsMissing) {
  const Profile p = example();
  EXPECT_DOUBLE_EQ(p.pooled("bandwidth", {"rtx-4090", "ada", "stack"}).sd, 0.01);
  EXPECT_DOUBLE_EQ(p.pooled("bandwidth", {"rtx-4070", "ada", "stack"}).sd, std::hypot(0.03, 0.1));
  EXPECT_DOUBLE_EQ(p.pooled("bandwidth", {"mi100", "cdna", "stack"}).sd, std::hypot(0.02, 0.1, 0.2));
}

TEST(Profile, KnowsItsLevelOfEvidence) {
  const Profile p = example();
  EXPECT_EQ(p.level({"rtx-4090", "ada", "stack"}), EvidenceLevel::measured);
  EXPECT_EQ(p.level({"rtx-4090", "ada", "stack-2024"}), EvidenceLevel::same_device);
  EXPECT_EQ(p.level({"rtx-4070", "ada", "stack"}), EvidenceLevel::same_family);
  EXPECT_EQ(p.level({"mi100", "cdna", "stack"}), EvidenceLevel::datasheet);
  EXPECT_EQ(p.rows({"rtx-4070", "ada", "stack"}), 4);
}

TEST(Profile, CachesOfOtherTypesThanF16AreMeasuredWhereItSaysSo) {
  Profile p = example();
  EXPECT_TRUE(p.has_measured_cache("f16"));
  EXPECT_FALSE(p.has_measured_cache("q8_0"));
  p.cache_types = {{"q8_0", 3}, {"q8_0/q4_0", 1}};
  EXPECT_TRUE(p.has_measured_cache(cache_type_text("q8_0", "q8_0")));
  EXPECT_TRUE(p.has_measured_cache(cache_type_text("q8_0", "q4_0")));
  EXPECT_FALSE(p.has_measured_cache("f16"));
  const TemporaryFile file(profile_yaml(p));
  EXPECT_EQ(read_profile(file.path()).cache_types, p.cache_types);
}

TEST(Profile, CorrectionsAreFactors) {
  const Corrections c = example().corrections({"rtx-4090", "ada", "stack-2024"});
  EXPECT_DOUBLE_EQ(c.bandwidth, std::exp(0.3));
  EXPECT_DOUBLE_EQ(c.matrix, std::exp(-0.5));
  const OpFactors f = c.of("mmq (a, b)", "Q4_K");
  EXPECT_DOUBLE_EQ(f.dram, std::exp(-0.3 + 0.2));
  EXPECT_DOUBLE_EQ(f.dequant, std::exp(0.4 + 0.2));
  EXPECT_DOUBLE_EQ(c.of("other", "F16").dequant, 1);
}

OpWork work_of(double dram, double dequant, double launch) {
  OpWork op;
  op.layers = 2;
  op.dram = dram, op.dequant = dequant, op.launch = launch;
  op.kernel = "mmq (a, b)";
  op.type = "Q4_K";
  op.corrected_by_kernel = true;
  return op;
}

TEST(TimeParts, SumUpToTheTime) {
  OpWork op = work_of(3, 2, 0.5);
  op.matrix = 1.5, op.alu = 0.3, op.cache = 1;
  for (const bool shared : {false, true}) {
    op.shares_vector_units = shared;
    const ResourceTimes parts = time_parts(op);
    EXPECT_NEAR(std::accumulate(parts.begin(), parts.end(), 0.0), op.seconds(), 1e-12);
  }
  EXPECT_EQ(time_parts(OpWork())[0], 0);
}

// Var(a + b) = Var a + Var b + 2 Cov(a, b), for an operation that memory alone bounds.
TEST(ParameterSpread, ParametersThatMakeUpForEachOtherLeaveLittleOpen) {
  const Scope scope{"rtx-4090", "ada", "stack"};
  for (const int correlation : {-1000, -500, 0, 1000}) {
    Profile p = example();
    // Those before it that it is used with: kernel, matrix generation, step, unpack type, in the order of names.
    ASSERT_EQ(correlated_with(p, "bandwidth/device/rtx-4090").size(), 5U);
    ASSERT_EQ(correlated_with(p, "bandwidth/device/rtx-4090")[1], "kernel/name/mmq (a, b)");
    p.parameters["bandwidth/device/rtx-4090"].correlations = {0, static_cast<std::int16_t>(correlation), 0, 0, 0};
    const double expected = std::sqrt(0.01 * 0.01 + 0.1 * 0.1 + 2 * correlation / 1000.0 * 0.01 * 0.1);
    EXPECT_NEAR(ParameterSpread(p, scope).log_sd({work_of(1, 0, 0)}, {}), expected, 1e-12) << correlation;
  }
}

TEST(ParameterSpread, WeighsPartsOfTheTime) {
  const ParameterSpread spread(example(), {"rtx-4090", "ada", "stack"});
  // Half of the time is the step, whose deviation is 0.1; the other half is bound by memory, sqrt(0.01^2 + 0.1^2).
  EXPECT_NEAR(spread.log_sd({work_of(1, 0, 0)}, {.step = 2}), 0.5 * std::sqrt(0.1 * 0.1 + 0.01 * 0.01 + 0.1 * 0.1),
              1e-12);
  EXPECT_EQ(spread.log_sd({}, {}), 0);
}

TEST(ParameterSpread, ADeviceThatWasNotMeasuredStraysFromItsArchitecture) {
  OpWork op = work_of(1, 0, 0);
  op.corrected_by_kernel = false;
  const ParameterSpread spread(example(), {"rtx-4070", "ada", "stack"});
  EXPECT_NEAR(spread.log_sd({op}, {}), std::hypot(0.03, 0.1), 1e-12);
}

TEST(ProfileFile, ReadsWhatItWrites) {
  Profile p = example();
  p.parameters["bandwidth/device/rtx-4090"].correlations = {1, -1000, 0, 7, 1000};
  const TemporaryFile file(profile_yaml(p));
  const Profile read = read_profile(file.path());
  EXPECT_EQ(read.parameters.at("bandwidth/device/rtx-4090").correlations,
            p.parameters.at("bandwidth/device/rtx-4090").correlations);
  EXPECT_EQ(profile_yaml(read), profile_yaml(p));
  EXPECT_EQ(read.measurements, p.measurements);
}

TEST(ProfileFile, KeepsWhatIsLeftOverOfOnesOwnRuns) {
  Profile p = example();
  p.measurements = {{"rtx-4090", {{"stack", 2}}}};
  p.own_runs[0] = ResidualField({{{.tokens = 512,
                                   .depth = 1024,
                                   .batch = 2,
                                   .stack = "stack",
                                   .model = "a: model",
                                   .quant = "Q4_K_M",
                                   .hidden = 4096,
                                   .parameters = 8e9,
                                   .has_experts = true},
                                  -0.125}});
  const TemporaryFile file(profile_yaml(p));
  const Profile read = read_profile(file.path());
  EXPECT_EQ(profile_yaml(read), profile_yaml(p));
  ASSERT_EQ(read.leftovers(PhaseKind::prefill).points().size(), 1U);
  EXPECT_TRUE(read.leftovers(PhaseKind::decode).empty());
  const auto& point = read.leftovers(PhaseKind::prefill).points().front();
  EXPECT_EQ(point.residual, -0.125);
  EXPECT_EQ(correlation(point.cell, p.leftovers(PhaseKind::prefill).points().front().cell), 1);
  // Of two devices nobody knows whose they are.
  p.measurements["rtx-4080"] = {{"stack", 1}};
  const TemporaryFile ambiguous(profile_yaml(p));
  EXPECT_THROW(static_cast<void>(read_profile(ambiguous.path())), InputError);
}

TEST(ProfileFile, SaysWhereItIsBroken) {
  const auto message = [](const std::string& from, const std::string& to) {
    std::string text = profile_yaml(example());
    text.replace(text.find(from), from.size(), to);
    const TemporaryFile file(text);
    try {
      static_cast<void>(read_profile(file.path()));
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(message("0.3000 0.0100", "fast").find("parameters.bandwidth.device/rtx-4090"), std::string::npos);
  EXPECT_NE(message("0.3000 0.0100", "0.3 -1").find("standard deviation"), std::string::npos);
  EXPECT_NE(message("0.3000 0.0100", "7 0.1").find("-5 to 5"), std::string::npos);
  EXPECT_NE(message("0.3000 0.0100", "0.3 0.1 5").find("has 1 correlations, 5 are expected"), std::string::npos);
  EXPECT_NE(message("0.3000 0.0100", "0.3 0.1 1 2 3 4 1001").find("-1000 to 1000"), std::string::npos);
  EXPECT_NE(message("family: stack", "famly: stack").find("family"), std::string::npos);
  EXPECT_NE(message("stack: 4", "stack: -4").find("rtx-4090"), std::string::npos);
}

TEST(ProfileFile, ThoseOfTheCatalogueAreReadable) {
  const Database database(SILICAST_SOURCE_ROOT "/data");
  std::size_t profiles = 0;
  for (const auto& item : std::filesystem::directory_iterator(database.folder() / "profiles")) {
    if (item.path().filename() == "evidence.yaml") continue;
    const Profile p = read_profile(item.path());
    EXPECT_EQ(p.family, item.path().stem().string());
    for (std::size_t i = 1; i < evidence_level_count; ++i) {
      EXPECT_GE(p.residual[i].decode, p.residual[i - 1].decode) << p.family;
      EXPECT_GE(p.residual[i].prefill, p.residual[i - 1].prefill) << p.family;
    }
    ++profiles;
  }
  EXPECT_GT(profiles, 0U);
}

TEST(CalibratedPrediction, NoneLeavesTheModelAsItIs) {
  const Database database(SILICAST_SOURCE_ROOT "/data");
  Query query{.model = "llama-3-8b", .quant = "Q4_K_M", .device = "rtx-4090"};
  const Prediction with = predict(query, database);
  query.calibrated = false;
  const Prediction without = predict(query, database);
  EXPECT_EQ(with.evidence.level, "measured");
  EXPECT_GT(with.evidence.measurements, 0);
  EXPECT_EQ(without.evidence.level, "datasheet");
  EXPECT_NE(with.decode->seconds.value(), without.decode->seconds.value());
  const auto width = [](const Interval& i) { return i.p90 / i.p10; };
  EXPECT_LT(width(with.decode->tokens_per_second), width(without.decode->tokens_per_second));
}

}  // namespace
}  // namespace silicast
