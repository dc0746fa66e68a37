// SPDX-License-Identifier: Apache-2.0
// Profiles: fallback from device to architecture to stack, levels of evidence, the file and what it rejects.
#include "model/profile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

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

TEST(Profile, CorrectionsAreFactors) {
  const Corrections c = example().corrections({"rtx-4090", "ada", "stack-2024"});
  EXPECT_DOUBLE_EQ(c.bandwidth, std::exp(0.3));
  EXPECT_DOUBLE_EQ(c.matrix, std::exp(-0.5));
  const OpFactors f = c.of("mmq (a, b)", "Q4_K");
  EXPECT_DOUBLE_EQ(f.dram, std::exp(-0.3 + 0.2));
  EXPECT_DOUBLE_EQ(f.dequant, std::exp(0.4 + 0.2));
  EXPECT_DOUBLE_EQ(c.of("other", "F16").dequant, 1);
}

TEST(ProfileFile, ReadsWhatItWrites) {
  const Profile p = example();
  const TemporaryFile file(profile_yaml(p));
  const Profile read = read_profile(file.path());
  EXPECT_EQ(profile_yaml(read), profile_yaml(p));
  EXPECT_EQ(read.measurements, p.measurements);
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
